//! `labrun progress`: how far a student is, by what this machine has seen; it is no mark.
//!
//! ```text
//! ✘ lab1 · Un PostgreSQL al que se llega               ████████░░           8/10
//!   ✔ lab1/ssh       Entrar a la VM                    2026-11-25 14:05      1/1
//!   ✘ lab1/port      Publicar el puerto                                      0/3
//! ```

use crate::guide::{Lab, NAME, Reader, day, padded, sign};
use crate::plan::PlannedStep;
use crate::points::Points;
use crate::tame::tame;
use crate::terminal::Page;
use crate::text::Text;
use crate::verdict::Outcome;

/// The cells of the bar of a lab.
const CELLS: u32 = 10;
/// The width of the column of times.
const TIME: usize = 16;

/// Writes how far each of `labs` is; the steps only of those that were begun, or of all where `whole`.
pub fn progress(page: &mut Page, labs: &[Lab], whole: bool, reader: Reader) {
    let (mut so_far, mut all) = (Points::ZERO, Points::ZERO);
    let widest = labs.iter().flat_map(|lab| &lab.plan.steps).map(|step| step.address.len()).max().unwrap_or_default();
    for lab in labs {
        let (own, possible) = lab.points(lab.plan.checks());
        so_far += own;
        all += possible;
        let begun = !lab.looks.is_empty() || !lab.held.is_empty();
        let standing = lab.plan.steps.iter().map(|step| lab.step_standing(step));
        let standing = standing.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        let title = format!("{} · {}", tame(&lab.plan.id, NAME), tame(reader.say(&lab.plan.title), NAME));
        let right = format!("{} {:>7}", padded(&bar(own, possible), TIME), format!("{own}/{possible}"));
        let sign_of_it = format!("{} ", sign(page, standing.filter(|_| begun)));
        page.single(0, &sign_of_it, &title, &right, &page.style().bold());
        for step in lab.plan.steps.iter().filter(|_| begun || whole) {
            row(page, lab, step, widest.min(24), reader);
        }
    }
    page.rule();
    let total = Text::new(
        format!("{so_far}/{all} puntos vistos bien, según lo que guardó esta máquina; la nota sale de otra corrida"),
        format!("{so_far}/{all} points seen to hold, by what this machine has kept; a mark comes from another run"),
    );
    page.labelled(0, &reader.label("Total", "Total", 7), reader.say(&total), &page.style());
}

fn row(page: &mut Page, lab: &Lab, step: &PlannedStep, widest: usize, reader: Reader) {
    let standing = lab.step_standing(step);
    let (own, possible) = lab.points(step.checks.iter());
    let times = step.checks.iter().filter(|check| !check.bonus).map(|check| lab.held_at(check));
    // A step holds since the last of its checks does.
    let since = times.collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().max());
    let since = since.filter(|_| standing == Some(Outcome::Pass)).map(day).unwrap_or_default();
    let score = if possible == Points::ZERO { String::new() } else { format!("{own}/{possible}") };
    let right = format!("{} {score:>7}", padded(&since, TIME));
    let text = format!("{}  {}", padded(&tame(&step.address, NAME), widest), tame(reader.say(&step.title), NAME));
    page.single(2, &format!("{} ", sign(page, standing)), &text, &right, &page.style());
}

/// A bar that is full only where all of it is there.
fn bar(so_far: Points, all: Points) -> String {
    let full = (so_far.hundredths() * CELLS).checked_div(all.hundredths()).unwrap_or_default() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(CELLS as usize - full))
}
