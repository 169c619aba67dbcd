//! Places on the ring of the DHT: 256-bit numbers, clockwise upward, the last next to the first.

use sha2::{Digest, Sha256};

use super::codec::{Malformed, Reader};

/// A place on the ring: of a node, or of a value. `Ord` is the order of the numbers, that is clockwise from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub [u8; 32]);

impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "@{:02x}{:02x}{:02x}{:02x}",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// How far apart two places are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance(pub [u8; 32]);

impl Distance {
    pub const ZERO: Distance = Distance([0; 32]);

    /// As a share of the ring, in `[0, 1]`; exact to 53 bits.
    pub fn share(&self) -> f64 {
        let mut top = [0; 8];
        top.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(top) as f64 / 2f64.powi(64)
    }
}

impl Position {
    /// The place of something named by `label` (domain separation) and `parts`.
    pub fn hash(label: &str, parts: &[&[u8]]) -> Position {
        let mut hash = Sha256::new();
        hash.update((label.len() as u32).to_be_bytes());
        hash.update(label.as_bytes());
        for part in parts {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        Position(hash.finalize().into())
    }

    pub fn read(r: &mut Reader<'_>) -> Result<Position, Malformed> {
        Ok(Position(r.array("position")?))
    }

    /// The way from here clockwise to `other`.
    pub fn clockwise_to(&self, other: &Position) -> Distance {
        let mut result = [0; 32];
        let mut borrow = false;
        for i in (0..32).rev() {
            let (a, under_a) = other.0[i].overflowing_sub(self.0[i]);
            let (b, under_b) = a.overflowing_sub(u8::from(borrow));
            result[i] = b;
            borrow = under_a || under_b;
        }
        Distance(result)
    }

    /// The shorter way round.
    pub fn distance(&self, other: &Position) -> Distance {
        self.clockwise_to(other).min(other.clockwise_to(self))
    }

    /// Whether this place lies on the clockwise arc from `after` (not included) to `upto` (included). The arc from a place to itself is
    /// the whole ring.
    pub fn is_between(&self, after: &Position, upto: &Position) -> bool {
        if after == upto {
            return true;
        }
        let here = after.clockwise_to(self);
        here != Distance::ZERO && here <= after.clockwise_to(upto)
    }

    /// Hexadecimal digit `row` (0 is the most significant, up to 63).
    pub fn digit(&self, row: usize) -> u8 {
        let byte = self.0[row / 2];
        if row.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        }
    }

    /// How many leading hexadecimal digits are the same: 0 to 64.
    pub fn common_digits(&self, other: &Position) -> usize {
        for i in 0..32 {
            let difference = self.0[i] ^ other.0[i];
            if difference != 0 {
                return 2 * i + usize::from(difference < 16);
            }
        }
        64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(first: u8, last: u8) -> Position {
        let mut bytes = [0; 32];
        bytes[0] = first;
        bytes[31] = last;
        Position(bytes)
    }

    #[test]
    fn the_ring_closes() {
        let (low, high) = (place(0x01, 0), place(0xff, 0));
        assert_eq!(high.clockwise_to(&low), Distance(place(0x02, 0).0));
        assert_eq!(low.distance(&high), high.distance(&low));
        assert_eq!(low.distance(&low), Distance::ZERO);
        assert!(place(0, 0).is_between(&high, &low));
        assert!(!place(0x80, 0).is_between(&high, &low));
    }

    #[test]
    fn an_arc_has_its_end_but_not_its_start() {
        let (a, b, c) = (place(1, 0), place(2, 0), place(3, 0));
        assert!(b.is_between(&a, &c));
        assert!(c.is_between(&a, &c));
        assert!(!a.is_between(&a, &c));
        assert!(!b.is_between(&c, &a));
        assert!(a.is_between(&b, &b));
    }

    #[test]
    fn subtraction_borrows_through_all_bytes() {
        assert_eq!(place(1, 1).clockwise_to(&place(1, 0)), Distance([0xff; 32]));
        assert_eq!(
            place(1, 0).clockwise_to(&place(1, 1)),
            Distance(place(0, 1).0)
        );
        assert!((Distance(place(0x80, 0).0).share() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn digits_are_read_from_the_most_significant() {
        let p = place(0xa7, 0x3c);
        assert_eq!(
            (p.digit(0), p.digit(1), p.digit(62), p.digit(63)),
            (0xa, 7, 3, 0xc)
        );
        assert_eq!(p.common_digits(&place(0xa7, 0x3d)), 63);
        assert_eq!(p.common_digits(&place(0xa0, 0x3c)), 1);
        assert_eq!(p.common_digits(&p), 64);
    }
}
