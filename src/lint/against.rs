//! A hand-out held against the labs that grade it: tasks that no lab claims anything of, claims that nothing in it asks
//! for. A step names its `ground` in the hand-out's own words, which outlive a change of numbers and headings.

use std::sync::Arc;

use crate::decode::Decode;
use crate::error::Diagnostic;
use crate::lint::content::items;
use crate::lint::handout::{Passage, passages, plain};
use crate::node::{Node, Tree};
use crate::source::{Source, Span};

/// Everything in `handout` that none of `labs` has a claim about or leaves out, and every claim without ground in it.
pub fn against(handout: &Arc<Source>, labs: &[(Arc<Source>, Node)]) -> Vec<Diagnostic> {
    let passages = passages(&handout.text);
    let mut spoken_of = vec![false; passages.len()];
    let mut mistakes = Vec::new();
    for (source, lab) in labs {
        let mut decode = Decode::new(source);
        for (words, span) in left_out(lab) {
            find(words, span, &passages, &mut spoken_of, &mut decode);
        }
        for step in items(lab.get("steps")) {
            let ground: Vec<(&str, Span)> = items(step.get("ground")).iter().filter_map(words).collect();
            if ground.is_empty() {
                let help = "say in its `ground` which passage asks for this, in the hand-out's words".to_owned();
                let (id, place) = step.get("id").and_then(words).unwrap_or(("", step.span));
                decode.mistake(place, format!("the claims of step `{id}` have no ground"), Some(help));
            }
            for (words, span) in ground {
                find(words, span, &passages, &mut spoken_of, &mut decode);
            }
        }
        mistakes.append(&mut decode.mistakes);
    }
    let mut decode = Decode::new(handout);
    for (passage, _) in passages.iter().zip(&spoken_of).filter(|(passage, spoken_of)| passage.is_task && !**spoken_of) {
        let help = "quote it in the `ground` of a step, or in `leaves_out` of the lab with the reason".to_owned();
        decode.mistake(passage.span, "a task without a claim", Some(help));
    }
    mistakes.append(&mut decode.mistakes);
    mistakes
}

fn left_out(lab: &Node) -> impl Iterator<Item = (&str, Span)> {
    items(lab.get("leaves_out")).iter().filter_map(|left_out| words(left_out.get("task")?))
}

fn words(node: &Node) -> Option<(&str, Span)> {
    match &node.value {
        Tree::Str(words) => Some((words, node.span)),
        _ => None,
    }
}

/// Marks the passages that `words` are of; a heading stands for all that is under it.
fn find(words: &str, span: Span, passages: &[Passage], spoken_of: &mut [bool], decode: &mut Decode) {
    let quote = plain(words.trim_start_matches('#'));
    if quote.is_empty() {
        return decode.mistake(span, "these are no words of a hand-out", None);
    }
    let mut is_there = false;
    for (n, passage) in passages.iter().enumerate() {
        let under = match passage.heading {
            Some(level) if passage.words == quote => {
                let ends = |later: &Passage| later.heading.is_some_and(|other| other <= level);
                passages[n + 1..].iter().position(ends).unwrap_or(passages.len() - n - 1)
            }
            _ if passage.words.contains(&quote) => 0,
            _ => continue,
        };
        is_there = true;
        spoken_of[n..=n + under].fill(true);
    }
    if !is_there {
        let help = "quote some words of one passage as they stand there, or a whole heading".to_owned();
        decode.mistake(span, "the hand-out does not say this", Some(help));
    }
}
