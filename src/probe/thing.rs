//! What a look may be about, as a lab calls it.

use std::fmt;

use crate::vantage::Endpoint;

/// Something on the machine, by the name that a lab gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A container: compose service, exact name, or `:8081` for whichever publishes that port.
    Container(String),
    /// A network: exact name, or compose's own name for it.
    Network(String),
    /// A volume, likewise.
    Volume(String),
    /// A port of the machine, and its protocol.
    Port(u16, String),
    /// What is dialled from where the probe stands.
    Endpoint(Endpoint),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Thing::Container(name) | Thing::Network(name) | Thing::Volume(name) => f.write_str(name),
            Thing::Port(number, protocol) => write!(f, "{number}/{protocol}"),
            Thing::Endpoint(to) => write!(f, "{to}"),
        }
    }
}
