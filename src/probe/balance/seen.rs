//! What is made of one look: who got which request, how that is known, and how even it is.

use serde_json::{Map, Value, json};

use crate::evidence::Facts;
use crate::probe::Sheet;
use crate::probe::balance::arrived::Instance;
use crate::probe::balance::ask::Answers;
use crate::probe::balance::policy::{order, policy};
use crate::probe::balance::{INSTANCES, ON_ONE, SAME};

/// How many requests on one connection it takes to say that all of them went to one instance.
const ENOUGH: usize = 8;

/// All that was seen in one look.
pub struct Seen {
    /// The instances, their words read.
    pub instances: Vec<Instance>,
    /// The connections each instance had taken before the separate requests, after them, and after those on one
    /// connection.
    pub taken: Vec<Vec<Option<u64>>>,
    /// What came of the separate requests.
    pub separate: Answers,
    /// How many were answered on one connection.
    pub on_one: usize,
    /// How many requests for the same path were answered.
    pub same: usize,
}

impl Seen {
    /// The same without the containers that nobody named and that got no request. Those that did take the places of
    /// the names that nobody answers to.
    pub fn with_those_that_are_instances(mut self) -> Seen {
        let numbers: Vec<u16> = self.separate.sent.iter().map(|(number, _)| *number).collect();
        let got_any = |instance: &Instance| numbers.iter().any(|number| instance.got(*number));
        let is_one = |instance: &Instance| !instance.is_stranger || got_any(instance);
        let mut stays: Vec<bool> = self.instances.iter().map(is_one).collect();
        if self.instances.iter().zip(&stays).any(|(instance, stays)| instance.is_stranger && *stays) {
            let named = self.instances.iter().map(|instance| instance.found != "none");
            stays = stays.iter().zip(named).map(|(stays, found)| *stays && found).collect();
        }
        let mut places = stays.iter();
        self.instances.retain(|_| places.next().copied().unwrap_or_default());
        for taken in &mut self.taken {
            let mut places = stays.iter();
            taken.retain(|_| places.next().copied().unwrap_or_default());
        }
        self.instances.truncate(INSTANCES);
        self
    }

    /// The facts; those that nobody could tell are said to be cut.
    pub fn facts(self) -> Facts {
        let mut sheet = Sheet::of(self.separate.connection.clone());
        let (sent, answered) = (self.separate.sent.len(), self.separate.answered());
        sheet.fact("answer", self.separate.answer);
        sheet.fact("sent", sent);
        sheet.fact("answered", answered);
        let statuses: Map<String, Value> =
            self.separate.statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect();
        sheet.fact("statuses", statuses);
        let redirected = self.separate.statuses.range(301..=308).map(|(_, n)| n).sum::<u32>();
        sheet.fact("redirected", redirected);
        let method = self.method();
        sheet.fact("method", method);

        let arrivals: Vec<Vec<usize>> = self.separate.sent.iter().map(|(number, _)| self.who_got(*number)).collect();
        let by_counter = self.taken_between(0, 1);
        let hits: Vec<Option<u64>> = match method {
            Some("log") => (0..self.instances.len())
                .map(|at| Some(arrivals.iter().filter(|arrival| arrival.contains(&at)).count() as u64))
                .collect(),
            Some(_) => by_counter.iter().map(|taken| Some(taken.unwrap_or_default())).collect(),
            None => vec![None; self.instances.len()],
        };
        let shares: Vec<Option<f64>> = hits.iter().map(|hits| share((*hits)?, sent)).collect();
        let backends = self.instances.iter().enumerate().map(|(at, instance)| {
            json!({
                "container": instance.name, "found": instance.found, "running": instance.running,
                "log": instance.lines.as_ref().map(|_| if instance.cut { "cut" } else { "read" }),
                "hits": hits[at], "share": shares[at], "connections": by_counter[at],
            })
        });
        sheet.list("backends", backends, INSTANCES);
        let known: Vec<f64> = shares.iter().flatten().copied().collect();
        sheet.fact("least_share", known.iter().copied().reduce(f64::min));
        sheet.fact("most_share", known.iter().copied().reduce(f64::max));

        let got = |sent: &(u16, bool)| self.who_got(sent.0).len();
        let total = hits.iter().flatten().sum::<u64>();
        let within_a_tenth = |n: u64| if n * 10 <= answered as u64 { 0 } else { n };
        let (unseen, doubled) = match method {
            Some("log") => {
                let unseen = self.separate.sent.iter().filter(|sent| sent.1 && got(sent) == 0).count() as u64;
                (Some(unseen), Some(self.separate.sent.iter().filter(|sent| got(sent) > 1).count() as u64))
            }
            Some(_) => {
                let answered = answered as u64;
                (
                    Some(within_a_tenth(answered.saturating_sub(total))),
                    Some(within_a_tenth(total.saturating_sub(answered))),
                )
            }
            None => (None, None),
        };
        sheet.fact("unseen", unseen);
        sheet.fact("doubled", doubled);
        let order = (method == Some("log")).then(|| order(&arrivals));
        sheet.fact("policy", order.as_ref().and_then(|order| policy(order, self.instances.len())));
        sheet.text("order", order.as_deref(), 200);
        let keep_alive = self.keep_alive(method);
        sheet.fact("cached", self.cached(method));
        // What nobody could tell is no fact about the student's work.
        if method.is_none() {
            for name in ["backends", "least_share", "most_share", "unseen", "doubled", "order", "cached"] {
                sheet.is_cut(name);
            }
        }
        if self.on_one >= ENOUGH && keep_alive["shared"].is_null() {
            sheet.is_cut("keep_alive");
        }
        sheet.fact("keep_alive", keep_alive);
        sheet.done()
    }

    /// The places of the instances that got request `number`, by what they printed.
    fn who_got(&self, number: u16) -> Vec<usize> {
        let got = self.instances.iter().enumerate().filter(|(_, instance)| instance.got(number));
        got.map(|(at, _)| at).collect()
    }

    /// How many connections each instance took between two counts.
    fn taken_between(&self, from: usize, to: usize) -> Vec<Option<u64>> {
        let count = |at: usize, of: usize| *self.taken.get(at)?.get(of)?;
        (0..self.instances.len()).map(|of| count(to, of)?.checked_sub(count(from, of)?)).collect()
    }

    /// How it is known who got a request, if it is.
    fn method(&self) -> Option<&'static str> {
        let there: Vec<usize> = (0..self.instances.len()).filter(|at| self.instances[*at].found == "one").collect();
        let readable = there.iter().all(|at| self.instances[*at].lines.is_some() && !self.instances[*at].cut);
        let answered = self.separate.answered() as u64;
        let taken = self.taken_between(0, 1);
        // One that does not run takes none.
        let runs = |at: &&usize| self.instances[**at].running == Some(true);
        let counts: Option<Vec<u64>> = there.iter().filter(runs).map(|at| taken[*at]).collect();
        let total = counts.map(|counts| counts.iter().sum::<u64>());
        let printed = self.separate.sent.iter().any(|(number, _)| !self.who_got(*number).is_empty());
        let counted = total
            .is_some_and(|total| total * 10 >= answered * 9 && total * 10 <= answered * 11 * there.len().max(1) as u64);
        match (readable, counted) {
            _ if self.separate.sent.is_empty() => Some("log"),
            // Words that are kept and hold nothing of requests that did arrive.
            (true, true) if !printed && answered > 0 => Some("counter"),
            (true, _) => Some("log"),
            (false, true) if answered > 0 => Some("counter"),
            (false, _) => None,
        }
    }

    fn keep_alive(&self, method: Option<&str>) -> Value {
        let sent = self.on_one as u64;
        let hits: Vec<Option<u64>> = match method {
            Some("log") => {
                let got = |instance: &Instance| ON_ONE.take(self.on_one).filter(|number| instance.got(*number)).count();
                self.instances.iter().map(|instance| Some(got(instance) as u64)).collect()
            }
            // A balancer may open a connection for each request, or hold one for all of them.
            Some(_) => {
                let taken: Vec<u64> = self.taken_between(1, 2).into_iter().map(Option::unwrap_or_default).collect();
                let each = taken.iter().sum::<u64>() * 10 >= sent * 9;
                taken.into_iter().map(|taken| each.then_some(taken)).collect()
            }
            None => vec![None; self.instances.len()],
        };
        let users = hits.iter().filter(|hits| hits.is_some_and(|hits| hits > 0)).count();
        let shared = match users {
            _ if hits.contains(&None) => None,
            0 | 1 if self.on_one < ENOUGH => None,
            _ => Some(users > 1),
        };
        let names = self.instances.iter().map(|instance| &instance.name);
        let backends: Vec<Value> =
            names.zip(&hits).map(|(container, hits)| json!({"container": container, "hits": hits})).collect();
        json!({"sent": sent, "backends": backends, "shared": shared})
    }

    fn cached(&self, method: Option<&str>) -> Option<bool> {
        let arrived: u32 = self.instances.iter().map(|instance| instance.arrivals(SAME)).sum();
        // Where nothing arrives at all, it is not for a cache.
        let told = method == Some("log") && self.same > 1 && (0..200).any(|number| !self.who_got(number).is_empty());
        told.then_some((arrived as usize) < self.same)
    }
}

fn share(hits: u64, sent: usize) -> Option<f64> {
    (sent > 0).then(|| (hits as f64 * 1000.0 / sent as f64).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::probe::Probe;
    use crate::probe::balance::{Balance, TIMES};

    /// An instance that printed one line for each of these requests, or keeps no words.
    fn instance(name: &str, lines: Option<&[u16]>) -> Instance {
        let lines = lines.map(|numbers| numbers.iter().map(|number| (*number, 1)).collect::<BTreeMap<_, _>>());
        Instance { name: name.into(), found: "one", running: Some(true), lines, ..Instance::default() }
    }

    /// A look in which 20 separate requests were answered, and 10 on one connection.
    fn seen(instances: Vec<Instance>, taken: [[u64; 2]; 3]) -> Seen {
        let taken = taken.iter().map(|each| each.iter().map(|n| Some(*n)).collect()).collect();
        let sent = (0..20).map(|number| (number, true)).collect();
        let separate = Answers { sent, answer: Some("complete"), ..Answers::default() };
        Seen { instances, taken, separate, on_one: 10, same: 0 }
    }

    fn even(number: &u16) -> bool {
        number.is_multiple_of(2)
    }

    #[test]
    fn what_the_instances_printed_tells_who_got_what() {
        let (one, two): (Vec<u16>, Vec<u16>) = (0..20).chain(300..310).partition(even);
        let instances = || vec![instance("drp1", Some(&one)), instance("drp2", Some(&two))];
        let facts = seen(instances(), [[0, 0], [10, 10], [15, 15]]).facts();
        assert_eq!((&facts["method"], &facts["order"]), (&json!("log"), &json!("12".repeat(10))));
        assert_eq!((&facts["least_share"], &facts["unseen"], &facts["doubled"]), (&json!(50.0), &json!(0), &json!(0)));
        assert_eq!((&facts["policy"], &facts["keep_alive"]["shared"]), (&json!("round-robin"), &json!(true)));
        assert_eq!(facts["truncated"], json!([]));
        // A balancer that keeps its connections leaves the words to tell.
        assert_eq!(seen(instances(), [[0, 0], [1, 1], [1, 1]]).facts()["method"], "log");
        // One of them twice is one of them.
        let mut same = instances();
        same[1] = Instance { found: "same", lines: None, ..instance("other", None) };
        let facts = seen(same, [[0, 0], [10, 0], [15, 0]]).facts();
        assert_eq!(
            (&facts["method"], &facts["least_share"], &facts["unseen"]),
            (&json!("log"), &json!(0.0), &json!(10))
        );
    }

    #[test]
    fn whoever_gets_requests_takes_the_place_of_a_name_that_nobody_answers_to() {
        let (one, two): (Vec<u16>, Vec<u16>) = (0..20).partition(even);
        let absent = |name: &str| Instance { found: "none", running: None, lines: None, ..instance(name, None) };
        let stranger = |name: &str, lines: &[u16]| Instance { is_stranger: true, ..instance(name, Some(lines)) };
        let names = |instances: Vec<Instance>| {
            let taken = vec![vec![None; instances.len()]; 3];
            let separate = Answers { sent: (0..20).map(|number| (number, true)).collect(), ..Answers::default() };
            let look = Seen { instances, taken, separate, on_one: 0, same: 0 }.with_those_that_are_instances();
            assert!(look.taken.iter().all(|taken| taken.len() == look.instances.len()));
            look.instances.into_iter().map(|instance| instance.name).collect::<Vec<_>>()
        };
        let both =
            vec![absent(":8081"), absent(":8082"), stranger("a", &one), stranger("db", &[]), stranger("b", &two)];
        assert_eq!(names(both), ["a", "b"]);
        assert_eq!(names(vec![instance("drp1", Some(&one)), absent(":8082"), stranger("b", &two)]), ["drp1", "b"]);
        assert_eq!(names(vec![absent(":8081"), absent(":8082"), stranger("db", &[])]), [":8081", ":8082"]);
    }

    #[test]
    fn without_words_connections_are_counted_to_within_a_tenth() {
        let without = |taken| seen(vec![instance("a", None), instance("b", None)], taken).facts();
        let facts = without([[5, 5], [16, 15], [21, 20]]);
        assert_eq!((&facts["method"], &facts["doubled"], &facts["unseen"]), (&json!("counter"), &json!(0), &json!(0)));
        assert_eq!((&facts["least_share"], &facts["most_share"]), (&json!(50.0), &json!(55.0)));
        assert_eq!((&facts["order"], &facts["keep_alive"]["shared"]), (&Value::Null, &json!(true)));
        let facts = without([[0, 0], [20, 20], [30, 30]]);
        assert_eq!((&facts["doubled"], &facts["unseen"]), (&json!(20), &json!(0)));
        // Too few to be one for each request: a balancer keeps its connections, or somebody else answers.
        let facts = without([[0, 0], [1, 1], [1, 1]]);
        assert_eq!((&facts["method"], &facts["least_share"]), (&Value::Null, &Value::Null));
        let cut = facts["truncated"].as_array().unwrap();
        assert!(["least_share", "most_share", "unseen", "doubled"].iter().all(|name| cut.contains(&json!(name))));
    }

    #[test]
    fn a_log_without_requests_is_believed_only_where_none_arrived() {
        let silent = |taken| seen(vec![instance("a", Some(&[])), instance("b", Some(&[]))], taken).facts();
        assert_eq!(silent([[0, 0], [10, 10], [15, 15]])["method"], "counter");
        let facts = silent([[0, 0], [0, 0], [0, 0]]);
        assert_eq!((&facts["method"], &facts["unseen"], &facts["policy"]), (&json!("log"), &json!(20), &json!("none")));
        assert_eq!(facts["cached"], Value::Null);
    }

    #[test]
    fn words_that_are_cut_tell_nothing() {
        let mut instances = vec![instance("a", Some(&[0, 1])), instance("b", Some(&[2, 3]))];
        instances[1].cut = true;
        let facts = seen(instances, [[0, 0], [1, 0], [1, 0]]).facts();
        assert_eq!((&facts["method"], &facts["backends"][1]["log"]), (&Value::Null, &json!("cut")));
    }

    #[test]
    fn a_repeated_request_that_does_not_arrive_is_cached() {
        let with = |same: u32| {
            let mut one = instance("a", Some(&[0, 2, 4]));
            one.lines.as_mut().unwrap().insert(SAME, same);
            let mut look = seen(vec![one, instance("b", Some(&[1, 3, 5]))], [[0, 0]; 3]);
            look.same = TIMES;
            look.facts()["cached"].clone()
        };
        assert_eq!((with(5), with(1), with(10)), (json!(false), json!(true), json!(false)));
    }

    #[test]
    fn every_fact_of_the_contract_is_there() {
        let facts = seen(vec![instance("a", None)], [[0, 0]; 3]).facts();
        let reached = ["connection", "address", "namespace"];
        let mut names: Vec<&str> =
            <Balance as Probe>::FACTS.iter().map(|(name, _)| *name).filter(|name| !reached.contains(name)).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }
}
