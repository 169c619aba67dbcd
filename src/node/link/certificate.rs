//! The certificate of one link: each end signs that the other names it as a neighbour.
//!
//! It travels in control bodies right after a link is up, and again twice a day. Not here: what a certificate says (`wire::certificate`)
//! and who trusts it.

use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::crypto::keys::{NodeKey, Signature};
use crate::wire::address::Address;
use crate::wire::certificate::{Edge, LinkCertificate, MAX_LIFE_SECONDS};
use crate::wire::codec::{Reader, Writer};
use crate::wire::size::{BODY, SIGNATURE};
use crate::wire::time::{Moment, Now};

/// Control body: kind 1, expiry 4, signature 64, zeros. The caller's.
pub const OFFER: u8 = 1;
/// The callee's, with the caller's expiry.
pub const ANSWER: u8 = 2;

/// A day and a half: two renewals may fail before it ends.
const LIFE_SECONDS: u32 = 36 * 3600;
const _: () = assert!(LIFE_SECONDS < MAX_LIFE_SECONDS);
/// Renewed long before it ends.
const RENEW: Duration = Duration::from_secs(12 * 3600);
/// An offer without an answer is made again.
const AGAIN: Duration = Duration::from_secs(60);
/// Answers cost two signatures: no more than one in this time.
const PAUSE: Duration = Duration::from_secs(10);

pub struct Vouching {
    own: NodeId,
    peer: NodeId,
    /// Where the peer reaches us: it names us there.
    own_address: Address,
    peer_address: Address,
    caller: bool,
    /// When the caller offers next, and when the callee answers again.
    next: Moment,
    offered: Option<u32>,
    certificate: Option<LinkCertificate>,
}

impl Vouching {
    pub fn new(
        own: NodeId,
        own_address: Address,
        peer: NodeId,
        peer_address: Address,
        caller: bool,
        now: Moment,
    ) -> Vouching {
        Vouching {
            own,
            peer,
            own_address,
            peer_address,
            caller,
            next: now,
            offered: None,
            certificate: None,
        }
    }

    pub fn certificate(&self) -> Option<LinkCertificate> {
        self.certificate
    }

    /// The caller's offer, when one is due.
    pub fn offer(&mut self, now: Now, key: &NodeKey) -> Option<[u8; BODY]> {
        if !self.caller || now.at < self.next {
            return None;
        }
        self.next = now.at + AGAIN;
        let expires = now.unix.seconds().saturating_add(LIFE_SECONDS);
        self.offered = Some(expires);
        Some(self.message(OFFER, expires, key))
    }

    /// Takes an offer in and answers it. `None` if it is not one to be answered.
    pub fn offered(&mut self, now: Now, key: &NodeKey, body: &[u8; BODY]) -> Option<[u8; BODY]> {
        if self.caller || now.at < self.next {
            return None;
        }
        let (expires, signature) = read(body)?;
        let unix = now.unix.seconds();
        if expires <= unix || expires > unix.saturating_add(MAX_LIFE_SECONDS) {
            return None;
        }
        self.next = now.at + PAUSE;
        self.keep(key, expires, signature)
            .then(|| self.message(ANSWER, expires, key))
    }

    /// Takes the answer to the last offer in.
    pub fn answered(&mut self, now: Now, key: &NodeKey, body: &[u8; BODY]) {
        let Some((expires, signature)) = read(body) else {
            return;
        };
        if self.offered != Some(expires) {
            return;
        }
        self.offered = None;
        if self.keep(key, expires, signature) {
            self.next = now.at + RENEW;
        }
    }

    fn keep(&mut self, key: &NodeKey, expires: u32, by_neighbour: Signature) -> bool {
        let edge = Edge {
            owner: self.own,
            neighbour: self.peer,
            address: self.peer_address,
            expires,
        };
        let good = edge.verify(&self.peer, &by_neighbour);
        if good {
            self.certificate = Some(LinkCertificate {
                neighbour: self.peer,
                address: self.peer_address,
                expires,
                by_owner: edge.sign(key),
                by_neighbour,
            });
        }
        good
    }

    /// Our consent to be named by the peer.
    fn message(&self, kind: u8, expires: u32, key: &NodeKey) -> [u8; BODY] {
        let edge = Edge {
            owner: self.peer,
            neighbour: self.own,
            address: self.own_address,
            expires,
        };
        let mut body = [0; BODY];
        Writer::new(&mut body)
            .u8(kind)
            .u32(expires)
            .put(&edge.sign(key).0);
        body
    }
}

fn read(body: &[u8; BODY]) -> Option<(u32, Signature)> {
    let mut r = Reader::new(&body[1..]);
    let expires = r.u32("certificate expiry").ok()?;
    Some((
        expires,
        Signature(r.array::<SIGNATURE>("certificate signature").ok()?),
    ))
}

#[cfg(test)]
mod tests;
