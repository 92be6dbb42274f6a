//! Where a watch is shown: drawn in place on a terminal, or a line for each change in a pipe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::sync::Arc;

use console::Term;
use tokio::sync::Notify;

use crate::observe::Hearing;
use crate::render::tame;
use crate::run::watch::changes::{Outcomes, changes, is_whole, outcomes};
use crate::run::watch::view::{View, hearing};
use crate::text::{Lang, Text};
use crate::verdict::Report;

/// How much of what happened is remembered.
const REMEMBERED: usize = 50;

/// What is shown of a watch.
pub struct Screen {
    lang: Lang,
    color: bool,
    /// What is drawn on, if that can be; else lines are written.
    drawing: Option<Drawing>,
    known: Outcomes,
    report: Option<Report>,
    looked: BTreeMap<String, u32>,
    credited: BTreeSet<String>,
    happened: VecDeque<String>,
    hearing: Hearing,
    /// Whether nobody reads any more.
    closed: Arc<Notify>,
}

impl Screen {
    /// Nothing is shown yet.
    pub fn new(lang: Lang, draws: bool, color: bool) -> Screen {
        Screen {
            lang,
            color,
            drawing: draws.then(Drawing::begin),
            known: Outcomes::new(),
            report: None,
            looked: BTreeMap::new(),
            credited: BTreeSet::new(),
            happened: VecDeque::new(),
            hearing: Hearing::Well,
            closed: Arc::default(),
        }
    }

    /// What tells that nobody reads any more: whoever closes the pipe has seen enough.
    pub fn closed(&self) -> Arc<Notify> {
        self.closed.clone()
    }

    /// Shows what everything comes to by now.
    pub fn sees(&mut self, report: Report, looked: &BTreeMap<String, u32>, credited: BTreeSet<String>) {
        // Before all was looked at once, whatever changes is labrun's own doing.
        if is_whole(&report, looked) {
            let is_first = self.known.is_empty();
            for changed in changes(&self.known, &report) {
                // Drawn, the first look is there to be seen.
                if !(is_first && self.drawing.is_some()) {
                    self.tell(changed.line(self.lang));
                }
            }
            self.known = outcomes(&report);
        }
        self.looked.clone_from(looked);
        (self.report, self.credited) = (Some(report), credited);
        self.draw();
    }

    /// Shows how the machine is heard.
    pub fn hears(&mut self, heard: Hearing) {
        let said = match (hearing(&heard), &self.hearing) {
            (Some(said), _) => Some(said),
            (None, Hearing::Well) => None,
            (None, _) => Some(Text::new("se vuelve a oír a la máquina", "the machine is heard again")),
        };
        self.hearing = heard;
        if let Some(said) = said.filter(|_| self.drawing.is_none() || self.hearing == Hearing::Well) {
            self.say(tame(said.get(self.lang), 400));
        }
        self.draw();
    }

    /// Shows something else that happened.
    pub fn say(&mut self, line: String) {
        self.tell(format!("· {line}"));
    }

    /// Leaves what is drawn as it is.
    pub fn end(self) {}

    fn tell(&mut self, line: String) {
        if self.drawing.is_none() {
            let mut stdout = std::io::stdout().lock();
            if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
                self.closed.notify_one();
            }
        }
        self.happened.push_back(line);
        if self.happened.len() > REMEMBERED {
            self.happened.pop_front();
        }
    }

    fn draw(&mut self) {
        let (Some(drawing), Some(report)) = (&mut self.drawing, &self.report) else { return };
        let (looked, credited, happened) = (&self.looked, &self.credited, &self.happened);
        let (lang, color, hearing) = (self.lang, self.color, &self.hearing);
        let view = View { report, looked, credited, happened, hearing, lang, color };
        drawing.draw(|rows, columns| view.lines(rows, columns));
    }
}

/// A place on a terminal that is drawn over again and again, in one piece, so that nothing flickers.
struct Drawing {
    term: Term,
    /// How many lines are drawn.
    drawn: usize,
    size: (u16, u16),
}

impl Drawing {
    fn begin() -> Drawing {
        let term = Term::buffered_stdout();
        let _ = term.hide_cursor().and_then(|()| term.flush());
        let size = term.size();
        Drawing { term, drawn: 0, size }
    }

    fn draw(&mut self, lines: impl Fn(usize, usize) -> Vec<String>) {
        let size = self.term.size();
        // After a change of size nobody knows how the lines that are there were broken.
        if size != std::mem::replace(&mut self.size, size) {
            let _ = self.term.clear_screen();
            self.drawn = 0;
        }
        let (rows, columns) = (usize::from(size.0), usize::from(size.1));
        // The last line is the cursor's.
        let lines = lines(rows.saturating_sub(1).max(1), columns.max(1));
        let _ = self.write(&lines);
        self.drawn = lines.len();
    }

    fn write(&mut self, lines: &[String]) -> std::io::Result<()> {
        self.term.move_cursor_up(self.drawn)?;
        for line in lines {
            self.term.clear_line()?;
            self.term.write_line(line)?;
        }
        self.term.clear_to_end_of_screen()?;
        self.term.flush()
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        let _ = self.term.show_cursor().and_then(|()| self.term.flush());
    }
}
