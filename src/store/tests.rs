//! What a store must do that shows only from inside: full disks, unreadable rows, other formats. The rest is in `tests/store.rs`.

use super::*;
use crate::crypto::secrecy::Secrecy;
use crate::messenger::persistence::{ContactRow, MetaKey, SecretBytes};
use crate::messenger::view::{ContactState, Delivery, Policy};
use crate::wire::time::UnixMs;

pub const CONTACT: AccountBytes = [2; 33];

pub fn profile() -> (tempfile::TempDir, Profile, Stream) {
    let place = tempfile::tempdir().unwrap();
    let mut random = Stream::from_seed([9; 32]);
    let mut profile =
        Profile::create(&place.path().join("p"), b"pass", Cost::LEAST, &mut random).unwrap();
    let mut batch = Batch::new();
    batch.push(Change::PutContact(contact(CONTACT)));
    profile.commit(batch).unwrap();
    (place, profile, random)
}

pub fn contact(account: AccountBytes) -> ContactRow {
    ContactRow {
        account,
        name: "Bob".into(),
        state: ContactState::Accepted,
        policy: Policy::Ask,
        added: UnixMs(1),
        request_text: String::new(),
        read_up_to: 0,
        sent: 0,
        sent_hash: [0; 8],
        peer_has: 0,
        received: 0,
        received_hash: [0; 8],
    }
}

pub fn message(number: u64, contact: AccountBytes, text: String) -> Change {
    Change::PutMessage(MessageRow {
        number,
        contact,
        mine: number.is_multiple_of(2),
        sequence: number as u32,
        previous: [0; 8],
        text,
        secrecy: Secrecy::ForwardSecret,
        delivery: Delivery::Delivered,
        time: UnixMs(number),
        gap_before: 0,
        unreadable: false,
    })
}

#[test]
fn a_full_disk_keeps_what_was_and_works_again_with_room() {
    let (_place, mut profile, mut random) = profile();
    let filled = |random: &mut Stream| {
        let mut batch = Batch::new();
        let mut value = vec![0; 100_000];
        random.fill(&mut value);
        batch.push(Change::PutMeta {
            key: MetaKey::own("big"),
            value: SecretBytes::new(value),
        });
        batch.push(message(1, CONTACT, "kept".into()));
        batch
    };
    let connection = profile.connection().unwrap();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    connection
        .execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2))
        .unwrap();
    assert_eq!(profile.commit(filled(&mut random)), Err(StoreError::Full));
    assert!(
        profile.message(1).unwrap().is_none(),
        "nothing of a failed batch is there"
    );
    assert_eq!(
        profile.load().unwrap().contacts.len(),
        1,
        "nothing of before is lost"
    );
    // The connection was given up, and with it the bound.
    profile.commit(filled(&mut random)).unwrap();
    assert_eq!(profile.message(1).unwrap().unwrap().text, "kept");
}

/// Pages that the file holds and nothing uses.
fn free_pages(profile: &mut Profile) -> i64 {
    let connection = profile.connection().unwrap();
    connection
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn texts_that_could_not_be_erased_are_erased_by_the_next_try() {
    let (_place, mut profile, _) = profile();
    let mut batch = Batch::new();
    for number in 1..=200 {
        batch.push(message(number, CONTACT, "to be forgotten ".repeat(200)));
    }
    profile.commit(batch).unwrap();
    let mut batch = Batch::new();
    for number in 1..=200 {
        batch.push(Change::RemoveMessage { number });
    }
    profile.commit(batch).unwrap();
    assert!(free_pages(&mut profile) > 0);
    // Keys alone do not need the file written anew.
    profile.commit(Batch::erasing()).unwrap();
    assert!(free_pages(&mut profile) > 0);
    // As a full disk leaves it while a conversation is removed.
    profile.texts_remain = true;
    profile.commit(Batch::erasing()).unwrap();
    assert_eq!(free_pages(&mut profile), 0);
    assert!(!profile.texts_remain);
}

#[test]
fn a_row_that_cannot_be_read_does_not_hide_the_others() {
    let (_place, mut profile, _) = profile();
    let mut batch = Batch::new();
    for number in 1..=6 {
        batch.push(message(number, CONTACT, format!("text {number}")));
    }
    profile.commit(batch).unwrap();
    let connection = profile.connection().unwrap();
    connection
        .execute_batch(
            "UPDATE messages SET delivery = 99 WHERE number = 2; UPDATE messages SET level = 7 WHERE number = 3;
             UPDATE messages SET text = CAST(x'ff41' AS TEXT) WHERE number = 4; UPDATE messages SET text = zeroblob(20000000) WHERE number = 5;",
        )
        .unwrap();
    let rows = profile.messages(&CONTACT, None, 10).unwrap();
    let readable: Vec<_> = rows
        .iter()
        .map(|row| (row.number, !row.unreadable))
        .collect();
    assert_eq!(
        readable,
        [
            (1, true),
            (2, false),
            (3, false),
            (4, false),
            (5, false),
            (6, true)
        ]
    );
}

#[test]
fn an_upgrade_copies_the_database_first_and_goes_on_where_it_was_killed() {
    let (_place, mut profile, _) = profile();
    let mut batch = Batch::new();
    batch.push(message(1, CONTACT, "old".into()));
    batch.erase = true;
    profile.commit(batch).unwrap();
    let before = std::fs::read(&profile.database).unwrap();
    let path = profile.database.clone();
    let steps = [
        schema::MIGRATIONS[0],
        "ALTER TABLE contacts ADD COLUMN colour INTEGER;",
        "CREATE TABLE broken (",
        "CREATE TABLE more (x);",
    ];
    let connection = profile.connection().unwrap();
    assert!(schema::upgrade(connection, &path, &steps).is_err());
    assert_eq!(
        schema::found_format(connection).unwrap(),
        2,
        "the steps before the broken one are done"
    );
    assert_eq!(std::fs::read(schema::copy_path(&path, 1)).unwrap(), before);
    let whole = [steps[0], steps[1], "CREATE TABLE mended (x);", steps[3]];
    schema::upgrade(connection, &path, &whole).unwrap();
    assert_eq!(schema::found_format(connection).unwrap(), 4);
    connection
        .execute_batch("SELECT colour FROM contacts; SELECT * FROM mended; SELECT * FROM more;")
        .unwrap();
    assert_eq!(profile.message(1).unwrap().unwrap().text, "old");
}

#[test]
fn a_newer_database_is_named_as_such_and_left_alone() {
    let (place, mut profile, _) = profile();
    let connection = profile.connection().unwrap();
    connection.pragma_update(None, "user_version", 77).unwrap();
    let path = profile.database.clone();
    drop(profile);
    let before = std::fs::read(&path).unwrap();
    let error = Profile::open(&place.path().join("p"), b"pass")
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Newer { found: 77, known } if known == schema::format()));
    assert_eq!(error.exit_code(), 5);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_database_whose_log_was_not_emptied_is_left_alone_too() {
    let (place, mut profile, _) = profile();
    let connection = profile.connection().unwrap();
    connection.pragma_update(None, "user_version", 77).unwrap();
    // As a kill leaves it: nothing is moved from the log into the database.
    connection
        .set_db_config(
            rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
            true,
        )
        .unwrap();
    let (path, log) = (
        profile.database.clone(),
        profile.directory().join("paratox.db-wal"),
    );
    drop(profile);
    let before = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
    assert!(!before.1.is_empty());
    assert!(matches!(
        Profile::open(&place.path().join("p"), b"pass"),
        Err(OpenError::Newer { found: 77, .. })
    ));
    assert_eq!(
        (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap()),
        before
    );
}

#[test]
fn a_database_of_another_key_is_damage_and_not_a_wrong_passphrase() {
    let (place, first, _) = profile();
    let (_other_place, second, _) = {
        let place = tempfile::tempdir().unwrap();
        let mut random = Stream::from_seed([10; 32]);
        let profile =
            Profile::create(&place.path().join("p"), b"pass", Cost::LEAST, &mut random).unwrap();
        (place, profile, random)
    };
    let (ours, theirs) = (first.database.clone(), second.database.clone());
    drop((first, second));
    std::fs::copy(&theirs, &ours).unwrap();
    let before = std::fs::read(&ours).unwrap();
    assert!(matches!(
        Profile::open(&place.path().join("p"), b"pass"),
        Err(OpenError::Damaged { .. })
    ));
    assert_eq!(std::fs::read(&ours).unwrap(), before);
}
#[test]
fn profiles_may_be_made_and_used_at_the_same_moment() {
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut random = Stream::from_seed([seed; 32]);
                barrier.wait();
                for _ in 0..3 {
                    let mut profile = Profile::throw_away(&mut random).unwrap();
                    let mut batch = Batch::erasing();
                    batch.push(Change::PutContact(contact(CONTACT)));
                    profile.commit(batch).unwrap();
                    assert_eq!(profile.load().unwrap().contacts.len(), 1);
                }
            });
        }
    });
}
