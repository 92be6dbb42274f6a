//! All integration tests, in one binary. The modules whose tests need student VMs say so in their first lines and
//! run only when `make test` sets `LABRUN_WORLD`.

mod docs;
mod render;
mod student_vm;
mod worlds;
