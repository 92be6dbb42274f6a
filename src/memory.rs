//! What must not be asked twice: a look that cannot be repeated without harm leaves what it saw here, and whoever
//! asks the same again is told that. Where it is kept, and for how long, is for whoever makes a memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::evidence::Facts;

/// Facts by key, from earlier looks of this run and perhaps of others. No key holds a secret, nor do the facts.
pub trait Memory: Send + Sync {
    /// What was remembered last under `key`.
    fn recall(&self, key: &str) -> Option<Facts>;

    /// Whether a look that must not be repeated may be made now, where none is remembered.
    fn allows(&self) -> bool {
        true
    }

    /// Keeps `facts` under `key`, in the place of what was there.
    fn remember(&self, key: &str, facts: &Facts);
}

/// A memory that lasts as long as the process.
#[derive(Debug, Default)]
pub struct OfThisRun(Mutex<HashMap<String, Facts>>);

impl Memory for OfThisRun {
    fn recall(&self, key: &str) -> Option<Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: &str, facts: &Facts) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), facts.clone());
    }
}

/// A memory that is asked and never added to: what it does not hold is left to another run.
pub struct OnlyRecalled<'m>(pub &'m dyn Memory);

impl Memory for OnlyRecalled<'_> {
    fn recall(&self, key: &str) -> Option<Facts> {
        self.0.recall(key)
    }

    fn allows(&self) -> bool {
        false
    }

    fn remember(&self, _key: &str, _facts: &Facts) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thing_remembered_is_recalled() {
        let memory = OfThisRun::default();
        assert_eq!(memory.recall("a"), None);
        for status in [302, 200] {
            memory.remember("a", &Facts::from_iter([("status".to_owned(), status.into())]));
        }
        assert_eq!(memory.recall("a").unwrap()["status"], 200);
        assert_eq!(memory.recall("b"), None);
    }

    #[test]
    fn what_is_only_recalled_is_never_added_to() {
        let memory = OfThisRun::default();
        let reader = OnlyRecalled(&memory);
        reader.remember("a", &Facts::new());
        assert_eq!((reader.recall("a"), reader.allows(), memory.allows()), (None, false, true));
        memory.remember("a", &Facts::new());
        assert_eq!(reader.recall("a"), Some(Facts::new()));
    }
}
