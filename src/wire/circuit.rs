//! What a circuit carries: the blocks that create it and the commands between its origin and its end.
//!
//! Commands are closed lists, one per channel and direction: a command that does not belong to a channel cannot be parsed there, so an end
//! never has to ask itself whether something makes sense. Not here: the seals around the commands (`crypto::onion`), and what they do.

use crate::crypto::aead;
use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::wire::address::Address;
use crate::wire::codec::{Malformed, malformed};
use crate::wire::size::{ADDRESS, BODY, COMMAND, END, END_DATA, NEIGHBOUR, PARCEL, POINT, SEALED};

mod body;
mod build;
mod command;
mod inbound;
mod outbound;
mod rates;
mod utility;

pub use body::{CIRCUIT_CLOSED, SpurBody, closed, read_closed};
pub use build::{BuildBack, BuildForward};
pub use inbound::{InboundBack, InboundForward};
pub use outbound::{OutboundBack, OutboundForward};
pub use rates::Rates;
pub use utility::{UtilityBack, UtilityForward};

/// What a CREATE block says; the rest of the 460 bytes is random. `mac 16 | iv 16 | T 33 masked | rates 4 masked`.
pub const CREATE_HEAD: usize = 16 + 16 + POINT + 4;
/// What a CREATED block says; the rest is random. `Y 33 masked | confirmation 16`.
pub const CREATED_HEAD: usize = POINT + 16;
/// Cookie block in front of a live delivery, sealed to the intro point.
pub const COOKIE_BLOCK: usize = POINT;
/// Slots for spurs at the end of an outbound circuit.
pub const SPUR_SLOTS: u8 = 4;

/// Which spur of a circuit is meant: the first 4 bytes of the x coordinate of its throwaway key.
pub type SpurName = [u8; 4];

/// The name of the spur with this throwaway key.
pub fn spur_name(key: &Point) -> SpurName {
    let bytes = key.bytes();
    [bytes[1], bytes[2], bytes[3], bytes[4]]
}
/// A contact's token of the day as the registration with this cookie knows it. Bound to the cookie: two registrations of one account could not be
/// told apart where they stand at one node, and two intro points that compare what they hold would learn that they serve one account.
pub fn registered(token: &[u8; 16], cookie: &[u8; 16]) -> [u8; 16] {
    let digest = aead::hash(&[b"paratox registered token", token, cookie]);
    let mut registered = [0; 16];
    registered.copy_from_slice(&digest[..16]);
    registered
}

/// Tokens in one cell: 26 x 16 bytes and a header of 4 fill 420 of 433.
pub const TOKENS_A_CELL: usize = 26;
/// Cells of one generation of tokens.
pub const TOKEN_CELLS: u8 = 16;
/// Tokens of a registration: 416, three days for 138 contacts with one session each.
pub const TOKENS: usize = TOKENS_A_CELL * TOKEN_CELLS as usize;
/// Neighbours named in one answer.
pub const NEIGHBOURS_AN_ANSWER: usize = 2;

const _: () = {
    assert!(COOKIE_BLOCK + PARCEL == END_DATA);
    assert!(4 + TOKENS_A_CELL * 16 <= END_DATA);
    assert!(2 + NEIGHBOURS_AN_ANSWER * (1 + NEIGHBOUR) <= END_DATA);
    assert!(POINT + CREATE_HEAD <= END_DATA);
    assert!(1 + POINT + ADDRESS + POINT <= END_DATA);
};

/// What the last hop of a circuit is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The end holds spurs and delivers parcels.
    Outbound,
    /// The end is an intro point.
    Inbound,
    /// The end carries sealed queries to nodes of the DHT.
    Utility,
}

impl Channel {
    fn code(self) -> u8 {
        match self {
            Channel::Outbound => 1,
            Channel::Inbound => 2,
            Channel::Utility => 3,
        }
    }

    fn from_code(code: u8) -> Result<Channel, Malformed> {
        match code {
            1 => Ok(Channel::Outbound),
            2 => Ok(Channel::Inbound),
            3 => Ok(Channel::Utility),
            _ => malformed("channel"),
        }
    }
}

/// Command bytes. Public for the tests that try each one on each channel.
pub mod code {
    pub const DUMMY: u8 = 0x00;
    pub const NEIGHBOURS: u8 = 0x01;
    pub const NEIGHBOURS_ANSWER: u8 = 0x02;
    pub const EXTEND: u8 = 0x03;
    pub const EXTENDED: u8 = 0x04;
    pub const REFUSED: u8 = 0x05;
    pub const BEGIN: u8 = 0x06;
    pub const BEGUN: u8 = 0x07;
    /// 0x10 to 0x13: one code a slot, because a delivery fills its cell to the last byte.
    pub const DELIVER: u8 = 0x10;
    pub const SPUR_OPEN: u8 = 0x14;
    /// 0x18 to 0x1b, as `DELIVER`.
    pub const RETURNED: u8 = 0x18;
    pub const SPUR_STATE: u8 = 0x1c;
    pub const ESTABLISH: u8 = 0x20;
    pub const TOKENS: u8 = 0x21;
    pub const ANSWER: u8 = 0x22;
    pub const ESTABLISHED: u8 = 0x28;
    pub const ARRIVED: u8 = 0x29;
    pub const GONE: u8 = 0x2a;
    pub const QUERY: u8 = 0x30;
    pub const QUERY_ANSWER: u8 = 0x38;
}

#[cfg(test)]
mod tests;
