//! Proof that erased bytes are gone: the pages of the database file and of its log are decrypted one by one with the database key, free
//! pages and unused middles included, and searched.
//!
//! It proves what someone finds who has a copy of the directory and the passphrase. It proves nothing about what lies below the file
//! system: blocks that the log or an older file freed, worn-out flash cells, snapshots.

use std::path::PathBuf;

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, KeyInit};

use super::schema::{PAGE, PAGE_RESERVE};
use super::tests::{CONTACT, contact, message, profile};
use super::*;
use crate::crypto::secrecy::Secrecy;
use crate::messenger::persistence::{IncomingPart, MetaKey, OutgoingRow, SecretBytes, SessionRow};
use crate::wire::time::UnixMs;

/// SQLite's file format: header of the log, and of each page in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// SQLCipher 4: AES-256-CBC, the initialisation vector first in the reserve at the page's end; a page 1 begins with the plain salt.
fn decrypt(key: &[u8; 32], page: &[u8], is_first: bool) -> Vec<u8> {
    let cipher = Aes256::new(key.into());
    let (sealed, reserve) = page.split_at(PAGE - PAGE_RESERVE);
    let mut previous: [u8; 16] = reserve[..16].try_into().unwrap();
    let mut plain = Vec::with_capacity(PAGE);
    for block in sealed[if is_first { 16 } else { 0 }..].chunks_exact(16) {
        let mut bytes = aes::Block::try_from(block).unwrap();
        cipher.decrypt_block(&mut bytes);
        plain.extend(bytes.iter().zip(previous).map(|(a, b)| a ^ b));
        previous = block.try_into().unwrap();
    }
    plain
}

/// Everything that lies in the directory, decrypted.
fn dump(profile: &Profile) -> Vec<u8> {
    let key = profile.key.bytes();
    let file = std::fs::read(&profile.database).unwrap();
    assert_eq!(file.len() % PAGE, 0);
    let mut all = Vec::new();
    for (i, page) in file.chunks_exact(PAGE).enumerate() {
        all.extend(decrypt(key, page, i == 0));
    }
    let mut log = profile.database.clone().into_os_string();
    log.push("-wal");
    let log = std::fs::read(PathBuf::from(log)).unwrap_or_default();
    for frame in log
        .get(LOG_HEADER..)
        .unwrap_or_default()
        .chunks_exact(FRAME_HEADER + PAGE)
    {
        let number = u32::from_be_bytes(frame[..4].try_into().unwrap());
        all.extend(decrypt(key, &frame[FRAME_HEADER..], number == 1));
    }
    all
}

fn contains(all: &[u8], needle: &[u8]) -> bool {
    all.windows(needle.len()).any(|window| window == needle)
}

/// Which of the secrets leave any trace: every second 16-byte piece of each is looked for, in one pass.
fn traces(all: &[u8], secrets: &[Vec<u8>]) -> usize {
    let pieces: std::collections::BTreeSet<[u8; 16]> = secrets
        .iter()
        .flat_map(|secret| secret.windows(16).step_by(8))
        .map(|piece| piece.try_into().unwrap())
        .collect();
    all.windows(16)
        .filter(|window| pieces.contains(*window))
        .count()
}

/// A random secret of up to three pages.
fn secret(random: &mut Stream) -> Vec<u8> {
    let length = match random.below(4) {
        0 => 32 + random.below(64),
        1 => 400,
        2 => 300 + random.below(300),
        _ => 1000 + random.below(9000),
    };
    let mut bytes = vec![0; length as usize];
    random.fill(&mut bytes);
    bytes
}

#[test]
fn the_search_finds_what_is_there_and_the_log_keeps_what_was_replaced() {
    let (_place, mut profile, mut random) = profile();
    let old = secret(&mut random);
    for state in [old.clone(), secret(&mut random)] {
        let mut batch = Batch::new();
        batch.push(Change::PutSession(SessionRow {
            contact: CONTACT,
            slot: 0,
            state: SecretBytes::new(state.clone()),
        }));
        profile.commit(batch).unwrap();
        assert!(
            traces(&dump(&profile), &[state]) > 0,
            "the search does not work"
        );
    }
    assert!(
        traces(&dump(&profile), std::slice::from_ref(&old)) > 0,
        "without an erasing batch the log still has the old one"
    );
    profile.commit(Batch::erasing()).unwrap();
    assert_eq!(traces(&dump(&profile), &[old]), 0);
}

#[test]
fn an_erasing_batch_leaves_nothing_of_removed_or_replaced_secrets_in_any_page() {
    let (_place, mut profile, mut random) = profile();
    let mut gone: Vec<Vec<u8>> = Vec::new();
    let mut sessions: Vec<Option<Vec<u8>>> = vec![None; 40];
    let mut rows: Vec<(u8, u32, Vec<u8>)> = Vec::new();
    let mut next = 0;
    for _ in 0..100 {
        let mut batch = Batch::new();
        for _ in 0..random.below(12) {
            next += 1;
            let bytes = secret(&mut random);
            match random.below(6) {
                0 | 1 => {
                    let slot = random.below(40) as u8;
                    gone.extend(sessions[usize::from(slot)].replace(bytes.clone()));
                    batch.push(Change::PutSession(SessionRow {
                        contact: CONTACT,
                        slot,
                        state: SecretBytes::new(bytes),
                    }));
                }
                2 => {
                    let half = bytes.len() / 2;
                    batch.push(Change::PutOutgoing(OutgoingRow {
                        contact: CONTACT,
                        sequence: next,
                        message: None,
                        kind: 1,
                        body: SecretBytes::from_slice(&bytes[..half]),
                        parcel: SecretBytes::from_slice(&bytes[half..]),
                        secrecy: Secrecy::OnceOpened,
                        tries: 0,
                        last_try: UnixMs(0),
                    }));
                    // The two halves do not adjoin on the disk.
                    rows.push((0, next, bytes[..half].to_vec()));
                }
                3 => {
                    batch.push(Change::PutIncomingPart(IncomingPart {
                        contact: CONTACT,
                        sequence: next,
                        body: SecretBytes::from_slice(&bytes),
                        secrecy: Secrecy::Sealed,
                        arrived: UnixMs(0),
                    }));
                    rows.push((1, next, bytes));
                }
                4 => {
                    let key = MetaKey::of(CONTACT, next.to_string());
                    batch.push(Change::PutMeta {
                        key,
                        value: SecretBytes::from_slice(&bytes),
                    });
                    rows.push((2, next, bytes));
                }
                _ => {
                    let slot = random.below(40) as u8;
                    gone.extend(sessions[usize::from(slot)].take());
                    batch.push(Change::RemoveSession {
                        contact: CONTACT,
                        slot,
                    });
                }
            }
        }
        // Removing from the middle and the end makes the trees shrink and move rows about.
        while rows.len() > 20 {
            let (table, sequence, bytes) = rows.remove(random.below(rows.len() as u64) as usize);
            batch.push(match table {
                0 => Change::RemoveOutgoing {
                    contact: CONTACT,
                    sequence,
                },
                1 => Change::RemoveIncomingParts {
                    contact: CONTACT,
                    from: sequence,
                    to: sequence,
                },
                _ => Change::RemoveMeta(MetaKey::of(CONTACT, sequence.to_string())),
            });
            gone.push(bytes);
        }
        batch.erase = random.below(3) == 0;
        let erased = batch.erase;
        profile.commit(batch).unwrap();
        if erased {
            assert_eq!(
                traces(&dump(&profile), &gone),
                0,
                "{} removed secrets",
                gone.len()
            );
        }
    }
    profile.commit(Batch::erasing()).unwrap();
    let all = dump(&profile);
    assert!(gone.len() > 100);
    assert_eq!(traces(&all, &gone), 0);
    let kept: Vec<_> = sessions
        .into_iter()
        .flatten()
        .chain(rows.into_iter().map(|row| row.2))
        .collect();
    assert!(
        traces(&all, &kept) > kept.len(),
        "what was not removed is still there"
    );
}

#[test]
fn moving_rows_about_leaves_no_second_copy_that_outlives_the_first() {
    let (_place, mut profile, mut random) = profile();
    let mut current: Vec<Option<Vec<u8>>> = vec![None; 256];
    let mut gone = Vec::new();
    for _ in 0..40 {
        let mut batch = Batch::new();
        for _ in 0..100 {
            let slot = random.below(256) as u8;
            let place = &mut current[usize::from(slot)];
            if random.below(3) == 0 {
                gone.extend(place.take());
                batch.push(Change::RemoveSession {
                    contact: CONTACT,
                    slot,
                });
            } else {
                // Sizes that share a page with several others, and keep its space in pieces.
                let mut state = vec![0; 32 + random.below(900) as usize];
                random.fill(&mut state);
                gone.extend(place.replace(state.clone()));
                batch.push(Change::PutSession(SessionRow {
                    contact: CONTACT,
                    slot,
                    state: SecretBytes::new(state),
                }));
            }
        }
        profile.commit(batch).unwrap();
    }
    profile.commit(Batch::erasing()).unwrap();
    assert_eq!(
        traces(&dump(&profile), &gone),
        0,
        "{} removed secrets",
        gone.len()
    );
}

#[test]
fn a_removed_conversation_leaves_no_word_in_any_page() {
    let (_place, mut profile, mut random) = profile();
    let other = [3; 33];
    let mut batch = Batch::new();
    batch.push(Change::PutContact(contact(other)));
    profile.commit(batch).unwrap();
    let mut gone = Vec::new();
    let mut kept = std::collections::BTreeMap::new();
    // Not in order and twice, so that rows are moved about in their pages.
    let mut numbers: Vec<u64> = (1..=600).collect();
    random.shuffle(&mut numbers);
    for number in [numbers.clone(), numbers].concat() {
        let mut text = random
            .bytes::<64>()
            .map(|byte| char::from(b'a' + byte % 26))
            .iter()
            .collect::<String>();
        text = text.repeat(1 + random.below(8) as usize);
        let contact = if number % 3 == 0 { other } else { CONTACT };
        let start = text.as_bytes()[..64].to_vec();
        if contact == other {
            gone.push(start);
        } else {
            gone.extend(kept.insert(number, start));
        }
        let mut batch = Batch::new();
        batch.push(message(number, contact, text));
        profile.commit(batch).unwrap();
    }
    assert!(traces(&dump(&profile), &gone) > gone.len());
    let mut batch = Batch::erasing();
    batch.push(Change::RemoveContact(other));
    profile.commit(batch).unwrap();
    let all = dump(&profile);
    assert_eq!(traces(&all, &gone), 0);
    assert!(kept.values().all(|text| contains(&all, text)));
    assert_eq!(
        profile.load().unwrap().next_number,
        601,
        "numbers are never used twice"
    );
}
