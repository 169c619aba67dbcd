//! ECMQV (SP 800-56A r3, 5.7.2.3) and the only ways to use it. The raw shared value never leaves this file.

use super::Rejected;
use super::aead::Key;
use super::curve::Point;
use super::keys::{Ephemeral, Static};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Initiator,
    Responder,
}

/// What both sides saw, absorbed piece by piece.
#[derive(Clone)]
pub struct Transcript {}

impl Transcript {
    pub fn new(_label: &'static str) -> Transcript {
        todo!()
    }
    /// Length-prefixed.
    pub fn absorb(&mut self, _bytes: &[u8]) {
        todo!()
    }
}

/// An agreed secret that only gives keys for named purposes.
pub struct Agreed {}

impl Agreed {
    pub fn key(&self, _label: &str) -> Key {
        todo!()
    }
    /// What `side` sends to prove that it has the same secret and saw the same transcript.
    pub fn confirm(&self, _side: Side) -> [u8; 16] {
        todo!()
    }
    pub fn confirms(&self, _side: Side, _claimed: &[u8; 16]) -> bool {
        todo!()
    }
    /// A secret that needs both.
    pub fn mix(self, _other: &Agreed) -> Agreed {
        todo!()
    }
}

/// Both sides give a static and an ephemeral key.
pub fn full(
    _side: Side,
    _own: &impl Static,
    _own_ephemeral: Ephemeral,
    _peer: &Point,
    _peer_ephemeral: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

/// Anonymous initiator: its throwaway key serves as static and ephemeral; the relay gives its NodeId and a fresh ephemeral.
pub fn anonymous_to(
    _throwaway: &Ephemeral,
    _relay: &Point,
    _relay_ephemeral: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

pub fn anonymous_from(
    _own: &impl Static,
    _own_ephemeral: Ephemeral,
    _throwaway: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

/// One pass from a throwaway key to a static key: no forward secrecy against the receiver's key.
pub fn one_pass_anonymous_to(
    _throwaway: &Ephemeral,
    _receiver: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

pub fn one_pass_anonymous_from(
    _own: &impl Static,
    _throwaway: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

/// One pass with an authenticated sender: no forward secrecy against the receiver's key.
pub fn one_pass_to(
    _own: &impl Static,
    _own_ephemeral: Ephemeral,
    _receiver: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

pub fn one_pass_from(
    _own: &impl Static,
    _sender: &Point,
    _sender_ephemeral: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

/// Plain Diffie-Hellman of an ephemeral with a static key: hides the initiator's identity, authenticates nobody by itself.
pub fn es_to(
    _own_ephemeral: &Ephemeral,
    _receiver: &Point,
    _t: Transcript,
) -> Result<Agreed, Rejected> {
    todo!()
}

pub fn es_from(_own: &impl Static, _ephemeral: &Point, _t: Transcript) -> Result<Agreed, Rejected> {
    todo!()
}
