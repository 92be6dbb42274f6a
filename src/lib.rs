//! labrun runs hands-on infrastructure labs and grades them.
//!
//! `lab.yaml ─load→ Lab ─plan→ Plan ─observe→ Evidence ─judge→ Report ─render→ text · html · json`
//!
//! One verb touches the student's machine: `observe`. Everything after [`evidence`] is pure, so the same evidence
//! always gives the same report, on any machine, without the VM. The modules below stand in reading order;
//! `ARCHITECTURE.md` is the map.

// Foundations: words, places, values.
pub mod error;
pub mod points;
pub mod private;
pub mod source;
pub mod tame;
pub mod terminal;
pub mod text;
pub mod vantage;

// Authoring: from YAML to a plan, every mistake found on the way.
pub mod course;
pub mod decode;
pub mod expect;
pub mod lab;
pub mod library;
pub mod lint;
pub mod node;
pub mod params;
pub mod plan;
pub mod reference;
pub mod student;
pub mod worlds;

// Looking: the only impure stage.
pub mod doctor;
pub mod engine;
pub mod evidence;
pub mod memory;
pub mod observe;
pub mod probe;
pub mod signature;
pub mod vm;

// What a repository may ask for before it is brought up: pure.
pub mod repository;

// Judging and showing: pure.
pub mod judge;
pub mod picture;
pub mod render;
pub mod verdict;
pub mod verification;

// What a student reads while working: pure.
pub mod guide;

// Many students: pure, like judging.
pub mod class;

// Writing labs: what a machine proposes; the formats, for editors; what students are given.
pub mod capture;
pub mod handout;
pub mod schema;

// Testing labs: by their worlds, on disposable machines.
pub mod selftest;

// The edge.
pub mod cli;
pub mod journal;
pub mod run;
