//! Names that are public keys, and their texts (bech32m). There is no conversion between an AccountId and a NodeId.

use std::fmt;
use std::str::FromStr;

use super::curve::{BadPoint, Point};

/// Why a text is not an id, and where (character offset in the text as given, counted from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadId {
    /// One sentence for the person who typed it.
    pub reason: String,
    /// Where the mistake probably is.
    pub position: Option<usize>,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Point);

        impl $name {
            pub const LEN: usize = 33;
            /// What its text begins with, before the separator `1`.
            pub const PREFIX: &'static str = $prefix;

            pub fn decode(bytes: &[u8]) -> Result<$name, BadPoint> {
                Point::decode(bytes).map($name)
            }

            pub fn bytes(&self) -> &[u8; 33] {
                self.0.bytes()
            }

            pub fn point(&self) -> &Point {
                &self.0
            }

            #[allow(dead_code)]
            pub(super) fn from_point(point: Point) -> $name {
                $name(point)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
                todo!()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = self.to_string();
                write!(f, "{}…", &text[..8])
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(_text: &str) -> Result<$name, BadId> {
                todo!()
            }
        }
    };
}

name_type!(/// A person: permanent. Text `px1…`, 62 characters.
    AccountId, "px");
name_type!(/// A running node: fresh at every start. Text `pxn1…`.
    NodeId, "pxn");
name_type!(/// The persistent key of an entry node, used only to be called. Text `pxe1…` inside a ticket.
    EntryId, "pxe");

impl AccountId {
    /// The text in upper case, which a QR code stores in fewer modules.
    pub fn qr_text(&self) -> String {
        self.to_string().to_uppercase()
    }
}
