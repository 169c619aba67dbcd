//! Bodies of links that speak of circuits and are no blocks: what passes on a spur, and the word that a circuit is gone.

use super::command::data;
use super::*;

/// What the two ends of a spur say to each other, in the 464-byte body of a spur's cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpurBody {
    /// The dialling end: cookie blocks on this spur are sealed under this throwaway key.
    Open { key: Point },
    /// The intro point: taken.
    Opened,
    Deliver {
        block: Box<[u8; COOKIE_BLOCK]>,
        parcel: Box<[u8; PARCEL]>,
    },
    /// The intro point's client answers.
    Return { parcel: Box<[u8; PARCEL]> },
}

impl SpurBody {
    pub fn encode(&self) -> [u8; BODY] {
        let (kind, parts): (u8, [&[u8]; 2]) = match self {
            SpurBody::Open { key } => (1, [key.bytes(), &[]]),
            SpurBody::Opened => (2, [&[], &[]]),
            SpurBody::Deliver { block, parcel } => (3, [&block[..], &parcel[..]]),
            SpurBody::Return { parcel } => (4, [&parcel[..], &[]]),
        };
        let mut body = [0; BODY];
        body[0] = kind;
        body[1..1 + parts[0].len()].copy_from_slice(parts[0]);
        body[1 + parts[0].len()..1 + parts[0].len() + parts[1].len()].copy_from_slice(parts[1]);
        body
    }

    pub fn decode(body: &[u8; BODY]) -> Result<SpurBody, Malformed> {
        let mut d = data(&body[1..], "spur body");
        match body[0] {
            1 => Ok(SpurBody::Open { key: d.point()? }),
            2 => Ok(SpurBody::Opened),
            3 => Ok(SpurBody::Deliver {
                block: d.boxed()?,
                parcel: d.boxed()?,
            }),
            4 => Ok(SpurBody::Return { parcel: d.boxed()? }),
            _ => malformed("spur body"),
        }
    }
}

/// First byte of the control body on a shaped link that says a circuit is gone; certificates and the link's own matters are below 0x40.
pub const CIRCUIT_CLOSED: u8 = 0x40;

/// The control body that takes a circuit down: `kind 1 | circuit id 4 | zeros`.
pub fn closed(id: u32) -> [u8; BODY] {
    let mut body = [0; BODY];
    body[0] = CIRCUIT_CLOSED;
    body[1..5].copy_from_slice(&id.to_be_bytes());
    body
}

/// The circuit id of a [`closed`] body.
pub fn read_closed(body: &[u8; BODY]) -> Option<u32> {
    (body[0] == CIRCUIT_CLOSED).then(|| u32::from_be_bytes([body[1], body[2], body[3], body[4]]))
}
