//! The reference page names everything there is, and the README's lab is a lab.

use labrun::expect::MATCHERS;
use labrun::library::Library;
use labrun::plan::{Settings, plan};
use labrun::probe::KINDS;
use labrun::render::FORMATS;
use labrun::source::Source;
use labrun::verdict::Outcome;

const REFERENCE: &str = include_str!("../../docs/reference.md");
const README: &str = include_str!("../../README.md");

#[test]
fn the_reference_names_every_kind_of_probe_and_each_of_its_facts() {
    for kind in KINDS {
        let heading = format!("### `{}`\n", kind.name);
        let section = REFERENCE.split(&heading).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
        let section = section.split("\n##").next().unwrap_or_default();
        for (fact, _) in kind.facts {
            assert!(section.contains(&format!("| `{fact}` |")), "`{}` says nothing about `{fact}`", kind.name);
        }
        let listed = section.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(listed, kind.facts.len(), "`{}` lists a fact that is not reported", kind.name);
    }
}

#[test]
fn the_reference_names_every_matcher_and_every_outcome() {
    let words = MATCHERS.into_iter().chain(Outcome::ALL.map(Outcome::word));
    for word in words {
        let in_a_row = REFERENCE.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{word}`")));
        assert!(in_a_row, "no row about `{word}`");
    }
}

#[test]
fn the_readme_names_every_probe_and_every_format_and_its_lab_is_a_lab() {
    for name in KINDS.iter().map(|kind| kind.name).chain(FORMATS.iter().map(|format| format.name)) {
        assert!(README.contains(&format!("`{name}`")), "README says nothing about `{name}`");
    }
    let lab = README.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a lab in README");
    let source = Source::new("README.md", lab);
    let planned = plan(&source, Library::built_in().checks(), &Settings::new(), &[]);
    assert!(planned.is_ok(), "{}", planned.unwrap_err()[0]);
    assert!(lab.lines().count() <= 22, "a lab of 20 lines, they say");
}
