//! The page of a class while the class still runs, so that a teacher sees who is stuck where as students come in: their
//! reports at once, the page at a bounded rate, and every few seconds in any case, so that a page that has grown old tells
//! that nobody writes it. What is written here is written anew at the end (`publish`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::class::grade::{Graded, Rubric};
use crate::class::page::{self, Running};
use crate::class::roster::Entry;
use crate::class::settled::Override;
use crate::class::summary::{Part, summarize};
use crate::error::Error;
use crate::run::class::folder::Folder;
use crate::run::class::publish::{CLASS_PAGE, graded, write_reports};
use crate::text::Lang;

/// How long the page stays as it is at least, and how many times longer than writing it takes.
const PAUSE: Duration = Duration::from_secs(2);
const SHARE: u32 = 20;

/// How long the page stays as it is at most, unless writing it takes long, and how many times that it may come to on a
/// machine that has much else to do.
const AT_MOST: Duration = Duration::from_secs(5);
const PATIENCE: u32 = 12;

/// What the page is made of, and when it may be written again.
pub struct Live<'a> {
    rubric: &'a Rubric,
    /// The teacher's decisions.
    pub overrides: Vec<Override>,
    parts: RefCell<BTreeMap<String, Part>>,
    open: RefCell<BTreeSet<String>>,
    under_way: RefCell<BTreeSet<String>>,
    is_new: Cell<bool>,
    /// When it may be written again, and when it is, whether there is anything new or not.
    next: Cell<(Instant, Instant)>,
    /// How long it stayed as it was at most before.
    at_most: Cell<Duration>,
}

impl<'a> Live<'a> {
    /// The page of a class in which `open` are still to be looked at, with what was seen of the others before.
    pub fn new(folder: &Folder, rubric: &'a Rubric, overrides: Vec<Override>, open: &[&Entry]) -> Live<'a> {
        let open: BTreeSet<String> = open.iter().map(|entry| entry.id.clone()).collect();
        let mut parts = BTreeMap::new();
        for entry in folder.state.asked.roster.students.iter().filter(|entry| !open.contains(&entry.id)) {
            // Evidence that cannot be read any more is told of by what makes the marks.
            if let Ok(Some(graded)) = graded(folder, rubric, entry, &overrides) {
                parts.insert(entry.id.clone(), Part::of(entry, graded, rubric));
            }
        }
        Live {
            rubric,
            overrides,
            parts: parts.into(),
            open: open.into(),
            under_way: RefCell::default(),
            is_new: Cell::new(true),
            next: Cell::new((Instant::now(), Instant::now())),
            at_most: Cell::new(AT_MOST),
        }
    }

    /// Somebody is looked at.
    pub fn begins(&self, id: &str) {
        self.under_way.borrow_mut().insert(id.to_owned());
        self.is_new.set(true);
    }

    /// Somebody has been.
    pub fn ends(&self, folder: &Folder, entry: &Entry, graded: Graded) -> Result<(), Error> {
        write_reports(folder, entry, &graded)?;
        self.under_way.borrow_mut().remove(&entry.id);
        self.open.borrow_mut().remove(&entry.id);
        self.parts.borrow_mut().insert(entry.id.clone(), Part::of(entry, graded, self.rubric));
        self.is_new.set(true);
        Ok(())
    }

    /// Writes the page where it is due already: looks that never wait leave nobody the time to wait for that.
    pub fn keep_up(&self, folder: &Folder) -> Result<(), Error> {
        if self.is_new.get() && Instant::now() >= self.next.get().0 { self.write(folder, false) } else { Ok(()) }
    }

    /// Waits until there is something new to be seen and time to write it, or until the page has grown old. Whoever waits
    /// polls the looks as well, which alone bring anything new.
    pub async fn due(&self) {
        let (earliest, latest) = self.next.get();
        let news = async {
            poll_fn(|_| if self.is_new.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            sleep_until(earliest).await;
        };
        tokio::select! {
            () = news => {}
            () = sleep_until(latest) => {}
        }
    }

    /// Writes the page as it is now.
    pub fn write(&self, folder: &Folder, interrupted: bool) -> Result<(), Error> {
        let start = Instant::now();
        let roster = &folder.state.asked.roster;
        let (parts, open, under_way) = (self.parts.borrow(), self.open.borrow(), self.under_way.borrow());
        let here = roster.students.iter().filter_map(|entry| parts.get(&entry.id)).cloned().collect();
        let class = summarize(self.rubric, &roster.due, here);
        let is_under_way = |entry: &&Entry| under_way.contains(&entry.id) && !interrupted;
        let running = Running {
            at: Timestamp::now(),
            late_after: self.at_most.get() * PATIENCE,
            all: roster.students.len(),
            under_way: roster.students.iter().filter(is_under_way).collect(),
            to_come: roster.students.iter().filter(|one| open.contains(&one.id) && !is_under_way(one)).collect(),
            interrupted,
        };
        let lang = Lang::of_locale(&folder.state.asked.lang);
        folder.write(CLASS_PAGE, &page::render(&class, lang, Some(&running)))?;
        self.is_new.set(false);
        let (pause, now) = (PAUSE.max(start.elapsed() * SHARE), Instant::now());
        self.at_most.set(AT_MOST.max(pause));
        self.next.set((now + pause, now + self.at_most.get()));
        Ok(())
    }
}
