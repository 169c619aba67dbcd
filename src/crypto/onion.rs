//! Onion layers of circuits and the end-to-end seal inside.

use super::Rejected;
use super::aead::Spent;
use super::mqv::Agreed;

/// Onion block.
pub const BLOCK: usize = 460;
/// What the end-to-end seal carries: command 1, length 2, data 433.
pub const END: usize = 436;

/// One hop, one direction. Encrypt at the side that adds the layer, decrypt where it is taken off.
pub struct Layer {}

impl Layer {
    pub fn encrypt(&self, _block: &mut [u8; BLOCK]) {
        todo!()
    }
    pub fn decrypt(&self, _block: &mut [u8; BLOCK]) {
        todo!()
    }
}

/// Seals end cells: 16 tag, 8 sequence, 436 sealed.
pub struct EndSealer {}

impl EndSealer {
    pub fn seal(&mut self, _end: &[u8; END]) -> Result<[u8; BLOCK], Spent> {
        todo!()
    }
}

/// Opens end cells, each once (window 1024).
pub struct EndOpener {}

impl EndOpener {
    /// Cheap for a block that is not for this end: the sequence number alone refuses all but one in 2^43.
    pub fn open(&mut self, _block: &[u8; BLOCK]) -> Result<(u64, [u8; END]), Rejected> {
        todo!()
    }
}

/// Everything one hop of a circuit needs, at either side.
pub struct HopKeys {
    /// Away from the circuit's initiator.
    pub forward: Layer,
    /// Towards the circuit's initiator.
    pub backward: Layer,
    pub sealer: EndSealer,
    pub opener: EndOpener,
}

impl HopKeys {
    pub fn initiator(_agreed: Agreed) -> HopKeys {
        todo!()
    }
    pub fn relay(_agreed: Agreed) -> HopKeys {
        todo!()
    }
}
