//! The report as JSON: `labrun/report/v1` for programs, every text in both languages.

use serde::Serialize;

use crate::render::{Options, is_treacherous};
use crate::verdict::Report;

/// Writes the report; the options change nothing, since a program picks its own language.
pub fn render(report: &Report, _: &Options) -> String {
    write(report)
}

/// Writes plain data for a program, so that a terminal can show it too.
pub fn write(data: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(data).expect("plain data with text keys");
    escape(&json, &[]) + "\n"
}

/// Writes as `\u….` what JSON may hold but a terminal or a page should not meet, and what is in `also`.
/// Outside of strings JSON has none of it, so the text still means the same.
pub fn escape(json: &str, also: &[char]) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => escaped.push(c),
            c if is_treacherous(c) || also.contains(&c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped += &format!("\\u{unit:04x}");
                }
            }
            c => escaped.push(c),
        }
    }
    escaped
}
