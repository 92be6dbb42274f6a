//! `labrun show`: the instructions of a lab, or of one of its steps.

use crate::guide::{Lab, NAME, Reader, instructions, points};
use crate::tame::tame;
use crate::terminal::Page;
use crate::text::Text;

/// Writes the instructions of the steps of `lab` that `steps` names; all where it names none.
pub fn show(page: &mut Page, lab: &Lab, steps: &[String], reader: Reader) {
    let (_, all) = lab.points(lab.plan.checks());
    let title = format!("{} · {}", tame(&lab.plan.id, NAME), tame(reader.say(&lab.plan.title), NAME));
    page.row(0, "", &title, &points(all), &page.style().bold());
    page.rule();
    let wanted = |address: &str| steps.is_empty() || steps.iter().any(|step| address.ends_with(&format!("/{step}")));
    for (n, step) in lab.plan.steps.iter().filter(|step| wanted(&step.address)).enumerate() {
        if n > 0 {
            page.line(0, "");
        }
        instructions(page, lab, step, reader);
    }
    page.line(0, "");
    let what = match steps {
        [step] => format!("{}/{step}", lab.plan.id),
        _ => lab.plan.id.clone(),
    };
    let look = Text::new(
        format!("Para que labrun mire: `labrun check {what}`"),
        format!("To have labrun look: `labrun check {what}`"),
    );
    page.prose(0, "", reader.say(&look));
}
