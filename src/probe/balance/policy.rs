//! A name for the order in which requests went to instances. A guess, for a person to read: a balancer keeps its
//! state per worker, so that even a true round robin need not look like one.

/// How many requests a pattern may be long.
const PERIOD: usize = 10;

/// The order as text: the number of the instance that got each request (from 1), `-` where none did and `*` where
/// more than one did.
pub fn order(arrivals: &[Vec<usize>]) -> String {
    let letter = |arrival: &Vec<usize>| match arrival.as_slice() {
        [] => '-',
        [one] => char::from_digit(*one as u32 + 1, 10).unwrap_or('?'),
        _ => '*',
    };
    arrivals.iter().map(letter).collect()
}

/// What the order over `n_instances` looks like; none when there is too little of it to say.
pub fn policy(order: &str, n_instances: usize) -> Option<&'static str> {
    let count = |letter: char| order.chars().filter(|c| *c == letter).count();
    let (total, missed, several) = (order.len(), count('-'), count('*'));
    if total < 2 * PERIOD {
        return None;
    }
    if missed * 2 > total {
        return Some("none");
    }
    if several * 2 > total {
        return Some("mirror");
    }
    let seen: Vec<char> = order.chars().filter(char::is_ascii_digit).collect();
    let hits: Vec<usize> = (1..=n_instances).map(|n| count(char::from_digit(n as u32, 10).unwrap_or('?'))).collect();
    if hits.iter().filter(|hits| **hits > 0).count() == 1 {
        return Some("one-only");
    }
    let fair = seen.len() / n_instances.max(1);
    let even = |within: usize| hits.iter().all(|hits| hits.abs_diff(fair) * 100 <= fair * within);
    let changes = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let repeats = |period: usize| {
        let alike = seen.iter().zip(&seen[period..]).filter(|(one, other)| one == other).count();
        // A long row of one and the same repeats itself as well, and is no pattern.
        alike * 10 >= (seen.len() - period) * 9 && changes * period >= seen.len()
    };
    // With two instances, chance changes half of the time.
    let alternates = changes * 100 >= (seen.len() - 1) * 80;
    Some(match (2..=PERIOD).any(repeats) || (n_instances == 2 && alternates) {
        true if even(20) => "round-robin",
        true => "weighted",
        // Of a hundred fair throws one in five hundred is further off.
        false if even(30) => "random-like",
        false => "uneven",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_were_seen_have_the_name_of_what_made_them() {
        let of = |part: &str| part.repeat(100 / part.len());
        for (order, name) in [
            (of("12"), Some("round-robin")),
            // One doubled: a second worker of nginx.
            (format!("11{}", of("21")), Some("round-robin")),
            (of("1112"), Some("weighted")),
            (of("2"), Some("one-only")),
            (of("-"), Some("none")),
            (of("*"), Some("mirror")),
            (of("12112121111221212211"), Some("random-like")),
            ("11111121111121111111111211121111111111111211".to_owned(), Some("uneven")),
            (format!("{}{}", of("1"), of("2")), Some("random-like")),
            ("1212".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(policy(&order, 2), name, "{order}");
        }
        assert_eq!(policy(&of("123"), 3), Some("round-robin"));
        assert_eq!(policy(&of("112113"), 3), Some("weighted"));
    }

    #[test]
    fn an_order_is_written_with_what_is_missing_and_what_is_too_much() {
        assert_eq!(order(&[vec![0], vec![1], vec![], vec![0, 1], vec![8]]), "12-*9");
    }
}
