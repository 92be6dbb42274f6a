//! Where things are drawn: columns of cards, a street between two columns in which every arrow has a lane of its own.
//! Pure arithmetic over sizes, the same for the same picture; it knows no words.
//!
//! ```text
//!          │ VM                                          │
//! outside ─┼─▶ ports, networks ── street ── containers ── stores
//!          │                                             │
//!               elsewhere
//! ```

/// The columns, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Outside of the machine.
    Outside,
    /// The machine itself, its ports and its networks.
    Places,
    /// Below the machine: what is neither on it nor outside in the sense of the first column.
    Elsewhere,
    /// Containers.
    Containers,
    /// Volumes and folders.
    Stores,
}

/// A card to be placed.
#[derive(Debug, Clone, Default)]
pub struct Card {
    /// How many lines of text it has.
    pub lines: usize,
    /// Its rows, where wires and arrows meet it.
    pub rows: usize,
    /// Whether the rows are beside the lines, and not below them.
    pub beside: bool,
    /// Whether it sticks out of the machine.
    pub astride: bool,
    /// Whether it comes first in its column, whatever it leads to.
    pub first: bool,
}

/// The end of an arrow or a wire: a card, and the row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// The card, by its place in the list.
    pub card: usize,
    /// The row; none for the middle of the card.
    pub row: Option<usize>,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width.
    pub w: i32,
    /// Its height.
    pub h: i32,
}

impl Area {
    /// Its right edge.
    pub fn right(&self) -> i32 {
        self.x + self.w
    }

    /// Its lower edge.
    pub fn bottom(&self) -> i32 {
        self.y + self.h
    }

    /// Whether the two have a point in common.
    #[cfg(test)]
    pub fn meets(&self, other: &Area) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
}

/// A line that was drawn, and where its badge goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// The path, as SVG writes it.
    pub path: String,
    /// Where it begins.
    pub start: (i32, i32),
    /// Where it ends.
    pub end: (i32, i32),
    /// The middle of its badge.
    pub badge: (i32, i32),
    /// Whether it ends pointing to the left.
    pub leftwards: bool,
}

/// Everything in its place.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// The whole drawing.
    pub width: i32,
    /// The whole drawing.
    pub height: i32,
    /// The machine.
    pub machine: Area,
    /// The cards, in the order that they were given in.
    pub cards: Vec<Area>,
    /// The arrows, likewise.
    pub arrows: Vec<Line>,
    /// The wires, likewise.
    pub wires: Vec<Line>,
}

const MARGIN: i32 = 10;
/// The height of a line of text, of a row, and what a card has above and below.
pub const LINE: i32 = 16;
pub const ROW: i32 = 20;
pub const PAD: i32 = 8;
const GAP: i32 = 14;
const TITLE: i32 = 34;
const INSET: i32 = 16;
const ASTRIDE: i32 = 12;
const LANE: i32 = 12;
/// What a badge and the head of an arrow need before a card.
const LANDING: i32 = 40;
const STREET: i32 = 30;

fn width_of(column: Column) -> i32 {
    match column {
        Column::Outside => 88,
        Column::Places | Column::Elsewhere => 158,
        Column::Containers => 186,
        Column::Stores => 166,
    }
}

/// Places `cards`, each with its column, and draws the arrows and wires between them.
pub fn place(cards: &[(Column, Card)], arrows: &[(Join, Join)], wires: &[(Join, Join)]) -> Placed {
    let has = |column: Column| cards.iter().any(|(of, _)| *of == column);
    let column_of = |join: &Join| cards[join.card].0;
    let outer = |(from, _): &&(Join, Join)| column_of(from) == Column::Outside;
    let joins: Vec<&(Join, Join)> = arrows.iter().chain(wires).collect();

    // From top to bottom: containers as they come, everything else beside what it leads to.
    let mut spans: Vec<(i32, i32)> = cards.iter().map(|(_, card)| (0, height(card))).collect();
    let top = MARGIN + TITLE;
    stack(&mut spans, &indices(cards, Column::Containers), top);
    for column in [Column::Places, Column::Stores] {
        let mut order: Vec<(i32, usize)> = indices(cards, column)
            .into_iter()
            .map(|at| {
                let wish = wished(at, &spans, &joins, cards, Column::Containers).unwrap_or(i32::MAX);
                (if cards[at].1.first { 0 } else { wish }, at)
            })
            .collect();
        order.sort();
        let mut y = top;
        for (wish, at) in order {
            let h = spans[at].1;
            spans[at].0 = if wish == i32::MAX { y } else { y.max(wish - h / 2) };
            y = spans[at].0 + h + GAP;
        }
    }
    let inner = [Column::Places, Column::Containers, Column::Stores];
    let floor = |spans: &[(i32, i32)], columns: &[Column]| {
        let of = cards.iter().zip(spans).filter(|((column, _), _)| columns.contains(column));
        of.map(|(_, (y, h))| y + h).max()
    };
    let machine_bottom = floor(&spans, &inner).unwrap_or(top + 2 * LINE) + INSET;
    stack(&mut spans, &indices(cards, Column::Elsewhere), machine_bottom + GAP);
    for at in indices(cards, Column::Outside) {
        let wish = wished(at, &spans, &joins, cards, Column::Places).unwrap_or(top);
        spans[at].0 = top.max(wish - spans[at].1 / 2);
    }

    // From left to right.
    let (outside, inside): (Vec<_>, Vec<_>) = arrows.iter().enumerate().partition(|(_, arrow)| outer(arrow));
    let mid = |join: &Join| middle(&spans[join.card], &cards[join.card].1, join.row);
    let lanes_of = |some: &[(usize, &(Join, Join))]| lanes(some.iter().map(|(_, (from, to))| (mid(from), mid(to))));
    let (outside_lanes, inside_lanes) = (lanes_of(&outside), lanes_of(&inside));
    let lane_width = |lanes: &[usize]| lanes.iter().max().map_or(0, |last| (*last as i32 + 1) * LANE);
    let mut x = MARGIN;
    let mut left = [0; 5];
    if has(Column::Outside) {
        left[Column::Outside as usize] = x;
        x += width_of(Column::Outside) + STREET / 2 + lane_width(&outside_lanes) + LANDING;
    } else {
        x += ASTRIDE;
    }
    let outer_street = MARGIN + width_of(Column::Outside) + STREET / 2;
    let machine_left = x;
    x += INSET;
    left[Column::Places as usize] = x;
    left[Column::Elsewhere as usize] = x;
    if has(Column::Places) || has(Column::Elsewhere) {
        x += width_of(Column::Places);
    }
    let backwards =
        arrows.iter().any(|(_, to)| column_of(to) < Column::Containers && !matches!(column_of(to), Column::Outside));
    let street = x + if backwards { LANDING } else { STREET / 2 };
    x = street + lane_width(&inside_lanes) + LANDING;
    left[Column::Containers as usize] = x;
    x += width_of(Column::Containers);
    if has(Column::Stores) {
        x += 2 * STREET;
        left[Column::Stores as usize] = x;
        x += width_of(Column::Stores);
    }
    let machine = Area { x: machine_left, y: MARGIN, w: x + INSET - machine_left, h: machine_bottom - MARGIN };
    let area = |((column, card), (y, h)): (&(Column, Card), &(i32, i32))| {
        let out = if card.astride { INSET + ASTRIDE } else { 0 };
        Area { x: left[*column as usize] - out, y: *y, w: width_of(*column) + out, h: *h }
    };
    let areas: Vec<Area> = cards.iter().zip(&spans).map(area).collect();

    let mut drawn_arrows = vec![Line::default(); arrows.len()];
    for (some, lanes, base) in [(&outside, &outside_lanes, outer_street), (&inside, &inside_lanes, street)] {
        for ((at, (from, to)), lane) in some.iter().zip(lanes) {
            let lane_x = base + *lane as i32 * LANE + LANE / 2;
            drawn_arrows[*at] = along(lane_x, (areas[from.card], mid(from)), (areas[to.card], mid(to)));
        }
    }
    let drawn_wires = wires.iter().map(|(from, to)| {
        let (start, end) = ((areas[from.card].right(), mid(from)), (areas[to.card].x, mid(to)));
        let bend = (start.0 + end.0) / 2;
        let path = format!("M{} {}C{bend} {} {bend} {} {} {}", start.0, start.1, start.1, end.1, end.0, end.1);
        Line { path, start, end, badge: end, leftwards: false }
    });
    let bottom = spans.iter().map(|(y, h)| y + h).max().unwrap_or(0).max(machine.bottom());
    Placed {
        width: machine.right() + MARGIN,
        height: bottom + MARGIN,
        machine,
        wires: drawn_wires.collect(),
        cards: areas,
        arrows: drawn_arrows,
    }
}

fn height(card: &Card) -> i32 {
    let (lines, rows) = (card.lines as i32 * LINE, card.rows as i32 * ROW);
    2 * PAD + if card.beside { lines.max(rows) } else { lines + rows }
}

/// The height at which a row of a card lies.
fn middle(span: &(i32, i32), card: &Card, row: Option<usize>) -> i32 {
    match row {
        Some(row) if card.beside => span.0 + (span.1 - card.rows as i32 * ROW) / 2 + row as i32 * ROW + ROW / 2,
        Some(row) => span.0 + PAD + card.lines as i32 * LINE + row as i32 * ROW + ROW / 2,
        None => span.0 + span.1 / 2,
    }
}

fn indices(cards: &[(Column, Card)], column: Column) -> Vec<usize> {
    (0..cards.len()).filter(|at| cards[*at].0 == column).collect()
}

fn stack(spans: &mut [(i32, i32)], order: &[usize], top: i32) {
    let mut y = top;
    for at in order {
        spans[*at].0 = y;
        y += spans[*at].1 + GAP;
    }
}

/// The height in the middle of everything in `column` that a card is joined with.
fn wished(
    card: usize,
    spans: &[(i32, i32)],
    joins: &[&(Join, Join)],
    cards: &[(Column, Card)],
    column: Column,
) -> Option<i32> {
    let others = joins.iter().filter_map(|(from, to)| match (from.card == card, to.card == card) {
        (true, false) => Some(to),
        (false, true) => Some(from),
        _ => None,
    });
    let heights = others.filter(|join| cards[join.card].0 == column);
    let heights: Vec<i32> = heights.map(|join| middle(&spans[join.card], &cards[join.card].1, join.row)).collect();
    (!heights.is_empty()).then(|| heights.iter().sum::<i32>() / heights.len() as i32)
}

/// A lane for each way from one height to another, so that no two in one lane touch.
fn lanes(ways: impl Iterator<Item = (i32, i32)>) -> Vec<usize> {
    let ways: Vec<(i32, i32)> = ways.map(|(a, b)| (a.min(b), a.max(b))).collect();
    let mut order: Vec<usize> = (0..ways.len()).collect();
    order.sort_by_key(|at| (ways[*at].1 - ways[*at].0, ways[*at]));
    let mut lanes: Vec<Vec<(i32, i32)>> = Vec::new();
    let mut of = vec![0; ways.len()];
    for at in order {
        let (from, to) = ways[at];
        let is_free = |lane: &Vec<(i32, i32)>| lane.iter().all(|(a, b)| to + LANE < *a || *b + LANE < from);
        let lane = lanes.iter().position(is_free).unwrap_or(lanes.len());
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((from, to));
        of[at] = lane;
    }
    of
}

/// A line that leaves `from` towards its lane, follows that, and turns to `to`.
fn along(lane: i32, (from, from_y): (Area, i32), (to, to_y): (Area, i32)) -> Line {
    let side = |area: &Area| if area.x >= lane { area.x } else { area.right() };
    let (start, end) = ((side(&from), from_y), (side(&to), to_y));
    let leftwards = end.0 < lane;
    let round = (to_y - from_y).abs().min(10) / 2;
    let (dx_out, dx_in, dy) = (
        if start.0 < lane { round } else { -round },
        if leftwards { -round } else { round },
        if to_y < from_y { -round } else { round },
    );
    let path = format!(
        "M{} {from_y}H{}Q{lane} {from_y} {lane} {}V{}Q{lane} {to_y} {} {to_y}H{}",
        start.0,
        lane - dx_out,
        from_y + dy,
        to_y - dy,
        lane + dx_in,
        end.0,
    );
    let badge = (if leftwards { end.0 + 25 } else { end.0 - 25 }, to_y);
    Line { path, start, end, badge, leftwards }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column() -> impl Strategy<Value = Column> {
        use Column::{Containers, Elsewhere, Outside, Places, Stores};
        prop::sample::select(vec![Places, Places, Elsewhere, Containers, Containers, Containers, Stores, Outside])
    }

    /// Any cards, at most one of them outside, and any lines between them, on rows that they have.
    type Lines = Vec<(Join, Join)>;

    fn world() -> impl Strategy<Value = (Vec<(Column, Card)>, Lines, Lines)> {
        let card = (column(), 1..4_usize, 0..6_usize, any::<bool>());
        let cards = prop::collection::vec(card, 0..40).prop_map(|all| {
            let mut outside = false;
            let card = |(column, lines, rows, astride): (Column, usize, usize, bool)| {
                let again = column == Column::Outside && std::mem::replace(&mut outside, true);
                let column = if again { Column::Places } else { column };
                let astride = astride && column == Column::Places;
                (column, Card { lines, rows, beside: column != Column::Containers, astride, first: rows == 3 })
            };
            all.into_iter()
                .map({
                    let mut card = card;
                    move |one| card(one)
                })
                .collect::<Vec<_>>()
        });
        let ends =
            prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..40);
        (cards, ends.clone(), ends).prop_map(|(cards, arrows, wires)| {
            let join = |at: prop::sample::Index, row: u8| {
                let card = at.index(cards.len());
                let rows = cards[card].1.rows;
                Join { card, row: (rows > 0).then(|| row as usize % rows) }
            };
            let lines = |ends: Vec<(prop::sample::Index, prop::sample::Index, u8)>| -> Vec<(Join, Join)> {
                if cards.is_empty() {
                    return Vec::new();
                }
                ends.into_iter().map(|(from, to, row)| (join(from, row), join(to, row / 2))).collect()
            };
            let (arrows, wires) = (lines(arrows), lines(wires));
            (cards, arrows, wires)
        })
    }

    proptest! {
        #[test]
        fn everything_is_on_the_sheet_and_no_card_on_another((cards, arrows, wires) in world()) {
            let placed = place(&cards, &arrows, &wires);
            prop_assert_eq!((placed.cards.len(), placed.arrows.len(), placed.wires.len()), (cards.len(), arrows.len(), wires.len()));
            let sheet = Area { x: 0, y: 0, w: placed.width, h: placed.height };
            let within = |outer: &Area, inner: &Area| {
                outer.x <= inner.x && outer.y <= inner.y && inner.right() <= outer.right() && inner.bottom() <= outer.bottom()
            };
            prop_assert!(within(&sheet, &placed.machine));
            for (at, area) in placed.cards.iter().enumerate() {
                prop_assert!(within(&sheet, area), "{area:?} {}x{}", placed.width, placed.height);
                let column = cards[at].0;
                let on_machine = matches!(column, Column::Places | Column::Containers | Column::Stores);
                prop_assert_eq!(area.meets(&placed.machine), on_machine, "{:?}", column);
                for other in &placed.cards[..at] {
                    prop_assert!(!area.meets(other), "{area:?} {other:?}");
                }
            }
            let on_sheet = |(x, y): (i32, i32)| 0 <= x && x <= placed.width && 0 <= y && y <= placed.height;
            for line in placed.arrows.iter().chain(&placed.wires) {
                prop_assert!(on_sheet(line.start) && on_sheet(line.end) && on_sheet(line.badge), "{line:?}");
            }
        }

        #[test]
        fn what_shares_a_lane_does_not_touch(ways in prop::collection::vec((0..500_i32, 0..500_i32), 0..30)) {
            let lanes = lanes(ways.iter().copied());
            for (at, (a, b)) in ways.iter().enumerate() {
                for (other, (c, d)) in ways[..at].iter().enumerate() {
                    let apart = a.max(b) < c.min(d) || c.max(d) < a.min(b);
                    prop_assert!(lanes[at] != lanes[other] || apart);
                }
            }
        }
    }
}
