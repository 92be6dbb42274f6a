//! What only some systems have is told apart in the source: a machine is reached over SSH from any computer, and the one
//! labrun runs on is looked into where that is a Linux. CI compiles for no other system, so the gates are what is tested.

use std::path::Path;

/// What not every system has.
const WORDS: [&str; 6] = ["std::os::", "rustix", "UnixStream", "UnixListener", "signal::unix", "process_group"];

/// What is compiled on such systems only: the files, where they are declared, and what gates them there.
const WHOLE: [(&str, &str, &str); 3] = [
    ("vm/local", "vm/mod.rs", "#[cfg_attr(not(target_os = \"linux\"), path = \"elsewhere.rs\")]\npub mod local;"),
    (
        "vm/inside/namespace.rs",
        "vm/inside.rs",
        "#[cfg_attr(not(target_os = \"linux\"), path = \"inside/nowhere.rs\")]\nmod namespace;",
    ),
    ("vm/process/unix.rs", "vm/process.rs", "#[cfg_attr(unix, path = \"process/unix.rs\")]\n"),
];

/// The lines before the tests of a file that name what not every system has, and stand behind no gate.
fn open_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
    let named = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && WORDS.iter().any(|word| line.contains(word)));
    named.filter(|(at, _)| !is_gated(&lines, *at)).map(|(at, line)| format!("{}: {line}", at + 1)).collect()
}

/// Whether the line at `at` is part of something that an attribute leaves out elsewhere: the last gate before it stands
/// no deeper, and what it gates has not ended.
fn is_gated(lines: &[&str], at: usize) -> bool {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_gate = |line: &str| ["#[cfg(unix)]", "#[cfg(target_os = \"linux\")]"].contains(&line.trim());
    let Some(gate) = lines[..at].iter().rposition(|line| is_gate(line)) else { return false };
    let own = depth(lines[gate]);
    let ends = |line: &&str| depth(line) == own && line.trim_end().ends_with(['}', ';']);
    own <= depth(lines[at]) && !lines[gate + 1..at].iter().any(ends)
}

#[test]
fn what_not_every_system_has_stands_behind_a_gate() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &str| std::fs::read_to_string(src.join(path)).unwrap();
    for (_, parent, gate) in WHOLE {
        assert!(read(parent).contains(gate), "{parent}: {gate}");
    }
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !WHOLE.iter().any(|(whole, ..)| name.starts_with(whole)) {
                let open = open_lines(&read(&name));
                assert!(open.is_empty(), "src/{name}: only some systems have this\n{}", open.join("\n"));
            }
        }
    }
}

#[test]
fn a_gate_holds_for_what_it_stands_before_and_no_further() {
    let gated = "#[cfg(unix)]\nfn mode() -> u32 {\n    std::os::unix::mode()\n}\n";
    let statement = "fn f() {\n    #[cfg(unix)]\n    std::os::unix::mode(1);\n    done();\n}\n";
    let test = "#[cfg(test)]\nmod tests {\n    use rustix::fs;\n}\n";
    for closed in [gated, statement, test, "// rustix\n"] {
        assert_eq!(open_lines(closed), [""; 0], "{closed}");
    }
    for open in [
        "use std::os::unix::fs::MetadataExt;\n",
        "#[cfg(unix)]\nfn f() {}\n\nuse rustix::fs;\n",
        "#[cfg(unix)]\nuse rustix::fs;\nuse rustix::io;\n",
        "fn f() {\n    #[cfg(unix)]\n    one();\n    std::os::unix::mode(1);\n}\n",
    ] {
        let last = open_lines(open);
        assert_eq!(last.len(), 1, "{open}: {last:?}");
    }
}
