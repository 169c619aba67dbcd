//! ECMQV (SP 800-56A r3, 5.7.2.3) and the only ways to use it. The raw shared value never leaves this file.
//!
//! Raw MQV falls to an unknown-key-share attack (Kaliski 2001): whoever may choose identities freely makes both ends compute the
//! same value while they disagree about who the other is. Therefore pattern, roles, both static and both ephemeral keys go into
//! the hash that salts every key, and a side proves by [`Agreed::confirm`] (or by a seal under such a key) that it saw the same.

use p256::ProjectivePoint;
use p256::elliptic_curve::ops::LinearCombination;
use p256::elliptic_curve::point::AffineCoordinates;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, hkdf, mac_eq, mac16};
use super::curve::Point;
use super::keys::{Ephemeral, Secret, Static};
use super::labels;

/// P-256, AES-256-GCM, SHA-256, MQV as standardised. Another number is another suite.
const SUITE: u8 = 1;

/// Which of the two a party is. The initiator speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Initiator,
    Responder,
}

/// Which keys took part.
#[derive(Clone, Copy)]
enum Pattern {
    Full = 1,
    Anonymous = 2,
    OnePassAnonymous = 3,
    OnePass = 4,
    EphemeralStatic = 5,
}

/// What both sides saw, absorbed piece by piece. One changed bit gives other keys.
#[derive(Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    pub fn new(label: &'static str) -> Transcript {
        let mut transcript = Transcript(Sha256::new());
        transcript.absorb(labels::TRANSCRIPT.as_bytes());
        transcript.absorb(label.as_bytes());
        transcript.absorb(&[SUITE]);
        transcript
    }

    /// Adds `bytes` behind their length (u32 big-endian).
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.0.update(
            u32::try_from(bytes.len())
                .expect("flights are shorter than 4 GiB")
                .to_be_bytes(),
        );
        self.0.update(bytes);
    }

    /// Adds who took part and closes. A key that a pattern does not have is the empty string.
    fn close(mut self, pattern: Pattern, parties: &Parties<'_>) -> [u8; 32] {
        self.absorb(&[pattern as u8]);
        for key in [
            parties.initiator,
            parties.responder,
            parties.initiator_ephemeral,
            parties.responder_ephemeral,
        ] {
            self.absorb(key.map_or(&[], |point| point.bytes().as_slice()));
        }
        self.0.finalize().into()
    }
}

#[derive(Clone, Copy)]
struct Parties<'a> {
    initiator: Option<&'a Point>,
    responder: Option<&'a Point>,
    initiator_ephemeral: Option<&'a Point>,
    responder_ephemeral: Option<&'a Point>,
}

/// An agreed secret that only gives keys for named purposes.
pub struct Agreed {
    secret: Key,
    transcript: [u8; 32],
}

impl Agreed {
    fn extract(transcript: [u8; 32], shared: &[u8]) -> Agreed {
        Agreed {
            secret: Key::extract(&transcript, shared),
            transcript,
        }
    }

    /// The key for the purpose `label`.
    pub fn key(&self, label: &str) -> Key {
        self.secret.derive(label, b"")
    }

    /// The same for this room: its labels never meet those of other rooms.
    pub(super) fn own_key(&self, label: &str) -> Key {
        self.secret.derive(label, b"crypto")
    }

    /// What `side` sends to prove that it has the same secret and saw the same transcript.
    pub fn confirm(&self, side: Side) -> [u8; 16] {
        let (label, role) = match side {
            Side::Initiator => (labels::CONFIRM_INITIATOR, b"i"),
            Side::Responder => (labels::CONFIRM_RESPONDER, b"r"),
        };
        mac16(&self.own_key(label), &[role, &self.transcript])
    }

    /// Constant time.
    pub fn confirms(&self, side: Side, claimed: &[u8; 16]) -> bool {
        mac_eq(&self.confirm(side), claimed)
    }

    /// A secret that needs both, and a transcript that holds both.
    pub fn mix(self, other: &Agreed) -> Agreed {
        let mut transcript = Transcript::new(labels::MIX);
        transcript.absorb(&self.transcript);
        transcript.absorb(&other.transcript);
        let mut both = Zeroizing::new([0; 64]);
        both[..32].copy_from_slice(self.secret.bytes());
        both[32..].copy_from_slice(other.secret.bytes());
        Agreed::extract(transcript.0.finalize().into(), both.as_slice())
    }

    /// Names the agreement at both ends; not secret.
    pub(super) fn name(&self) -> &[u8; 32] {
        &self.transcript
    }
}

/// One key pair: static or ephemeral, as the place in [`z`] says.
struct Pair<'a> {
    secret: &'a Secret,
    public: &'a Point,
}

impl<'a> Pair<'a> {
    fn of_static(key: &'a impl Static) -> Pair<'a> {
        Pair {
            secret: key.secret(),
            public: key.public_point(),
        }
    }

    fn of_ephemeral(key: &'a Ephemeral) -> Pair<'a> {
        Pair {
            secret: key.secret(),
            public: key.public(),
        }
    }
}

/// The MQV primitive. The cofactor of P-256 is 1, so there is no cofactor step; the points were validated when they were parsed.
///
/// s = e + avf(E)·d, P = s·(E' + avf(E')·S'), as one constant-time linear combination of E' and S'. Refuses P = identity, which
/// valid keys can reach.
fn z(
    own: &Pair<'_>,
    own_ephemeral: &Pair<'_>,
    peer: &Point,
    peer_ephemeral: &Point,
) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let (d, e) = (own.secret.scalar(), own_ephemeral.secret.scalar());
    let part = Zeroizing::new(own_ephemeral.public.avf() * **d);
    let s = Zeroizing::new(**e + *part);
    let t = Zeroizing::new(*s * peer_ephemeral.avf());
    let terms = Zeroizing::new([(peer_ephemeral.projective(), *s), (peer.projective(), *t)]);
    x_of(ProjectivePoint::lincomb(&*terms))
}

fn x_of(point: ProjectivePoint) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let point = Zeroizing::new(point);
    let affine = Zeroizing::new(point.to_affine());
    if bool::from(affine.is_identity()) {
        return Err(Rejected);
    }
    let coordinate = Zeroizing::new(affine.x());
    let mut x = Zeroizing::new([0; 32]);
    x.copy_from_slice(&coordinate);
    Ok(x)
}

/// Both sides give a static and an ephemeral key. Forward secret once both ephemerals are gone.
pub fn full(
    side: Side,
    own: &impl Static,
    own_ephemeral: Ephemeral,
    peer: &Point,
    peer_ephemeral: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    full_kept(side, own, &own_ephemeral, peer, peer_ephemeral, t)
}

/// [`full`] for an initiator that must survive answers that are not answers: its ephemeral goes when the right one came.
pub(super) fn full_kept(
    side: Side,
    own: &impl Static,
    own_ephemeral: &Ephemeral,
    peer: &Point,
    peer_ephemeral: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let shared = z(
        &Pair::of_static(own),
        &Pair::of_ephemeral(own_ephemeral),
        peer,
        peer_ephemeral,
    )?;
    let (mine, my_ephemeral) = (Some(own.public_point()), Some(own_ephemeral.public()));
    let (theirs, their_ephemeral) = (Some(peer), Some(peer_ephemeral));
    let parties = match side {
        Side::Initiator => Parties {
            initiator: mine,
            responder: theirs,
            initiator_ephemeral: my_ephemeral,
            responder_ephemeral: their_ephemeral,
        },
        Side::Responder => Parties {
            initiator: theirs,
            responder: mine,
            initiator_ephemeral: their_ephemeral,
            responder_ephemeral: my_ephemeral,
        },
    };
    Ok(Agreed::extract(
        t.close(Pattern::Full, &parties),
        shared.as_slice(),
    ))
}

fn anonymous_parties<'a>(
    throwaway: &'a Point,
    relay: &'a Point,
    relay_ephemeral: &'a Point,
) -> Parties<'a> {
    Parties {
        initiator: Some(throwaway),
        responder: Some(relay),
        initiator_ephemeral: Some(throwaway),
        responder_ephemeral: Some(relay_ephemeral),
    }
}

/// Anonymous initiator: its throwaway key serves as static and ephemeral; the relay gives its NodeId and a fresh ephemeral.
/// Forward secret; authenticates the relay only.
pub fn anonymous_to(
    throwaway: &Ephemeral,
    relay: &Point,
    relay_ephemeral: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let own = Pair::of_ephemeral(throwaway);
    let shared = z(&own, &own, relay, relay_ephemeral)?;
    let parties = anonymous_parties(throwaway.public(), relay, relay_ephemeral);
    Ok(Agreed::extract(
        t.close(Pattern::Anonymous, &parties),
        shared.as_slice(),
    ))
}

/// The relay's side of [`anonymous_to`].
pub fn anonymous_from(
    own: &impl Static,
    own_ephemeral: Ephemeral,
    throwaway: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let shared = z(
        &Pair::of_static(own),
        &Pair::of_ephemeral(&own_ephemeral),
        throwaway,
        throwaway,
    )?;
    let parties = anonymous_parties(throwaway, own.public_point(), own_ephemeral.public());
    Ok(Agreed::extract(
        t.close(Pattern::Anonymous, &parties),
        shared.as_slice(),
    ))
}

/// One pass from a throwaway key to a static key: no forward secrecy against the receiver's key, authenticates the receiver only.
pub fn one_pass_anonymous_to(
    throwaway: &Ephemeral,
    receiver: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let own = Pair::of_ephemeral(throwaway);
    let shared = z(&own, &own, receiver, receiver)?;
    let parties = one_pass_parties(throwaway.public(), throwaway.public(), receiver);
    Ok(Agreed::extract(
        t.close(Pattern::OnePassAnonymous, &parties),
        shared.as_slice(),
    ))
}

/// The receiver's side of [`one_pass_anonymous_to`].
pub fn one_pass_anonymous_from(
    own: &impl Static,
    throwaway: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let pair = Pair::of_static(own);
    let shared = z(&pair, &pair, throwaway, throwaway)?;
    let parties = one_pass_parties(throwaway, throwaway, own.public_point());
    Ok(Agreed::extract(
        t.close(Pattern::OnePassAnonymous, &parties),
        shared.as_slice(),
    ))
}

fn one_pass_parties<'a>(
    sender: &'a Point,
    sender_ephemeral: &'a Point,
    receiver: &'a Point,
) -> Parties<'a> {
    Parties {
        initiator: Some(sender),
        responder: Some(receiver),
        initiator_ephemeral: Some(sender_ephemeral),
        responder_ephemeral: None,
    }
}

/// One pass with an authenticated sender: no forward secrecy against the receiver's key, and whoever has that key can also pretend
/// to be any sender.
pub fn one_pass_to(
    own: &impl Static,
    own_ephemeral: Ephemeral,
    receiver: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    one_pass_kept(own, &own_ephemeral, receiver, t)
}

/// [`one_pass_to`] for a first flight whose ephemeral takes part in a full agreement afterwards.
pub(super) fn one_pass_kept(
    own: &impl Static,
    own_ephemeral: &Ephemeral,
    receiver: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let shared = z(
        &Pair::of_static(own),
        &Pair::of_ephemeral(own_ephemeral),
        receiver,
        receiver,
    )?;
    let parties = one_pass_parties(own.public_point(), own_ephemeral.public(), receiver);
    Ok(Agreed::extract(
        t.close(Pattern::OnePass, &parties),
        shared.as_slice(),
    ))
}

/// The receiver's side of [`one_pass_to`].
pub fn one_pass_from(
    own: &impl Static,
    sender: &Point,
    sender_ephemeral: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let pair = Pair::of_static(own);
    let shared = z(&pair, &pair, sender, sender_ephemeral)?;
    let parties = one_pass_parties(sender, sender_ephemeral, own.public_point());
    Ok(Agreed::extract(
        t.close(Pattern::OnePass, &parties),
        shared.as_slice(),
    ))
}

fn es_parties<'a>(ephemeral: &'a Point, receiver: &'a Point) -> Parties<'a> {
    Parties {
        initiator: None,
        responder: Some(receiver),
        initiator_ephemeral: Some(ephemeral),
        responder_ephemeral: None,
    }
}

/// Plain Diffie-Hellman of an ephemeral with a static key: hides the initiator's identity, authenticates nobody by itself.
pub fn es_to(
    own_ephemeral: &Ephemeral,
    receiver: &Point,
    t: Transcript,
) -> Result<Agreed, Rejected> {
    let shared = dh(&Pair::of_ephemeral(own_ephemeral), receiver)?;
    Ok(Agreed::extract(
        t.close(
            Pattern::EphemeralStatic,
            &es_parties(own_ephemeral.public(), receiver),
        ),
        shared.as_slice(),
    ))
}

/// The receiver's side of [`es_to`].
pub fn es_from(own: &impl Static, ephemeral: &Point, t: Transcript) -> Result<Agreed, Rejected> {
    let shared = dh(&Pair::of_static(own), ephemeral)?;
    Ok(Agreed::extract(
        t.close(
            Pattern::EphemeralStatic,
            &es_parties(ephemeral, own.public_point()),
        ),
        shared.as_slice(),
    ))
}

/// ECDH (SP 800-56A r3, 5.7.1.2).
fn dh(own: &Pair<'_>, peer: &Point) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    x_of(peer.projective() * **own.secret.scalar())
}

/// A ratchet's Diffie-Hellman between two ephemeral keys, extracted under the root key: HKDF-Extract(root, x).
pub(super) fn ratchet_dh(root: &Key, own: &Ephemeral, peer: &Point) -> Result<Key, Rejected> {
    let shared = dh(&Pair::of_ephemeral(own), peer)?;
    Ok(hkdf(root.bytes(), shared.as_slice(), labels::RATCHET_ROOT))
}

/// The door for published test vectors: the primitive on raw scalars. Nothing in the program goes through it.
#[doc(hidden)]
pub mod known_answer {
    use super::{Ephemeral, Pair, Point, Rejected, Zeroizing};

    /// The primitive, as `z` computes it for the party that owns the two scalars.
    pub fn z(
        own: &[u8],
        own_ephemeral: &[u8],
        peer: &Point,
        peer_ephemeral: &Point,
    ) -> Result<Zeroizing<[u8; 32]>, Rejected> {
        let (own, own_ephemeral) = (
            Ephemeral::from_bytes(own)?,
            Ephemeral::from_bytes(own_ephemeral)?,
        );
        super::z(
            &Pair::of_ephemeral(&own),
            &Pair::of_ephemeral(&own_ephemeral),
            peer,
            peer_ephemeral,
        )
    }

    /// The public key of a scalar.
    pub fn public(scalar: &[u8]) -> Result<Point, Rejected> {
        Ephemeral::from_bytes(scalar).map(|key| *key.public())
    }

    /// An ephemeral of a known scalar, to run a whole agreement on.
    pub fn ephemeral(scalar: &[u8]) -> Result<Ephemeral, Rejected> {
        Ephemeral::from_bytes(scalar)
    }
}

#[cfg(test)]
mod tests;
