//! A class whose students sign what they hand in: whose key it was is shown, and nobody's mark depends on it.

use std::process::Command;

use labrun::class::vouched::By;

use crate::class::{Teacher, stderr, student};

/// Makes a key of `ssh-keygen`'s and gives its public part.
fn key(teacher: &Teacher, name: &str) -> String {
    keygen(teacher, &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name]);
    std::fs::read_to_string(teacher.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
}

/// Signs what `id` handed in, as a student does who has no labrun.
fn sign(teacher: &Teacher, key: &str, id: &str) {
    keygen(teacher, &["-q", "-Y", "sign", "-n", "labrun-evidence", "-f", key, &format!("up/{id}.json")]);
}

#[track_caller]
fn keygen(teacher: &Teacher, words: &[&str]) {
    let done = Command::new("ssh-keygen").args(words).current_dir(teacher.path("")).output();
    let done = done.expect("ssh-keygen, of openssh-client");
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn whose_key_signed_evidence_is_shown_and_changes_no_mark() {
    let teacher = Teacher::of(6);
    let plain = teacher.graded("PLAIN", &[]);
    assert!(plain.students.iter().all(|student| student.signature.is_none()));

    let keys: Vec<String> = ["k0", "k1", "k2"].iter().map(|name| key(&teacher, name)).collect();
    let [k0, k1, k2] = &keys[..] else { unreachable!() };
    // Whose key is whose; the last two are known by none.
    let rows = format!("s000,{k0}\ns001,{k1}\ns002,{k2}\ns003,{k0}\ns004,\ns005,\n");
    teacher.put("r.csv", &format!("id,key\n{rows}"));
    sign(&teacher, "k0", "s000");
    sign(&teacher, "k2", "s001");
    sign(&teacher, "k2", "s002");
    let text = std::fs::read_to_string(teacher.path("up/s002.json")).unwrap();
    teacher.put("up/s002.json", &format!("{text} "));
    sign(&teacher, "k1", "s004");

    let class = teacher.graded("MARKS", &[]);
    let by = |id: &str| student(&class, id).signature.as_ref().map(|vouched| vouched.by);
    let all = [Some(By::Student), Some(By::AnotherKey), Some(By::Wrong), Some(By::Nobody), Some(By::SomeKey), None];
    assert_eq!(["s000", "s001", "s002", "s003", "s004", "s005"].map(by), all);
    for (one, before) in class.students.iter().zip(&plain.students) {
        assert_eq!((one.points, one.mark, &one.checks), (before.points, before.mark, &before.checks), "{}", one.id);
        let flagged = one.flags.iter().any(|flag| flag.kind.word() == "signature");
        assert_eq!(flagged, ["s001", "s002", "s003"].contains(&one.id.as_str()), "{}", one.id);
    }
    let other = &student(&class, "s001").flags.iter().find(|flag| flag.kind.word() == "signature").unwrap().why.en;
    let fingerprint = student(&class, "s002").signature.as_ref().and_then(|vouched| vouched.key.clone());
    assert!(other.contains("another key than the roster's: SHA256:") && fingerprint.is_none(), "{other}");
    let marks = std::fs::read_to_string(teacher.path("MARKS/marks.csv")).unwrap();
    assert!(marks.lines().next().unwrap().ends_with("flags,signature,seen"), "{marks}");
    assert!(marks.lines().nth(1).unwrap().contains(",student,"), "{marks}");

    // What lies in the folder is what `ssh-keygen` verifies, and what grading again goes by.
    teacher.put("signers", &format!("s000 {k0}\n"));
    let verified = Command::new("sh")
        .args(["-c", "ssh-keygen -Y verify -f signers -I s000 -n labrun-evidence -s MARKS/s000/evidence.json.sig <MARKS/s000/evidence.json"])
        .current_dir(teacher.path(""))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));
    let again = teacher.labrun().args(["regrade", "MARKS", "--out", "AGAIN"]).output().unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(teacher.outputs("MARKS"), teacher.outputs("AGAIN"));

    // A second upload without a signature is not taken for the one that was signed.
    std::fs::remove_file(teacher.path("up/s000.json.sig")).unwrap();
    let class = teacher.graded("MARKS", &["--again", "s000"]);
    assert_eq!(student(&class, "s000").signature.as_ref().map(|vouched| vouched.by), Some(By::Nobody));
}

#[test]
fn a_roster_with_a_key_that_is_none_is_refused() {
    let teacher = Teacher::of(1);
    teacher.put("r.csv", "id,key\ns000,ssh-ed25519 nonsense\n");
    let refused = teacher.class("MARKS", &[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let said = stderr(&refused);
    assert!(said.contains("r.csv:2:6") && said.contains("not a public key of SSH's"), "{said}");
}
