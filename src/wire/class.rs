//! Public traffic classes: how fast a node's links tick.

/// Classes are few and public, because a rate of one's own would be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Normal,
    Fast,
}

impl Class {
    /// Cells per second and direction on a link between two nodes of this class.
    pub fn link_rate(self) -> f64 {
        match self {
            Class::Normal => 6.0,
            Class::Fast => 20.0,
        }
    }

    /// How many times the rates of `normal` a circuit runs at where every hop is of this class.
    ///
    /// Three, not five: at five, the four circuits of one node would be 10.5 of a link's 20 cells a second, more than the link carries with
    /// what relays admit to it (half of its rate and more).
    pub fn circuit_factor(self) -> f64 {
        match self {
            Class::Normal => 1.0,
            Class::Fast => 3.0,
        }
    }

    /// Cells per second and direction on a spur.
    pub fn spur_rate(self) -> f64 {
        match self {
            Class::Normal => 1.0,
            Class::Fast => 5.0,
        }
    }

    /// Mean life of a spur in seconds.
    pub fn spur_life(self) -> f64 {
        match self {
            Class::Normal => 600.0,
            Class::Fast => 60.0,
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Class::Normal => 1,
            Class::Fast => 2,
        }
    }

    pub fn from_code(code: u8) -> Option<Class> {
        match code {
            1 => Some(Class::Normal),
            2 => Some(Class::Fast),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Class::Normal => "normal",
            Class::Fast => "fast",
        }
    }
}
