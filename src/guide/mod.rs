//! What a student reads while working: the instructions, the step that comes next, hints, how far they are. Pure: made of
//! planned labs and of what earlier looks saw; nobody looks at a machine for it.

mod choice;
mod hint;
mod next;
mod progress;
mod show;

pub use choice::{check_for, next_step};
pub use hint::{Hinted, hint};
pub use next::next;
pub use progress::progress;
pub use show::show;

use std::collections::BTreeMap;

use console::measure_text_width;
use jiff::Timestamp;

use crate::judge::hidden_claim;
use crate::plan::{JudgedBy, Plan, PlannedCheck, PlannedStep};
use crate::points::Points;
use crate::render::{coloured, symbol, word};
use crate::tame::tame;
use crate::terminal::Page;
use crate::text::{Lang, Text};
use crate::verdict::{CheckResult, Outcome, StepResult};

/// The longest title or claim shown, in characters.
const NAME: usize = 240;

/// A lab, and all that is known of it without looking.
#[derive(Debug)]
pub struct Lab {
    /// What it asks.
    pub plan: Plan,
    /// What the last look at each of its steps came to, and when that was; by address.
    pub looks: BTreeMap<String, (String, StepResult)>,
    /// When a check was first seen to hold, by address.
    pub held: BTreeMap<String, String>,
}

/// Who reads, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The language.
    pub lang: Lang,
    /// The time, which hides checks that are not to be shown yet.
    pub now: Timestamp,
}

impl Reader {
    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.get(self.lang)
    }

    fn label(&self, es: &str, en: &str, width: usize) -> String {
        format!("{:width$}", self.say(&Text::new(es, en)))
    }

    fn hides(&self, check: &PlannedCheck) -> bool {
        check.hidden_until.is_some_and(|until| self.now < until)
    }

    /// What a check claims, as far as that may be known.
    fn claim(&self, check: &PlannedCheck) -> String {
        let claim = if self.hides(check) { &hidden_claim() } else { &check.claim };
        tame(self.say(claim), NAME)
    }
}

impl Lab {
    /// What the last look at a check came to.
    fn seen(&self, check: &str) -> Option<&CheckResult> {
        let (step, _) = check.rsplit_once('/')?;
        let (_, step) = self.looks.get(step)?;
        step.checks.iter().find(|seen| seen.address == check)
    }

    /// When a check was first seen to hold, if it ever was.
    fn held_at(&self, check: &PlannedCheck) -> Option<&str> {
        if let Some(at) = self.held.get(&check.address) {
            return Some(at);
        }
        let holds = self.seen(&check.address).is_some_and(|seen| seen.outcome == Outcome::Pass);
        let (step, _) = check.address.rsplit_once('/')?;
        self.looks.get(step).filter(|_| holds).map(|(at, _)| at.as_str())
    }

    /// How a check stands: that it was ever seen to hold is what counts, then what was seen last.
    fn standing(&self, check: &PlannedCheck) -> Option<Outcome> {
        match self.held_at(check) {
            Some(_) => Some(Outcome::Pass),
            None => self.seen(&check.address).map(|seen| seen.outcome),
        }
    }

    /// How a step stands; `None` while nobody has looked at all of what counts in it.
    fn step_standing(&self, step: &PlannedStep) -> Option<Outcome> {
        let counted = step.checks.iter().filter(|check| !check.bonus);
        counted.map(|check| self.standing(check)).try_fold(Outcome::Pass, |worst, one| Some(worst.max(one?)))
    }

    /// The points of what was seen to hold, and all there are; bonus is neither.
    fn points<'c>(&self, checks: impl Iterator<Item = &'c PlannedCheck>) -> (Points, Points) {
        let counted = checks.filter(|check| !check.bonus);
        counted.fold((Points::ZERO, Points::ZERO), |(so_far, all), check| {
            let own = self.held_at(check).map_or(Points::ZERO, |_| check.points);
            (so_far + own, all + check.points)
        })
    }
}

/// The sign of how something stands, coloured where the page has colours.
fn sign(page: &Page, standing: Option<Outcome>) -> String {
    let Some(outcome) = standing else { return "·".to_owned() };
    coloured(page.style(), outcome).apply_to(symbol(outcome)).to_string()
}

/// The instructions of a step and what will be checked of it.
fn instructions(page: &mut Page, lab: &Lab, step: &PlannedStep, reader: Reader) {
    let (_, all) = lab.points(step.checks.iter());
    let title = format!("{} · {}", tame(&step.address, NAME), tame(reader.say(&step.title), NAME));
    let sign_of_it = format!("{} ", sign(page, lab.step_standing(step)));
    page.row(0, &sign_of_it, &title, &points(all), &page.style().bold());
    let text = reader.say(&step.text);
    if !text.trim().is_empty() {
        page.line(0, "");
        page.markdown(2, text);
    }
    page.line(0, "");
    page.line(2, reader.say(&Text::new("Se comprueba:", "What is checked:")));
    for check in &step.checks {
        let standing = lab.standing(check).filter(|_| !reader.hides(check));
        // Colour and sign alone would leave some readers out.
        let said = standing.map(|outcome| format!("{} · ", reader.say(&word(outcome)))).unwrap_or_default();
        let by_whom = judged(check).filter(|_| !reader.hides(check));
        let by_whom = by_whom.map(|by| format!(" ({})", reader.say(&by))).unwrap_or_default();
        let worth = if check.bonus { format!("+{}", check.points) } else { points(check.points) };
        let line = format!("{said}{}{by_whom}", reader.claim(check));
        page.row(4, &format!("{} ", sign(page, standing)), &line, &worth, &page.style());
    }
}

/// What a check takes beside a plain look.
fn judged(check: &PlannedCheck) -> Option<Text> {
    if check.judged_by == Some(JudgedBy::Teacher) {
        return Some(Text::new("lo juzga tu docente", "your teacher judges it"));
    }
    if let Some(opt_in) = check.opt_in() {
        let option = opt_in.option();
        return Some(Text::new(
            format!("sólo con `labrun check {option}`"),
            format!("only with `labrun check {option}`"),
        ));
    }
    let outside = check.asks_from_outside();
    outside.then(|| Text::new("se ve sólo desde afuera de la VM", "seen from outside the VM only"))
}

fn points(points: Points) -> String {
    if points == Points::ZERO { String::new() } else { points.to_string() }
}

/// `2026-11-23T10:00:00.120Z` as `2026-11-23 10:00`.
fn day(at: &str) -> String {
    tame(&at.replacen('T', " ", 1).chars().take(16).collect::<String>(), NAME)
}

/// The width of a text padded to `width`, for columns.
fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}
