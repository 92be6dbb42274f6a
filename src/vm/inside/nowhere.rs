//! Network namespaces are Linux's alone: elsewhere there is none to dial from.

use crate::vm::connect::Pace;
use crate::vm::inside::{Attempt, NotEntered, Target};

/// Says that nobody can be dialled from there.
pub async fn dial(_: Option<Target>, _: String, _: u16, _: Pace) -> Result<Attempt, NotEntered> {
    Err(NotEntered::Broken("only Linux has network namespaces".to_owned()))
}
