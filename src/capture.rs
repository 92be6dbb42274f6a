//! What is on a machine where a lab is done → a lab that claims it, for its author to edit. Pure: the same facts give the
//! same text. Outcomes only: no id, no address, no time, nothing that a new container would have otherwise. Whatever
//! the machine says is somebody's, and comes into a lab through [`told`] alone.

mod compose;
mod containers;
mod known;
mod mounts;
mod networks;
mod proposal;
mod services;
mod told;
mod yaml;

pub use known::Known;
pub use proposal::Proposal;

/// Proposes a lab called `id`: networks, containers, then compose's file, everything that stands being claimed.
pub fn propose(id: &str, known: &Known) -> Proposal {
    let mut proposal = Proposal::new(id);
    let networks = networks::propose(known, &mut proposal);
    containers::propose(known, &networks, &mut proposal);
    compose::propose(known, &mut proposal);
    networks::leave_out(known, &mut proposal);
    proposal
}
