//! All integration tests, in one binary. The modules whose tests need student VMs say so in their first lines and
//! run only when `make test` sets `LABRUN_WORLD`; `browser` needs a browser, and `LABRUN_BROWSER`.

mod architecture;
mod authored;
mod authoring;
mod balance;
mod browser;
mod capture;
mod class;
mod class_signed;
mod cli;
mod dist;
mod docs;
mod doctor;
mod evidence;
mod faults;
mod formats;
mod github;
mod guide;
mod handout;
mod isolation;
mod looks;
mod new;
mod opt_in;
mod render;
mod replay;
mod repository;
mod schema;
mod selftest;
mod ssh;
mod student_vm;
mod submit;
mod systems;
mod vantages;
mod watch;
