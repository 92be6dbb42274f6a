//! A sequence that must not be repeated once it failed: three failed logins lock an account. What it saw is left in the
//! run's memory, under its key, and recalled instead.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::evidence::{Cause, Facts, Unobserved};
use crate::memory::Memory;
use crate::probe::http::args::{Http, Once};

/// How often a sequence is tried that was not answered: it may have counted, or not.
const TRIES: u64 = 2;

/// One sequence in the memory.
pub struct Record<'m> {
    memory: &'m dyn Memory,
    key: String,
    tries: u64,
}

/// Whether a sequence may go on to what must not be repeated.
pub enum Leave<'m> {
    /// It may, and what it sees is to be kept in this record.
    Granted(Record<'m>),
    /// It did so before, and saw this.
    Recalled(Facts),
}

impl<'m> Record<'m> {
    /// Asks whether `http` may hand in its form now, and notes that it does: a run that is killed in the middle counts.
    pub fn open(memory: &'m dyn Memory, http: &Http, once: &Once) -> Result<Leave<'m>, Unobserved> {
        let key = format!("http {} {}", once.key, http.fingerprint());
        let known = memory.recall(&key).unwrap_or_default();
        let tries = known.get("tries").and_then(Value::as_u64).unwrap_or_default();
        let answered = known.get("answered").is_some_and(|answered| answered == true);
        let facts = known.get("facts").and_then(Value::as_object);
        match facts {
            Some(facts) if answered || tries >= TRIES => {
                let mut facts = facts.clone();
                facts.insert("recalled_at".to_owned(), known.get("at").cloned().unwrap_or_default());
                return Ok(Leave::Recalled(facts));
            }
            None if tries >= TRIES => {
                return Err(Unobserved::new(
                    Cause::Limit,
                    "este pedido ya se hizo dos veces y las dos corridas se cortaron antes de la respuesta; no se repite, \
                     porque podría bloquear la cuenta: recreá el contenedor",
                    "this was asked twice and both runs were cut off before the answer; it is not repeated, because that \
                     could lock the account: recreate the container",
                ));
            }
            _ if !memory.allows() => {
                return Err(Unobserved::new(
                    Cause::LeftOut,
                    "se prueba una sola vez por contenedor, porque repetirlo podría bloquear la cuenta: lo juzga \
                     `labrun check`",
                    "it is tried only once per container, because repeating it could lock the account: `labrun check` \
                     judges it",
                ));
            }
            _ => {}
        }
        let record = Record { memory, key, tries: tries + 1 };
        record.keep(record.tries, false, None);
        Ok(Leave::Granted(record))
    }

    /// Notes what was seen, or that it may be repeated.
    pub fn close(self, facts: &Facts, may_be_repeated: bool) {
        let answered = facts.get("answer").is_some_and(|answer| answer == "complete");
        match may_be_repeated {
            true => self.keep(0, false, None),
            false => self.keep(self.tries, answered, Some(facts)),
        }
    }

    fn keep(&self, tries: u64, answered: bool, facts: Option<&Facts>) {
        let mut record = Facts::new();
        record.insert("tries".to_owned(), json!(tries));
        record.insert("at".to_owned(), json!(format!("{:.0}", Timestamp::now())));
        record.insert("answered".to_owned(), json!(answered));
        record.insert("facts".to_owned(), json!(facts));
        self.memory.remember(&self.key, &record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{OfThisRun, OnlyRecalled};

    #[test]
    fn who_only_recalls_asks_nothing_for_the_first_time_and_tells_what_another_run_saw() {
        let http: Http = serde_json::from_value(json!({
            "to": "localhost:80",
            "steps": [{"method": "POST", "form": {"a": "b"}}],
            "once": {"key": "k", "unless": {"status": 302}},
        }))
        .unwrap();
        let once = http.once.as_ref().unwrap();
        let memory = OfThisRun::default();
        let Err(why) = Record::open(&OnlyRecalled(&memory), &http, once) else { panic!() };
        assert_eq!(why.cause, Cause::LeftOut);
        let Ok(Leave::Granted(record)) = Record::open(&memory, &http, once) else { panic!() };
        record.close(&Facts::from_iter([("answer".to_owned(), json!("complete"))]), false);
        let Ok(Leave::Recalled(facts)) = Record::open(&OnlyRecalled(&memory), &http, once) else { panic!() };
        assert_eq!(facts["answer"], "complete");
    }
}
