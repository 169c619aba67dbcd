//! The code that two people compare, by eye or by telephone, to know that each has the other's true AccountID.
//!
//! It is made from both ids, so that one comparison checks both; making it is slowed down, so that searching for keys with a similar
//! code is. Digits and no words: they need no list and no language.

use sha2::{Digest, Sha256};

use super::id::AccountId;
use super::labels;

/// Hashes in a row: a few milliseconds once for two people, 2^14 times the work for who searches.
const ROUNDS: u32 = 1 << 14;
/// Groups of digits; about 199 bits.
pub const GROUPS: usize = 12;

/// The same for both people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairCode([u8; 32]);

impl PairCode {
    pub fn of(one: &AccountId, other: &AccountId) -> PairCode {
        let (first, second) = (one.min(other), one.max(other));
        let mut code: [u8; 32] =
            Sha256::digest([labels::PAIR.as_bytes(), first.bytes(), second.bytes()].concat())
                .into();
        for _ in 0..ROUNDS {
            code = Sha256::new()
                .chain_update(code)
                .chain_update(first.bytes())
                .chain_update(second.bytes())
                .finalize()
                .into();
        }
        PairCode(code)
    }

    /// Twelve numbers below 100 000, written with five digits each.
    pub fn groups(&self) -> [u32; GROUPS] {
        // Each from 64 bits of its own: the remainder's bias is below 2^-47.
        std::array::from_fn(|place| {
            let place = u8::try_from(place).expect("there are few places");
            let hash = Sha256::new()
                .chain_update(self.0)
                .chain_update([GROUPS as u8, place])
                .finalize();
            let number = u64::from_be_bytes(*hash.first_chunk().expect("SHA-256 gives 32 bytes"));
            (number % 100_000) as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::AccountKey;
    use crate::crypto::random::Stream;

    #[test]
    fn both_people_see_the_same_code_and_every_other_pair_another() {
        let mut random = Stream::from_seed([1; 32]);
        let ids: Vec<AccountId> = (0..6)
            .map(|_| AccountKey::generate(&mut random).id())
            .collect();
        let mut groups = std::collections::BTreeSet::new();
        for (i, one) in ids.iter().enumerate() {
            for other in &ids[i + 1..] {
                let code = PairCode::of(one, other);
                assert!(code == PairCode::of(other, one));
                assert!(groups.insert(code.groups()));
                assert!(code.groups().iter().all(|&group| group < 100_000));
            }
        }
    }
}
