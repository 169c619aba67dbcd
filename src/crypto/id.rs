//! Names that are public keys, and their texts (bech32m). There is no conversion between an AccountId and a NodeId.

use super::curve::{BadPoint, Point};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Point);
        impl $name {
            pub const LEN: usize = 33;
            pub fn decode(bytes: &[u8]) -> Result<$name, BadPoint> {
                Point::decode(bytes).map($name)
            }
            pub fn bytes(&self) -> &[u8; 33] {
                self.0.bytes()
            }
            pub fn point(&self) -> &Point {
                &self.0
            }
            pub(super) fn from_point(point: Point) -> $name {
                $name(point)
            }
        }
    };
}

name_type!(/// A person: permanent. Text `px1…`, 62 characters.
    AccountId);
name_type!(/// A running node: fresh at every start. Text `pxn1…`.
    NodeId);
name_type!(/// The persistent key of an entry node, used only to be called. Text `pxe1…` inside a ticket.
    EntryId);

/// Why a text is not an id, and where (character offset in the text as given, counted from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadId {
    /// One sentence for the person who typed it.
    pub reason: String,
    /// Where the mistake probably is.
    pub position: Option<usize>,
}

// Display (lower-case text), FromStr<Err = BadId>, Debug (first 8 characters of the text only) for each of the three;
// AccountId::qr_text() upper case; parsing ignores white space, line breaks, zero-width characters and a "paratox:" prefix.
