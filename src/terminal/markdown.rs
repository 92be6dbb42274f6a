//! Markdown as lines of a terminal: paragraphs, lists, quotations, code, emphasis, links. What has no place there (HTML,
//! pictures) is shown as it was written.

use console::{Style, measure_text_width};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::tame::{PROSE, tame};
use crate::terminal::{Look, link};

/// The lines of `text`, none wider than `width` but those of code blocks, which can be copied as they are.
pub fn render(text: &str, width: usize, look: Look) -> Vec<String> {
    let mut writer = Writer { look, width, ..Writer::default() };
    for event in Parser::new(text) {
        writer.event(event);
    }
    writer.flush();
    let blank_ends = writer.lines.iter().rev().take_while(|line| line.is_empty()).count();
    writer.lines.truncate(writer.lines.len() - blank_ends);
    writer.lines
}

/// How a piece of text is written.
#[derive(Debug, Clone, Default, PartialEq)]
struct Ink {
    strong: bool,
    code: bool,
    /// The address it leads to.
    to: Option<String>,
}

/// A list that is open: its next number, if it counts.
type Counter = Option<u64>;

#[derive(Default)]
struct Writer {
    look: Look,
    width: usize,
    lines: Vec<String>,
    /// What every line of the block begins with.
    margin: String,
    /// What its first line begins with instead, until it was written.
    mark: Option<String>,
    /// The margins to go back to, one for each item or quotation that is open.
    outer: Vec<String>,
    lists: Vec<Counter>,
    ink: Ink,
    /// The pieces of the paragraph that is open.
    pieces: Vec<(String, Ink)>,
    in_code_block: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_code_block => self.code_lines(&text),
            Event::Text(text) => self.push(&text),
            Event::Code(text) => {
                let ink = Ink { code: true, ..self.ink.clone() };
                // Only colour could tell it otherwise.
                let text = if self.look.color { text.into_string() } else { format!("`{text}`") };
                self.pieces.push((tame(&text, PROSE), ink));
            }
            Event::SoftBreak => self.push(" "),
            Event::HardBreak => self.pieces.push(("\n".to_owned(), Ink::default())),
            Event::Rule => {
                let rule = "─".repeat(self.width.saturating_sub(measure_text_width(&self.margin)));
                self.write(&rule);
                self.gap();
            }
            Event::Html(text) | Event::InlineHtml(text) => self.push(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => self.push(&text),
            Event::TaskListMarker(done) => self.push(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } | Tag::Strong => self.ink.strong = true,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.ink.to = Some(tame(&dest_url, PROSE));
            }
            Tag::List(first) => {
                // A list within an item begins below its text.
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.open(&mark, &" ".repeat(mark.len()));
            }
            Tag::BlockQuote(_) => self.open("│ ", "│ "),
            Tag::CodeBlock(kind) => {
                self.flush();
                self.in_code_block = true;
                // What is fenced or indented alike stands apart by its indent.
                let (CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) = kind;
                self.open("    ", "    ");
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => {
                self.flush();
                self.gap();
            }
            TagEnd::Heading(_) => {
                self.flush();
                self.ink.strong = false;
                self.gap();
            }
            TagEnd::Strong => self.ink.strong = false,
            TagEnd::Link | TagEnd::Image => self.leave_link(),
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.gap();
                }
            }
            TagEnd::Item => self.close(),
            TagEnd::BlockQuote(_) => {
                self.close();
                self.gap();
            }
            TagEnd::CodeBlock => {
                self.in_code_block = false;
                self.close();
                self.gap();
            }
            TagEnd::HtmlBlock => {
                self.flush();
                self.gap();
            }
            _ => {}
        }
    }

    /// Where nothing can be followed, the address stands beside what was to lead there.
    fn leave_link(&mut self) {
        let Some(to) = self.ink.to.take() else { return };
        let of_it = |(_, ink): &&(String, Ink)| ink.to.as_ref() == Some(&to);
        let shown: String = self.pieces.iter().rev().take_while(of_it).map(|(text, _)| text.as_str()).collect();
        if !self.look.links && shown != to {
            self.push(&format!(" ({to})"));
        }
    }

    fn push(&mut self, text: &str) {
        let tamed = text.split('\n').map(|line| tame(line, PROSE)).collect::<Vec<_>>().join(" ");
        self.pieces.push((tamed, self.ink.clone()));
    }

    /// Begins a block within the block.
    fn open(&mut self, first: &str, margin: &str) {
        self.flush();
        self.outer.push(self.margin.clone());
        self.mark = Some(format!("{}{first}", self.mark.take().unwrap_or_else(|| self.margin.clone())));
        self.margin += margin;
    }

    fn close(&mut self) {
        self.flush();
        self.mark = None;
        self.margin = self.outer.pop().unwrap_or_default();
    }

    fn code_lines(&mut self, text: &str) {
        let ink = Ink { code: true, ..Ink::default() };
        for line in text.lines() {
            let line = paint(&tame(line, PROSE), &ink, self.look);
            self.write(&line);
        }
    }

    /// Writes the paragraph that is open, if there is any.
    fn flush(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() {
            return;
        }
        let room = self.width.saturating_sub(measure_text_width(&self.margin)).max(1);
        for line in broken(&pieces, room, self.look) {
            self.write(&line);
        }
    }

    fn write(&mut self, line: &str) {
        let begins = self.mark.take().unwrap_or_else(|| self.margin.clone());
        self.lines.push(format!("{begins}{line}").trim_end().to_owned());
    }

    /// One empty line, never two, and none at the top.
    fn gap(&mut self) {
        if self.mark.is_none() && self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }
}

/// A word: what stands between two blanks, in pieces of different ink.
type Word = Vec<(String, Ink)>;

/// Pieces as painted lines of at most `width` columns, broken between words where that can be.
fn broken(pieces: &[(String, Ink)], width: usize, look: Look) -> Vec<String> {
    let mut lines: Vec<Vec<Word>> = vec![Vec::new()];
    let mut used = 0;
    for word in words(pieces) {
        let Some(word) = word else {
            lines.push(Vec::new());
            used = 0;
            continue;
        };
        let own: usize = word.iter().map(|(text, _)| measure_text_width(text)).sum();
        if used > 0 && used + 1 + own > width {
            lines.push(Vec::new());
            used = 0;
        }
        used += own + usize::from(used > 0);
        lines.last_mut().expect("there is always one").push(word);
    }
    lines.iter().map(|words| painted(words, look)).collect()
}

/// The words of pieces; `None` where a line is to end.
fn words(pieces: &[(String, Ink)]) -> Vec<Option<Word>> {
    let mut words = Vec::new();
    let mut word = Word::new();
    for (text, ink) in pieces {
        if text == "\n" {
            words.extend((!word.is_empty()).then(|| Some(std::mem::take(&mut word))));
            words.push(None);
            continue;
        }
        for (n, part) in text.split(' ').enumerate() {
            if n > 0 && !word.is_empty() {
                words.push(Some(std::mem::take(&mut word)));
            }
            if !part.is_empty() {
                word.push((part.to_owned(), ink.clone()));
            }
        }
    }
    words.extend((!word.is_empty()).then_some(Some(word)));
    words
}

/// Words of one line; neighbours of one ink are painted together, the blank between them too.
fn painted(words: &[Word], look: Look) -> String {
    let mut runs: Vec<(String, Ink)> = Vec::new();
    for (n, word) in words.iter().enumerate() {
        for (at, (text, ink)) in word.iter().enumerate() {
            let blank = if n > 0 && at == 0 { " " } else { "" };
            match runs.last_mut() {
                Some((run, last)) if last == ink => *run += &format!("{blank}{text}"),
                _ => {
                    // The blank between two inks is in neither.
                    runs.extend((!blank.is_empty()).then(|| (blank.to_owned(), Ink::default())));
                    runs.push((text.clone(), ink.clone()));
                }
            }
        }
    }
    runs.iter().map(|(text, ink)| paint(text, ink, look)).collect()
}

fn paint(text: &str, ink: &Ink, look: Look) -> String {
    let mut style = Style::new().force_styling(look.color);
    if ink.strong {
        style = style.bold();
    }
    if ink.code {
        style = style.cyan();
    }
    let painted = style.apply_to(text).to_string();
    match &ink.to {
        Some(to) if look.links => link(to, &painted),
        _ => painted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: 80, color: false, links: false };

    fn plain(text: &str, width: usize) -> String {
        render(text, width, PLAIN).join("\n")
    }

    #[test]
    fn paragraphs_lists_quotations_and_code_keep_their_shape() {
        let text = "One **two**\nthree `a b`.\n\n- first\n  item\n- second\n  1. x\n  2. y\n\n> quoted\n\n```sh\ndocker \
                    run  \\\n  x\n```\n\n# End\n";
        assert_eq!(
            plain(text, 40),
            "One two three `a b`.\n\n- first item\n- second\n  1. x\n  2. y\n\n│ quoted\n\n    docker run  \\\n      x\n\nEnd"
        );
    }

    #[test]
    fn lines_keep_to_the_width_under_their_mark() {
        assert_eq!(plain("- one two three\n- `four five` six", 9), "- one two\n  three\n- `four\n  five`\n  six");
        assert_eq!(plain("one\\\ntwo", 9), "one\ntwo");
    }

    #[test]
    fn links_lead_somewhere_or_say_where_they_lead() {
        let text = "[docs](https://x.test/a) <https://y.test>";
        assert_eq!(plain(text, 80), "docs (https://x.test/a) https://y.test");
        let linked = render(text, 80, Look { links: true, ..PLAIN }).join("").replace('\u{1b}', "␛");
        assert_eq!(linked, "␛]8;;https://x.test/a␛\\docs␛]8;;␛\\ ␛]8;;https://y.test␛\\https://y.test␛]8;;␛\\");
    }

    #[test]
    fn with_colours_code_needs_no_quotes_and_the_words_stay_the_same() {
        let text = "Run **`docker ps`** now";
        let coloured = render(text, 80, Look { color: true, ..PLAIN }).join("\n");
        assert_eq!(console::strip_ansi_codes(&coloured), "Run docker ps now");
        assert!(coloured.contains('\u{1b}'));
    }

    #[test]
    fn whatever_a_lab_says_no_control_character_gets_through() {
        for text in
            ["a&#27;[31mb `\u{1b}[2K` [x](https://\u{1b}]8;;)", "    \u{9b}31m\n\n<b>\u{202e}</b>", "```\n\u{7}\n```"]
        {
            for look in [PLAIN, Look { links: true, ..PLAIN }] {
                let shown = render(text, 40, look).join("\n");
                let shown = console::strip_ansi_codes(&shown).into_owned();
                assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
            }
        }
    }
}
