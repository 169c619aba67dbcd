//! Data cells of links: masked packet number, AES-256-GCM, a key per 256 packets, replay window.

use super::Rejected;
use super::aead::Spent;
use super::mqv::{Agreed, Side};

/// A data cell on the wire.
pub const CELL: usize = 512;
/// What a data cell seals.
pub const INNER: usize = 488;

/// Seals one direction of a link.
pub struct PacketSealer {}

impl PacketSealer {
    /// `sender` names the direction: what the initiator seals, the responder opens with a `PacketOpener` of the same `sender`.
    pub fn new(_secret: &Agreed, _sender: Side) -> PacketSealer {
        todo!()
    }
    /// The cell and its packet number; numbers start at 0 and grow by 1.
    pub fn seal(&mut self, _inner: &[u8; INNER]) -> Result<([u8; CELL], u64), Spent> {
        todo!()
    }
}

/// Opens one direction of a link.
pub struct PacketOpener {}

impl PacketOpener {
    pub fn new(_secret: &Agreed, _sender: Side) -> PacketOpener {
        todo!()
    }
    /// The packet number if the cell may be of this link (one AES block; a random cell passes with probability 2^-44).
    pub fn recognise(&self, _cell: &[u8; CELL]) -> Option<u64> {
        todo!()
    }
    /// The state changes only if the cell is authentic and new.
    pub fn open(&mut self, _cell: &[u8; CELL]) -> Result<(u64, [u8; INNER]), Rejected> {
        todo!()
    }
    /// The highest packet number opened, if any.
    pub fn top(&self) -> Option<u64> {
        todo!()
    }
}
