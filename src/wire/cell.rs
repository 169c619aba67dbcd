//! The inner cell: what a link seals into each of its datagrams.

use super::codec::{Malformed, Reader, Writer};
use super::size::{BODY, INNER, INNER_HEADER};

/// What the body of an inner cell is. Others are ignored but acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Nothing: the body is zeros.
    Chaff,
    /// A circuit cell, or a message of the DHT on a contact session.
    Body,
    /// Between the two ends of the link: certificates, rekeying.
    Control,
    /// The sender is leaving.
    Close,
    /// Of a later version.
    Unknown,
}

impl CellKind {
    fn code(self) -> u8 {
        match self {
            CellKind::Chaff => 0,
            CellKind::Body => 1,
            CellKind::Control => 2,
            CellKind::Close => 3,
            CellKind::Unknown => 255,
        }
    }
}

/// Which packet numbers of the other direction were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Milliseconds between the arrival of `top` and the tick of this cell, at most 65 535.
    pub delay: u16,
    /// Low 32 bits of the highest packet number accepted so far.
    pub top: u32,
    /// Bit i: `top - 1 - i` was accepted.
    pub bits: u64,
}

/// Flag: the ack fields hold something.
const HAS_ACK: u8 = 1;

/// 24 bytes: kind 1, flags 1 (bit 0: the ack fields count), ack delay 2, ack top 4, ack bits 8, body sequence 4, credit 2, zero 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerHeader {
    pub kind: CellKind,
    /// `None` as long as nothing was accepted.
    pub ack: Option<Ack>,
    /// Numbers bodies and control bodies of one direction from 1, the same at each resending; 0 in chaff.
    pub body_seq: u32,
    /// Bodies the sender of this header can still take.
    pub credit: u16,
}

impl InnerHeader {
    /// Header and body of an opened cell.
    pub fn split(inner: &[u8; INNER]) -> Result<(InnerHeader, &[u8; BODY]), Malformed> {
        let mut r = Reader::new(inner);
        let kind = match r.u8("cell kind")? {
            0 => CellKind::Chaff,
            1 => CellKind::Body,
            2 => CellKind::Control,
            3 => CellKind::Close,
            _ => CellKind::Unknown,
        };
        let flags = r.u8("cell flags")?;
        let ack = Ack {
            delay: r.u16("cell ack delay")?,
            top: r.u32("cell ack top")?,
            bits: r.u64("cell ack bits")?,
        };
        let header = InnerHeader {
            kind,
            ack: (flags & HAS_ACK != 0).then_some(ack),
            body_seq: r.u32("cell body sequence")?,
            credit: r.u16("cell credit")?,
        };
        let _zero = r.u16("cell zero")?;
        let body = r
            .rest()
            .first_chunk::<BODY>()
            .ok_or(Malformed { what: "cell body" })?;
        Ok((header, body))
    }

    /// Writes the header in front of a body that is already in place.
    pub fn write(&self, inner: &mut [u8; INNER]) {
        let mut w = Writer::new(&mut inner[..INNER_HEADER]);
        let ack = self.ack.unwrap_or(Ack {
            delay: 0,
            top: 0,
            bits: 0,
        });
        w.u8(self.kind.code())
            .u8(if self.ack.is_some() { HAS_ACK } else { 0 });
        w.u16(ack.delay)
            .u32(ack.top)
            .u64(ack.bits)
            .u32(self.body_seq)
            .u16(self.credit)
            .u16(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_and_leaves_the_body_alone() {
        let kinds = [
            CellKind::Chaff,
            CellKind::Body,
            CellKind::Control,
            CellKind::Close,
            CellKind::Unknown,
        ];
        for kind in kinds {
            for ack in [
                None,
                Some(Ack {
                    delay: 7,
                    top: u32::MAX,
                    bits: 1 << 63 | 1,
                }),
            ] {
                let header = InnerHeader {
                    kind,
                    ack,
                    body_seq: 9,
                    credit: 64,
                };
                let mut inner = [0xab; INNER];
                header.write(&mut inner);
                assert_eq!(InnerHeader::split(&inner), Ok((header, &[0xab; BODY])));
            }
        }
    }
}
