//! The tables of a class: `marks.csv` for everything, one each for the gradebooks of Moodle and Canvas, and
//! `queue.csv`, which a teacher fills in and keeps as `overrides.csv`.
//!
//! A cell that is a mark is empty until nothing of it is undetermined or deferred. A text that a spreadsheet would take
//! for a formula gets an apostrophe before it, and so does a part of one after a `;`.

use crate::class::roster::Roster;
use crate::class::settled::COLUMNS;
use crate::class::summary::{Class, StudentOfClass};
use crate::points::Points;
use crate::render::tame;
use crate::text::Lang;
use crate::verdict::Score;

/// The longest text of a cell, in characters.
const LONG: usize = 2000;

/// Everything, one row for each student.
pub fn marks(class: &Class) -> String {
    let mut header = vec!["id".to_owned(), "name".to_owned()];
    header.extend(class.labs.iter().map(|lab| lab.id.clone()));
    header.push("total".to_owned());
    header.extend(class.course.iter().map(|_| "course".to_owned()));
    header.extend(["earned", "lost", "undetermined", "deferred", "possible", "bonus"].map(str::to_owned));
    for lab in &class.labs {
        let parts = ["earned", "lost", "undetermined", "deferred", "bonus"];
        header.extend(parts.map(|part| format!("{} {part}", lab.id)));
    }
    header.extend(["late", "settled", "flags", "signature", "seen"].map(str::to_owned));
    let rows = class.students.iter().map(|student| {
        let mut row = vec![text(&student.id), text(student.name.as_deref().unwrap_or_default())];
        row.extend(student.labs.iter().map(|lab| number(lab.mark)));
        row.push(number(student.mark));
        row.extend(class.course.iter().map(|_| number(student.course.as_ref().and_then(mark))));
        let Score { earned, lost, undetermined, deferred, possible, bonus } = student.points;
        row.extend([earned, lost, undetermined, deferred, possible, bonus].map(|points| points.to_string()));
        for lab in &student.labs {
            let Score { earned, lost, undetermined, deferred, bonus, .. } = lab.points;
            row.extend([earned, lost, undetermined, deferred, bonus].map(|points| points.to_string()));
        }
        row.push(text(&late(student).join(" ")));
        row.push(student.settled.len().to_string());
        let mut flags: Vec<&str> = student.flags.iter().map(|flag| flag.kind.word()).collect();
        flags.dedup();
        row.push(text(&flags.join(" ")));
        row.push(student.signature.as_ref().map(|vouched| vouched.by.word().to_owned()).unwrap_or_default());
        row.push(text(&student.seen));
        row
    });
    table(header, rows)
}

/// The labs of a student that were not seen in time.
fn late(student: &StudentOfClass) -> Vec<String> {
    use crate::class::due::Punctuality;
    let late = student.labs.iter().filter_map(|lab| {
        let due = lab.due.as_ref()?;
        match due.standing {
            Punctuality::OnTime => None,
            Punctuality::Late => Some(lab.lab.clone()),
            Punctuality::SeenAfter => Some(format!("{}?", lab.lab)),
        }
    });
    late.collect()
}

/// For Moodle's grade import: students by address and ID number, each lab with a column of feedback that belongs to it.
/// Whoever has neither is left out.
pub fn moodle(class: &Class, roster: &Roster, lang: Lang) -> String {
    let mut header = vec!["Email address".to_owned(), "ID number".to_owned(), "Name".to_owned()];
    header.extend(class.labs.iter().flat_map(|lab| [lab.id.clone(), format!("{} feedback", lab.id)]));
    header.push("Total".to_owned());
    header.extend(class.course.iter().map(|course| course.id.clone()));
    let known = class.students.iter().filter_map(|student| {
        let entry = roster.students.iter().find(|entry| entry.id == student.id)?;
        (entry.email.is_some() || entry.moodle.is_some()).then_some((student, entry))
    });
    let rows = known.map(|(student, entry)| {
        let plain = |value: &Option<String>| text(value.as_deref().unwrap_or_default());
        let mut row = vec![plain(&entry.email), plain(&entry.moodle), plain(&entry.name)];
        for lab in &student.labs {
            row.extend([number(lab.mark), text(&feedback(&lab.points, lang))]);
        }
        row.push(number(student.mark));
        row.extend(class.course.iter().map(|_| number(student.course.as_ref().and_then(mark))));
        row
    });
    table(header, rows)
}

/// For Canvas's gradebook import: the second row says what each column is worth. Whoever has no ID there is left out.
pub fn canvas(class: &Class, roster: &Roster) -> String {
    let mut header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"].map(str::to_owned).to_vec();
    header.extend(class.labs.iter().map(|lab| lab.id.clone()));
    let mut possible = ["    Points Possible", "", "", "", ""].map(str::to_owned).to_vec();
    possible.extend(class.labs.iter().map(|lab| lab.possible.to_string()));
    let known = class.students.iter().filter_map(|student| {
        let entry = roster.students.iter().find(|entry| entry.id == student.id)?;
        entry.canvas.as_ref().map(|canvas| (student, entry, canvas))
    });
    let rows = known.map(|(student, entry, canvas)| {
        let name = entry.name.as_deref().unwrap_or(&entry.id);
        let mut row = vec![text(name), text(canvas), String::new(), String::new(), String::new()];
        row.extend(student.labs.iter().map(|lab| number(lab.mark)));
        row
    });
    table(header, [possible].into_iter().chain(rows))
}

/// What waits for a teacher, in the form of `overrides.csv`, with what they read to decide.
pub fn queue(class: &Class, lang: Lang) -> String {
    let rows = class.students.iter().flat_map(|student| {
        student.deferred.iter().map(|(address, left)| {
            let check = class.checks.iter().find(|check| check.address == *address);
            let possible = check.map(|check| check.points.to_string()).unwrap_or_default();
            let claim = check.map(|check| text(check.claim.get(lang))).unwrap_or_default();
            let answer = text(left.answer.as_deref().unwrap_or_default());
            let empty = String::new;
            vec![text(&student.id), text(address), empty(), empty(), empty(), empty(), possible, claim, answer]
        })
    });
    table(COLUMNS.iter().map(|column| (*column).to_owned()).collect(), rows)
}

fn mark(points: &Score) -> Option<Points> {
    points.is_final().then(|| points.earned + points.bonus)
}

/// Where the points of a lab are, in a line.
fn feedback(points: &Score, lang: Lang) -> String {
    let words = match lang {
        Lang::Es => ["conseguidos", "perdidos", "inciertos", "diferidos", "de bonus"],
        Lang::En => ["earned", "lost", "undetermined", "deferred", "bonus"],
    };
    let Score { earned, lost, undetermined, deferred, bonus, possible } = *points;
    let parts = [earned, lost, undetermined, deferred, bonus].into_iter().zip(words);
    let parts = parts.enumerate().filter(|(n, (points, _))| *n == 0 || *points > Points::ZERO);
    let parts: Vec<String> = parts.map(|(_, (points, word))| format!("{points} {word}")).collect();
    format!("{} / {possible}", parts.join(", "))
}

fn number(points: Option<Points>) -> String {
    points.map(|points| points.to_string()).unwrap_or_default()
}

/// A text that is one in every spreadsheet, also in those for which a cell ends at a `;`, quotes or none.
fn text(text: &str) -> String {
    let begins = |part: &str| part.starts_with(|c| "=+-@|%\t\r\n＝＋－＠".contains(c));
    let parts = text.split(';').enumerate().map(|(n, part)| {
        let bare = match n {
            0 => part.trim_start(),
            _ => part.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')),
        };
        if begins(part) || begins(bare) { format!("'{part}") } else { part.to_owned() }
    });
    // Only here, so that what a teacher reads is what the student wrote but for what would do harm.
    tame(&parts.collect::<Vec<_>>().join(";"), LONG)
}

fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in [header].into_iter().chain(rows) {
        writer.write_record(&row).expect("writing to memory cannot fail");
    }
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("all cells are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "＝1", "|cmd", "%0a"] {
            assert!(text(bad).starts_with('\''), "{bad:?}");
        }
        for (bad, cell) in [
            ("bien;=cmd|'/C calc'!A0", "bien;'=cmd|'/C calc'!A0"),
            ("a; \"'=1;-2", "a;' \"'=1;'-2"),
            ("a;\"\" ＝1", "a;'\"\" ＝1"),
            ("=1;b;+1", "'=1;b;'+1"),
            (";=1", ";'=1"),
            ("a;\t=1", "a;'\\t=1"),
        ] {
            assert_eq!(text(bad), cell);
        }
        for good in ["Ana", "a=b", "O'Higgins", "ñ", "", "3", "a; b", "a;", ";;", "a;\"b\"", "SELECT 1; SELECT 2 = 2;"]
        {
            assert_eq!(text(good), good);
        }
        assert!(!text("a\u{1b}[31m\u{202e}\nb").contains(['\u{1b}', '\u{202e}', '\n']));
        // What has commas and quotes stays one cell.
        let written = table(vec!["a,\"b".to_owned(), "c".to_owned()], std::iter::empty());
        assert_eq!(written, "\"a,\"\"b\",c\n");
    }
}
