//! Points of P-256 and the one function that parses them.
//!
//! Not here: secret scalars (`keys`) and what is computed with both (`mqv`).

use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{AffinePoint, ProjectivePoint, Scalar};

/// A validated point: 33 bytes, tag 02 or 03, on the curve, not the identity, re-encoding equal. Ordered by its bytes.
#[derive(Clone, Copy)]
pub struct Point {
    bytes: [u8; 33],
    affine: AffinePoint,
}

/// Why some bytes are not a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid compressed P-256 point")]
pub struct BadPoint;

impl Point {
    pub const LEN: usize = 33;

    /// The only parser of points in the program (SEC 1, 2.3.4, compressed form only).
    ///
    /// The tag is compared first and the re-encoding last: `p256` also takes the compact tag 05, which would give one key two
    /// texts.
    pub fn decode(bytes: &[u8]) -> Result<Point, BadPoint> {
        let bytes: [u8; 33] = bytes.try_into().map_err(|_| BadPoint)?;
        if bytes[0] != 2 && bytes[0] != 3 {
            return Err(BadPoint);
        }
        let key = p256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| BadPoint)?;
        let point = Point {
            bytes,
            affine: *key.as_affine(),
        };
        if encode(&point.affine) != Some(bytes) {
            return Err(BadPoint);
        }
        Ok(point)
    }

    pub fn bytes(&self) -> &[u8; 33] {
        &self.bytes
    }

    /// `None` for the identity.
    pub(super) fn from_affine(affine: AffinePoint) -> Option<Point> {
        encode(&affine).map(|bytes| Point { bytes, affine })
    }

    pub(super) fn projective(&self) -> ProjectivePoint {
        self.affine.into()
    }

    pub(super) fn affine(&self) -> &AffinePoint {
        &self.affine
    }

    /// Associate value function (SP 800-56A r3, 5.7.2.2): the lower half of x with bit 128 set.
    pub(super) fn avf(&self) -> Scalar {
        let x = self.affine.x();
        let mut half = p256::FieldBytes::default();
        half[15] = 1;
        half[16..].copy_from_slice(&x[16..]);
        Option::from(<Scalar as p256::elliptic_curve::PrimeField>::from_repr(
            half,
        ))
        .expect("a number below 2^129 is below the group order")
    }
}

/// `None` for the identity, which has no compressed form of 33 bytes.
fn encode(affine: &AffinePoint) -> Option<[u8; 33]> {
    affine.to_sec1_point(true).as_bytes().try_into().ok()
}

impl PartialEq for Point {
    fn eq(&self, other: &Point) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Point {}

impl PartialOrd for Point {
    fn partial_cmp(&self, other: &Point) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Point {
    fn cmp(&self, other: &Point) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

/// The first four bytes only: enough to tell two points apart in a test, too little to be one in a log.
impl std::fmt::Debug for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:02x}{:02x}{:02x}{:02x}…",
            self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]
        )
    }
}
