//! The key slot: passphrase → Argon2id → the key of the database.
//!
//! The database key is random and never changes with the passphrase. The file says how it is made and carries a checksum, so that a
//! damaged file is told apart from a wrong passphrase. Not here: where the file lies.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::error::OpenError;
use crate::crypto::aead::{self, Key, OneTimeKey};
use crate::crypto::random::Stream;
use crate::wire::size::TAG;

const MAGIC: &[u8; 8] = b"paratoxK";
const VERSION: u8 = 1;
const SALT: usize = 16;
const HEADER: usize = MAGIC.len() + 2 + 3 * 4 + SALT;
const SEALED: usize = 32 + TAG;
const CHECKSUM: usize = 32;
/// Length of the key file in bytes: magic 8, version 1, kind 1, Argon2id memory (KiB), passes and lanes 4 each, salt 16, sealed key 48,
/// SHA-256 of all that 32. Integers are big-endian. The header is bound to the sealed key.
pub const FILE: usize = HEADER + SEALED + CHECKSUM;

const _: () = assert!(FILE == 118);

/// What a file says it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Person = 0,
    /// Opened once, by the process that made it. A file of this kind is never accepted from a disk: its cost protects nothing.
    ThrowAway = 1,
}

/// Cost of turning a passphrase into a key (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB.
    pub memory: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106's second choice with one lane, as we compute on one thread: about 0.2 s.
    pub const STANDARD: Cost = Cost {
        memory: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// OWASP's smallest: nothing below is written or read.
    pub const LEAST: Cost = Cost {
        memory: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// A file may not ask for more: a planted one would eat memory and time before the passphrase is even tried.
    pub const MOST: Cost = Cost {
        memory: 1024 * 1024,
        passes: 16,
        lanes: 16,
    };
    /// For a random passphrase that nobody can guess and nothing will open again.
    const THROW_AWAY: Cost = Cost {
        memory: 64,
        passes: 1,
        lanes: 1,
    };

    fn is_allowed(self) -> bool {
        (Cost::LEAST.memory..=Cost::MOST.memory).contains(&self.memory)
            && (Cost::LEAST.passes..=Cost::MOST.passes).contains(&self.passes)
            && (Cost::LEAST.lanes..=Cost::MOST.lanes).contains(&self.lanes)
    }
}

/// The key of a database. It leaves this room only as SQLCipher's key statement.
pub struct DatabaseKey(Zeroizing<[u8; 32]>);

impl DatabaseKey {
    pub fn random(random: &mut Stream) -> DatabaseKey {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut_slice());
        DatabaseKey(bytes)
    }

    /// `PRAGMA key` with the raw key: SQLCipher's own derivation is skipped.
    pub fn statement(&self) -> Zeroizing<String> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Room for all of it, so that growing leaves no half of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str("PRAGMA key = \"x'");
        for byte in self.0.iter() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text.push_str("'\"");
        text
    }

    #[cfg(test)]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn slot_key(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<OneTimeKey, argon2::Error> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32))?;
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        passphrase,
        salt,
        out.as_mut_slice(),
    )?;
    Ok(OneTimeKey::from(Key::from_bytes(&out)))
}

/// The file for a new slot. `cost` must lie between [`Cost::LEAST`] and [`Cost::MOST`].
pub fn seal(
    key: &DatabaseKey,
    passphrase: &[u8],
    cost: Cost,
    random: &mut Stream,
) -> Result<Vec<u8>, BadCost> {
    if !cost.is_allowed() {
        return Err(BadCost);
    }
    seal_as(Kind::Person, key, passphrase, cost, random)
}

/// The file for a profile that is thrown away: it can be read by nobody, and is there so that the directory looks like any other.
pub fn seal_throw_away(
    key: &DatabaseKey,
    passphrase: &[u8; 32],
    random: &mut Stream,
) -> Result<Vec<u8>, BadCost> {
    seal_as(Kind::ThrowAway, key, passphrase, Cost::THROW_AWAY, random)
}

/// Argon2 cannot or must not run at this cost on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cost of the passphrase is out of bounds or more than this computer has")]
pub struct BadCost;

fn seal_as(
    kind: Kind,
    key: &DatabaseKey,
    passphrase: &[u8],
    cost: Cost,
    random: &mut Stream,
) -> Result<Vec<u8>, BadCost> {
    let salt: [u8; SALT] = random.bytes();
    let mut file = Vec::with_capacity(FILE);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[VERSION, kind as u8]);
    for number in [cost.memory, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_be_bytes());
    }
    file.extend_from_slice(&salt);
    // Sealed in place: the room for the tag is there, so the plain key is never moved.
    let mut sealed = Vec::with_capacity(SEALED);
    sealed.extend_from_slice(key.0.as_slice());
    slot_key(passphrase, &salt, cost)
        .map_err(|_| BadCost)?
        .seal(&file, &mut sealed);
    file.extend_from_slice(&sealed);
    file.extend_from_slice(&aead::hash(&[&file]));
    Ok(file)
}

/// The key in a file, if the passphrase is right. `path` is for the words of the error only.
pub fn open(file: &[u8], passphrase: &[u8], path: &Path) -> Result<DatabaseKey, OpenError> {
    let damaged = |what: &str| OpenError::damaged(path, what);
    if !file.starts_with(MAGIC) {
        return Err(damaged("it is not a key file"));
    }
    match file.get(MAGIC.len()) {
        Some(&VERSION) => {}
        // A damaged version byte looks newer; the checksum of this version decides.
        Some(&found) if found > VERSION && !is_whole_but_for_version(file) => {
            return Err(OpenError::Newer {
                found: found.into(),
                known: VERSION.into(),
            });
        }
        _ => return Err(damaged("its version is unknown")),
    }
    let file: &[u8; FILE] = file
        .try_into()
        .map_err(|_| damaged("it has the wrong length"))?;
    let (content, checksum) = file.split_at(FILE - CHECKSUM);
    if aead::hash(&[content]) != *checksum {
        return Err(damaged("its checksum is wrong"));
    }
    let (header, sealed) = content.split_at(HEADER);
    if header[MAGIC.len() + 1] != Kind::Person as u8 {
        return Err(damaged("it was made to be thrown away"));
    }
    let number = |i: usize| {
        let at = MAGIC.len() + 2 + 4 * i;
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let cost = Cost {
        memory: number(0),
        passes: number(1),
        lanes: number(2),
    };
    if !cost.is_allowed() {
        return Err(damaged(
            "it asks for a cost that this program does not accept",
        ));
    }
    let salt = &header[HEADER - SALT..];
    let slot_key = slot_key(passphrase, salt, cost).map_err(|error| OpenError::Io {
        path: path.to_path_buf(),
        source: std::io::Error::other(error.to_string()),
    })?;
    let opened = slot_key
        .open(header, sealed)
        .map_err(|_| OpenError::WrongPassphrase)?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&opened);
    Ok(DatabaseKey(key))
}

fn is_whole_but_for_version(file: &[u8]) -> bool {
    let mut copy = file.to_vec();
    if copy.len() != FILE {
        return false;
    }
    copy[MAGIC.len()] = VERSION;
    let (content, checksum) = copy.split_at(FILE - CHECKSUM);
    aead::hash(&[content]) == *checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::from_seed([7; 32])
    }

    fn sealed() -> (DatabaseKey, Vec<u8>) {
        let key = DatabaseKey::random(&mut stream());
        let file = seal(&key, b"right", Cost::LEAST, &mut stream()).unwrap();
        (key, file)
    }

    fn with_cost(cost: Cost) -> Vec<u8> {
        let (_, mut file) = sealed();
        for (i, number) in [cost.memory, cost.passes, cost.lanes]
            .into_iter()
            .enumerate()
        {
            file[10 + 4 * i..14 + 4 * i].copy_from_slice(&number.to_be_bytes());
        }
        let hash = aead::hash(&[&file[..FILE - CHECKSUM]]);
        file[FILE - CHECKSUM..].copy_from_slice(&hash);
        file
    }

    #[test]
    fn the_right_passphrase_gives_the_key_and_a_wrong_one_nothing() {
        let (key, file) = sealed();
        assert_eq!(file.len(), FILE);
        let Ok(opened) = open(&file, b"right", Path::new("keys")) else {
            panic!("the right passphrase was refused")
        };
        assert_eq!(opened.bytes(), key.bytes());
        for wrong in [&b"wrong"[..], b"", b"right "] {
            assert!(matches!(
                open(&file, wrong, Path::new("keys")),
                Err(OpenError::WrongPassphrase)
            ));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_shorter_file_is_damage_and_not_a_wrong_passphrase() {
        let (_, file) = sealed();
        for bit in 0..8 * FILE {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(
                    open(&bad, b"right", Path::new("keys")),
                    Err(OpenError::Damaged { .. })
                ),
                "bit {bit}"
            );
        }
        for len in 0..FILE {
            assert!(
                matches!(
                    open(&file[..len], b"right", Path::new("keys")),
                    Err(OpenError::Damaged { .. })
                ),
                "length {len}"
            );
        }
    }

    #[test]
    fn a_newer_key_file_is_called_newer() {
        let mut file = sealed().1;
        file[8] = 2;
        let hash = aead::hash(&[&file[..FILE - CHECKSUM]]);
        file[FILE - CHECKSUM..].copy_from_slice(&hash);
        assert!(matches!(
            open(&file, b"right", Path::new("keys")),
            Err(OpenError::Newer { found: 2, known: 1 })
        ));
    }

    #[test]
    fn a_planted_cost_is_refused_before_it_is_paid() {
        let least = Cost::LEAST;
        for cost in [
            Cost {
                memory: 1024 * 1024 + 1,
                ..least
            },
            Cost {
                memory: u32::MAX,
                passes: u32::MAX,
                lanes: u32::MAX,
            },
            Cost {
                memory: least.memory - 1,
                ..least
            },
            Cost {
                passes: 17,
                ..least
            },
            Cost { passes: 1, ..least },
            Cost { lanes: 0, ..least },
        ] {
            assert!(
                matches!(
                    open(&with_cost(cost), b"right", Path::new("keys")),
                    Err(OpenError::Damaged { .. })
                ),
                "{cost:?}"
            );
            let key = DatabaseKey::random(&mut stream());
            assert!(
                seal(&key, b"right", cost, &mut stream()).is_err(),
                "{cost:?} was written"
            );
        }
    }

    #[test]
    fn a_changed_but_allowed_cost_does_not_open() {
        let file = with_cost(Cost {
            passes: 3,
            ..Cost::LEAST
        });
        assert!(matches!(
            open(&file, b"right", Path::new("keys")),
            Err(OpenError::WrongPassphrase)
        ));
    }

    #[test]
    fn a_throw_away_slot_is_never_taken_from_a_disk() {
        let key = DatabaseKey::random(&mut stream());
        let file = seal_throw_away(&key, &[1; 32], &mut stream()).unwrap();
        assert!(matches!(
            open(&file, &[1; 32], Path::new("keys")),
            Err(OpenError::Damaged { .. })
        ));
    }
}
