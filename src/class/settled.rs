//! What a teacher decides beside labrun: points for what was left to them, and marks that they set otherwise, each with
//! a reason, in `overrides.csv`. A report shows them as what they are.

use std::sync::Arc;

use crate::class::table::{self, Cell, Row, unless_mistaken};
use crate::decode::Decode;
use crate::error::{Diagnostic, suggestion};
use crate::evidence::CourseFacts;
use crate::points::Points;
use crate::source::Source;
use crate::verdict::{Outcome, Report, Settled};

/// The columns of `overrides.csv`. The last three are those of `queue.csv`, and say nothing here.
pub const COLUMNS: &[&str] = &["student", "check", "points", "verdict", "reason", "by", "possible", "claim", "answer"];

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Whose.
    pub student: String,
    /// The address of the check.
    pub check: String,
    /// What they get for it.
    pub award: Award,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
}

/// What a student gets for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Award {
    /// All of its points.
    Pass,
    /// None of them.
    Fail,
    /// So many.
    Points(Points),
}

/// A check that may be decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its address.
    pub address: String,
    /// What it is worth.
    pub points: Points,
}

/// Reads the decisions on `checks` of `students`, and how many rows are not filled in yet.
pub fn read(
    source: &Arc<Source>,
    students: &[&str],
    checks: &[Open],
) -> Result<(Vec<Override>, usize), Vec<Diagnostic>> {
    let mut decode = Decode::new(source);
    let rows = table::read(source, COLUMNS, &["student", "check", "reason", "by"], &mut decode);
    let mut all: Vec<Override> = Vec::new();
    let mut empty = 0;
    for row in &rows {
        if ["points", "verdict", "reason", "by"].iter().all(|column| row.get(column).is_none()) {
            empty += 1;
            continue;
        }
        let Some(one) = decision(row, students, checks, &mut decode) else { continue };
        if all.iter().any(|other| (&other.student, &other.check) == (&one.student, &one.check)) {
            let message = format!("`{}` of `{}` has been decided on further up", one.check, one.student);
            decode.mistake(row.span, message, Some("keep the row that counts".to_owned()));
        }
        all.push(one);
    }
    unless_mistaken((all, empty), decode)
}

fn decision(row: &Row, students: &[&str], checks: &[Open], decode: &mut Decode) -> Option<Override> {
    let student = wanted(row, "student", decode).cloned();
    let check = wanted(row, "check", decode).cloned();
    let (reason, by) = (wanted(row, "reason", decode).cloned(), wanted(row, "by", decode).cloned());
    if let Some(student) = student.as_ref().filter(|student| !students.contains(&student.text.as_str())) {
        let help = suggestion_of_few(&student.text, students.iter().copied());
        decode.mistake(student.span, format!("there is no student `{}` in this class", student.text), help);
    }
    let check = check?;
    let Some(open) = checks.iter().find(|open| open.address == check.text) else {
        let help = suggestion_of_few(&check.text, checks.iter().map(|open| open.address.as_str()));
        decode.mistake(check.span, format!("there is no check `{}` in this class", check.text), help);
        return None;
    };
    let award = award(row, open, decode)?;
    Some(Override { student: student?.text, check: check.text, award, reason: reason?.text, by: by?.text })
}

fn wanted<'r>(row: &'r Row, column: &str, decode: &mut Decode) -> Option<&'r Cell> {
    let cell = row.get(column);
    if cell.is_none() {
        decode.mistake(row.span, format!("this row has no `{column}`"), None);
    }
    cell
}

/// What was probably meant; a list of a whole class would help nobody.
fn suggestion_of_few<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    match candidates.clone().into_iter().count() {
        0..=12 => suggestion(word, candidates),
        _ => suggestion(word, candidates).filter(|help| help.starts_with("did you mean")),
    }
}

fn award(row: &Row, open: &Open, decode: &mut Decode) -> Option<Award> {
    match (row.get("points"), row.get("verdict")) {
        (Some(points), None) => {
            // A spreadsheet may write 1,5.
            let number = points.text.replacen(',', ".", 1);
            let read =
                number.parse::<f64>().ok().and_then(|number| serde_json::from_value::<Points>(number.into()).ok());
            let award = read.filter(|read| *read <= open.points);
            if award.is_none() {
                let message = format!("`{}` is worth 0 to {} points", open.address, open.points);
                decode.mistake(points.span, message, None);
            }
            award.map(Award::Points)
        }
        (None, Some(verdict)) => match verdict.text.to_lowercase().as_str() {
            "pass" => Some(Award::Pass),
            "fail" => Some(Award::Fail),
            _ => {
                decode.mistake(verdict.span, "a verdict is `pass` or `fail`", Some("or write `points`".to_owned()));
                None
            }
        },
        (Some(_), Some(verdict)) => {
            decode.mistake(verdict.span, "both points and a verdict: which of them counts?", None);
            None
        }
        (None, None) => {
            decode.mistake(row.span, "this row has neither `points` nor a `verdict`", None);
            None
        }
    }
}

/// The report with what was decided on `student`, and every sum made anew.
pub fn settle(mut report: Report, student: &str, overrides: &[Override], course: Option<&CourseFacts>) -> Report {
    let own: Vec<&Override> = overrides.iter().filter(|decided| decided.student == student).collect();
    if own.is_empty() {
        return report;
    }
    let checks = report.labs.iter_mut().flat_map(|lab| &mut lab.steps).flat_map(|step| &mut step.checks);
    for check in checks {
        let Some(decided) = own.iter().find(|decided| decided.check == check.address) else { continue };
        let points = match decided.award {
            Award::Pass => check.points,
            Award::Fail => Points::ZERO,
            // A check of the lab as it is now may be worth less than when that was decided.
            Award::Points(points) => points.min(check.points),
        };
        let all = points == check.points && decided.award != Award::Fail;
        let was = check.outcome;
        check.settled = Some(Settled { points, reason: decided.reason.clone(), by: decided.by.clone(), was });
        check.outcome = if all { Outcome::Pass } else { Outcome::Fail };
        // What labrun saw of a fail stays to be read; what the student is still to do about it is the teacher's word.
        check.blocked_by.clear();
        check.unknown = None;
        check.deferred = None;
        check.hint = None;
    }
    report.sum_up(course);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_it(text: &str) -> Result<(Vec<Override>, usize), Vec<Diagnostic>> {
        let open = |address: &str| Open { address: address.to_owned(), points: Points::from_hundredths(200) };
        read(&Source::new("overrides.csv", text), &["ana", "bea"], &[open("lab1/a/x"), open("lab1/a/y")])
    }

    #[test]
    fn rows_are_read_as_a_spreadsheet_writes_them() {
        let text = "student;check;points;verdict;reason;by\nana;lab1/a/x;1,5;;media respuesta;Prof.\nbea;lab1/a/x;;PASS;\"oral; bien\";Prof.\nbea;lab1/a/y;;;;\n";
        let (all, empty) = read_it(text).unwrap();
        assert_eq!((all.len(), empty), (2, 1));
        assert_eq!(all[0].award, Award::Points(Points::from_hundredths(150)));
        assert_eq!((all[1].award, all[1].reason.as_str()), (Award::Pass, "oral; bien"));
    }

    #[test]
    fn nothing_malformed_is_passed_over() {
        let head = "student,check,points,verdict,reason,by\n";
        for (row, said) in [
            ("anna,lab1/a/x,1,,r,b", "there is no student `anna` in this class"),
            ("ana,lab1/a/z,1,,r,b", "there is no check `lab1/a/z` in this class"),
            ("ana,lab1/a/x,3,,r,b", "`lab1/a/x` is worth 0 to 2 points"),
            ("ana,lab1/a/x,-1,,r,b", "`lab1/a/x` is worth 0 to 2 points"),
            ("ana,lab1/a/x,0.001,,r,b", "`lab1/a/x` is worth 0 to 2 points"),
            ("ana,lab1/a/x,NaN,,r,b", "`lab1/a/x` is worth 0 to 2 points"),
            ("ana,lab1/a/x,,good,r,b", "a verdict is `pass` or `fail`"),
            ("ana,lab1/a/x,1,pass,r,b", "both points and a verdict: which of them counts?"),
            ("ana,lab1/a/x,,,r,b", "this row has neither `points` nor a `verdict`"),
            ("ana,lab1/a/x,1,,,b", "this row has no `reason`"),
            ("ana,lab1/a/x,1,,r,", "this row has no `by`"),
            ("ana,,1,,r,b", "this row has no `check`"),
            (",lab1/a/x,1,,r,b", "this row has no `student`"),
            ("ana,lab1/a/x,1,,r,b\nana,lab1/a/x,2,,r,b", "`lab1/a/x` of `ana` has been decided on further up"),
            ("ana,lab1/a/x,1,,r,b,more", "a cell beyond the last column"),
        ] {
            let mistakes = read_it(&format!("{head}{row}\n")).unwrap_err();
            assert_eq!(mistakes.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>(), [said], "{row}");
            assert!(mistakes[0].to_string().contains("overrides.csv:"), "{}", mistakes[0]);
        }
    }
}
