//! What opt-in probes keep to: nobody is surprised, and whatever they change is put back, however they end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::engine::Hands;
use crate::evidence::{Cause, OptIn, Unobserved};
use crate::probe::Context;
use crate::text::Text;
use crate::vm::Vm;

/// What whoever runs labrun has allowed it to do to the machine, and how the two talk while it is done.
#[derive(Clone, Copy)]
pub struct Consent<'a> {
    /// What was asked for.
    pub to: &'a [OptIn],
    /// Why nothing of the student's is brought up, whatever was asked for.
    pub refused: Option<&'a str>,
    /// How the run is asked to put things back and end.
    pub stop: &'a Stop,
    /// Says something to whoever is there, before it is done.
    pub say: &'a (dyn Fn(&Text) + Send + Sync),
}

impl Consent<'_> {
    /// None at all.
    pub fn none() -> Consent<'static> {
        static STOP: std::sync::LazyLock<Stop> = std::sync::LazyLock::new(Stop::default);
        Consent { to: &[], refused: None, stop: &STOP, say: &|_| {} }
    }
}

/// How a run is asked to end while things on the machine are not in their places.
pub struct Stop {
    asked: watch::Sender<bool>,
    at_work: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop { asked: watch::Sender::new(false), at_work: watch::Sender::new(false) }
    }
}

impl Stop {
    /// Asks for it.
    pub fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Whether something is not in its place.
    pub fn is_awaited(&self) -> bool {
        *self.at_work.borrow()
    }

    /// Waits until everything is in its place.
    pub async fn at_rest(&self) {
        // The sender lives as long as this does.
        let _ = self.at_work.subscribe().wait_for(|at_work| !at_work).await;
    }

    async fn asked(&self) {
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }
}

/// An opt-in probe at work.
pub struct AtWork<'a> {
    consent: Consent<'a>,
    /// What it changes things with.
    pub hands: Hands,
}

impl<'a> AtWork<'a> {
    /// Says what will be done, and makes sure that it can be undone.
    pub async fn begin(cx: &Context<'a>, will: Text) -> Result<AtWork<'a>, Unobserved> {
        let hands = Hands::of_this_run(cx.vm).await?;
        let left = hands.aside().await;
        if !left.is_empty() {
            // An earlier probe of this run could not put everything back.
            let left = left.join("`, `");
            return Err(Unobserved::new(
                Cause::Path,
                format!("antes hay que volver a poner `{left}` en su lugar: corré `labrun check` de nuevo"),
                format!("`{left}` has to be put back first: run `labrun check` again"),
            ));
        }
        (cx.consent.say)(&will);
        cx.consent.stop.at_work.send_replace(true);
        Ok(AtWork { consent: cx.consent, hands })
    }

    /// Does `work`, undoes what it changed and does what is left to do `then`: when it is done, when its time is over,
    /// when it panics, and when the run is interrupted, from which this never returns. With what came of it, whether
    /// everything was put back.
    pub async fn undo_after<T>(
        &self,
        cx: &Context<'_>,
        work: impl Future<Output = Result<T, Unobserved>>,
        then: impl Future<Output = ()>,
    ) -> Result<(T, bool), Unobserved> {
        let ended = tokio::select! {
            biased;
            () = self.consent.stop.asked() => None,
            ended = tokio::time::timeout_at(cx.deadline.into(), AssertUnwindSafe(work).catch_unwind()) => Some(ended),
        };
        let failures = self.hands.undo().await;
        if !failures.is_empty() {
            (self.consent.say)(&not_put_back(&failures));
        }
        then.await;
        self.consent.stop.at_work.send_replace(false);
        match ended {
            Some(Ok(Ok(done))) => Ok((done?, failures.is_empty())),
            Some(Ok(Err(panic))) => std::panic::resume_unwind(panic),
            Some(Err(_)) => Err(Unobserved::new(
                Cause::Limit,
                "la prueba no terminó a tiempo, y todo volvió a su lugar",
                "the probe did not end in time, and everything was put back",
            )),
            None => std::future::pending().await,
        }
    }
}

/// How long an engine may take to tell whether a run that was killed left anything behind.
const TO_TELL: Duration = Duration::from_secs(2);

/// Puts back what runs that were killed have left out of its place, and tells how long that took. `Err` is the process
/// of one that is still at work.
pub async fn repair(vm: &dyn Vm, say: &(dyn Fn(&Text) + Send + Sync)) -> Result<Duration, u32> {
    let start = Instant::now();
    // Where the engine does not answer, every look will say so.
    let others = tokio::time::timeout(TO_TELL, Hands::of_others(vm)).await;
    for hands in others.ok().and_then(Result::ok).unwrap_or_default() {
        if hands.owner().is_alive(vm).await {
            return Err(hands.owner().pid());
        }
        let names = hands.aside().await;
        let names = if names.is_empty() { String::new() } else { format!(": `{}`", names.join("`, `")) };
        say(&Text::new(
            format!("una corrida anterior no llegó a dejar todo en su lugar, y ahora se hace{names}"),
            format!("an earlier run could not put everything back, which is done now{names}"),
        ));
        let failures = hands.undo().await;
        if !failures.is_empty() {
            say(&not_put_back(&failures));
        }
    }
    Ok(start.elapsed())
}

fn not_put_back(failures: &[String]) -> Text {
    let failures = failures.join("; ");
    Text::new(
        format!("no todo pudo volver a su lugar: {failures}. El próximo `labrun check` lo intenta de nuevo"),
        format!("not everything could be put back: {failures}. The next `labrun check` tries again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_a_run_to_end_waits_until_everything_is_in_its_place() {
        let stop = Stop::default();
        assert!(!stop.is_awaited());
        stop.at_rest().await;
        stop.at_work.send_replace(true);
        let at_work = async {
            stop.asked().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            stop.at_work.send_replace(false);
        };
        let asking = async {
            assert!(stop.is_awaited());
            stop.ask();
            stop.at_rest().await;
            assert!(!stop.is_awaited());
        };
        tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(at_work, asking) }).await.unwrap();
    }
}
