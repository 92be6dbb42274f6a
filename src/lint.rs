//! Finds every mistake in a file of the product: a lab, a library check, worlds or a course, told apart by its `labrun:`.

mod against;
mod content;
mod handout;
mod secrets;

use std::sync::Arc;

use crate::course::{self, COURSE_FORMAT};
use crate::decode::Decode;
use crate::error::{Diagnostic, suggestion};
use crate::lab::{CHECK_FORMAT, LAB_FORMAT};
use crate::library::{COURSE, Library};
use crate::node::{self, Node, Tree};
use crate::plan::{Settings, plan, plan_library_check};
use crate::source::{Source, Span};
use crate::worlds::{self, WORLDS_FORMAT};

/// All mistakes in `source`; `library` is what it may refer to, `name` what it must be called if it is a lab.
pub fn lint(source: &Arc<Source>, library: &Library, name: Option<&str>) -> Vec<Diagnostic> {
    let node = match node::parse(source) {
        Ok(node) => node,
        Err(mistake) => return vec![mistake],
    };
    let kind = |format: &str| format.split('/').next().unwrap_or_default().to_owned();
    let mut decode = Decode::new(source);
    let Some(format) = node.get("labrun") else {
        let help = format!("begin with `labrun: {LAB_FORMAT}`, `{CHECK_FORMAT}` or `{WORLDS_FORMAT}`");
        decode.mistake(Span::default(), "this file does not say what it is", Some(help));
        return decode.mistakes;
    };
    let Tree::Str(word) = &format.value else {
        decode.mistake(format.span, "expected the name of a format", None);
        return decode.mistakes;
    };
    let mut mistakes = match kind(word) {
        word if word == kind(CHECK_FORMAT) => {
            let mut mistakes = plan_library_check(source);
            mistakes.extend(content::of_check(source, &node));
            if mistakes.is_empty() {
                mistakes.extend(unused(source, &node, library));
            }
            mistakes
        }
        word if word == kind(WORLDS_FORMAT) => worlds::load(source, library.labs(), library.checks())
            .map_or_else(|mistakes| mistakes, |(_, worlds)| worlds::gaps(source, &worlds)),
        word if word == kind(COURSE_FORMAT) => {
            let mut mistakes = course::read(source, library.labs()).err().unwrap_or_default();
            if name.is_some_and(|name| name != COURSE) {
                decode.mistake(format.span, format!("the course of a folder of labs is called `{COURSE}.yaml`"), None);
                mistakes.append(&mut decode.mistakes);
            }
            mistakes
        }
        word if word == kind(LAB_FORMAT) => {
            let mut mistakes = plan(source, library.checks(), &Settings::new(), &[]).err().unwrap_or_default();
            mistakes.extend(name.and_then(|name| misnamed(source, name)));
            mistakes.extend(content::of_lab(source, &node));
            mistakes.extend(secrets::by_name(source, &node));
            mistakes
        }
        _ => {
            let help = suggestion(word, [LAB_FORMAT, CHECK_FORMAT, WORLDS_FORMAT, COURSE_FORMAT]);
            decode.mistake(format.span, format!("`{word}` is no format that labrun reads"), help);
            decode.mistakes
        }
    };
    if [WORLDS_FORMAT, COURSE_FORMAT].map(kind).contains(&kind(word)) {
        mistakes.extend(content::of_texts(source, &node));
    }
    mistakes.extend(secrets::by_looks(source));
    mistakes.sort_by_key(|mistake| (mistake.source.name.clone(), mistake.span.start));
    mistakes
}

/// Everything a hand-out asks for that none of `labs` has a claim about, and every claim of theirs that nothing in it
/// asks for. Files that are no labs are left alone.
pub fn against(handout: &Arc<Source>, labs: &[Arc<Source>]) -> Vec<Diagnostic> {
    let parsed = labs.iter().filter_map(|source| Some((source.clone(), node::parse(source).ok()?)));
    let labs: Vec<(Arc<Source>, Node)> = parsed.filter(|(_, node)| node.get("steps").is_some()).collect();
    against::against(handout, &labs)
}

/// The mistake of a library check beside labs none of which uses it: nobody would notice if it were wrong.
fn unused(source: &Arc<Source>, node: &Node, library: &Library) -> Option<Diagnostic> {
    let name = source.name.rsplit('/').next()?.strip_suffix(".yaml")?;
    let uses = |lab: &Arc<Source>| {
        let lab = node::parse(lab).unwrap_or_default();
        content::checks(&lab)
            .any(|check| matches!(check.get("use"), Some(Node { value: Tree::Str(used), .. }) if used == name))
    };
    let (key, _) = node.entries().iter().find(|(key, _)| key.name == "check")?;
    let is_unused = !library.labs().is_empty() && !library.labs().values().any(uses);
    is_unused.then(|| Diagnostic {
        source: source.clone(),
        span: key.span,
        message: format!("no lab uses `{name}`"),
        help: Some("use it, or take it out".to_owned()),
    })
}

/// The mistake of a lab whose file is called `name` and which calls itself otherwise: it would be looked for under
/// the one name and reported under the other.
pub fn misnamed(source: &Arc<Source>, name: &str) -> Option<Diagnostic> {
    let node = node::parse(source).ok()?;
    let id = node.get("id")?;
    let Tree::Str(word) = &id.value else { return None };
    (word != name).then(|| Diagnostic {
        source: source.clone(),
        span: id.span,
        message: format!("`{}` holds a lab called `{word}`", source.name),
        help: Some("rename one of them".to_owned()),
    })
}
