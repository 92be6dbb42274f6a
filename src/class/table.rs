//! A CSV file with a header, as teachers keep it in a spreadsheet: rows of cells that remember their places, so that
//! what is wrong with one is told at its line and column.

use std::sync::Arc;

use crate::decode::Decode;
use crate::error::{Diagnostic, suggestion};
use crate::source::{Source, Span};

/// What stands in one cell, without the quotes and without space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// One row under the header.
#[derive(Debug)]
pub struct Row {
    /// Its cells by column; empty ones are left out.
    cells: Vec<(String, Cell)>,
    /// Where it begins.
    pub span: Span,
}

impl Row {
    /// What stands under `column`, if anything does.
    pub fn get(&self, column: &str) -> Option<&Cell> {
        self.cells.iter().find(|(name, _)| name == column).map(|(_, cell)| cell)
    }
}

/// Reads the rows of a table that has no other columns than `known`, and all of `required`; what is wrong with it is
/// noted. Cells are separated by commas, or by semicolons or tabs if the header is.
pub fn read(source: &Arc<Source>, known: &[&str], required: &[&str], decode: &mut Decode) -> Vec<Row> {
    // What Excel puts before UTF-8.
    let skipped = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let text = &source.text[skipped..];
    let header = text.lines().next().unwrap_or_default();
    let delimiter =
        [',', ';', '\t'].into_iter().max_by_key(|one| (header.matches(*one).count(), *one == ',')).unwrap_or(',');
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter as u8).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut columns: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            // The text is UTF-8, and rows may be of any length.
            Err(error) => {
                decode.mistake(Span::default(), format!("no CSV: {error}"), None);
                return rows;
            }
        };
        let start = record.position().map_or(0, |position| position.byte() as usize);
        let (spans, closed) = places(text, start, delimiter);
        let place = |n: usize| {
            spans.get(n).map_or(Span::default(), |span| Span::new(skipped + span.start, span.end - span.start))
        };
        if !closed {
            let last = place(spans.len().saturating_sub(1));
            let help = "a quote inside a quoted cell is written twice".to_owned();
            decode.mistake(Span::new(last.start, 1), "the quote that begins here is never closed", Some(help));
            return rows;
        }
        let cells = record.iter().enumerate().map(|(n, text)| Cell { text: text.trim().to_owned(), span: place(n) });
        let cells: Vec<Cell> = cells.collect();
        match &columns {
            None => columns = Some(header_of(&cells, known, required, decode)),
            Some(columns) => {
                if cells.iter().all(|cell| cell.text.is_empty()) {
                    continue;
                }
                if let Some(extra) =
                    cells.get(columns.len()..).and_then(|extra| extra.iter().find(|cell| !cell.text.is_empty()))
                {
                    let help = "a cell that holds the separator stands in quotes".to_owned();
                    decode.mistake(extra.span, "a cell beyond the last column", Some(help));
                }
                let named =
                    columns.iter().cloned().zip(cells.iter().cloned()).filter(|(_, cell)| !cell.text.is_empty());
                rows.push(Row { cells: named.collect(), span: place(0) });
            }
        }
    }
    if columns.is_none() {
        let help = format!("the first line names the columns: {}", required.join(","));
        decode.mistake(Span::default(), "an empty file", Some(help));
    }
    rows
}

fn header_of(cells: &[Cell], known: &[&str], required: &[&str], decode: &mut Decode) -> Vec<String> {
    let names: Vec<String> = cells.iter().map(|cell| cell.text.to_lowercase()).collect();
    for (n, (name, cell)) in names.iter().zip(cells).enumerate() {
        if !known.contains(&name.as_str()) {
            let help = suggestion(name, known.iter().copied());
            decode.mistake(cell.span, format!("there is no column `{name}`"), help);
        } else if names[..n].contains(name) {
            decode.mistake(cell.span, format!("column `{name}` is there twice"), None);
        }
    }
    for missing in required.iter().filter(|column| !names.iter().any(|name| name == *column)) {
        let span = cells.first().map(|cell| cell.span).unwrap_or_default();
        let help = format!("the first line names the columns, among them {}", required.join(", "));
        decode.mistake(span, format!("the column `{missing}` is missing"), Some(help));
    }
    names
}

/// Where the cells of the record that begins at `start` are, quotes included, and whether every quote is closed.
fn places(text: &str, start: usize, delimiter: char) -> (Vec<Span>, bool) {
    let start = start + text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len();
    let (mut spans, mut begin, mut quoted) = (Vec::new(), start, false);
    for (at, c) in text[start..].char_indices().map(|(at, c)| (start + at, c)) {
        match c {
            '"' if quoted || at == begin => quoted = !quoted,
            // The second of two quotes opens again what the first has closed.
            '"' if text[begin..at].ends_with('"') && text[begin..].starts_with('"') => quoted = true,
            '\r' | '\n' if !quoted => {
                spans.push(Span { start: begin, end: at });
                return (spans, true);
            }
            c if c == delimiter && !quoted => {
                spans.push(Span { start: begin, end: at });
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    spans.push(Span { start: begin, end: text.len() });
    (spans, !quoted)
}

/// Everything `decode` found wrong, or `value`.
pub fn unless_mistaken<T>(value: T, decode: Decode) -> Result<T, Vec<Diagnostic>> {
    if decode.mistakes.is_empty() { Ok(value) } else { Err(decode.mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> (Vec<Row>, Vec<Diagnostic>, Arc<Source>) {
        let source = Source::new("t.csv", text);
        let mut decode = Decode::new(&source);
        let rows = read(&source, &["id", "name", "note"], &["id"], &mut decode);
        (rows, decode.mistakes, source)
    }

    #[test]
    fn cells_are_found_where_they_stand_whatever_is_quoted() {
        for text in [
            "id,name,note\n\na,\"García, Ana\",\"says \"\"hi\"\"\nthere\"\r\nb,Bea,\n",
            "\u{feff}ID;Name;note\r\na;\"García, Ana\";\"says \"\"hi\"\"\nthere\"\r\nb;Bea\r\n",
        ] {
            let (rows, mistakes, source) = rows(text);
            assert_eq!(mistakes, [], "{text}");
            assert_eq!(rows.len(), 2);
            let name = rows[0].get("name").unwrap();
            assert_eq!(name.text, "García, Ana");
            assert_eq!(&source.text[name.span.start..name.span.end], "\"García, Ana\"");
            let note = rows[0].get("note").unwrap();
            assert_eq!(
                (note.text.as_str(), source.text[note.span.start..note.span.end].len()),
                ("says \"hi\"\nthere", 19)
            );
            let second = rows[1].get("id").unwrap();
            assert_eq!(&source.text[second.span.start..second.span.end], "b");
            assert_eq!(rows[1].get("note"), None);
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for (text, line, said) in [
            ("id,nmae\na,x\n", 1, "there is no column `nmae`"),
            ("name\nAna\n", 1, "the column `id` is missing"),
            ("id,id\na,b\n", 1, "column `id` is there twice"),
            ("id,name\na,García, Ana\n", 2, "a cell beyond the last column"),
            ("id,name\na,b\nc,\"open\nd,e\n", 3, "the quote that begins here is never closed"),
            ("", 1, "an empty file"),
        ] {
            let (_, mistakes, source) = rows(text);
            assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
            assert_eq!(mistakes[0].message, said);
            assert_eq!(
                source.text[..mistakes[0].span.start].lines().count().max(1)
                    + usize::from(source.text[..mistakes[0].span.start].ends_with('\n')),
                line,
                "{text}"
            );
        }
    }
}
