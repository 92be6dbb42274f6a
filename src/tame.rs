//! Untrusted text made harmless for a terminal, a page or a table: nothing that is read from a machine or from a file of
//! somebody else's is shown in any other way.

/// The longest line of an explanation or a command shown, in characters, and how many lines of it.
pub const PROSE: usize = 2000;
const LINES: usize = 30;
/// How many lines of a student's answer are shown.
const ANSWER_LINES: usize = 200;

/// Makes untrusted text harmless for a terminal or a page.
///
/// Control characters (so also ANSI sequences), direction marks and invisible characters become visible
/// escapes such as `\u{1b}`; what is longer than `max` characters is cut, and says by how much: `abc…(+997)`.
pub fn tame(text: &str, max: usize) -> String {
    let mut tamed = String::new();
    let (mut length, mut marks) = (0, 0);
    for (taken, c) in text.chars().enumerate() {
        marks = if console::measure_text_width(c.encode_utf8(&mut [0; 4])) == 0 { marks + 1 } else { 0 };
        let shown = match c {
            '\n' | '\r' | '\t' => c.escape_default().to_string(),
            // Accents may be characters of their own, but nobody needs a pile of them.
            c if is_treacherous(c) || marks > MARKS_IN_A_ROW => c.escape_unicode().to_string(),
            c => c.to_string(),
        };
        length += shown.chars().count();
        if length > max {
            let cut = text.chars().count() - taken;
            return format!("{tamed}…(+{cut})");
        }
        tamed += &shown;
    }
    tamed
}

/// So many accents on one letter are somebody's language.
const MARKS_IN_A_ROW: usize = 3;

/// Whether a character changes what is around it, or is there without being seen.
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Makes prose harmless like [`tame`], but keeps its line breaks.
pub fn tame_prose(text: &str) -> String {
    tame_lines(text, LINES)
}

/// Makes a student's own words harmless like [`tame_prose`]; a teacher reads more of them.
pub fn tame_answer(text: &str) -> String {
    tame_lines(text, ANSWER_LINES)
}

fn tame_lines(text: &str, most: usize) -> String {
    let (text, n_lines) = (text.trim_end(), text.trim_end().lines().count());
    let mut lines: Vec<String> = text.lines().take(most).map(|line| tame(line, PROSE)).collect();
    if n_lines > most {
        lines.push(format!("…(+{})", n_lines - most));
    }
    lines.join("\n")
}
