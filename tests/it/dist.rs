//! A release as whoever has no Rust meets it: packed, installed, taken away again. What is packed here is a script that
//! answers as labrun does; `dist/test` does the same with the real one, and has it grade in an empty root.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::github::yaml;
use crate::student_vm::text;

const LABRUN: &str = env!("CARGO_BIN_EXE_labrun");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Some of what is installed: the binary, a page of the manual for it and for a command, a completion for each shell.
const INSTALLED: [&str; 7] = [
    "bin/labrun",
    "share/doc/labrun/LICENSE",
    "share/man/man1/labrun.1",
    "share/man/man1/labrun-check.1",
    "share/bash-completion/completions/labrun",
    "share/zsh/site-functions/_labrun",
    "share/fish/vendor_completions.d/labrun.fish",
];

/// The processor of this machine, as `uname -m` and the names of targets have it.
const HERE: &str = std::env::consts::ARCH;

struct Release {
    folder: TempDir,
}

impl Release {
    /// A release of `version` for the processor `arch`.
    fn of(version: &str, arch: &str) -> Release {
        let release = Release { folder: tempfile::tempdir().unwrap() };
        let binary = release.path("binary");
        std::fs::write(&binary, format!("#!/bin/sh\necho labrun {version}\n")).unwrap();
        std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
        let mut pack = Command::new(root().join("dist/pack"));
        pack.arg(&binary).args([version, &format!("{arch}-unknown-linux-gnu")]).arg(release.folder.path());
        let packed = pack.env("LABRUN_THAT_RUNS_HERE", LABRUN).output().unwrap();
        assert!(packed.status.success(), "{}", text(&packed.stderr));
        std::fs::remove_file(binary).unwrap();
        std::fs::copy(root().join("dist/install.sh"), release.path("install.sh")).unwrap();
        let mut sums = Command::new("sh");
        sums.args(["-c", "sha256sum -- *.tar.gz install.sh > SHA256SUMS"]).current_dir(release.folder.path());
        assert!(sums.status().unwrap().success());
        release
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn archive(&self) -> PathBuf {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "gz")).unwrap()
    }

    fn install(&self, args: &[&str], prefix: &Path) -> Output {
        let mut sh = Command::new("sh");
        sh.arg(self.path("install.sh")).args(args).arg("--prefix").arg(prefix).env("HOME", "/nonexistent");
        sh.output().unwrap()
    }
}

/// Everything below `folder`, which need not be there.
fn tree(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        all.insert(path);
    }
    all
}

#[test]
fn a_release_is_installed_and_goes_away_without_a_trace() {
    let (release, home) = (Release::of("0.1.0", HERE), tempfile::tempdir().unwrap());
    let prefix = home.path().join("local");
    let output = release.install(&[], &prefix);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("labrun 0.1.0\n") && said.contains("--uninstall") && said.contains("not in PATH"),
        "{said}"
    );
    for name in INSTALLED {
        assert!(prefix.join(name).is_file(), "{name}");
    }
    assert!(text(&Command::new(prefix.join("bin/labrun")).output().unwrap().stdout).starts_with("labrun"));
    assert!(release.install(&["--uninstall"], &prefix).status.success());
    assert!(!prefix.exists(), "{:?}", tree(&prefix));
    let again = release.install(&["--uninstall"], &prefix);
    assert!(again.status.code() == Some(1) && text(&again.stderr).contains("no labrun was installed"));
}

#[test]
fn what_others_have_put_there_stays_and_a_newer_release_takes_the_place_of_an_older_one() {
    let prefix = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(prefix.path().join("share/man")).unwrap();
    std::fs::write(prefix.path().join("theirs"), "").unwrap();
    let before = tree(prefix.path());
    let (old, new) = (Release::of("0.1.0", HERE), Release::of("0.2.0", HERE));
    assert!(old.install(&[], prefix.path()).status.success());
    std::fs::write(prefix.path().join("bin/theirs"), "").unwrap();
    let said = text(&new.install(&[], prefix.path()).stdout);
    assert!(said.starts_with("labrun 0.2.0\n"), "{said}");
    assert!(new.install(&["--uninstall"], prefix.path()).status.success());
    let theirs = ["bin", "bin/theirs"].map(|name| prefix.path().join(name));
    assert_eq!(tree(prefix.path()), before.into_iter().chain(theirs).collect());
}

#[test]
fn what_is_not_what_the_checksums_say_is_not_installed() {
    let home = tempfile::tempdir().unwrap();
    let prefix = home.path().join("local");
    let refused = |release: &Release, said: &str| {
        let output = release.install(&[], &prefix);
        assert!(output.status.code() == Some(1) && text(&output.stderr).contains(said), "{}", text(&output.stderr));
        assert!(!prefix.exists(), "{said}: {:?}", tree(&prefix));
    };
    let release = Release::of("0.1.0", HERE);
    let sums = std::fs::read_to_string(release.path("SHA256SUMS")).unwrap();
    std::fs::write(release.path("SHA256SUMS"), sums.lines().last().unwrap()).unwrap();
    refused(&release, "SHA256SUMS does not speak of");
    std::fs::write(release.path("SHA256SUMS"), sums).unwrap();
    let mut archive = std::fs::read(release.archive()).unwrap();
    archive.push(0);
    std::fs::write(release.archive(), archive).unwrap();
    refused(&release, "is not what SHA256SUMS says");
    refused(&Release::of("0.1.0", "riscv64gc"), "no archive for");
    let usage = release.install(&["--prefiks"], &prefix);
    assert!(usage.status.code() == Some(2) && text(&usage.stderr).contains("--uninstall"), "{}", text(&usage.stderr));
}

#[test]
fn packing_the_same_twice_gives_the_same_bytes() {
    let [one, other] = [(); 2].map(|()| std::fs::read(Release::of("0.1.0", HERE).archive()).unwrap());
    assert!(one == other);
}

#[test]
fn the_workflow_of_a_release_can_be_read_says_that_it_is_unrun_and_runs_what_is_there() {
    let written = std::fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    assert!(written.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains("not run there yet")));
    let workflow = yaml(&written);
    assert_eq!(workflow["permissions"]["contents"], "read", "only the job that publishes may write");
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
    let scripts: Vec<&str> = steps.filter_map(|step| step["run"].as_str()).collect();
    for script in ["dist/build", "dist/test"] {
        assert!(scripts.iter().any(|run| run.starts_with(script)) && root().join(script).is_file(), "{script}");
    }
    // Of expressions only those of the matrix stand in a script, which are written above.
    let strange = scripts.iter().find(|run| run.replace("${{ matrix.target }}", "").contains("${{"));
    assert_eq!(strange, None);
    let targets = workflow["jobs"]["linux"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let page = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    for target in targets.iter().filter_map(|one| one["target"].as_str()) {
        assert!(page.contains(&format!("`{target}`")), "docs/install.md says nothing of {target}");
    }
    assert!(matches!(workflow["on"]["push"]["tags"], Value::Array(_)));
}
