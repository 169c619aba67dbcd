//! What the own circuits are for, and what follows from it: channel, rates, how long one is kept beside its successor.

use crate::wire::circuit::{Channel, Rates};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    Outbound,
    Inbound,
    Standby,
    Utility,
}

impl Duty {
    pub const ALL: [Duty; 4] = [Duty::Outbound, Duty::Inbound, Duty::Utility, Duty::Standby];

    pub fn channel(self) -> Channel {
        match self {
            Duty::Outbound => Channel::Outbound,
            Duty::Inbound | Duty::Standby => Channel::Inbound,
            Duty::Utility => Channel::Utility,
        }
    }

    /// Cells per second forward and back, in `normal`.
    pub fn rates(self, factor: f64) -> Rates {
        let (forward, back) = match self {
            Duty::Outbound => (1.0, 0.5),
            Duty::Inbound => (0.5, 1.0),
            Duty::Standby => (0.1, 0.1),
            // Each query asks for an answer: at equal rates the answers would queue without bound.
            Duty::Utility => (0.5, 0.75),
        };
        Rates::new(forward * factor, back * factor)
    }

    /// Seconds a circuit is kept beside its successor.
    pub fn overlap(self) -> f64 {
        match self {
            Duty::Outbound => 60.0,
            Duty::Inbound | Duty::Standby => 300.0,
            Duty::Utility => 20.0,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Duty::Outbound => "outbound",
            Duty::Inbound => "inbound",
            Duty::Standby => "standby",
            Duty::Utility => "utility",
        }
    }
}
