//! The tables, and how an older database becomes a newer one.
//!
//! Secrets lie behind a pad that fills the part of a row which SQLite keeps in its tree pages. When SQLite rebalances a tree it leaves
//! copies of moved rows in the unused middle of pages, and `secure_delete` does not reach those; overflow pages are never moved, and
//! are zeroed when they are freed. So a secret lives in overflow pages only and its erasure is complete.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::OpenError;
use crate::platform::{self, Open};

/// Bytes of a page: SQLCipher's default.
pub const PAGE: usize = 4096;
/// SQLCipher's initialisation vector and authentication code at the end of each page.
pub const PAGE_RESERVE: usize = 80;
/// Length of the pad in front of a secret.
const PAD: usize = 4000;

// SQLite's file format, section "B-tree cell format": a table leaf keeps at most usable size - 35 bytes of a row in the tree.
const _: () = assert!(PAD >= PAGE - PAGE_RESERVE - 35);

/// `MIGRATIONS[n]` brings a database of format n to n + 1; 0 is an empty one. A line that has been published is never changed.
pub const MIGRATIONS: &[&str] = &["
    CREATE TABLE profile (
        one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, created INTEGER NOT NULL,
        pad BLOB NOT NULL, account_key BLOB NOT NULL);
    CREATE TABLE contacts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account BLOB NOT NULL UNIQUE, name TEXT NOT NULL, state INTEGER NOT NULL,
        policy INTEGER NOT NULL, added INTEGER NOT NULL, request_text TEXT NOT NULL, read_up_to INTEGER NOT NULL,
        sent INTEGER NOT NULL, sent_hash BLOB NOT NULL, peer_has INTEGER NOT NULL,
        received INTEGER NOT NULL, received_hash BLOB NOT NULL);
    CREATE TABLE sessions (
        contact INTEGER NOT NULL, slot INTEGER NOT NULL, pad BLOB NOT NULL, state BLOB NOT NULL, PRIMARY KEY (contact, slot));
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, contact INTEGER NOT NULL, mine INTEGER NOT NULL, sequence INTEGER NOT NULL,
        previous BLOB NOT NULL, level INTEGER NOT NULL, erase_day INTEGER NOT NULL, delivery INTEGER NOT NULL, time INTEGER NOT NULL,
        gap_before INTEGER NOT NULL, text TEXT NOT NULL);
    CREATE INDEX history ON messages (contact, number, mine);
    CREATE TABLE outgoing (
        contact INTEGER NOT NULL, sequence INTEGER NOT NULL, message INTEGER, kind INTEGER NOT NULL, level INTEGER NOT NULL,
        erase_day INTEGER NOT NULL, tries INTEGER NOT NULL, last_try INTEGER NOT NULL,
        pad BLOB NOT NULL, body BLOB NOT NULL, parcel BLOB NOT NULL, PRIMARY KEY (contact, sequence));
    CREATE TABLE incoming (
        contact INTEGER NOT NULL, sequence INTEGER NOT NULL, level INTEGER NOT NULL, erase_day INTEGER NOT NULL,
        arrived INTEGER NOT NULL, pad BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (contact, sequence));
    CREATE TABLE meta (
        contact INTEGER NOT NULL, name TEXT NOT NULL, pad BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (contact, name));
    CREATE TABLE seen (id BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
"];

/// The format this program writes.
pub fn format() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The pad, as a value for a statement.
pub fn pad() -> &'static [u8] {
    static ZEROS: [u8; PAD] = [0; PAD];
    &ZEROS
}

pub fn found_format(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the database at `path` up to the last of `migrations`. Each step is one transaction, so a killed upgrade goes on where it was;
/// a database that holds something is copied first. The log must be empty.
pub fn upgrade(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let found = found_format(connection).map_err(OpenError::database(path))?;
    let steps = usize::try_from(found)
        .ok()
        .and_then(|n| migrations.get(n..))
        .unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    if found > 0 {
        copy_aside(path, found)?;
    }
    for (format, step) in (found + 1..).zip(steps) {
        let mut run = || -> rusqlite::Result<()> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", format)?;
            transaction.commit()
        };
        run().map_err(OpenError::database(path))?;
    }
    Ok(())
}

/// Where the copy of a database of an older format lies.
pub fn copy_path(path: &Path, format: u32) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".format{format}"));
    PathBuf::from(name)
}

fn copy_aside(path: &Path, format: u32) -> Result<(), OpenError> {
    let copy = copy_path(path, format);
    let beside = {
        let mut name = copy.as_os_str().to_os_string();
        name.push(".new");
        PathBuf::from(name)
    };
    let run = || {
        if copy.exists() {
            // Made before the first step of an upgrade that was killed; the database may have moved on since.
            return Ok(());
        }
        let mut from = std::fs::File::open(path)?;
        let mut to = platform::open_private(&beside, Open::Either)?;
        to.set_len(0)?;
        std::io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        std::fs::rename(&beside, &copy)?;
        platform::sync_directory(copy.parent().unwrap_or(Path::new(".")))
    };
    run().map_err(OpenError::io(&copy))
}
