//! How far a class is, on standard error: a bar with who is slow where there is a terminal, else a line per student.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::class::grade::Graded;
use crate::class::roster::Entry;
use crate::render::tame;
use crate::run::say;
use crate::text::Lang;

/// From when on somebody is told to be slow.
const SLOW: Duration = Duration::from_secs(5);

/// Shows how far a class is.
pub struct Progress {
    bar: ProgressBar,
    lang: Lang,
    all: usize,
    state: RefCell<State>,
}

struct State {
    done: usize,
    under_way: Vec<(String, Instant)>,
}

impl Progress {
    /// `done` of `all` students have been looked at before.
    pub fn new(all: usize, done: usize, lang: Lang) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
        let template = match lang {
            Lang::Es => "{bar:24} {pos}/{len} estudiantes  faltan {eta}  {msg}",
            Lang::En => "{bar:24} {pos}/{len} students  {eta} to go  {msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("a constant template"));
        bar.enable_steady_tick(Duration::from_millis(250));
        // What was done before says nothing of how long the rest takes.
        bar.set_position(done as u64);
        bar.reset_eta();
        Progress { bar, lang, all, state: RefCell::new(State { done, under_way: Vec::new() }) }
    }

    /// A student is looked at.
    pub fn begins(&self, id: &str) {
        self.state.borrow_mut().under_way.push((id.to_owned(), Instant::now()));
        self.show();
    }

    /// A student has been.
    pub fn ends(&self, entry: &Entry, graded: &Graded, took: Duration) {
        let mut state = self.state.borrow_mut();
        state.under_way.retain(|(id, _)| *id != entry.id);
        state.done += 1;
        let done = state.done;
        drop(state);
        let what = match &graded.trouble {
            Some(why) => tame(why.get(self.lang), 200),
            None => format!("{}/{}", graded.report.points.earned, graded.report.points.possible),
        };
        let line = format!("{done:>4}/{} {}: {what}, {:.1} s", self.all, entry.id, took.as_secs_f64());
        match self.bar.is_hidden() {
            true => say(&line),
            false if graded.trouble.is_some() => self.bar.println(line),
            false => {}
        }
        self.bar.set_position(done as u64);
        self.show();
    }

    /// So many could not be reached, and are tried once more.
    pub fn retries(&self, count: usize) {
        let mut state = self.state.borrow_mut();
        state.done = state.done.saturating_sub(count);
        self.bar.set_position(state.done as u64);
        let line = match self.lang {
            Lang::Es => format!("labrun: {count} sin alcanzar: se prueba una vez más"),
            Lang::En => format!("labrun: {count} not reached: trying once more"),
        };
        self.bar.suspend(|| say(&line));
    }

    /// Says who is slow, the slowest first.
    fn show(&self) {
        let state = self.state.borrow();
        let slow = state.under_way.iter().filter(|(_, since)| since.elapsed() >= SLOW);
        let slow: Vec<String> =
            slow.take(3).map(|(id, since)| format!("{id} {} s", since.elapsed().as_secs())).collect();
        self.bar.set_message(slow.join(", "));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
