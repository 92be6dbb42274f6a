//! Facts that several kinds report and that are one of a few words.

/// The words of the fact `connection`.
pub const CONNECTION_WORDS: (&str, &[&str]) = (
    "connection",
    &[
        "connected",
        "refused",
        "timed_out",
        "unreachable",
        "name_not_found",
        "no_container",
        "not_running",
        "no_address",
        "not_its_own",
        "no_vantage",
    ],
);

/// The words of the fact `found`, of kinds that look for a thing by a name.
pub const FOUND_WORDS: (&str, &[&str]) = ("found", &["one", "none", "several"]);

#[cfg(test)]
mod tests {
    use crate::probe::KINDS;

    #[test]
    fn the_words_a_fact_may_be_are_those_it_is_described_with() {
        for kind in KINDS {
            for (fact, words) in kind.words {
                let (_, description) = kind.facts.iter().find(|(name, _)| name == fact).unwrap();
                for word in *words {
                    assert!(description.contains(&format!("`{word}`")), "{}: {fact}: {word}", kind.name);
                }
            }
        }
    }
}
