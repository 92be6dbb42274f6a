//! How what is proposed becomes YAML: by a serializer that knows what to quote, a block at a time, so that comments can
//! stand between blocks. The only module that knows it.

use serde::{Serialize, Serializer};
use serde_saphyr::{FlowMap, FlowSeq, ser_options, to_string_with_options};

/// How long a line may be before it is folded.
const WIDTH: usize = 110;

/// `value` as a block that stands `depth` columns in.
pub fn block(value: &impl Serialize, depth: usize) -> String {
    let options = ser_options! { compact_list_indent: false, folded_wrap_chars: WIDTH };
    let text = to_string_with_options(value, options).expect("plain data can be written");
    lines(&text, &" ".repeat(depth))
}

/// A comment that stands `depth` columns in, a line for each of `text`'s.
pub fn comment(text: &str, depth: usize) -> String {
    lines(text, &format!("{}# ", " ".repeat(depth)))
}

fn lines(text: &str, before: &str) -> String {
    text.lines().map(|line| format!("{}\n", format!("{before}{line}").trim_end())).collect()
}

/// Has a mapping written on one line.
pub fn on_a_line<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    FlowMap(value).serialize(serializer)
}

/// Has a list written on one line.
pub fn as_a_row<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    FlowSeq(value).serialize(serializer)
}
