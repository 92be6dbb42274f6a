//! Text for a terminal, a pipe or a mail: lines that keep to a width and say everything without colour. Pure: whoever
//! writes here gets a string back.

mod markdown;
mod wrap;

use std::sync::LazyLock;

use console::{Style, measure_text_width};
use regex::Regex;

pub use wrap::{fit, wrap};

/// What a page may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Its width in columns; anything outside 60 to 100 is brought to the nearer end.
    pub width: usize,
    /// Whether there may be colours, which only repeat what signs and words say.
    pub color: bool,
    /// Whether addresses in what authors wrote may become links (OSC 8).
    pub links: bool,
}

/// A page that is being written, from top to bottom.
#[derive(Debug)]
pub struct Page {
    out: String,
    look: Look,
}

impl Page {
    /// An empty page.
    pub fn new(look: Look) -> Page {
        Page { out: String::new(), look: Look { width: look.width.clamp(60, 100), ..look } }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }

    /// The width in columns.
    pub fn width(&self) -> usize {
        self.look.width
    }

    /// A style that shows nothing where colours are not wanted.
    pub fn style(&self) -> Style {
        Style::new().force_styling(self.look.color)
    }

    /// One line as it is; what is too long for the page is not broken, so that it can be copied.
    pub fn line(&mut self, indent: usize, text: &str) {
        let line = format!("{}{text}", " ".repeat(indent));
        self.out += line.trim_end();
        self.out.push('\n');
    }

    /// A line from one side to the other.
    pub fn rule(&mut self) {
        self.line(0, &"─".repeat(self.look.width));
    }

    /// Text of one style.
    pub fn lines(&mut self, indent: usize, text: &str, style: &Style) {
        for line in wrap(text, self.look.width - indent) {
            self.line(indent, &style.apply_to(line).to_string());
        }
    }

    /// Text behind a label, under itself.
    pub fn labelled(&mut self, indent: usize, label: &str, text: &str, style: &Style) {
        let column = indent + measure_text_width(label);
        for (n, line) in wrap(text, self.look.width - column).iter().enumerate() {
            let line = style.apply_to(line);
            match n {
                0 => self.line(indent, &format!("{}{line}", self.style().dim().apply_to(label))),
                _ => self.line(column, &line.to_string()),
            }
        }
    }

    /// A command behind a label. It is never broken into lines: who copies it gets what runs.
    pub fn command(&mut self, indent: usize, label: &str, command: &str) {
        let room = self.look.width.saturating_sub(indent + measure_text_width(label));
        match command.lines().collect::<Vec<_>>()[..] {
            [] => {}
            [line] if measure_text_width(line) <= room => self.labelled(indent, label, line, &self.style()),
            ref lines => {
                self.labelled(indent, label.trim_end(), "", &self.style());
                lines.iter().for_each(|line| self.line(indent, line));
            }
        }
    }

    /// What an author wrote behind a label: the addresses in it lead somewhere.
    pub fn prose(&mut self, indent: usize, label: &str, text: &str) {
        let before = self.out.len();
        self.labelled(indent, label, text, &self.style());
        if self.look.links {
            let written = self.out.split_off(before);
            self.out += &linked(&written, text);
        }
    }

    /// Text behind a sign, under itself, with `right` at the end of its first line.
    pub fn row(&mut self, indent: usize, sign: &str, text: &str, right: &str, style: &Style) {
        let column = indent + measure_text_width(sign);
        let room = self.room(column, right);
        for (n, line) in wrap(text, room).iter().enumerate() {
            match n {
                0 => self.ended(indent, sign, line, right, style),
                _ => self.line(column, &style.apply_to(line).to_string()),
            }
        }
    }

    /// The same on one line: what does not fit is cut.
    pub fn single(&mut self, indent: usize, sign: &str, text: &str, right: &str, style: &Style) {
        let room = self.room(indent + measure_text_width(sign), right);
        self.ended(indent, sign, &fit(text, room), right, style);
    }

    fn room(&self, column: usize, right: &str) -> usize {
        let reserved = measure_text_width(right).max(LEAST_RIGHT) + 2;
        self.look.width.saturating_sub(column + reserved).max(LEAST_TEXT)
    }

    fn ended(&mut self, indent: usize, sign: &str, text: &str, right: &str, style: &Style) {
        let used = indent + measure_text_width(sign) + measure_text_width(text) + measure_text_width(right);
        let gap = " ".repeat(self.look.width.saturating_sub(used));
        self.line(indent, &format!("{sign}{}{gap}{right}", style.apply_to(text)));
    }

    /// Markdown, as an author of labs wrote it.
    pub fn markdown(&mut self, indent: usize, text: &str) {
        let width = self.look.width - indent;
        for line in markdown::render(text, width, self.look) {
            self.line(indent, &line);
        }
    }
}

/// What stands at the right of rows begins in one column as long as it is no wider than this.
const LEAST_RIGHT: usize = 5;
/// However long a sign is, this much is left for the text.
const LEAST_TEXT: usize = 16;

/// An address in a text, without the full stop of the sentence it ends.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"https?://[^\s<>"'`()\[\]{}]*[^\s<>"'`()\[\]{}.,;:!?…]"#).expect("a constant pattern")
});

/// `written` with links in the place of the addresses of `text`; one that was broken over lines stays as it is.
fn linked(written: &str, text: &str) -> String {
    let whole: Vec<&str> = ADDRESS.find_iter(text).map(|address| address.as_str()).collect();
    let link = |found: &regex::Captures<'_>| match whole.contains(&&found[0]) {
        true => link(&found[0], &found[0]),
        false => found[0].to_owned(),
    };
    ADDRESS.replace_all(written, link).into_owned()
}

/// `shown`, which leads to `address` where the terminal knows how (OSC 8).
fn link(address: &str, shown: &str) -> String {
    format!("\u{1b}]8;;{address}\u{1b}\\{shown}\u{1b}]8;;\u{1b}\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: 60, color: false, links: false };

    fn page(look: Look, write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(look);
        write(&mut page);
        page.finish()
    }

    #[test]
    fn rows_end_in_one_column_and_what_is_cut_says_so() {
        let text = "a claim that is much too long to stand on one line of sixty columns";
        let cut = page(PLAIN, |page| page.single(0, "x ", text, "0/3", &page.style()));
        assert_eq!(cut, "x a claim that is much too long to stand on one line…    0/3\n");
        let whole = page(PLAIN, |page| page.row(2, "x ", text, "0/10.5", &page.style()));
        let lines = ["  x a claim that is much too long to stand on one     0/10.5", "    line of sixty columns", ""];
        assert_eq!(whole, lines.join("\n"));
    }

    #[test]
    fn only_a_terminal_that_wants_them_gets_links_and_an_address_that_is_broken_is_none() {
        let text = "See http://localhost:8088/a. Then (https://x.test)";
        let plain = page(PLAIN, |page| page.prose(0, "", text));
        assert_eq!(plain, format!("{text}\n"));
        let linked = page(Look { links: true, ..PLAIN }, |page| page.prose(0, "", text));
        assert_eq!(
            linked.replace('\u{1b}', "␛"),
            "See ␛]8;;http://localhost:8088/a␛\\http://localhost:8088/a␛]8;;␛\\. Then \
             (␛]8;;https://x.test␛\\https://x.test␛]8;;␛\\)\n"
        );
        assert_eq!(console::strip_ansi_codes(&linked), plain);
        let long = format!("http://localhost/{}", "x".repeat(80));
        assert!(!page(Look { links: true, ..PLAIN }, |page| page.prose(0, "", &long)).contains('\u{1b}'));
    }

    #[test]
    fn a_width_that_nobody_can_read_is_brought_to_one_that_can_be_read() {
        for (asked, got) in [(0, 60), (59, 60), (80, 80), (1000, 100)] {
            assert_eq!(page(Look { width: asked, ..PLAIN }, Page::rule).trim_end().chars().count(), got);
        }
    }
}
