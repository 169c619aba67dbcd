//! What associations are for.

use crate::node::Cause;

/// What an association is for. It travels in INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Shaped, long-lived, carries circuits.
    Link,
    /// Shaped, temporary, from a circuit's end to a chosen node.
    Spur,
    /// Unshaped, for the ring's own messages.
    Contact,
    /// Unshaped, for requests forwarded from the end of somebody's utility circuit. Apart from `Contact`, so that what others ask never decides
    /// whether the ring's next message needs a handshake.
    Errand,
}

impl Purpose {
    pub(super) fn code(self) -> u8 {
        match self {
            Purpose::Link => 1,
            Purpose::Spur => 2,
            Purpose::Contact => 3,
            Purpose::Errand => 4,
        }
    }

    /// Contact sessions of either plane: unshaped.
    pub fn is_contact(self) -> bool {
        matches!(self, Purpose::Contact | Purpose::Errand)
    }

    /// Why a call for it is made.
    pub(super) fn dial_cause(self) -> Cause {
        match self {
            Purpose::Link => Cause::Dial,
            Purpose::Spur => Cause::Spur,
            Purpose::Contact => Cause::Ring,
            Purpose::Errand => Cause::Forward,
        }
    }

    /// Why a call for it is answered.
    pub(super) fn answer_cause(self) -> Cause {
        match self {
            Purpose::Link | Purpose::Contact => Cause::Response,
            Purpose::Spur | Purpose::Errand => Cause::Welcome,
        }
    }

    /// Why its cells are sent.
    pub(super) fn cause(self) -> Cause {
        match self {
            Purpose::Link => Cause::Shaped,
            _ => self.dial_cause(),
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Purpose> {
        match code {
            1 => Some(Purpose::Link),
            2 => Some(Purpose::Spur),
            3 => Some(Purpose::Contact),
            4 => Some(Purpose::Errand),
            _ => None,
        }
    }
}
