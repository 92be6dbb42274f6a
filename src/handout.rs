//! Plans → the hand-out that students are given: what they are asked to do, in Markdown or as one page. Nothing of how
//! it is checked: no hint, no expectation, no hidden check.

use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, html};
use serde::Serialize;
use tera::{Context, Tera};

use crate::plan::{Plan, PlannedCheck, PlannedStep};
use crate::points::Points;
use crate::reference::{Piece, pieces};
use crate::render::{PIECES, context};
use crate::text::{Lang, Text};

const STYLE: &str = include_str!("../templates/handout.css");

/// Escaping goes by the template's name: that of the page ends in `.html`.
static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    tera.add_raw_templates(PIECES.into_iter().chain([
        ("handout.md", include_str!("../templates/handout.md")),
        ("handout.html", include_str!("../templates/handout.html")),
    ]))
    .expect("the built-in templates are parsed by every test of a hand-out");
    tera
});

#[derive(Serialize)]
struct Lab<'p> {
    id: &'p str,
    title: String,
    points: String,
    steps: Vec<Step>,
    /// The questions, by the name under which they are answered.
    questions: Vec<&'p str>,
}

#[derive(Serialize)]
struct Step {
    title: String,
    text: String,
    claims: Vec<Claim>,
}

#[derive(Serialize)]
struct Claim {
    says: String,
    points: String,
    bonus: bool,
}

/// The hand-out of these labs in Markdown.
pub fn markdown(plans: &[Plan], lang: Lang) -> String {
    let labs: Vec<Lab> = plans.iter().map(|plan| lab(plan, lang)).collect();
    let mut context = Context::new();
    context.insert("lang", lang.tag());
    context.insert("labs", &labs);
    let text = TEMPLATES.render("handout.md", &context).expect("the template names only what a hand-out has");
    // Texts end in line ends of their own.
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    lines.join("\n").trim().to_owned() + "\n"
}

/// The hand-out of these labs as one page that needs nothing else: no network, no script.
pub fn page(plans: &[Plan], lang: Lang) -> String {
    let text = markdown(plans, lang);
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    // What a lab says is text, whatever it looks like.
    let events = Parser::new_ext(&text, options).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        event => event,
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    let title = plans.iter().map(|plan| plan.title.get(lang)).collect::<Vec<_>>().join(" · ");
    let mut context = context(lang, &title, STYLE, "");
    context.insert("body", &body);
    TEMPLATES.render("handout.html", &context).expect("the template names only what a page has")
}

fn lab(plan: &Plan, lang: Lang) -> Lab<'_> {
    let counted = plan.checks().filter(|check| is_shown(check) && !check.bonus);
    let shown = plan.checks().filter(|check| is_shown(check));
    let mut questions: Vec<&str> = shown.filter_map(question).collect();
    questions.dedup();
    Lab {
        id: &plan.id,
        title: said(&plan.title, lang),
        points: counted.map(|check| check.points).sum::<Points>().to_string(),
        steps: plan.steps.iter().filter(|step| step.checks.iter().any(is_shown)).map(|of| step(of, lang)).collect(),
        questions,
    }
}

fn step(step: &PlannedStep, lang: Lang) -> Step {
    let claims = step.checks.iter().filter(|check| is_shown(check)).map(|check| Claim {
        says: said(&check.claim, lang),
        points: check.points.to_string(),
        bonus: check.bonus,
    });
    Step { title: said(&step.title, lang), text: said(&step.text, lang), claims: claims.collect() }
}

/// What a text says, its parameters being filled in: `$${` is a plain `${`.
fn said(text: &Text, lang: Lang) -> String {
    let said = pieces(text.get(lang)).into_iter().map(|piece| match piece {
        Piece::Plain(plain) => plain.to_owned(),
        Piece::Reference(name) => format!("${{{name}}}"),
    });
    said.collect()
}

/// What is hidden until some time is not handed out before it, and there is no clock here.
fn is_shown(check: &PlannedCheck) -> bool {
    check.hidden_until.is_none()
}

/// The name under which a student answers a check that asks for a word of theirs.
fn question(check: &PlannedCheck) -> Option<&str> {
    check.word.as_ref()?;
    check.ask.args.get("to")?.as_str()
}
