//! Blinded keys: each day and purpose an account has another public key, which only those who know the AccountId can link to it.
//!
//! A' = h·A with h = hash_to_scalar(A, period, purpose). A signature of one child must not become one of its sibling (multiplicative
//! blinding of ECDSA allows that on raw digests), so the digest always holds the blinded key and no digest can be passed in.

use p256::elliptic_curve::consts::U48;
use p256::hash2curve::{ExpandMsgXmd, hash_to_scalar};
use p256::{NistP256, Scalar};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::curve::{BadPoint, Point};
use super::id::AccountId;
use super::keys::{AccountKey, Secret, Signature, Static, sealed::HasSecret, sign, verify};
use super::labels;
use super::random::Stream;

/// What a blinded key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Descriptor,
    Mailbox,
}

impl Purpose {
    fn code(self) -> u8 {
        match self {
            Purpose::Descriptor => 1,
            Purpose::Mailbox => 2,
        }
    }
}

/// RFC 9380: expand_message_xmd with SHA-256, 48 bytes, reduced modulo the group order.
fn factor(account: &Point, period: u32, purpose: Purpose) -> Scalar {
    let message: [&[u8]; 3] = [account.bytes(), &period.to_be_bytes(), &[purpose.code()]];
    let h: Scalar =
        hash_to_scalar::<NistP256, ExpandMsgXmd<Sha256>, U48>(&message, &[labels::BLIND])
            .expect("48 bytes and a short tag are within expand_message_xmd's limits");
    // Zero comes out with probability 2^-256; one keeps the arithmetic total.
    if h == Scalar::ZERO { Scalar::ONE } else { h }
}

/// Signs for one account, period and purpose.
pub struct BlindedSigner {
    secret: Secret,
    public: Point,
}

/// The public half of a [`BlindedSigner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlindedId(Point);

impl AccountKey {
    /// `period` counts days.
    pub fn blind(&self, period: u32, purpose: Purpose) -> BlindedSigner {
        let own = self.secret().scalar();
        let blinded = Zeroizing::new(factor(self.public_point(), period, purpose) * **own);
        let bytes = Zeroizing::new(blinded.to_bytes());
        let secret = Secret::from_slice(&bytes)
            .expect("a product of two scalars that are not zero is not zero");
        BlindedSigner::new(secret)
    }
}

impl AccountId {
    /// The public key of [`AccountKey::blind`].
    pub fn blind(&self, period: u32, purpose: Purpose) -> BlindedId {
        let point = self.point().projective() * factor(self.point(), period, purpose);
        BlindedId(
            Point::from_affine(point.to_affine())
                .expect("a point times a factor that is not zero is not the identity"),
        )
    }
}

impl BlindedSigner {
    /// A signer of nobody, for cover publications.
    pub fn throwaway(random: &mut Stream) -> BlindedSigner {
        BlindedSigner::new(Secret::random(random))
    }

    fn new(secret: Secret) -> BlindedSigner {
        BlindedSigner {
            public: secret.public(),
            secret,
        }
    }

    pub fn id(&self) -> BlindedId {
        BlindedId(self.public)
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        sign(&self.secret, &self.public, labels::BLIND_SIGNATURE, message)
    }
}

impl BlindedId {
    pub const LEN: usize = 33;

    pub fn decode(bytes: &[u8]) -> Result<BlindedId, BadPoint> {
        Point::decode(bytes).map(BlindedId)
    }

    pub fn bytes(&self) -> &[u8; 33] {
        self.0.bytes()
    }

    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        verify(&self.0, labels::BLIND_SIGNATURE, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::sec1::ToSec1Point;

    #[test]
    fn both_ways_to_a_blinded_key_meet_and_no_two_periods_or_purposes_do() {
        let mut random = Stream::from_seed([1; 32]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let account = AccountKey::generate(&mut random);
            for period in [0, 1, 20_000, u32::MAX] {
                for purpose in [Purpose::Descriptor, Purpose::Mailbox] {
                    let signer = account.blind(period, purpose);
                    assert_eq!(signer.id(), account.id().blind(period, purpose));
                    assert!(seen.insert(signer.id()));
                    let signature = signer.sign(b"message");
                    assert!(signer.id().verify(b"message", &signature));
                    assert!(!signer.id().verify(b"massage", &signature));
                    assert!(
                        !account
                            .id()
                            .blind(period ^ 1, purpose)
                            .verify(b"message", &signature)
                    );
                }
            }
        }
    }

    /// From a signature (r, s) under x on digest e, (r, s·h) verifies under h·x on digest h·e. The digest holds the blinded key, so
    /// the algebra has no message to verify.
    #[test]
    fn a_signature_does_not_carry_over_to_a_related_key() {
        let mut random = Stream::from_seed([2; 32]);
        let account = AccountKey::generate(&mut random);
        let (one, other) = (
            account.blind(1, Purpose::Descriptor),
            account.blind(2, Purpose::Descriptor),
        );
        let ratio = factor(account.public_point(), 2, Purpose::Descriptor)
            * factor(account.public_point(), 1, Purpose::Descriptor)
                .invert()
                .unwrap();
        let related = Point::from_affine((one.public.projective() * ratio).to_affine()).unwrap();
        assert_eq!(
            related, other.public,
            "the attacker knows the factor between the two keys"
        );

        let signature = p256::ecdsa::Signature::from_slice(&one.sign(b"message").0).unwrap();
        let (r, s) = signature.split_scalars();
        let moved =
            p256::ecdsa::Signature::from_scalars(r.to_bytes(), (*s * ratio).to_bytes()).unwrap();
        let moved = Signature(moved.to_bytes().as_slice().try_into().unwrap());
        assert!(!other.id().verify(b"message", &moved));

        // The same algebra on raw digests works, which is why no digest can be passed in.
        use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
        let digest = [3; 32];
        let secret = p256::SecretKey::from_slice(one.secret.bytes().as_slice()).unwrap();
        let raw: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(&secret)
            .sign_prehash(&digest)
            .unwrap();
        let (r, s) = raw.split_scalars();
        let moved =
            p256::ecdsa::Signature::from_scalars(r.to_bytes(), (*s * ratio).to_bytes()).unwrap();
        let moved_digest = (<Scalar as p256::elliptic_curve::PrimeField>::from_repr(digest.into())
            .unwrap()
            * ratio)
            .to_bytes();
        let key =
            p256::ecdsa::VerifyingKey::from_sec1_point(&other.public.affine().to_sec1_point(true))
                .unwrap();
        assert!(key.verify_prehash(&moved_digest, &moved).is_ok());
    }

    #[test]
    fn a_throwaway_signer_signs_like_any_other() {
        let mut random = Stream::from_seed([3; 32]);
        let (one, other) = (
            BlindedSigner::throwaway(&mut random),
            BlindedSigner::throwaway(&mut random),
        );
        assert_ne!(one.id(), other.id());
        let id = BlindedId::decode(one.id().bytes()).unwrap();
        assert!(id.verify(b"x", &one.sign(b"x")) && !other.id().verify(b"x", &one.sign(b"x")));
    }
}
