//! How secret a message is, once and for all: the level that every seal to a person returns with its bytes.
//!
//! There is no setter. A level is born with the key that encrypted or opened the message, rises by one of two authenticated events,
//! and never falls. Not here: the words for it, which belong to the screens.

/// What it takes to read the recorded ciphertext later. Ordered by how much a thief needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secrecy {
    /// Level 0: the account key of the receiver alone, for ever.
    Sealed,
    /// Level 1: account key and epoch prekey, until the device erases the prekey, at the earliest on day `erase_day`.
    EpochPrekey { erase_day: u32 },
    /// Level 2: the state of the receiver's device, until it opens the message.
    OnceOpened,
    /// Level 3: nothing that two honest devices keep.
    ForwardSecret,
}

impl Secrecy {
    /// The receiver's device said, authenticated, that it opened the message.
    pub fn acknowledged(self) -> Secrecy {
        match self {
            Secrecy::OnceOpened => Secrecy::ForwardSecret,
            other => other,
        }
    }

    /// The receiver's device said, authenticated, that it erased the epoch prekey. A date alone never gets here.
    pub fn prekey_erased(self) -> Secrecy {
        match self {
            Secrecy::EpochPrekey { .. } => Secrecy::ForwardSecret,
            other => other,
        }
    }

    /// 0 to 3.
    pub fn level(self) -> u8 {
        match self {
            Secrecy::Sealed => 0,
            Secrecy::EpochPrekey { .. } => 1,
            Secrecy::OnceOpened => 2,
            Secrecy::ForwardSecret => 3,
        }
    }

    /// For the store only: what [`Secrecy::level`] gave, and the day of level 1 (ignored for the others).
    pub fn from_level(level: u8, erase_day: u32) -> Option<Secrecy> {
        match level {
            0 => Some(Secrecy::Sealed),
            1 => Some(Secrecy::EpochPrekey { erase_day }),
            2 => Some(Secrecy::OnceOpened),
            3 => Some(Secrecy::ForwardSecret),
            _ => None,
        }
    }
}
