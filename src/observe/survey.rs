//! A machine looked at for its own sake: what there is, and what is asked because of that. No lab asks, and nothing is judged.

use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::{OnceCell, Semaphore};

use crate::engine::Engine;
use crate::evidence::inventory::Inventory;
use crate::evidence::{Facts, Question, Sample, Seen, Unobserved};
use crate::memory::OfThisRun;
use crate::observe::{Asked, Brief, CONCURRENT, Limits, Looks};
use crate::probe::{Consent, RoundTrip};
use crate::vm::Vm;

/// What there is on the machine, as its engine lists it, is given to `curious`, who says what to ask; what was seen then
/// is given back, and so on until there is nothing more to ask. All of it as of one moment, as far as the engine goes.
pub async fn survey(
    vm: &dyn Vm,
    limits: Limits,
    mut curious: impl FnMut(&Inventory, Vec<(Question, Seen)>) -> Vec<Question>,
) -> Result<(), Unobserved> {
    vm.arrive().await;
    let deadline = Instant::now() + limits.run;
    let engine = Engine::new(vm, deadline);
    let there = engine.inventory().await?;
    let (memory, brief, run) = (OfThisRun::default(), Brief::default(), Facts::new());
    let places = Semaphore::new(CONCURRENT);
    let looks = Looks {
        vm,
        memory: &memory,
        brief: &brief,
        consent: Consent::none(),
        limits,
        clock: Instant::now(),
        run: &run,
        places: &places,
        once: Default::default(),
    };
    let round = looks.round(&engine, 0, deadline);
    let mut questions = curious(&there, Vec::new());
    while !questions.is_empty() {
        let new = |question| Asked { question, sample: OnceCell::new(), round_trip: RoundTrip::new() };
        let asked: Vec<Asked> = questions.into_iter().map(new).collect();
        join_all(asked.iter().map(|asked| round.answer(asked, None))).await;
        let seen = asked.into_iter().filter_map(|asked| {
            let Sample { seen, .. } = asked.sample.into_inner()?;
            Some((asked.question, seen))
        });
        questions = curious(&there, seen.collect());
    }
    Ok(())
}
