//! A report as a picture that fits a terminal: what is missing at the top, what happened last at the foot. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use console::{Style, measure_text_width, truncate_str};

use crate::observe::Hearing;
use crate::render::{advice, symbol, tame, word, worth};
use crate::run::watch::changes::is_to_come;
use crate::terminal::{fit, wrap};
use crate::text::{Lang, Text};
use crate::verdict::{CheckResult, Outcome, Report, Score, StepResult};

/// The longest title or claim shown, and the longest line of prose.
const NAME: usize = 240;
const PROSE: usize = 1000;

/// How many lines tell of what happened last, and how many one piece of prose may take.
const LAST: usize = 5;
const PROSE_LINES: usize = 6;

/// How wide a line is at most, however wide the terminal.
const WIDE: usize = 100;

/// What there is to be drawn.
pub struct View<'a> {
    /// What everything comes to.
    pub report: &'a Report,
    /// The checks that somebody has looked at.
    pub looked: &'a BTreeMap<String, u32>,
    /// The checks that were seen to hold at some time.
    pub credited: &'a BTreeSet<String>,
    /// What happened, the last at the end.
    pub happened: &'a VecDeque<String>,
    /// How the machine is heard.
    pub hearing: &'a Hearing,
    /// In which language.
    pub lang: Lang,
    /// Whether in colour.
    pub color: bool,
}

impl View<'_> {
    /// The picture in at most `rows` lines of at most `columns`.
    pub fn lines(&self, rows: usize, columns: usize) -> Vec<String> {
        let foot = self.foot(columns);
        let room = rows.saturating_sub(foot.len()).max(2);
        let mut lines = self.body(false, columns);
        if lines.len() > room {
            lines = self.body(true, columns);
        }
        if lines.len() > room {
            let hidden = lines.len() - (room - 1);
            lines.truncate(room - 1);
            let more = Text::new(format!("  … y {hidden} líneas más"), format!("  … and {hidden} more lines"));
            lines.push(self.dim(more.get(self.lang)));
        }
        lines.extend(foot);
        let keep = lines.len().saturating_sub(rows);
        lines.iter().skip(keep).map(|line| truncate_str(line, columns, "…").into_owned()).collect()
    }

    /// The labs, their steps and, of the first that does not hold, what is missing; `briefly` only what does not hold.
    fn body(&self, briefly: bool, columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut is_open = false;
        for lab in &self.report.labs {
            let title = format!("{} · {}", tame(&lab.id, NAME), tame(self.say(&lab.title), NAME));
            lines.push(row(&self.style().bold().apply_to(&title).to_string(), &score(&lab.points), columns));
            for step in &lab.steps {
                let holds = step.checks.iter().all(|check| matches!(check.outcome, Outcome::Pass | Outcome::Deferred));
                if briefly && holds {
                    continue;
                }
                lines.push(self.step(step, columns));
                let first = step.checks.iter().find(|check| check.outcome == Outcome::Fail && !check.bonus);
                let is_shown = !holds && (!briefly || first.is_some() && !is_open);
                for check in step.checks.iter().filter(|_| is_shown) {
                    lines.push(self.check(check, columns));
                    if !is_open && first.is_some_and(|first| first.address == check.address) {
                        is_open = true;
                        lines.extend(self.missing(check, columns));
                    }
                }
            }
        }
        lines
    }

    fn step(&self, step: &StepResult, columns: usize) -> String {
        let waits = step.checks.iter().any(|check| is_to_come(check.outcome, &check.address, self.looked));
        let sign = if waits { "…".to_owned() } else { self.mark(step.outcome, symbol(step.outcome)) };
        row(&format!("{sign} {}", tame(self.say(&step.title), NAME)), &score(&step.points), columns)
    }

    fn check(&self, check: &CheckResult, columns: usize) -> String {
        let sign = match is_to_come(check.outcome, &check.address, self.looked) {
            true => "…".to_owned(),
            false => self.mark(check.outcome, &format!("{} {}", symbol(check.outcome), self.say(&word(check.outcome)))),
        };
        let credited = check.outcome != Outcome::Pass && self.credited.contains(&check.address);
        let credited = if credited { self.pick(" · ya acreditado", " · credited already") } else { "" };
        let said = format!("  {sign} {}{}", tame(self.say(&check.claim), NAME), self.dim(credited));
        row(&said, &worth(check), columns)
    }

    /// What was seen in the place of what was expected, and the first hint.
    fn missing(&self, check: &CheckResult, columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(mismatch) = check.mismatches.first() {
            lines.extend(self.prose(6, self.pick("esperado", "expected"), &mismatch.expected, columns));
        }
        if let Some(say) = check.hint.as_ref().and_then(|hint| hint.say.first()) {
            lines.extend(self.prose(6, self.pick("pista", "hint"), say, columns));
        }
        lines
    }

    /// What is to be read to its end, behind a label.
    fn prose(&self, indent: usize, label: &str, text: &Text, columns: usize) -> Vec<String> {
        let width = columns.min(WIDE).saturating_sub(indent).max(1);
        let mut lines = wrap(&format!("{label} {}", tame(self.say(text), PROSE)), width);
        if lines.len() > PROSE_LINES {
            let rest = lines.split_off(PROSE_LINES - 1).join(" ");
            lines.push(fit(&rest, width));
        }
        if let Some(first) = lines.first_mut().filter(|first| first.starts_with(label)) {
            *first = format!("{}{}", self.dim(label), &first[label.len()..]);
        }
        lines.iter().map(|line| format!("{}{line}", " ".repeat(indent))).collect()
    }

    fn foot(&self, columns: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        let last = self.happened.len().saturating_sub(LAST);
        lines.extend(self.happened.iter().skip(last).cloned());
        if let Some(said) = hearing(self.hearing) {
            let said = self.prose(0, "", &said, columns);
            lines.extend(said.iter().map(|line| self.style().yellow().apply_to(line.trim_start()).to_string()));
        }
        let waits = self.report.checks().any(|check| is_to_come(check.outcome, &check.address, self.looked));
        let next = if waits { Text::new("mirando…", "looking…") } else { advice(self.report) };
        lines.extend(self.prose(0, self.pick("Ahora", "Next"), &next, columns));
        let points = score(&self.report.points);
        let ends = self.pick("labrun mira · Ctrl-C termina", "labrun is watching · Ctrl-C ends it");
        lines.push(self.dim(&format!("{points} · {ends}")));
        lines
    }

    fn pick(&self, es: &'static str, en: &'static str) -> &'static str {
        match self.lang {
            Lang::Es => es,
            Lang::En => en,
        }
    }

    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.get(self.lang)
    }

    /// Colour only repeats what the sign says.
    fn mark(&self, outcome: Outcome, text: &str) -> String {
        let style = match outcome {
            Outcome::Pass => self.style().green(),
            Outcome::Deferred => self.style().cyan(),
            Outcome::Unknown => self.style().magenta(),
            Outcome::Blocked => self.style().yellow(),
            Outcome::Fail => self.style().red().bold(),
        };
        style.apply_to(text).to_string()
    }

    fn dim(&self, text: &str) -> String {
        self.style().dim().apply_to(text).to_string()
    }

    fn style(&self) -> Style {
        Style::new().force_styling(self.color)
    }
}

/// What is said of a machine that is not heard well.
pub fn hearing(hearing: &Hearing) -> Option<Text> {
    match hearing {
        Hearing::Well => None,
        Hearing::Not(why) => Some(Text::new(
            format!("no se oye a la máquina, y lo que se muestra es de antes: {}", why.why.es),
            format!("the machine is not heard, and what is shown is from before: {}", why.why.en),
        )),
        Hearing::Hands => Some(Text::new(
            "otra corrida de labrun está probando algo en la máquina; se sigue mirando cuando termine",
            "another run of labrun is trying something on the machine; watching goes on when it is done",
        )),
    }
}

fn score(score: &Score) -> String {
    match score.bonus.hundredths() {
        0 => format!("{}/{}", score.earned, score.possible),
        _ => format!("{}/{} +{}", score.earned, score.possible, score.bonus),
    }
}

/// A text with another at the end of the line.
fn row(left: &str, right: &str, columns: usize) -> String {
    let room = columns.min(WIDE).saturating_sub(measure_text_width(right) + 2);
    let left = truncate_str(left, room, "…");
    let gap = " ".repeat(room.saturating_sub(measure_text_width(&left)) + 2);
    format!("{left}{gap}{right}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use console::measure_text_width;

    use super::*;
    use crate::evidence::{Cause, Unobserved};
    use crate::run::watch::testing::report;

    fn picture(report: &Report, rows: usize, columns: usize) -> Vec<String> {
        heard(report, &Hearing::Well, rows, columns)
    }

    fn heard(report: &Report, hearing: &Hearing, rows: usize, columns: usize) -> Vec<String> {
        let looked = report.checks().map(|check| (check.address.clone(), 0)).collect();
        let credited = BTreeSet::from(["lab1/step/b".to_owned()]);
        let happened = (0..9).map(|n| format!("✔ lab1/step/{n}: fail → pass")).collect();
        let view = View {
            report,
            looked: &looked,
            credited: &credited,
            happened: &happened,
            hearing,
            lang: Lang::En,
            color: false,
        };
        view.lines(rows, columns)
    }

    #[test]
    fn the_picture_shows_what_is_missing_what_happened_and_what_to_do() {
        let report = report(&[("a", Outcome::Pass), ("b", Outcome::Fail), ("c", Outcome::Blocked)]);
        let drawn = picture(&report, 40, 80);
        assert_eq!(
            drawn.iter().map(|line| line.trim_end()).collect::<Vec<_>>(),
            [
                "lab1 · Title\u{1b}[31m of lab1                                               1/3",
                "✘ Step                                                                       1/3",
                "  ✔ pass claim a                                                             1/1",
                "  ✘ fail claim b · credited already                                          0/1",
                "      expected running",
                "      hint Start it",
                "  ⊘ blocked claim c                                                          0/1",
                "",
                "✔ lab1/step/4: fail → pass",
                "✔ lab1/step/5: fail → pass",
                "✔ lab1/step/6: fail → pass",
                "✔ lab1/step/7: fail → pass",
                "✔ lab1/step/8: fail → pass",
                "Next Start it. Then: `labrun check lab1/step`",
                "1/3 · labrun is watching · Ctrl-C ends it",
            ]
            .map(|line| line.replace("\u{1b}", "\\u{1b}"))
        );
    }

    #[test]
    fn why_a_machine_is_not_heard_is_read_to_its_end() {
        let report = report(&[("a", Outcome::Unknown)]);
        let why =
            "the key of 127.0.0.1:2222 is not known yet; if it is the one you were told, add --accept-new-host-key";
        let why = Unobserved::new(Cause::Path, why, why);
        for columns in [40, 50, 80] {
            let drawn = heard(&report, &Hearing::Not(why.clone()), 40, columns);
            let drawn = drawn.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            assert!(drawn.contains("from before: the key of") && drawn.contains("add --accept-new"), "{drawn}");
        }
    }

    #[test]
    fn it_fits_any_terminal() {
        let many: Vec<String> = (0..60).map(|n| format!("c{n}")).collect();
        let many: Vec<(&str, Outcome)> = many.iter().map(|id| (id.as_str(), Outcome::Fail)).collect();
        for checks in [&many[..], &[("a", Outcome::Pass)], &[]] {
            for (rows, columns) in [(1, 1), (3, 20), (9, 40), (24, 80), (50, 400)] {
                let drawn = picture(&report(checks), rows, columns);
                assert!(drawn.len() <= rows, "{} in {rows}", drawn.len());
                for line in &drawn {
                    assert!(measure_text_width(line) <= columns && !line.contains(['\n', '\u{1b}']), "{line:?}");
                }
                assert!(rows < 3 || drawn.iter().any(|line| line.contains("watching")) || columns < 40);
            }
        }
    }
}
