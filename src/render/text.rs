//! The report for a terminal, a pipe or a mail: readable in 80 columns and without colour. What is wrong comes first in
//! each lab, with all there is to say about it, and once more at the end, in a line each.
//!
//! ```text
//! ✘ Publicar el puerto · lab1/port                                             0/3
//!   ✘ mal         el 5432 de la VM lleva al 5432 de ams                        0/3
//!     esperado    hay una publicación de 5432
//!     visto       bindings: ninguno (lista vacía)
//!     para verlo  docker port ams
//!     pista       ¿Qué opción de `docker run` publica un puerto?
//! ```

mod foot;

use console::measure_text_width;

use crate::render::{
    NAME, Options, coloured, credited, moment, name_of, place, seen, settled, symbol, tame, tame_answer, tame_prose,
    word, worth,
};
use crate::terminal::{Look, Page};
use crate::text::Text;
use crate::vantage::Vantage;
use crate::verdict::{CheckResult, Hint, LabResult, Outcome, Report, Score, StepResult};

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let look = Look { width: options.width, color: options.color, links: options.links };
    let mut writer = Writer { page: Page::new(look), options, report, reasons: Vec::new() };
    writer.head();
    for lab in &report.labs {
        writer.lab(lab);
    }
    writer.foot();
    writer.page.finish()
}

/// The columns in which checks and what is said about them begin.
const CHECK: usize = 2;
const DETAIL: usize = 4;
/// The width of the words before both, so that all text begins in one column.
const LABEL: usize = 12;

struct Writer<'a> {
    page: Page,
    options: &'a Options,
    report: &'a Report,
    /// Why checks are unknown, as far as it was said, each with the check it was said of.
    reasons: Vec<(&'a Text, &'a str)>,
}

impl<'a> Writer<'a> {
    fn head(&mut self) {
        let report = self.report;
        let engine = report.machine.engine.as_ref().map(|engine| format!("Docker {engine}"));
        let who = report.student.clone();
        let about = [Some(format!("labrun {}", report.labrun)), Some(moment(&report.started)), engine, who];
        let about: Vec<String> = about.iter().flatten().map(|part| tame(part, NAME)).collect();
        self.page.lines(0, &about.join(" · "), &self.page.style().dim());
        let mut counted = String::new();
        for outcome in Outcome::ALL {
            let n = report.checks().filter(|check| check.outcome == outcome).count();
            let one = self.mark(outcome, &format!("{} {} {n}", symbol(outcome), self.say(&word(outcome))));
            if measure_text_width(&counted) + measure_text_width(&one) + 3 > self.page.width() {
                self.page.line(0, &std::mem::take(&mut counted));
            }
            if n > 0 {
                counted += if counted.is_empty() { "" } else { "   " };
                counted += &one;
            }
        }
        self.page.line(0, &counted);
        for remark in &report.remarks {
            let (label, style) = (self.label(("Ojo", "Mind"), SHORT_LABEL), self.page.style().yellow());
            self.page.labelled(0, &label, &tame_prose(self.say(remark)), &style);
        }
    }

    fn lab(&mut self, lab: &'a LabResult) {
        let title = format!("{} · {}", tame(&lab.id, NAME), tame(self.say(&lab.title), NAME));
        self.page.line(0, "");
        self.page.row(0, "", &title, &score(&lab.points), &self.page.style().bold());
        self.page.rule();
        let digest = if self.options.verbose { &lab.digest } else { lab.digest.get(..12).unwrap_or(&lab.digest) };
        let from = tame(&format!("{} · sha256 {digest}", lab.source), NAME);
        self.page.lines(0, &from, &self.page.style().dim());
        // What is wrong comes first, and steps of one kind in the order of the lab.
        let mut steps: Vec<&StepResult> = lab.steps.iter().collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.outcome));
        steps.into_iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &'a StepResult) {
        self.page.line(0, "");
        let sign = format!("{} ", self.mark(step.outcome, symbol(step.outcome)));
        let title = format!("{} · {}", tame(self.say(&step.title), NAME), tame(&step.address, NAME));
        self.page.row(0, &sign, &title, &score(&step.points), &self.page.style().bold());
        step.checks.iter().for_each(|check| self.check(check));
    }

    fn check(&mut self, check: &'a CheckResult) {
        let outcome = check.outcome;
        let said = self.say(&word(outcome)).to_owned();
        let gap = " ".repeat(LABEL.saturating_sub(measure_text_width(&said)));
        let sign = self.mark(outcome, &format!("{} {said}", symbol(outcome))) + &gap;
        self.page.row(CHECK, &sign, &tame(self.say(&check.claim), NAME), &worth(check), &self.page.style());

        let verbose = self.options.verbose;
        match outcome {
            Outcome::Fail => self.mismatches(check),
            Outcome::Blocked => {
                for address in &check.blocked_by {
                    let name = name_of(self.report, address).map_or("", |name| self.say(name));
                    self.detail(("por", "by"), &format!("{} ({})", tame(name, NAME), tame(address, NAME)));
                }
                if verbose {
                    self.mismatches(check);
                }
            }
            _ if verbose => self.expected(check),
            _ => {}
        }
        let is_told = self.reason(check);
        if let Some(how) = &check.deferred {
            self.author(("cómo", "how"), how);
        }
        if let Some(credit) = &check.credit {
            self.detail(("acreditado", "credited"), self.say(&credited(credit)));
        }
        if let Some(decided) = &check.settled {
            self.detail(("decidido", "decided"), self.say(&settled(decided)));
        }
        if let Some(answer) = &check.answer {
            self.detail(("respuesta", "answer"), &tame_answer(answer));
        }
        if let Some(note) = &check.note {
            note.say.iter().for_each(|say| self.author(("nota", "note"), say));
        }
        if verbose || outcome == Outcome::Fail || outcome == Outcome::Unknown && !is_told {
            let place = self.say(&place(check)).to_owned();
            let about = format!("{place} · {} ms · {}", check.took_ms, tame(&check.address, NAME));
            match (verbose, &check.from) {
                (true, _) => self.detail(("desde", "from"), &about),
                // Where the student works there is nothing to say of it.
                (false, Vantage::Vm) => {}
                (false, _) => self.detail(("desde", "from"), &place),
            }
            self.command(check);
        }
        if let (Some(hint), Outcome::Fail) = (&check.hint, outcome) {
            self.hint(check, hint);
        }
    }

    /// Why it is unknown, in full where that is said for the first time; whether it was said before.
    fn reason(&mut self, check: &'a CheckResult) -> bool {
        let Some(doubt) = &check.unknown else { return false };
        let before = self.reasons.iter().find(|(why, _)| *why == &doubt.why).map(|(_, address)| *address);
        match before.filter(|_| !self.options.verbose) {
            None => {
                self.reasons.push((&doubt.why, &check.address));
                self.author(("porque", "because"), &doubt.why);
                false
            }
            Some(address) => {
                let address = tame(address, NAME);
                let as_before = Text::new(format!("lo mismo que {address}"), format!("the same as {address}"));
                self.detail(("porque", "because"), self.say(&as_before));
                true
            }
        }
    }

    fn mismatches(&mut self, check: &CheckResult) {
        if check.mismatches.is_empty() {
            self.expected(check);
        }
        // The first one is the cause, as the author ordered them; the others mostly follow from it.
        let shown = check.mismatches.len().min(if self.options.verbose { usize::MAX } else { 1 });
        for mismatch in check.mismatches.iter().take(shown) {
            self.detail(("esperado", "expected"), &tame_prose(self.say(&mismatch.expected)));
            let fact = if mismatch.fact.is_empty() { "" } else { &format!("{}: ", tame(&mismatch.fact, NAME)) };
            self.detail(("visto", "seen"), &format!("{fact}{}", self.say(&seen(&mismatch.seen))));
        }
        let more = match check.mismatches.len() - shown {
            0 => return,
            1 => Text::new("(1 diferencia más con -v)", "(1 more difference with -v)"),
            n => Text::new(format!("({n} diferencias más con -v)"), format!("({n} more differences with -v)")),
        };
        self.detail(("", ""), self.say(&more));
    }

    fn expected(&mut self, check: &CheckResult) {
        for expected in &check.expected {
            self.detail(("esperado", "expected"), &tame_prose(self.say(expected)));
        }
    }

    fn command(&mut self, check: &CheckResult) {
        let label = self.label(("para verlo", "see it"), LABEL);
        self.page.command(DETAIL, &label, &tame_prose(&check.command));
    }

    fn hint(&mut self, check: &CheckResult, hint: &Hint) {
        let shown = if self.options.verbose { hint.say.len() } else { 1 };
        for say in hint.say.iter().take(shown) {
            self.author(("pista", "hint"), say);
        }
        let ask = format!("`labrun hint {}`", tame(&check.address, NAME));
        let more = match hint.say.len().saturating_sub(shown) {
            0 => return,
            1 => Text::new(format!("(1 más: {ask})"), format!("(1 more: {ask})")),
            n => Text::new(format!("({n} más: {ask})"), format!("({n} more: {ask})")),
        };
        self.detail(("", ""), self.say(&more));
    }

    /// One thing said about a check, under its label.
    fn detail(&mut self, label: (&str, &str), text: &str) {
        let label = self.label(label, LABEL);
        self.page.labelled(DETAIL, &label, text, &self.page.style());
    }

    /// The same in the words of the lab's author or of labrun, in which addresses can be followed.
    fn author(&mut self, label: (&str, &str), text: &Text) {
        let label = self.label(label, LABEL);
        let text = tame_prose(self.say(text));
        self.page.prose(DETAIL, &label, &text);
    }

    fn label(&self, (es, en): (&str, &str), width: usize) -> String {
        format!("{:width$}", self.say(&Text::new(es, en)))
    }

    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.get(self.options.lang)
    }

    fn mark(&self, outcome: Outcome, text: &str) -> String {
        coloured(self.page.style(), outcome).apply_to(text).to_string()
    }
}

/// The width of the words before what is said about the whole report.
const SHORT_LABEL: usize = 7;

/// `5/10`, with what is on top: `5/10 +1`.
pub fn score(score: &Score) -> String {
    match (score.possible.hundredths(), score.bonus.hundredths()) {
        (_, 0) => format!("{}/{}", score.earned, score.possible),
        (0, _) => format!("+{}", score.bonus),
        _ => format!("{}/{} +{}", score.earned, score.possible, score.bonus),
    }
}
