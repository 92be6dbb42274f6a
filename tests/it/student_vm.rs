//! A disposable student VM for a test, gone with the test however that ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The engines to test on, as `make test` names them in `LABRUN_WORLD` (`26`, or `26 20`). Without it there is no
/// world, and tests that need one say so and end.
pub fn engines() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by their environment what they have")]
    let engines = std::env::var("LABRUN_WORLD").unwrap_or_default();
    if engines.is_empty() {
        eprintln!("needs student VMs: run `make test`, which sets LABRUN_WORLD");
    }
    engines.split_whitespace().map(str::to_owned).collect()
}

/// VMs at once, over all tests: the cores are the limit.
const AT_ONCE: u32 = 3;

static RUNNING: Mutex<u32> = Mutex::new(0);
static ONE_LESS: Condvar = Condvar::new();

/// A student VM with the binary under test at `/share/labrun`.
pub struct StudentVm {
    name: String,
    holder: Child,
    /// A folder of the host that the VM sees as `/share`.
    pub share: tempfile::TempDir,
}

impl StudentVm {
    /// Starts a VM with this engine and waits until it is ready.
    pub fn start(engine: &str) -> StudentVm {
        StudentVm::with_memory(engine, "4g")
    }

    /// The same with more memory than a VM has.
    pub fn with_memory(engine: &str, memory: &str) -> StudentVm {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        *ONE_LESS.wait_while(running, |running| *running >= AT_ONCE).unwrap_or_else(PoisonError::into_inner) += 1;
        let name = format!("labrun-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let share = tempfile::tempdir().unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_labrun"), share.path().join("labrun")).unwrap();
        let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(share.path(), everyone).unwrap();
        let mut holder = Command::new(world())
            .args(["vm", "--engine", engine, "--name", &name, "--share"])
            .arg(share.path())
            .env("LABRUN_WORLD_VM_MEMORY", memory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("ready "), "the VM {name} did not come up: {ready:?}");
        StudentVm { name, holder, share }
    }

    /// Runs a bash script in the VM as the student.
    pub fn bash(&self, script: &str) -> Output {
        Command::new(world()).args(["exec", &self.name, "--", "bash", "-c", script]).output().unwrap()
    }
}

impl Drop for StudentVm {
    fn drop(&mut self) {
        // The VM lives as long as its holder's standard input is open.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ONE_LESS.notify_one();
    }
}

/// Bytes of a program's output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The program that makes student VMs.
pub fn world() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/world")
}
