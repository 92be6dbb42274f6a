//! What a matcher comes to over one value: it holds, it does not, or there is nothing to tell of. Where the value was
//! cut before the answer, more than one of these may be.

/// What a matcher may come to over one value; where that was cut, more than one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// It may hold.
    pub(crate) yes: bool,
    no: bool,
    /// There may be nothing it could be about, so that it holds neither way round.
    void: bool,
}

impl Held {
    pub(crate) const YES: Held = Held { yes: true, no: false, void: false };
    pub(crate) const NO: Held = Held { yes: false, no: true, void: false };
    pub(crate) const VOID: Held = Held { yes: false, no: false, void: true };
    /// The value was cut before the answer.
    pub(crate) const UNSURE: Held = Held { yes: true, no: true, void: false };

    pub(crate) fn from(held: bool) -> Held {
        if held { Held::YES } else { Held::NO }
    }

    pub(crate) fn not(self) -> Held {
        Held { yes: self.no, no: self.yes, ..self }
    }

    /// Yes if both are; no if either is not; else nothing to tell of.
    fn and(self, other: Held) -> Held {
        Held {
            yes: self.yes && other.yes,
            no: self.no || other.no,
            void: self.void && (other.yes || other.void) || self.yes && other.void,
        }
    }

    pub(crate) fn all(each: impl IntoIterator<Item = Held>) -> Held {
        each.into_iter().fold(Held::YES, Held::and)
    }

    pub(crate) fn any(each: impl IntoIterator<Item = Held>) -> Held {
        Held::all(each.into_iter().map(Held::not)).not()
    }

    /// What was found in a cut value is there; what was not found may be beyond the cut.
    pub(crate) fn unless_cut(self, cut: bool) -> Held {
        Held { yes: self.yes || cut && self.no, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: [Held; 4] = [Held::YES, Held::NO, Held::UNSURE, Held::VOID];

    /// `y` if it holds, `n` if it does not or is about nothing, `?` if nobody can tell.
    fn told(held: Held) -> char {
        match held {
            Held::YES => 'y',
            _ if held.yes => '?',
            _ => 'n',
        }
    }

    fn table(of: impl Fn([Held; 2]) -> Held) -> String {
        let row = |one: Held| EACH.map(|other| told(of([one, other]))).iter().collect::<String>();
        EACH.map(row).join(" ")
    }

    #[test]
    fn what_is_cut_beside_what_is_void_may_decide_it_or_not() {
        // Rows and columns: yes, no, unsure, void.
        assert_eq!(table(Held::all), "yn?n nnnn ?n?n nnnn");
        assert_eq!(table(Held::any), "yyyy yn?n y??? yn?n");
        // Neither way round does what is void hold.
        assert_eq!(table(|each| Held::all(each).not()), "ny?n yyyy ?y?? ny?n");
        assert_eq!(table(|each| Held::any(each).not()), "nnnn ny?n n??n nnnn");
        assert_eq!((Held::all([]), Held::any([])), (Held::YES, Held::NO));
    }

    #[test]
    fn what_a_cut_value_does_not_hold_may_be_beyond_the_cut() {
        assert_eq!(EACH.map(|held| told(held.unless_cut(true))), ['y', '?', '?', 'n']);
        assert_eq!(EACH.map(|held| held.unless_cut(false)), EACH);
    }
}
