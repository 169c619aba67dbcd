//! Which blocks a relay has already passed on.
//!
//! A hostile neighbour may send a block twice to see it come out twice further down. The first 8 bytes of the peeled block are as good
//! as random, so they serve as their own hash.

/// Blocks one direction of a circuit may carry in its life; then the circuit retires. 2 hours at 3/s are 21 600.
pub const MAX_BLOCKS: usize = 1 << 16;
const FIRST_SIZE: usize = 64;

/// An open table of 8-byte prefixes, at most half full: 16 bytes a block, 1 MiB at the very end of a circuit's life.
pub struct Seen {
    /// Zero marks a free place.
    table: Vec<u64>,
    count: usize,
}

/// What to do with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    Duplicate,
    /// New, and the last one: the circuit has to go.
    Full,
}

impl Seen {
    pub fn new() -> Seen {
        Seen {
            table: Vec::new(),
            count: 0,
        }
    }

    pub fn check(&mut self, block: &[u8; crate::wire::size::BLOCK]) -> Verdict {
        let prefix = u64::from_be_bytes([
            block[0], block[1], block[2], block[3], block[4], block[5], block[6], block[7],
        ])
        .max(1);
        if self.table.len() < 2 * (self.count + 1) {
            let old = std::mem::take(&mut self.table);
            self.table = vec![0; (old.len() * 2).max(FIRST_SIZE)];
            for prefix in old.into_iter().filter(|prefix| *prefix != 0) {
                let at = self.place(prefix);
                self.table[at] = prefix;
            }
        }
        let at = self.place(prefix);
        if self.table[at] == prefix {
            return Verdict::Duplicate;
        }
        self.table[at] = prefix;
        self.count += 1;
        if self.count >= MAX_BLOCKS {
            Verdict::Full
        } else {
            Verdict::New
        }
    }

    /// Where `prefix` is or belongs. The table is never full, so the walk ends.
    fn place(&self, prefix: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut at = (prefix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.table[at] != 0 && self.table[at] != prefix {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    #[test]
    fn a_block_is_new_once_and_the_last_one_retires_the_circuit() {
        let mut stream = Stream::from_seed([3; 32]);
        let mut seen = Seen::new();
        let mut kept = Vec::new();
        for i in 1..=MAX_BLOCKS {
            let block = stream.bytes();
            let expected = if i == MAX_BLOCKS {
                Verdict::Full
            } else {
                Verdict::New
            };
            assert_eq!(seen.check(&block), expected, "block {i}");
            if i % 997 == 0 {
                kept.push(block);
            }
        }
        for block in &kept {
            assert_eq!(seen.check(block), Verdict::Duplicate);
        }
    }
}
