//! The report for a terminal, a pipe or a mail: readable in 80 columns and without colour.
//!
//! ```text
//! ✘ Publicar el puerto                                                         0/3
//!   ✘ mal         el 5432 de la VM lleva al 5432 de ams                        0/3
//!     esperado    hay una publicación de 5432
//!     visto       bindings: ninguno (lista vacía)
//!     desde       la VM
//!     para verlo  docker port ams
//!     pista       ¿Qué opción de `docker run` publica un puerto?
//! ```

use console::{Style, measure_text_width};

use crate::render::{
    NAME, Options, advice, credited, name_of, place, seen, settled, share, symbol, tallied, tame, tame_answer,
    tame_prose, word, worth,
};
use crate::text::Text;
use crate::verdict::{CheckResult, Hint, LabResult, Outcome, Report, Score};

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let mut page = Page { out: String::new(), width: options.width.clamp(60, 100), options, report };
    page.head();
    for lab in &report.labs {
        page.lab(lab);
    }
    page.foot();
    page.out
}

/// The columns in which checks and what is said about them begin.
const CHECK: usize = 2;
const DETAIL: usize = 4;
/// The width of the words before both, so that all text begins in one column.
const LABEL: usize = 12;

struct Page<'a> {
    out: String,
    width: usize,
    options: &'a Options,
    report: &'a Report,
}

impl Page<'_> {
    fn head(&mut self) {
        let report = self.report;
        let engine = report.machine.engine.as_ref().map(|engine| format!("Docker {engine}"));
        let who = report.student.clone();
        let about = [Some(format!("labrun {}", report.labrun)), Some(report.started.clone()), engine, who];
        let about: Vec<String> = about.iter().flatten().map(|part| tame(part, NAME)).collect();
        self.lines(0, &about.join(" · "), &self.style().dim());
        let mut counted = String::new();
        for outcome in Outcome::ALL {
            let n = report.checks().filter(|check| check.outcome == outcome).count();
            let one = self.mark(outcome, &format!("{} {} {n}", symbol(outcome), self.say(&word(outcome))));
            if measure_text_width(&counted) + measure_text_width(&one) + 3 > self.width {
                self.line(0, &std::mem::take(&mut counted));
            }
            if n > 0 {
                counted += if counted.is_empty() { "" } else { "   " };
                counted += &one;
            }
        }
        self.line(0, &counted);
        for remark in &report.remarks {
            self.field(("Ojo", "Mind"), &tame_prose(self.say(remark)), &self.style().yellow());
        }
    }

    fn lab(&mut self, lab: &LabResult) {
        let title = format!("{} · {}", tame(&lab.id, NAME), tame(self.say(&lab.title), NAME));
        self.line(0, "");
        self.row(0, "", &title, &self.score(&lab.points), &self.style().bold());
        self.line(0, &"─".repeat(self.width));
        let digest = if self.options.verbose { &lab.digest } else { lab.digest.get(..12).unwrap_or(&lab.digest) };
        self.lines(0, &tame(&format!("{} · sha256 {digest}", lab.source), NAME), &self.style().dim());
        for step in &lab.steps {
            self.line(0, "");
            let sign = format!("{} ", self.mark(step.outcome, symbol(step.outcome)));
            let title = tame(self.say(&step.title), NAME);
            self.row(0, &sign, &title, &self.score(&step.points), &self.style().bold());
            step.checks.iter().for_each(|check| self.check(check));
        }
    }

    fn check(&mut self, check: &CheckResult) {
        let outcome = check.outcome;
        let said = self.say(&word(outcome)).to_owned();
        let gap = " ".repeat(LABEL.saturating_sub(measure_text_width(&said)));
        let sign = self.mark(outcome, &format!("{} {said}", symbol(outcome))) + &gap;
        self.row(CHECK, &sign, &tame(self.say(&check.claim), NAME), &worth(check), &self.style());

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
        if let Some(doubt) = &check.unknown {
            self.detail(("porque", "because"), &tame_prose(self.say(&doubt.why)));
        }
        if let Some(how) = &check.deferred {
            self.detail(("cómo", "how"), &tame_prose(self.say(how)));
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
            note.say.iter().for_each(|say| self.detail(("nota", "note"), &tame_prose(self.say(say))));
        }
        if verbose || matches!(outcome, Outcome::Fail | Outcome::Unknown) {
            let place = self.say(&place(check)).to_owned();
            let about = format!("{place} · {} ms · {}", check.took_ms, tame(&check.address, NAME));
            self.detail(("desde", "from"), if verbose { &about } else { &place });
            self.command(check);
        }
        if let (Some(hint), Outcome::Fail) = (&check.hint, outcome) {
            self.hint(hint);
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

    /// A command is never broken into lines: who copies it gets what runs.
    fn command(&mut self, check: &CheckResult) {
        let command = tame_prose(&check.command);
        let room = self.width - DETAIL - LABEL;
        let label = format!("{:LABEL$}", self.say(&Text::new("para verlo", "see it")));
        match command.lines().collect::<Vec<_>>()[..] {
            [] => {}
            [line] if measure_text_width(line) <= room => {
                self.labelled(DETAIL, &label, line, &self.style());
            }
            ref lines => {
                self.labelled(DETAIL, label.trim_end(), "", &self.style());
                lines.iter().for_each(|line| self.line(DETAIL, line));
            }
        }
    }

    fn hint(&mut self, hint: &Hint) {
        let shown = if self.options.verbose { hint.say.len() } else { 1 };
        for say in hint.say.iter().take(shown) {
            self.detail(("pista", "hint"), &tame_prose(self.say(say)));
        }
        let more = match hint.say.len().saturating_sub(shown) {
            0 => return,
            1 => Text::new("(1 pista más con -v)", "(1 more hint with -v)"),
            n => Text::new(format!("({n} pistas más con -v)"), format!("({n} more hints with -v)")),
        };
        self.detail(("", ""), self.say(&more));
    }

    fn foot(&mut self) {
        let report = self.report;
        self.line(0, "");
        self.line(0, &"─".repeat(self.width));
        for check in report.checks().filter(|check| check.outcome == Outcome::Fail && !check.bonus) {
            let sign = self.mark(Outcome::Fail, &format!("✘ {}", self.say(&word(Outcome::Fail)))) + "  ";
            let claim = format!("{} ({})", tame(self.say(&check.claim), NAME), tame(&check.address, NAME));
            self.row(0, &sign, &claim, &worth(check), &self.style());
        }
        let total = self.total(&report.points);
        self.field(("Total", "Total"), &total, &self.style().bold());
        if let Some(course) = &report.course {
            let total = format!("{} · {}", tame(self.say(&course.title), NAME), self.total(&course.points));
            self.field(("Curso", "Course"), &total, &self.style().bold());
        }
        self.field(("Ahora", "Next"), &tame_prose(self.say(&advice(report))), &self.style());
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

    /// `5/10`, with what is on top: `5/10 +1`.
    fn score(&self, score: &Score) -> String {
        match (score.possible.hundredths(), score.bonus.hundredths()) {
            (_, 0) => format!("{}/{}", score.earned, score.possible),
            (0, _) => format!("+{}", score.bonus),
            _ => format!("{}/{} +{}", score.earned, score.possible, score.bonus),
        }
    }

    /// One thing said about a check, under its label.
    fn detail(&mut self, (es, en): (&str, &str), text: &str) {
        let label = format!("{:LABEL$}", self.say(&Text::new(es, en)));
        self.labelled(DETAIL, &label, text, &self.style());
    }

    /// One thing said about the whole report, under its label.
    fn field(&mut self, (es, en): (&str, &str), text: &str, style: &Style) {
        let label = format!("{:7}", self.say(&Text::new(es, en)));
        self.labelled(0, &label, text, style);
    }

    fn labelled(&mut self, indent: usize, label: &str, text: &str, style: &Style) {
        let column = indent + measure_text_width(label);
        for (n, line) in wrap(text, self.width - column).iter().enumerate() {
            let line = style.apply_to(line);
            match n {
                0 => self.line(indent, &format!("{}{line}", self.style().dim().apply_to(label))),
                _ => self.line(column, &line.to_string()),
            }
        }
    }

    /// Text behind a sign, wrapped under itself, with `right` at the end of its first line.
    fn row(&mut self, indent: usize, sign: &str, text: &str, right: &str, style: &Style) {
        let column = indent + measure_text_width(sign);
        let room = self.width - column - measure_text_width(right).max(5) - 2;
        for (n, line) in wrap(text, room).iter().enumerate() {
            let gap =
                " ".repeat(room + 2 + 5_usize.saturating_sub(measure_text_width(right)) - measure_text_width(line));
            let line = style.apply_to(line);
            match n {
                0 => self.line(indent, &format!("{sign}{line}{gap}{right}")),
                _ => self.line(column, &line.to_string()),
            }
        }
    }

    fn lines(&mut self, indent: usize, text: &str, style: &Style) {
        for line in wrap(text, self.width - indent) {
            self.line(indent, &style.apply_to(line).to_string());
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let line = format!("{}{text}", " ".repeat(indent));
        self.out += line.trim_end();
        self.out.push('\n');
    }

    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.get(self.options.lang)
    }

    /// Colour only repeats what the sign and the word say.
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

    fn style(&self) -> Style {
        Style::new().force_styling(self.options.color)
    }
}

/// Breaks text into lines of at most `width` columns, between words where it can. Always at least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let needed = measure_text_width(&line) + 1 + measure_text_width(word);
            if !line.is_empty() && needed > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for c in word.chars() {
                let c = c.encode_utf8(&mut [0; 4]).to_owned();
                if measure_text_width(&line) + measure_text_width(&c) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line += &c;
            }
        }
        lines.push(line);
    }
    lines
}
