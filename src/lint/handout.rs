//! A hand-out in Markdown, taken apart into passages, with those that ask a student to do or to answer something.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::source::Span;

/// A heading, a paragraph, an item of a list or a block of code.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passage {
    /// What it says, as [`plain`] has it.
    pub words: String,
    /// Where it stands.
    pub span: Span,
    /// How deep a heading it is, 1 being the highest.
    pub heading: Option<usize>,
    /// Whether it asks something of a student: an item with a box to tick, a block of code to run, a question.
    pub is_task: bool,
}

/// Words as they are compared: in lower case, without what marks them up, with single spaces between.
pub fn plain(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| !"*`_\\".contains(*c)).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The passages of a text in Markdown, in order.
pub fn passages(markdown: &str) -> Vec<Passage> {
    let mut passages = Vec::new();
    let mut open = Passage::default();
    let mut has_box = false;
    let mut images = 0;
    for (event, range) in
        Parser::new_ext(markdown, Options::ENABLE_TASKLISTS | Options::ENABLE_TABLES).into_offset_iter()
    {
        match event {
            Event::Start(Tag::Image { .. }) => images += 1,
            Event::End(TagEnd::Image) => images -= 1,
            Event::Start(tag) if begins(&tag) => {
                // What is under an item of a list is a passage of its own.
                close(&mut open, &mut passages, has_box);
                has_box &= !matches!(tag, Tag::Item | Tag::Heading { .. });
                let heading = match tag {
                    Tag::Heading { level, .. } => Some(level as usize),
                    _ => None,
                };
                let is_task = matches!(tag, Tag::CodeBlock(_));
                open = Passage { span: Span { start: range.start, end: range.end }, heading, is_task, ..open };
            }
            Event::End(end @ (TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::CodeBlock)) => {
                close(&mut open, &mut passages, has_box);
                has_box &= end != TagEnd::Item;
            }
            Event::TaskListMarker(_) => has_box = true,
            Event::Text(text) | Event::Code(text) if images == 0 => open.words.push_str(&text),
            Event::SoftBreak | Event::HardBreak => open.words.push(' '),
            _ => {}
        }
    }
    close(&mut open, &mut passages, has_box);
    passages
}

fn begins(tag: &Tag) -> bool {
    matches!(tag, Tag::Paragraph | Tag::Heading { .. } | Tag::Item | Tag::CodeBlock(_))
}

/// Notes a passage that says anything.
fn close(open: &mut Passage, passages: &mut Vec<Passage>, has_box: bool) {
    let passage = std::mem::take(open);
    let words = plain(&passage.words);
    let is_task = passage.is_task || has_box || (passage.heading.is_none() && is_question(&words));
    passages.extend((!words.is_empty()).then_some(Passage { words, is_task, ..passage }));
}

/// Whether a text does nothing but ask.
fn is_question(words: &str) -> bool {
    let ends: Vec<char> = words.chars().filter(|c| ".?!".contains(*c)).collect();
    words.ends_with('?') && ends.iter().all(|end| *end == '?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(markdown: &str) -> Vec<String> {
        passages(markdown).into_iter().filter(|passage| passage.is_task).map(|passage| passage.words).collect()
    }

    #[test]
    fn what_asks_something_of_a_student_is_told_from_what_explains() {
        let markdown = "# Redes\n\nUn texto que explica.\n\n- [ ] Crear **la red** `interna`\n- un punto\n- ¿Por qué?\n\n\
                        ```sh\ndocker network create   interna\n```\n\n### ¿Qué pasó?\n\nSe explica. ¿O no? Sí.\n\n¿Y ahora? ¿Qué?\n";
        assert_eq!(
            tasks(markdown),
            ["crear la red interna", "¿por qué?", "docker network create interna", "¿y ahora? ¿qué?"]
        );
    }

    #[test]
    fn a_passage_knows_its_place_and_a_heading_its_depth() {
        let markdown = "# Uno\n\n![una imagen](x.png)\n\nDos *tres*\ncuatro\n\n## Cinco\n";
        let found = passages(markdown);
        let shown: Vec<_> = found.iter().map(|p| (p.words.as_str(), p.heading)).collect();
        assert_eq!(shown, [("uno", Some(1)), ("dos tres cuatro", None), ("cinco", Some(2))]);
        assert!(markdown[found[1].span.start..].starts_with("Dos"));
    }

    #[test]
    fn an_item_with_a_box_and_a_paragraph_in_it_is_one_task() {
        assert_eq!(tasks("- [ ] uno\n\n  dos\n- tres\n"), ["uno", "dos"]);
        assert_eq!(tasks("- [x]  hecho\n\nnada\n"), ["hecho"]);
    }
}
