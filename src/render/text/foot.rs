//! The end of the text report, which is all that many read of it: what fails, in a line each; what it comes to; what to
//! do next, in one line.

use crate::evidence::Cause;
use crate::render::text::{SHORT_LABEL, Writer, score};
use crate::render::{NAME, advice, share, step_of, symbol, tallied, tame, tame_prose, worth};
use crate::terminal::fit;
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Report, Score};

/// More failures than this are counted.
const FAILURES: usize = 12;

impl Writer<'_> {
    /// Writes the end of the report.
    pub fn foot(&mut self) {
        let report = self.report;
        self.page.line(0, "");
        self.page.rule();
        self.failures();
        if report.labs.len() > 1 {
            for lab in &report.labs {
                let sign = format!("{} ", self.mark(lab.outcome, symbol(lab.outcome)));
                let title = format!("{} · {}", tame(&lab.id, NAME), tame(self.say(&lab.title), NAME));
                self.page.single(0, &sign, &title, &score(&lab.points), &self.page.style());
            }
        }
        let total = self.total(&report.points);
        self.field(("Total", "Total"), &total);
        if let Some(course) = &report.course {
            let total = format!("{} · {}", tame(self.say(&course.title), NAME), self.total(&course.points));
            self.field(("Curso", "Course"), &total);
        }
        let label = self.label(("Ahora", "Next"), SHORT_LABEL);
        let next = tame_prose(self.say(&next(report)));
        let next = fit(&next, self.page.width() - SHORT_LABEL);
        self.page.prose(0, &label, &next);
    }

    fn failures(&mut self) {
        let failed: Vec<&CheckResult> = self.report.checks().filter(|check| is_a_failure(check)).collect();
        for check in failed.iter().take(FAILURES) {
            let sign = format!("{} ", self.mark(Outcome::Fail, symbol(Outcome::Fail)));
            let about = format!("{} · {}", tame(&check.address, NAME), tame(self.say(&check.claim), NAME));
            self.page.single(0, &sign, &about, &worth(check), &self.page.style());
        }
        let more = failed.len().saturating_sub(FAILURES);
        if more > 0 {
            let more = Text::new(format!("  … y {more} más, arriba"), format!("  … and {more} more, above"));
            self.page.line(0, self.say(&more));
        }
    }

    fn field(&mut self, label: (&str, &str), text: &str) {
        let label = self.label(label, SHORT_LABEL);
        self.page.labelled(0, &label, text, &self.page.style().bold());
    }

    fn total(&self, score: &Score) -> String {
        let unit = self.say(&Text::new("puntos", "points")).to_owned();
        let share = share(score).map(|share| self.say(&share).to_owned());
        let rest = [
            (score.lost, tallied(Outcome::Fail, score.lost)),
            (score.undetermined, tallied(Outcome::Unknown, score.undetermined)),
            (score.deferred, tallied(Outcome::Deferred, score.deferred)),
            (score.bonus, Text::new("de bonus", "bonus")),
        ];
        let rest = rest.iter().filter(|(points, _)| points.hundredths() > 0);
        let rest = rest.map(|(points, what)| format!("{points} {}", self.say(what)));
        let first = format!("{}/{} {unit}", score.earned, score.possible);
        [Some(first), share].into_iter().flatten().chain(rest).collect::<Vec<_>>().join(" · ")
    }
}

fn is_a_failure(check: &CheckResult) -> bool {
    check.outcome == Outcome::Fail && !check.bonus
}

/// The one thing to do next, short enough for one line.
fn next(report: &Report) -> Text {
    let first = |outcome| report.checks().find(|check| check.outcome == outcome && !check.bonus);
    if let Some(check) = first(Outcome::Fail).or_else(|| first(Outcome::Blocked)) {
        let then = format!("`labrun check {}`", step_of(&check.address));
        return Text::new(
            format!("`labrun next` dice cómo seguir; luego {then}"),
            format!("`labrun next` says how to go on; then {then}"),
        );
    }
    let doubts = report.checks().filter_map(|check| check.unknown.as_ref());
    let is_the_way = |cause: Cause| matches!(cause, Cause::Engine | Cause::Permission | Cause::Path);
    if doubts.filter_map(|doubt| doubt.cause).any(is_the_way) {
        return Text::new(
            "`labrun doctor` dice qué falta para mirar; no se perdió ningún punto",
            "`labrun doctor` says what is missing for a look; no point is lost",
        );
    }
    let n = report.checks().filter(|check| check.outcome == Outcome::Deferred && !check.bonus).count();
    if n > 0 && first(Outcome::Unknown).is_none() {
        let (es, en) = match n {
            1 => ("queda 1 para otro momento", "1 is left for another time".to_owned()),
            _ => ("", format!("{n} are left for another time")),
        };
        let es = if es.is_empty() { format!("quedan {n} para otro momento") } else { es.to_owned() };
        return Text::new(
            format!("todo lo que se juzga acá está bien; {es}"),
            format!("all that is judged here is right; {en}"),
        );
    }
    advice(report)
}
