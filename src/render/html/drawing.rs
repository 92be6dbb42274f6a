//! The student's Docker world, drawn: a picture becomes cards, wires and arrows in their places, and the same again in
//! words, for whoever cannot see it. Which arrow is marked how goes by what became of the checks that rest on it.

mod layout;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::render::html::drawing::layout::{Card, Column, Join, LINE, Line, PAD, ROW, place};
use crate::render::html::drawing::words::{Table, connection, missing, tables};
use crate::render::html::{Link, Mark, link, mark};
use crate::render::{NAME, tame};
use crate::text::Text;
use crate::verdict::picture::{Picture, Reach, Spot};
use crate::verdict::{Outcome, Report};

/// What the template places.
#[derive(Serialize)]
pub struct Drawing {
    width: i32,
    height: i32,
    machine: Box,
    engine: Option<String>,
    cards: Vec<Drawn>,
    wires: Vec<Wire>,
    arrows: Vec<Arrow>,
    reaches: Vec<Told>,
    tables: Vec<Table>,
    more: Option<Text>,
    /// Whether there is anything at all.
    empty: bool,
}

#[derive(Serialize)]
struct Box {
    x: i32,
    y: i32,
    w: i32,
    h: i32,
}

/// A card with its lines.
#[derive(Serialize)]
struct Drawn {
    area: Box,
    kind: &'static str,
    missing: bool,
    down: bool,
    lines: Vec<Written>,
    /// What became of the checks about it.
    mark: Option<Mark>,
    /// The whole name, where it had to be cut.
    title: Option<String>,
}

/// A line of text, placed within its card.
#[derive(Serialize)]
struct Written {
    y: i32,
    class: &'static str,
    text: Text,
}

#[derive(Serialize)]
struct Wire {
    kind: &'static str,
    path: String,
}

#[derive(Serialize)]
struct Arrow {
    number: usize,
    path: String,
    /// The head: an arrow where it got there, a bar where it did not.
    head: String,
    reached: bool,
    outcome: &'static str,
    symbol: &'static str,
    start: (i32, i32),
    badge: (i32, i32),
}

/// An arrow in words.
#[derive(Serialize)]
struct Told {
    mark: Option<Mark>,
    from: Text,
    to: Text,
    connection: Text,
    reached: bool,
    checks: Vec<Link>,
}

/// How many characters fit on a line of a card: of its name, which its mark stands beside, and of the rest.
fn fits(column: Column) -> (usize, usize) {
    match column {
        Column::Containers => (19, 24),
        _ => (15, 20),
    }
}

/// How many ways of mounting one store its card tells.
const MANY_WAYS: usize = 3;

/// Draws the picture of `report`, if it has one.
pub fn drawing(report: &Report) -> Option<Drawing> {
    let picture = report.picture.as_ref()?;
    let outcomes: BTreeMap<&str, Outcome> =
        report.checks().map(|check| (check.address.as_str(), check.outcome)).collect();
    let mut sheet = Sheet { outcomes, ..Sheet::default() };
    sheet.containers(picture);
    sheet.places(picture);
    sheet.stores(picture);
    for reach in &picture.reaches {
        sheet.reach(reach);
    }
    sheet.left_out(picture);
    let cards: Vec<(Column, Card)> = sheet.cards.iter().map(|card| (card.column, card.size())).collect();
    let joins = |ends: &[Ends]| -> Vec<(Join, Join)> {
        let join = |card: usize, row: Option<usize>| Join { card, row: row.map(|row| sheet.cards[card].place_of(row)) };
        ends.iter().map(|(from, from_row, to, to_row)| (join(*from, *from_row), join(*to, *to_row))).collect()
    };
    let arrows: Vec<_> = sheet.arrows.iter().map(|(_, ends)| *ends).collect();
    let wires: Vec<_> = sheet.wires.iter().map(|(_, ends)| *ends).collect();
    let placed = place(&cards, &joins(&arrows), &joins(&wires));

    let about = |reach: &Reach| sheet.worst(&reach.checks);
    let arrow = |(number, (at, line)): (usize, (&usize, &Line))| {
        let reach = &picture.reaches[*at];
        let outcome = about(reach);
        Arrow {
            number: number + 1,
            path: line.path.clone(),
            head: head(line, reach.connected()),
            reached: reach.connected(),
            outcome: outcome.map_or("aside", Outcome::word),
            symbol: outcome.map_or("", crate::render::symbol),
            start: line.start,
            badge: line.badge,
        }
    };
    let numbered = sheet.arrows.iter().map(|(at, _)| at).zip(&placed.arrows).enumerate();
    let told = |(at, _): &(usize, Ends)| {
        let reach = &picture.reaches[*at];
        let checks = report.checks().filter(|check| reach.checks.contains(&check.address));
        Told {
            mark: about(reach).map(mark),
            from: words::spot(&reach.from, None),
            to: words::spot(&reach.to, Some(reach.port)),
            connection: connection(reach.connection.as_deref()),
            reached: reach.connected(),
            checks: checks.map(link).collect(),
        }
    };
    let engine = report.machine.engine.as_ref();
    Some(Drawing {
        width: placed.width,
        height: placed.height,
        machine: boxed(&placed.machine),
        engine: engine.map(|engine| tame(engine, 20)),
        cards: sheet.cards.iter().zip(&placed.cards).map(|(card, area)| sheet.drawn(card, area)).collect(),
        wires: sheet
            .wires
            .iter()
            .zip(&placed.wires)
            .map(|((kind, _), line)| Wire { kind, path: line.path.clone() })
            .collect(),
        arrows: numbered.map(arrow).collect(),
        reaches: sheet.arrows.iter().map(told).collect(),
        tables: tables(picture),
        more: words::more(&picture.more),
        empty: picture.containers.is_empty()
            && picture.stores.is_empty()
            && picture.reaches.is_empty()
            && (picture.more.containers, picture.more.volumes) == (0, 0),
    })
}

/// From card and row to card and row; without a row, the middle of the card.
type Ends = (usize, Option<usize>, usize, Option<usize>);

/// What is to be placed, as it comes together.
#[derive(Default)]
struct Sheet<'r> {
    outcomes: BTreeMap<&'r str, Outcome>,
    cards: Vec<Made>,
    /// Cards by what they stand for.
    of: BTreeMap<Spot, usize>,
    arrows: Vec<(usize, Ends)>,
    wires: Vec<(&'static str, Ends)>,
    reached: usize,
}

/// A card before it is placed.
struct Made {
    column: Column,
    kind: &'static str,
    name: String,
    missing: bool,
    down: bool,
    astride: bool,
    /// Its lines, each with the class it is written in.
    lines: Vec<(&'static str, Text)>,
    /// Its rows: what stands there, and how many ends meet there.
    rows: Vec<(Text, usize)>,
    checks: Vec<String>,
}

impl Made {
    fn new(column: Column, kind: &'static str, name: &str) -> Made {
        let lines = vec![("name", Text::same(fit(name, fits(column).0)))];
        Made {
            column,
            kind,
            name: name.to_owned(),
            missing: false,
            down: false,
            astride: false,
            lines,
            rows: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// The row called `text`, and the place of one more end in it, which nobody else has.
    fn end(&mut self, text: Text) -> usize {
        let row = self.rows.iter().position(|(known, _)| *known == text);
        let row = row.unwrap_or_else(|| {
            self.rows.push((text, 0));
            self.rows.len() - 1
        });
        self.rows[row].1 += 1;
        row * EACH + self.rows[row].1 - 1
    }

    /// The same, shared with whatever else meets the card there.
    fn shared(&mut self, text: Text) -> usize {
        match self.rows.iter().position(|(known, _)| *known == text) {
            Some(row) => row * EACH,
            None => self.end(text),
        }
    }

    /// Where the place of an end is, in rows from the first.
    fn place_of(&self, end: usize) -> usize {
        let (row, within) = (end / EACH, end % EACH);
        self.rows[..row].iter().map(|(_, ends)| ends).sum::<usize>() + within
    }

    fn is_beside(&self) -> bool {
        self.column != Column::Containers
    }

    fn size(&self) -> Card {
        let rows = self.rows.iter().map(|(_, ends)| ends).sum();
        Card {
            lines: self.lines.len(),
            rows,
            beside: self.is_beside(),
            astride: self.astride,
            first: self.kind == "vm",
        }
    }
}

/// More ends than any row has.
const EACH: usize = 1000;

impl Sheet<'_> {
    fn add(&mut self, spot: Option<Spot>, made: Made) -> usize {
        self.cards.push(made);
        let at = self.cards.len() - 1;
        if let Some(spot) = spot {
            self.of.insert(spot, at);
        }
        at
    }

    fn containers(&mut self, picture: &Picture) {
        let mut all: Vec<_> = picture.containers.iter().collect();
        // Neighbours are those that share their networks.
        all.sort_by_key(|one| {
            let networks: Vec<&str> = one.networks.iter().map(|end| end.network.as_str()).collect();
            (one.state.is_none(), networks, one.name.clone())
        });
        for one in all {
            let mut made = Made::new(Column::Containers, "container", &one.name);
            made.missing = one.state.is_none();
            made.down = !one.up;
            made.checks.clone_from(&one.checks);
            match &one.image {
                Some(image) => made.lines.push(("soft", Text::same(fit(image, fits(Column::Containers).1)))),
                None if made.missing => made.lines.push(("soft", missing())),
                None => {}
            }
            if let Some(state) = one.state.as_ref().filter(|state| *state != "running") {
                made.lines.push(("state", words::state(state)));
            }
            for (n, noun) in words::of_one(&one.more) {
                made.lines.extend(words::and_more(n, noun).map(|more| ("soft", more)));
            }
            self.add(Some(Spot::Container(one.name.clone())), made);
        }
    }

    fn places(&mut self, picture: &Picture) {
        let ends = || picture.reaches.iter().flat_map(|reach| [&reach.from, &reach.to]);
        if ends().any(|spot| *spot == Spot::Outside) {
            let mut made = Made::new(Column::Outside, "outside", "");
            made.lines = vec![("name", Text::new("afuera", "outside")), ("soft", Text::new("de la VM", "of the VM"))];
            self.add(Some(Spot::Outside), made);
        }
        if ends().any(|spot| *spot == Spot::Vm) {
            let mut made = Made::new(Column::Places, "vm", "");
            made.lines = vec![("name", Text::new("la VM misma", "the VM itself"))];
            self.add(Some(Spot::Vm), made);
        }
        for one in &picture.ports {
            let protocol = if one.protocol == "tcp" { String::new() } else { format!("/{}", tame(&one.protocol, 8)) };
            let mut made = Made::new(Column::Places, "port", &format!(":{}{protocol}", one.number));
            let connects = |reach: &&Reach| reach.to == Spot::Port(one.number) && reach.connected();
            let (state, open) = words::port(one, picture.reaches.iter().any(|reach| connects(&reach)));
            made.missing = !open;
            made.astride = !one.loopback;
            made.checks.clone_from(&one.checks);
            made.lines.push(("soft", state));
            let tcp = (one.protocol == "tcp").then_some(Spot::Port(one.number));
            let at = self.add(tcp, made);
            for inside in &one.leads_to {
                let Some(to) = self.of.get(&Spot::Container(inside.container.clone())).copied() else { continue };
                let from_row = self.cards[at].shared(Text::same("wires"));
                let to_row = self.cards[to].shared(Text::same(format!(":{}", inside.port)));
                self.wires.push(("published", (at, Some(from_row), to, Some(to_row))));
            }
        }
        for one in &picture.networks {
            let mut made = Made::new(Column::Places, "network", &one.name);
            made.missing = one.missing;
            made.checks.clone_from(&one.checks);
            made.lines.push(("soft", words::network(one)));
            if let Some(subnet) = one.subnets.first() {
                made.lines.push(("soft", Text::same(fit(subnet, fits(Column::Places).1))));
            }
            made.lines.extend(
                words::and_more(one.subnets.len().saturating_sub(1), words::SUBNETS).map(|more| ("soft", more)),
            );
            let at = self.add(Some(Spot::Network(one.name.clone())), made);
            for container in &picture.containers {
                let Some(end) = container.networks.iter().find(|end| end.network == one.name) else { continue };
                let Some(to) = self.of.get(&Spot::Container(container.name.clone())).copied() else { continue };
                let from_row = self.cards[at].shared(Text::same("wires"));
                let label = end.address.as_ref().unwrap_or(&end.network);
                let to_row = self.cards[to].shared(Text::same(fit(label, fits(Column::Containers).1)));
                self.wires.push((
                    if container.up { "member" } else { "member down" },
                    (at, Some(from_row), to, Some(to_row)),
                ));
            }
        }
    }

    fn stores(&mut self, picture: &Picture) {
        for one in &picture.stores {
            let mut made = Made::new(Column::Stores, "store", words::store_name(one));
            made.name = tame(&one.name, NAME);
            made.missing = one.missing;
            made.checks.clone_from(&one.checks);
            made.lines.push(("soft", words::store(one)));
            let ways = || {
                picture.containers.iter().flat_map(|container| {
                    let of_it = move |mount: &&crate::evidence::inventory::Mount| {
                        mount.kind == one.kind && mount.source.as_ref() == Some(&one.name)
                    };
                    container.mounts.iter().filter(of_it).map(move |mount| (container, mount))
                })
            };
            let mut paths: Vec<&str> = ways().map(|(_, mount)| mount.destination.as_str()).collect();
            paths.sort_unstable();
            paths.dedup();
            for path in paths.iter().take(MANY_WAYS) {
                made.lines.push(("soft", Text::same(fit(&format!("→ {path}"), fits(Column::Stores).1))));
            }
            let beyond = paths.len().saturating_sub(MANY_WAYS);
            made.lines.extend(words::and_more(beyond, words::PLACES).map(|more| ("soft", more)));
            let at = self.add(None, made);
            let users: Vec<&str> = ways().map(|(container, _)| container.name.as_str()).collect();
            for name in users {
                let Some(from) = self.of.get(&Spot::Container(name.to_owned())).copied() else { continue };
                self.wires.push(("mount", (from, None, at, None)));
            }
        }
    }

    /// An arrow, for which the picture's place of it is counted.
    fn reach(&mut self, reach: &Reach) {
        let number = self.reached;
        self.reached += 1;
        if let Spot::Elsewhere(name) = &reach.to
            && !self.of.contains_key(&reach.to)
        {
            let mut made = Made::new(Column::Elsewhere, "elsewhere", name);
            made.lines.push(("soft", Text::new("fuera del dibujo", "not in the picture")));
            self.add(Some(reach.to.clone()), made);
        }
        let (Some(from), Some(to)) = (self.of.get(&reach.from).copied(), self.of.get(&reach.to).copied()) else {
            return;
        };
        let from_row = self.cards[from].end(Text::same(""));
        let to_row = self.cards[to].end(Text::same(format!(":{}", reach.port)));
        self.arrows.push((number, (from, Some(from_row), to, Some(to_row))));
    }

    /// Cards that say what there was no room for, each at the foot of its column.
    fn left_out(&mut self, picture: &Picture) {
        let more = &picture.more;
        for (column, counts) in [
            (Column::Containers, &[(more.containers, words::SUCH)][..]),
            (Column::Places, &[(more.ports, words::PORTS), (more.networks, words::NETWORKS)]),
            (Column::Stores, &[(more.volumes, words::SUCH)]),
            (Column::Elsewhere, &[(more.reaches, words::ARROWS)]),
        ] {
            let said: Vec<_> = counts.iter().filter_map(|one| words::and_more(one.0, one.1)).collect();
            if !said.is_empty() {
                let mut made = Made::new(column, "more", "");
                made.lines = said.into_iter().map(|text| ("soft", text)).collect();
                self.add(None, made);
            }
        }
    }

    /// What became of those checks that were not hidden from whoever reads this; none when there are none.
    fn worst(&self, checks: &[String]) -> Option<Outcome> {
        checks.iter().filter_map(|check| self.outcomes.get(check.as_str())).max().copied()
    }

    fn drawn(&self, made: &Made, area: &layout::Area) -> Drawn {
        let mut y = PAD + LINE - 4;
        let mut lines = Vec::new();
        let free = (area.h - 2 * PAD - made.lines.len() as i32 * LINE).max(0);
        if made.is_beside() {
            y += free / 2;
        }
        for (class, text) in &made.lines {
            lines.push(Written { y, class, text: text.clone() });
            y += LINE;
        }
        if !made.is_beside() {
            let mut top = PAD + made.lines.len() as i32 * LINE;
            for (text, ends) in &made.rows {
                let height = *ends as i32 * ROW;
                lines.push(Written { y: top + height / 2 + 4, class: "row", text: text.clone() });
                top += height;
            }
        }
        let name = tame(&made.name, NAME);
        Drawn {
            area: boxed(area),
            kind: made.kind,
            missing: made.missing,
            down: made.down,
            lines,
            mark: self.worst(&made.checks).filter(|outcome| *outcome != Outcome::Deferred).map(mark),
            title: (name != fit(&made.name, fits(made.column).0) && !name.is_empty()).then_some(name),
        }
    }
}

fn boxed(area: &layout::Area) -> Box {
    Box { x: area.x, y: area.y, w: area.w, h: area.h }
}

/// The head of an arrow.
fn head(line: &Line, reached: bool) -> String {
    let (x, y) = line.end;
    let back = if line.leftwards { 9 } else { -9 };
    match reached {
        true => format!("M{x} {y}L{} {}L{} {}Z", x + back, y - 5, x + back, y + 5),
        false => format!("M{} {}V{}", x + back / 3, y - 7, y + 7),
    }
}

/// A name as long as it may be, its middle left out where it is longer.
fn fit(name: &str, cells: usize) -> String {
    let name = tame(name, NAME);
    let width = console::measure_text_width(&name);
    if width <= cells {
        return name;
    }
    let take = |chars: &mut dyn Iterator<Item = char>, cells: usize| {
        let mut taken = (String::new(), 0);
        for c in chars {
            let width = console::measure_text_width(c.encode_utf8(&mut [0; 4]));
            if taken.1 + width > cells {
                break;
            }
            taken = (format!("{}{c}", taken.0), taken.1 + width);
        }
        taken.0
    };
    let front = take(&mut name.chars(), (cells - 1) * 2 / 3);
    let back: String = take(&mut name.chars().rev(), cells - 1 - (cells - 1) * 2 / 3).chars().rev().collect();
    format!("{front}…{back}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::render::{Format, Options};

    /// A report with one check of each outcome and this picture.
    fn report(picture: Value) -> Report {
        let score = json!({"earned": 0, "lost": 0, "undetermined": 0, "deferred": 0, "possible": 0, "bonus": 0});
        let check = |outcome: Outcome| {
            json!({
                "address": format!("lab/step/{}", outcome.word()), "claim": {"es": "esto", "en": outcome.word()},
                "points": 0, "bonus": false, "outcome": outcome.word(), "expected": [], "mismatches": [],
                "blocked_by": [], "unknown": null, "deferred": null, "hint": null, "note": null, "from": "vm",
                "command": "true", "took_ms": 1,
            })
        };
        let title = json!({"es": "x", "en": "x"});
        serde_json::from_value(json!({
            "format": "labrun/report/v1", "labrun": "0.1.0", "started": "", "finished": "", "outcome": "fail",
            "machine": {"reached": "local", "outside": false, "system": null, "engine": "26.1.5"},
            "points": score, "picture": picture,
            "labs": [{
                "id": "lab", "title": title, "source": "x", "digest": "x", "outcome": "fail", "points": score,
                "steps": [{
                    "address": "lab/step", "title": title, "outcome": "fail", "points": score,
                    "checks": Outcome::ALL.map(check),
                }],
            }],
        }))
        .unwrap()
    }

    fn page(picture: Value) -> String {
        (Format::named("html").unwrap().render)(&report(picture), &Options::default())
    }

    /// The part of a page that is the drawing.
    fn section(page: &str) -> &str {
        let start = page.find("<section class=\"world\"").expect("a drawing");
        &page[start..start + page[start..].find("</section>").unwrap()]
    }

    fn world() -> Value {
        json!({
            "containers": [
                {"name": "ams", "image": "postgres:14", "state": "running", "up": true,
                    "networks": [{"network": "internal", "address": "172.19.0.2"}],
                    "mounts": [{"destination": "/data", "type": "volume", "source": "ams-vol"}], "checks": ["lab/step/pass"]},
                {"name": "web", "up": false, "checks": ["lab/step/fail"]},
            ],
            "networks": [{"name": "internal", "driver": "bridge"}],
            "stores": [{"name": "ams-vol", "kind": "volume"}],
            "ports": [{"number": 5432, "protocol": "tcp", "leads_to": [{"container": "ams", "port": 5432}]}],
            "reaches": [
                {"from": "outside", "to": {"port": 5432}, "port": 5432, "connection": "connected", "checks": ["lab/step/fail"]},
                {"from": "vm", "to": {"container": "ams"}, "port": 5432, "connection": "connected", "checks": ["lab/step/pass"]},
                {"from": {"network": "internal"}, "to": {"elsewhere": "192.0.2.1"}, "port": 53, "connection": "timed_out"},
            ],
        })
    }

    #[test]
    fn a_report_without_a_picture_has_no_drawing() {
        let mut report = report(json!(null));
        report.picture = None;
        assert!(!(Format::named("html").unwrap().render)(&report, &Options::default()).contains("class=\"world\""));
    }

    #[test]
    fn an_empty_world_is_a_sentence_and_no_empty_frame() {
        let page =
            page(json!({"containers": [], "networks": [{"name": "bridge"}], "stores": [], "ports": [], "reaches": []}));
        let section = section(&page);
        assert!(
            section.contains("todavía no hay nada que dibujar") && section.contains("there is nothing to draw yet")
        );
        assert!(!section.contains("<svg"));
    }

    #[test]
    fn every_arrow_is_drawn_marked_and_told_and_leads_to_its_checks() {
        let page = page(world());
        let section = section(&page);
        assert_eq!(section.matches("<g class=\"arrow ").count(), 3);
        // The one that should not be there is marked by its sign, not by its colour alone.
        assert!(
            section.contains("<g class=\"arrow fail\">")
                && section.contains(">1✘</text>")
                && section.contains(">2✔</text>")
        );
        assert!(section.contains("<g class=\"arrow aside short\">"));
        let list = &section[section.find("<ol").unwrap()..section.find("</ol>").unwrap()];
        assert_eq!(list.matches("<li>").count(), 3);
        assert!(list.contains("href=\"#lab/step/fail\"") && list.contains("href=\"#lab/step/pass\""));
        assert!(list.contains("sin respuesta") && list.contains("no answer"));
        // What is asked for and not there is dashed, and says so.
        assert!(section.contains("class=\"card container missing down\"") && section.contains("falta"));
    }

    #[test]
    fn what_is_drawn_is_also_there_in_words() {
        let page = page(world());
        let section = section(&page);
        let words = &section[section.find("<details").unwrap()..];
        for said in ["ams", "postgres:14", "internal (172.19.0.2)", "5432 → 5432/tcp", "ams-vol → /data", "ams:5432"]
        {
            assert!(words.contains(said), "{said}");
        }
        assert!(section.contains("role=\"img\" aria-labelledby=\"world-title\" aria-describedby=\"world-about\""));
    }

    #[test]
    fn what_there_was_no_room_for_is_said_where_it_would_stand_and_in_words() {
        let mut world = world();
        world["more"] = json!({"containers": 1, "networks": 2, "volumes": 3, "ports": 4, "reaches": 5});
        world["containers"][0]["more"] = json!({"networks": 0, "ports": 988, "mounts": 1});
        world["networks"][0]["subnets"] = json!(["172.19.0.0/16", "fd00::/64", "10.1.0.0/16"]);
        let mounts = (0..5).map(|n| json!({"destination": format!("/d{n}"), "type": "volume", "source": "ams-vol"}));
        world["containers"][0]["mounts"] = mounts.collect();
        let page = page(world);
        let section = section(&page);
        let (drawn, words) = section.split_once("</ol>").unwrap();
        let both = |es: &str, en: &str| format!("<tspan lang=\"es\">{es}</tspan><tspan lang=\"en\">{en}</tspan>");
        for (es, en) in [
            ("y 1 más", "and 1 more"),
            ("y 2 redes más", "and 2 more networks"),
            ("y 3 más", "and 3 more"),
            ("y 4 puertos más", "and 4 more ports"),
            ("y 5 flechas más", "and 5 more arrows"),
            ("y 988 puertos más", "and 988 more ports"),
            ("y 1 montaje más", "and 1 more mount"),
            ("y 2 subredes más", "and 2 more subnets"),
            ("y 2 lugares más", "and 2 more places"),
        ] {
            assert!(drawn.contains(&both(es, en)), "{en}: {drawn}");
        }
        let in_all = "Not drawn: 1 container, 2 networks, 3 volumes or folders, 4 ports, 5 arrows.";
        assert!(words.contains(in_all) && section.contains("aria-describedby=\"world-about world-more\""), "{words}");
        for said in ["and 988 more ports", "and 1 more mount", "and 1 more container", "y 3 volúmenes o carpetas más"]
        {
            assert!(words.contains(said), "{said}: {words}");
        }
    }

    #[test]
    fn hostile_names_are_harmless_and_stay_in_their_cards() {
        let long = "W".repeat(1 << 20);
        let mut hostile = world();
        for (path, name) in [
            ("/containers/0/name", "<script>alert(1)</script>\u{202e}\u{1b}[31m".to_owned()),
            ("/containers/0/image", long.clone()),
            ("/networks/0/name", "\"><svg onload=alert(1)>".to_owned()),
            ("/stores/0/name", format!("é{long}")),
            ("/containers/0/mounts/0/destination", long.clone()),
            ("/reaches/2/to/elsewhere", long.clone()),
            ("/reaches/2/connection", "<b>".to_owned()),
            ("/ports/0/protocol", long),
        ] {
            *hostile.pointer_mut(path).unwrap() = json!(name);
        }
        let page = page(hostile);
        let section = section(&page);
        assert!(section.len() < 60_000, "{}", section.len());
        for harm in ["<script", "onload=alert(1)>", "\u{202e}", "\u{1b}", "<b>alert"] {
            assert!(!section.contains(harm), "{harm:?}");
        }
        assert!(section.contains("&lt;script&gt;") || section.contains("&lt;script&"));
    }

    proptest! {
        #[test]
        fn a_name_is_never_longer_than_its_line(name: String, cells in 4..40_usize) {
            let fitted = fit(&name, cells);
            prop_assert!(console::measure_text_width(&fitted) <= cells, "{fitted:?}");
        }
    }
}
