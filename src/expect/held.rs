//! What a matcher comes to over one value, three-valued and one more: it holds, it does not, it cannot be told, there is
//! nothing to tell of.

/// The truth of a matcher over one value: like [`Truth`], before anybody has words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Yes,
    No,
    /// The value was cut before the answer.
    Unsure,
    /// There is nothing it could be about, so that it holds neither way round.
    Void,
}

impl Held {
    pub(crate) fn from(held: bool) -> Held {
        if held { Held::Yes } else { Held::No }
    }

    pub(crate) fn not(self) -> Held {
        match self {
            Held::Yes => Held::No,
            Held::No => Held::Yes,
            neither => neither,
        }
    }

    /// Yes if all are; no if any is not; else what stands against saying yes.
    pub(crate) fn all(each: impl IntoIterator<Item = Held>) -> Held {
        let mut all = Held::Yes;
        for held in each {
            match (held, all) {
                (Held::No, _) => return Held::No,
                (Held::Void, _) | (Held::Unsure, Held::Yes) => all = held,
                _ => {}
            }
        }
        all
    }

    pub(crate) fn any(each: impl IntoIterator<Item = Held>) -> Held {
        Held::all(each.into_iter().map(Held::not)).not()
    }

    /// What was found in a cut value is there; what was not found may be beyond the cut.
    pub(crate) fn unless_cut(self, cut: bool) -> Held {
        if cut && self == Held::No { Held::Unsure } else { self }
    }
}
