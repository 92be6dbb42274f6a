//! `labrun hint`: what the lab's author says to whoever is stuck, a stage more each time it is asked for. The first stage
//! is that of the report.

use crate::guide::{Lab, NAME, Reader};
use crate::plan::PlannedCheck;
use crate::tame::{tame, tame_prose};
use crate::terminal::Page;
use crate::text::Text;
use crate::verdict::Outcome;

/// What there is to say about one check.
#[derive(Debug)]
pub struct Hinted<'l> {
    /// Its lab.
    pub lab: &'l Lab,
    /// The check.
    pub check: &'l PlannedCheck,
    /// The hint that fits what was last seen of it, by name, and its stages; none where nothing is known to be wrong.
    pub hint: Option<(&'l str, &'l [Text])>,
}

impl<'l> Hinted<'l> {
    /// What there is to say about `check`. Of one that is hidden, that is nothing.
    pub fn of(lab: &'l Lab, check: &'l PlannedCheck, reader: Reader) -> Hinted<'l> {
        let failed = lab.seen(&check.address).filter(|seen| seen.outcome == Outcome::Fail && !reader.hides(check));
        let hint = failed.and_then(|seen| seen.hint.as_ref()).map(|hint| (hint.id.as_str(), hint.say.as_slice()));
        Hinted { lab, check, hint }
    }
}

/// Writes the first `stages` stages of a hint, or why there is none.
pub fn hint(page: &mut Page, hinted: &Hinted<'_>, stages: usize, reader: Reader) {
    let Hinted { lab, check, hint } = hinted;
    let title = format!("{} · {}", tame(&check.address, NAME), reader.claim(check));
    page.lines(0, &title, &page.style().bold());
    if let Some((_, all)) = hint.filter(|(_, all)| !all.is_empty()) {
        let shown = stages.clamp(1, all.len());
        for (n, say) in all.iter().take(shown).enumerate() {
            let label = format!("{} {}/{}", reader.say(&Text::new("pista", "hint")), n + 1, all.len());
            page.prose(2, &format!("{label:<12}"), &tame_prose(reader.say(say)));
        }
        let left = all.len() - shown;
        let more = match left {
            0 => Text::new("No hay más pistas.", "There are no more hints."),
            _ => Text::new(
                format!("Si no alcanza: otra vez `labrun hint` (quedan {left})."),
                format!("If that does not help: `labrun hint` once more ({left} left)."),
            ),
        };
        page.prose(2, "", reader.say(&more));
        return;
    }
    page.prose(2, "", reader.say(&why_not(lab, check, reader)));
}

/// Why there is no hint.
fn why_not(lab: &Lab, check: &PlannedCheck, reader: Reader) -> Text {
    let look = format!("`labrun check {}`", check.address.rsplit_once('/').map_or("", |(step, _)| step));
    if reader.hides(check) {
        return Text::new("De una comprobación oculta no se dice nada.", "Nothing is said of a hidden check.");
    }
    let seen = lab.seen(&check.address);
    match (lab.standing(check), seen) {
        (Some(Outcome::Pass), _) => Text::new("Esto ya se vio bien.", "This was seen to hold."),
        (Some(Outcome::Blocked), Some(seen)) => {
            let by = seen.blocked_by.first().map(|by| tame(by, NAME)).unwrap_or_default();
            Text::new(
                format!("Espera a otra cosa que está mal: `labrun hint {by}`."),
                format!("It waits for something else that is wrong: `labrun hint {by}`."),
            )
        }
        (Some(Outcome::Unknown), _) => Text::new(
            format!("No se pudo ver si está bien: `labrun doctor` dice qué falta; luego {look}."),
            format!("It could not be seen whether it holds: `labrun doctor` says what is missing; then {look}."),
        ),
        (Some(Outcome::Deferred), _) => {
            Text::new("Eso no se juzga en esta máquina.", "That is not judged on this machine.")
        }
        (Some(Outcome::Fail), Some(seen)) if !seen.command.is_empty() => {
            let command = tame(&seen.command, NAME);
            Text::new(
                format!("No tiene pista. Para verlo: `{command}`"),
                format!("It has no hint. To see it: `{command}`"),
            )
        }
        _ => Text::new(
            format!("Todavía no se miró: una pista depende de lo que se vea. Primero, {look}."),
            format!("Nobody has looked yet, and a hint depends on what is seen. First, {look}."),
        ),
    }
}
