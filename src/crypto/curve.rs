//! Points of P-256 and the one function that parses them.

/// A validated point: 33 bytes, tag 02 or 03, on the curve, not the identity, re-encoding equal. Ordered by its bytes.
#[derive(Clone, Copy)]
pub struct Point {
    bytes: [u8; 33],
    affine: p256::AffinePoint,
}

/// Why 33 bytes are not a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid compressed P-256 point")]
pub struct BadPoint;

impl Point {
    pub const LEN: usize = 33;

    /// The only parser of points in the program.
    pub fn decode(bytes: &[u8]) -> Result<Point, BadPoint> {
        let _ = bytes;
        todo!()
    }

    pub fn bytes(&self) -> &[u8; 33] {
        &self.bytes
    }

    pub(super) fn affine(&self) -> &p256::AffinePoint {
        &self.affine
    }
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

impl std::fmt::Debug for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:02x}{:02x}{:02x}{:02x}…",
            self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]
        )
    }
}
