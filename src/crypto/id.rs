//! Names that are public keys, and their texts. There is no conversion between an AccountId and a NodeId.
//!
//! Payload of a text: one byte (seven bits version 0, one bit parity of y) and the 32 bytes of x.

use std::fmt;
use std::str::FromStr;

use super::curve::{BadPoint, Point};
pub use super::text::BadId;
use super::text::{self, Form};

fn text_of(form: &Form, point: &Point) -> String {
    let mut payload = *point.bytes();
    payload[0] &= 1;
    text::encode(form, &payload)
}

fn point_of(form: &Form, text: &str) -> Result<Point, BadId> {
    let mut payload = text::decode(form, text)?;
    if payload[0] > 1 {
        let reason = format!(
            "this is {} of a newer kind: update paratox to use it",
            form.name
        );
        return Err(BadId {
            reason,
            position: None,
        });
    }
    payload[0] |= 2;
    Point::decode(&payload).map_err(|_| BadId {
        reason: format!("this is not {}: no key has this text", form.name),
        position: None,
    })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $call:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Point);

        impl $name {
            pub const LEN: usize = 33;
            /// Its text: `1` stands between prefix and data.
            pub const FORM: Form = Form { prefix: $prefix, name: $call, payloads: &[33] };

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

        /// Lower case.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&text_of(&$name::FORM, &self.0))
            }
        }

        /// The first eight characters only, for tests and traces: never enough to be the name.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = text_of(&$name::FORM, &self.0);
                write!(f, "{}…", text.get(..8).unwrap_or(&text))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            /// Either case; white space, line breaks, zero-width characters and a leading `paratox:` are ignored.
            fn from_str(text: &str) -> Result<$name, BadId> {
                point_of(&$name::FORM, text).map($name)
            }
        }
    };
}

name_type!(/// A person: permanent. Text `px1…`, 62 characters.
    AccountId, "px", "an AccountID");
name_type!(/// A running node: fresh at every start. Text `pxn1…`.
    NodeId, "pxn", "a NodeId");
name_type!(/// The persistent key of an entry node, used only to be called. Text `pxe1…` inside a ticket.
    EntryId, "pxe", "an entry node's key");

impl AccountId {
    /// The text in upper case, which a QR code stores in fewer modules.
    pub fn qr_text(&self) -> String {
        self.to_string().to_ascii_uppercase()
    }
}
