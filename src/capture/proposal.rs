//! A lab in the making: steps and claims, what is left out, and how all of it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::capture::yaml::{as_a_row, block, comment, on_a_line};
use crate::lab::LAB_FORMAT;
use crate::text::Text;

/// How many of the things that are left out are named.
const MANY_LEFT_OUT: usize = 40;

const HEAD: &str = "\
Proposed by `labrun capture`, from a machine on which it is done. Every check is a proposal: above it stands what was seen.
Take out what nobody asks for, say better what is asked, and settle points and hints. Then prove it with worlds
(`labrun new` writes some to begin with), and let `labrun lint` look at it.";

/// A lab that is proposed.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    id: String,
    params: BTreeMap<&'static str, &'static str>,
    steps: Vec<Step>,
    left_out: BTreeSet<String>,
}

/// A step that is proposed. What it asks for is what its checks claim.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// What is claimed in it.
    pub checks: Vec<Check>,
}

/// A claim that is proposed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Check {
    /// Its name within the step.
    pub id: String,
    /// What was seen.
    #[serde(skip)]
    pub seen: String,
    /// What it is worth: a point, until its author says otherwise.
    pub points: u32,
    /// What it cannot hold without: siblings, or `step/check`.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_a_row")]
    pub needs: Vec<String>,
    /// What it claims.
    pub claim: Text,
    /// What it leans on.
    #[serde(skip_serializing_if = "Map::is_empty", serialize_with = "on_a_line")]
    pub given: Map<String, Value>,
    /// What is observed.
    #[serde(serialize_with = "on_a_line")]
    pub probe: Value,
    /// What must hold of it.
    #[serde(serialize_with = "on_a_line")]
    pub expect: Value,
    /// How long it may take to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<&'static str>,
    /// While what that is worth the wait.
    #[serde(rename = "while", skip_serializing_if = "Value::is_null", serialize_with = "on_a_line")]
    pub worth: Value,
    /// What is said when it fails.
    pub hints: Vec<Hint>,
}

/// What is said of a fail.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Hint {
    id: &'static str,
    #[serde(skip_serializing_if = "Value::is_null", serialize_with = "on_a_line")]
    when: Value,
    say: [Text; 1],
}

impl Hint {
    /// What is said when `when` holds; always, if that is null.
    pub fn new(id: &'static str, when: Value, es: impl Into<String>, en: impl Into<String>) -> Hint {
        Hint { id, when, say: [Text::new(es, en)] }
    }
}

impl Proposal {
    /// A lab without anything in it.
    pub fn new(id: &str) -> Proposal {
        Proposal { id: id.to_owned(), ..Proposal::default() }
    }

    /// Tells students the value of a parameter.
    pub fn tell(&mut self, name: &'static str, value: &'static str) {
        self.params.insert(name, value);
    }

    /// Notes something that is there and is not proposed, and why.
    pub fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.insert(what.into());
    }

    /// Proposes a step, if it claims anything; its ids become the only ones of their name.
    pub fn add(&mut self, mut step: Step) {
        if !step.checks.is_empty() {
            step.id = free(&step.id, |id| self.steps.iter().any(|step| step.id == id));
            self.steps.push(step);
        }
    }

    /// The address within the lab, `step/check`, of each claim.
    pub fn claims(&self) -> impl Iterator<Item = String> {
        self.steps.iter().flat_map(|step| step.checks.iter().map(|check| format!("{}/{}", step.id, check.id)))
    }

    /// Takes back the claims at these addresses, and those that need one of them: they held for a moment only.
    pub fn take_back(&mut self, fleeting: &BTreeSet<String>) {
        let mut gone = fleeting.clone();
        for step in &mut self.steps {
            let Step { id: step, checks, .. } = step;
            checks.retain(|check| {
                let address = format!("{step}/{}", check.id);
                let needs = |need: &String| gone.contains(need) || gone.contains(&format!("{step}/{need}"));
                let stays = !gone.contains(&address) && !check.needs.iter().any(needs);
                if !stays {
                    self.left_out.insert(format!("`{address}`: it did not hold when it was looked at again"));
                    gone.insert(address);
                }
                stays
            });
        }
        self.steps.retain(|step| !step.checks.is_empty());
        let is_told = |name: &str| {
            let reference = format!("${{{name}}}");
            self.steps.iter().flat_map(|step| &step.checks).any(|check| check.probe.to_string().contains(&reference))
        };
        self.params.retain(|name, _| is_told(name));
    }

    /// How many things are left out.
    pub fn n_left_out(&self) -> usize {
        self.left_out.len()
    }

    /// The lab, as YAML.
    pub fn write(&self) -> String {
        let mut head = HEAD.to_owned();
        if !self.left_out.is_empty() {
            head += "\n\nNot proposed:";
            self.left_out.iter().take(MANY_LEFT_OUT).for_each(|what| head += &format!("\n- {what}"));
            if let Some(more @ 1..) = self.left_out.len().checked_sub(MANY_LEFT_OUT) {
                head += &format!("\n- {more} more");
            }
        }
        let mut text = comment(&head, 0) + &block(&self.head(), 0);
        text += "\nsteps:\n";
        for (n, step) in self.steps.iter().enumerate() {
            text += if n > 0 { "\n" } else { "" };
            text += &block(&[step.head()], 2);
            text += "    checks:\n";
            for check in &step.checks {
                text += &comment(&format!("Proposed, as seen: {}.", check.seen), 6);
                text += &block(&[check], 6);
            }
        }
        text
    }

    fn head(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Head {
            labrun: &'static str,
            id: String,
            title: Text,
            points: usize,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            params: BTreeMap<&'static str, &'static str>,
        }
        Head {
            labrun: LAB_FORMAT,
            id: self.id.clone(),
            title: Text::new(format!("Laboratorio `{}`", self.id), format!("Lab `{}`", self.id)),
            points: self.claims().count(),
            params: self.params.clone(),
        }
    }
}

impl Step {
    /// Claims one thing more, by an id that is the only one of its name: that one.
    pub fn claim(&mut self, mut check: Check) -> String {
        check.id = free(&check.id, |id| self.checks.iter().any(|check| check.id == id));
        check.points = 1;
        let id = check.id.clone();
        self.checks.push(check);
        id
    }

    fn head(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Head {
            id: String,
            title: Text,
            text: Text,
        }
        let claims = |of: fn(&Text) -> &str| {
            self.checks.iter().map(|check| format!("- {}\n", of(&check.claim))).collect::<String>()
        };
        Head {
            id: self.id.clone(),
            title: self.title.clone(),
            text: Text::new(
                format!("Hacé que sea así:\n\n{}", claims(|claim| &claim.es)),
                format!("Make it so:\n\n{}", claims(|claim| &claim.en)),
            ),
        }
    }
}

/// `id`, with a number behind it where it is taken.
fn free(id: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|n| format!("{id}-{n}"));
    std::iter::once(id.to_owned()).chain(numbered).find(|id| !is_taken(id)).expect("numbers do not run out")
}
