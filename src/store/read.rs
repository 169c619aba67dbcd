//! Rows back from the database.
//!
//! A message that cannot be read becomes an unreadable row and the history goes on. In any other table such a row means damage: what
//! the program does next would rest on it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codes;
use super::error::store_error;
use super::write::OWN;
use crate::crypto::secrecy::Secrecy;
use crate::messenger::persistence::{
    AccountBytes, ContactRow, IncomingPart, MAX_PAGE, MAX_TEXT, MessageRow, MetaKey, OutgoingRow,
    ProfileRow, SecretBytes, SessionRow, Snapshot, StoreError,
};
use crate::messenger::view::Delivery;
use crate::wire::time::UnixMs;

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    // Written from a u64 bit by bit.
    row.get::<_, i64>(column).map(|number| number as u64)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMs> {
    number(row, column).map(UnixMs)
}

fn secret(row: &Row<'_>, column: usize) -> rusqlite::Result<SecretBytes> {
    Ok(SecretBytes::from_slice(row.get_ref(column)?.as_blob()?))
}

/// A code that is not in its closed list.
fn known<T>(value: Option<T>, column: usize) -> rusqlite::Result<T> {
    value.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

fn secrecy(row: &Row<'_>, column: usize) -> rusqlite::Result<Secrecy> {
    known(
        Secrecy::from_level(row.get(column)?, row.get(column + 1)?),
        column,
    )
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare(sql).map_err(store_error)?;
    let rows = statement.query_map([], read).map_err(store_error)?;
    rows.collect::<rusqlite::Result<Vec<T>>>()
        .map_err(store_error)
}

pub fn load(connection: &Connection) -> Result<Snapshot, StoreError> {
    let profile = connection
        .query_row(
            "SELECT name, created, account_key FROM profile",
            [],
            |row| {
                Ok(ProfileRow {
                    name: row.get(0)?,
                    created: time(row, 1)?,
                    account_key: secret(row, 2)?,
                })
            },
        )
        .optional()
        .map_err(store_error)?;
    let contacts = all(
        connection,
        "SELECT account, name, state, policy, added, request_text, read_up_to, sent, sent_hash, peer_has, received, received_hash
         FROM contacts ORDER BY account",
        |row| {
            Ok(ContactRow {
                account: row.get(0)?,
                name: row.get(1)?,
                state: known(codes::state(row.get(2)?), 2)?,
                policy: known(codes::policy(row.get(3)?), 3)?,
                added: time(row, 4)?,
                request_text: row.get(5)?,
                read_up_to: number(row, 6)?,
                sent: row.get(7)?,
                sent_hash: row.get(8)?,
                peer_has: row.get(9)?,
                received: row.get(10)?,
                received_hash: row.get(11)?,
            })
        },
    )?;
    let unread = all(
        connection,
        "SELECT c.account, count(*) FROM contacts c JOIN messages m ON m.contact = c.id AND m.number > c.read_up_to
         WHERE m.mine = 0 GROUP BY c.id ORDER BY c.account",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let sessions = all(
        connection,
        "SELECT c.account, s.slot, s.state FROM sessions s JOIN contacts c ON c.id = s.contact ORDER BY c.account, s.slot",
        |row| {
            Ok(SessionRow {
                contact: row.get(0)?,
                slot: row.get(1)?,
                state: secret(row, 2)?,
            })
        },
    )?;
    let outgoing = all(
        connection,
        "SELECT c.account, o.sequence, o.message, o.kind, o.body, o.parcel, o.level, o.erase_day, o.tries, o.last_try
         FROM outgoing o JOIN contacts c ON c.id = o.contact ORDER BY c.account, o.sequence",
        |row| {
            Ok(OutgoingRow {
                contact: row.get(0)?,
                sequence: row.get(1)?,
                message: row.get::<_, Option<i64>>(2)?.map(|number| number as u64),
                kind: row.get(3)?,
                body: secret(row, 4)?,
                parcel: secret(row, 5)?,
                secrecy: secrecy(row, 6)?,
                tries: row.get(8)?,
                last_try: time(row, 9)?,
            })
        },
    )?;
    let incoming = all(
        connection,
        "SELECT c.account, i.sequence, i.body, i.level, i.erase_day, i.arrived
         FROM incoming i JOIN contacts c ON c.id = i.contact ORDER BY c.account, i.sequence",
        |row| {
            Ok(IncomingPart {
                contact: row.get(0)?,
                sequence: row.get(1)?,
                body: secret(row, 2)?,
                secrecy: secrecy(row, 3)?,
                arrived: time(row, 5)?,
            })
        },
    )?;
    let mut meta = all(
        connection,
        &format!(
            "SELECT c.account, m.name, m.value FROM meta m LEFT JOIN contacts c ON c.id = m.contact
             WHERE m.contact = {OWN} OR c.id IS NOT NULL"
        ),
        |row| {
            Ok((
                MetaKey {
                    contact: row.get(0)?,
                    name: row.get(1)?,
                },
                secret(row, 2)?,
            ))
        },
    )?;
    meta.sort_by(|a, b| a.0.cmp(&b.0));
    let seen = all(connection, "SELECT id, day FROM seen ORDER BY id", |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let highest = connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'messages'",
            [],
            |row| number(row, 0),
        )
        .optional()
        .map_err(store_error)?;
    Ok(Snapshot {
        profile,
        contacts,
        unread,
        sessions,
        outgoing,
        incoming,
        meta,
        seen,
        next_number: highest.unwrap_or(0) + 1,
    })
}

const MESSAGE: &str = "m.number, c.account, m.mine, m.sequence, m.previous, m.level, m.erase_day, m.delivery, m.time, m.gap_before, m.text";

fn message_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let (id, contact): (u64, AccountBytes) = (number(row, 0)?, row.get(1)?);
    let read = || -> rusqlite::Result<MessageRow> {
        let text = match row.get_ref(10)? {
            ValueRef::Text(text) if text.len() <= MAX_TEXT => String::from_utf8(text.to_vec()).ok(),
            _ => None,
        };
        Ok(MessageRow {
            number: id,
            contact,
            mine: row.get(2)?,
            sequence: row.get(3)?,
            previous: row.get(4)?,
            secrecy: secrecy(row, 5)?,
            delivery: known(codes::delivery(row.get(7)?), 7)?,
            time: time(row, 8)?,
            gap_before: row.get(9)?,
            text: known(text, 10)?,
            unreadable: false,
        })
    };
    Ok(read().unwrap_or(MessageRow {
        number: id,
        contact,
        mine: false,
        sequence: 0,
        previous: [0; 8],
        text: String::new(),
        secrecy: Secrecy::Sealed,
        delivery: Delivery::Failed,
        time: UnixMs(0),
        gap_before: 0,
        unreadable: true,
    }))
}

pub fn messages(
    connection: &Connection,
    contact: &AccountBytes,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<MessageRow>, StoreError> {
    let sql = format!(
        "SELECT {MESSAGE} FROM messages m JOIN contacts c ON c.id = m.contact
         WHERE m.contact = (SELECT id FROM contacts WHERE account = ?1) AND m.number < ?2 ORDER BY m.number DESC LIMIT ?3"
    );
    let before = before
        .and_then(|number| i64::try_from(number).ok())
        .unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
    let rows = statement
        .query_map(
            params![contact, before, limit.min(MAX_PAGE) as i64],
            message_row,
        )
        .map_err(store_error)?;
    let mut rows = rows
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(store_error)?;
    rows.reverse();
    Ok(rows)
}

pub fn message(connection: &Connection, id: u64) -> Result<Option<MessageRow>, StoreError> {
    let sql = format!(
        "SELECT {MESSAGE} FROM messages m JOIN contacts c ON c.id = m.contact WHERE m.number = ?1"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
    statement
        .query_row([id as i64], message_row)
        .optional()
        .map_err(store_error)
}
