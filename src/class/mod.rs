//! A class: many students graded by the same labs. Here is all of it that looks at nothing and writes nothing; `run`
//! reads the roster, goes to the students and writes the folder.
//!
//! `roster ─look→ evidence of each ─grade→ report of each ─summarize→ Class ─→ marks.csv · class.json · class.html`
//!
//! Only evidence is kept for good. Everything else is made of it, of the labs beside it and of `overrides.csv`, so that
//! grading anew is the same as grading, and gives the same bytes where nothing changed.

pub mod copies;
pub mod credited;
pub mod diff;
pub mod due;
pub mod grade;
pub mod marks;
pub mod page;
pub mod record;
pub mod roster;
pub mod settled;
pub mod summary;
pub mod table;
pub mod vouched;
