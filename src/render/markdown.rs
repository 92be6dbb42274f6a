//! The report as Markdown of GitHub's flavour: for a step summary, an issue, a merge request. Everything that is not
//! labrun's own is written so that no Markdown and no HTML comes of it.

use crate::render::{
    NAME, Options, advice, credited, name_of, seen, share, symbol, tallied, tame, tame_answer, tame_prose, word, worth,
};
use crate::text::Text;
use crate::verdict::{CheckResult, LabResult, Outcome, Report, Score};

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let mut page = Page { out: String::new(), options, report };
    page.head();
    report.labs.iter().for_each(|lab| page.lab(lab));
    page.out
}

/// The report without what is said of each check: for where there is no room for more.
pub fn brief(report: &Report, options: &Options) -> String {
    let mut page = Page { out: String::new(), options, report };
    page.head();
    page.out
}

struct Page<'a> {
    out: String,
    options: &'a Options,
    report: &'a Report,
}

impl Page<'_> {
    fn head(&mut self) {
        let report = self.report;
        let total = total(&report.points);
        self.out += &format!("## {} {}\n\n", symbol(report.outcome), self.say(&total));
        let who = report.student.as_deref().map(|who| plain(&tame(who, NAME)));
        let run = [Some(format!("labrun {}", report.labrun)), Some(report.started.clone())];
        let about = run.into_iter().flatten().map(|part| plain(&tame(&part, NAME))).chain(who);
        self.out += &format!("{}\n\n", about.collect::<Vec<_>>().join(" · "));
        for remark in &report.remarks {
            self.out += &format!("> {}\n\n", inline(&tame_prose(self.say(remark))));
        }
        if let Some(course) = &report.course {
            let course =
                format!("{} · {}", tame(self.say(&course.title), NAME), self.say(&self::total(&course.points)));
            self.out += &format!("**{}**\n\n", plain(&course));
        }
        self.out += &format!("{}\n\n", inline(&tame_prose(self.say(&advice(report)))));
    }

    fn lab(&mut self, lab: &LabResult) {
        let title = format!("{} · {}", tame(&lab.id, NAME), tame(self.say(&lab.title), NAME));
        self.out += &format!("### {} {}\n\n", symbol(lab.outcome), inline(&title));
        let heads = Text::new("| | afirmación | puntos |", "| | claim | points |");
        self.out += &format!("{}\n|---|---|--:|\n", self.say(&heads));
        for check in lab.steps.iter().flat_map(|step| &step.checks) {
            let (sign, outcome) = (symbol(check.outcome), word(check.outcome));
            let said = self.say(&outcome).to_owned();
            let claim = inline(&tame(self.say(&check.claim), NAME));
            self.out += &format!("| {sign} {said} | {claim} | {} |\n", plain(&worth(check)));
        }
        self.out.push('\n');
        let source = tame(&format!("{} · sha256 {}", lab.source, lab.digest.get(..12).unwrap_or(&lab.digest)), NAME);
        self.out += &format!("<sub>{}</sub>\n\n", plain(&source));
        lab.steps.iter().flat_map(|step| &step.checks).for_each(|check| self.check(check));
    }

    /// What there is to say of a check beside its outcome; nothing of one that passed.
    fn check(&mut self, check: &CheckResult) {
        let lines = self.details(check);
        if lines.is_empty() {
            return;
        }
        let claim = inline(&tame(self.say(&check.claim), NAME));
        let address = plain(&tame(&check.address, NAME));
        self.out += &format!("#### {} {claim}\n\n<sub>{address}</sub>\n\n", symbol(check.outcome));
        for (label, said) in lines {
            self.out += &format!("- **{label}:** {said}\n");
        }
        let command = tame_prose(&check.command);
        if matches!(check.outcome, Outcome::Fail | Outcome::Unknown) && !command.is_empty() {
            self.out += &format!("\n<pre>{}</pre>\n", html(&command));
        }
        self.out.push('\n');
    }

    fn details(&self, check: &CheckResult) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&'static str, String)> = Vec::new();
        let say = |es, en| if self.options.lang == crate::text::Lang::Es { es } else { en };
        let prose = |text: &Text| inline(&tame_prose(self.say(text)));
        let shown = if self.options.verbose { usize::MAX } else { 1 };
        if check.outcome == Outcome::Fail || (self.options.verbose && check.outcome == Outcome::Blocked) {
            for mismatch in check.mismatches.iter().take(shown) {
                lines.push((say("esperado", "expected"), prose(&mismatch.expected)));
                let fact = tame(&mismatch.fact, NAME);
                let colon = if fact.is_empty() { "" } else { ": " };
                lines
                    .push((say("visto", "seen"), inline(&format!("{fact}{colon}{}", self.say(&seen(&mismatch.seen))))));
            }
        }
        if check.outcome == Outcome::Fail && check.mismatches.is_empty() {
            lines.extend(check.expected.iter().map(|expected| (say("esperado", "expected"), prose(expected))));
        }
        for address in check.blocked_by.iter().filter(|_| check.outcome == Outcome::Blocked) {
            let name = name_of(self.report, address).map_or("", |name| self.say(name));
            lines.push((say("por", "by"), inline(&format!("{} ({})", tame(name, NAME), tame(address, NAME)))));
        }
        lines.extend(check.unknown.iter().map(|doubt| (say("porque", "because"), prose(&doubt.why))));
        lines.extend(check.deferred.iter().map(|how| (say("cómo", "how"), prose(how))));
        lines.extend(check.credit.iter().map(|of| (say("acreditado", "credited"), prose(&credited(of)))));
        lines.extend(check.answer.iter().map(|answer| (say("respuesta", "answer"), inline(&tame_answer(answer)))));
        let notes = check.note.iter().flat_map(|note| &note.say);
        lines.extend(notes.map(|note| (say("nota", "note"), prose(note))));
        if let (Some(hint), Outcome::Fail) = (&check.hint, check.outcome) {
            lines.extend(hint.say.iter().take(shown).map(|stage| (say("pista", "hint"), prose(stage))));
        }
        lines
    }

    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.get(self.options.lang)
    }
}

/// `5/10 puntos · 50 % · 5 perdidos`.
pub fn total(score: &Score) -> Text {
    let mut total = Text::same(format!("{}/{}", score.earned, score.possible));
    total.es += " puntos";
    total.en += " points";
    let rest =
        [(score.lost, Outcome::Fail), (score.undetermined, Outcome::Unknown), (score.deferred, Outcome::Deferred)];
    let rest = rest.into_iter().filter(|(points, _)| points.hundredths() > 0);
    let rest = rest.map(|(points, outcome)| {
        let what = tallied(outcome, points);
        Text::new(format!("{points} {}", what.es), format!("{points} {}", what.en))
    });
    let bonus = (score.bonus.hundredths() > 0).then(|| Text::same(format!("+{} bonus", score.bonus)));
    for part in share(score).into_iter().chain(rest).chain(bonus) {
        total.es += &format!(" · {}", part.es);
        total.en += &format!(" · {}", part.en);
    }
    total
}

/// Prose with its `code` marked as such, in one paragraph.
fn inline(text: &str) -> String {
    let mut parts = text.split('`').peekable();
    let mut out = String::new();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        match (is_code, parts.peek()) {
            (true, Some(_)) => out += &format!("<code>{}</code>", plain(part)),
            // One backtick too many opens nothing.
            (true, None) => out += &format!("&#96;{}", plain(part)),
            (false, _) => out += &plain(part),
        }
        is_code = !is_code;
    }
    out.replace('\n', "<br>")
}

/// Text of which neither Markdown nor HTML makes anything else, wherever it stands in a line but at its beginning.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' | '@' | '`' => {
                out += &format!("&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    // What would become a link by itself.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// Text inside of an element.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_is_code_and_everything_else_is_text() {
        assert_eq!(inline("run `docker ps` *now*"), "run <code>docker ps</code> &#42;now&#42;");
        assert_eq!(
            inline("`a|b` <b> [x](http://y) `z"),
            "<code>a&#124;b</code> &#60;b&#62; &#91;x&#93;(http&#58;//y) &#96;z"
        );
        assert_eq!(inline("one\ntwo"), "one<br>two");
        assert_eq!(plain("@ana www.x #1"), "&#64;ana www&#46;x &#35;1");
    }

    proptest! {
        #[test]
        fn nothing_of_markdown_or_html_is_left_of_any_text(text in any::<String>()) {
            let out = inline(&text).replace("<code>", "").replace("</code>", "").replace("<br>", "");
            prop_assert!(!out.contains(['<', '>', '*', '_', '[', ']', '|', '`', '~', '\n']), "{}", out);
        }
    }
}
