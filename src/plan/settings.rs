//! What a lab lets others decide: its parameters, and who may set which. Read from a file that may have mistakes, all
//! of which planning tells.

use std::sync::Arc;

use crate::node::{self, Node, Tree};
use crate::params::read_setting;
use crate::source::Source;

/// The names of a lab's parameters, for telling a typo in `--set` from a parameter of another lab.
pub fn parameters(source: &Arc<Source>) -> Vec<String> {
    part(source, "params").entries().iter().map(|(key, _)| key.name.clone()).collect()
}

/// What the parameter `name` of a lab must be, if `text` is not it.
pub fn refuses_setting(source: &Arc<Source>, name: &str, text: &str) -> Option<&'static str> {
    read_setting(text, &part(source, "params").get(name)?.value).err()
}

/// The parameters of a lab that a student may choose.
pub fn choices(source: &Arc<Source>) -> Vec<String> {
    let Tree::Seq(names) = part(source, "choices").value else { return Vec::new() };
    let word = |node: &Node| if let Tree::Str(name) = &node.value { Some(name.clone()) } else { None };
    names.iter().filter_map(word).collect()
}

pub(crate) fn part(source: &Arc<Source>, key: &str) -> Node {
    node::parse(source).unwrap_or_default().get(key).cloned().unwrap_or_default()
}
