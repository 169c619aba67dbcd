//! The changes of a batch as SQL, inside the transaction of the caller.

use rusqlite::{OptionalExtension, Transaction, params};

use super::codes;
use super::error::store_error;
use super::schema::pad;
use crate::crypto::secrecy::Secrecy;
use crate::messenger::persistence::{AccountBytes, Change, MetaKey, StoreError};

/// Meta rows of the program itself have this in place of a contact; contacts count from 1.
pub const OWN: i64 = 0;

pub fn apply(transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), StoreError> {
    changes
        .iter()
        .try_for_each(|change| apply_one(transaction, change))
}

/// Level and day as their two columns; the day is 0 where it means nothing.
fn columns(secrecy: Secrecy) -> (u8, u32) {
    match secrecy {
        Secrecy::EpochPrekey { erase_day } => (secrecy.level(), erase_day),
        _ => (secrecy.level(), 0),
    }
}

/// SQL integers are signed; the bits survive both ways.
fn signed(number: u64) -> i64 {
    number as i64
}

pub fn find(
    transaction: &Transaction<'_>,
    account: &AccountBytes,
) -> Result<Option<i64>, StoreError> {
    let mut statement = transaction
        .prepare_cached("SELECT id FROM contacts WHERE account = ?1")
        .map_err(store_error)?;
    statement
        .query_row([account], |row| row.get(0))
        .optional()
        .map_err(store_error)
}

fn need(transaction: &Transaction<'_>, account: &AccountBytes) -> Result<i64, StoreError> {
    find(transaction, account)?.ok_or(StoreError::Refused("there is no such contact"))
}

fn run(
    transaction: &Transaction<'_>,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(sql).map_err(store_error)?;
    statement.execute(values).map(|_| ()).map_err(store_error)
}

fn apply_one(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutProfile(row) => run(
            transaction,
            "INSERT INTO profile (one, name, created, pad, account_key) VALUES (1, ?1, ?2, ?3, ?4)
             ON CONFLICT (one) DO UPDATE SET name = excluded.name, created = excluded.created, account_key = excluded.account_key",
            params![row.name, signed(row.created.0), pad(), row.account_key.as_slice()],
        ),
        Change::PutContact(row) => run(
            transaction,
            "INSERT INTO contacts (account, name, state, policy, added, request_text, read_up_to, sent, sent_hash, peer_has, received,
                 received_hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (account) DO UPDATE SET name = excluded.name, state = excluded.state, policy = excluded.policy,
                 added = excluded.added, request_text = excluded.request_text, read_up_to = excluded.read_up_to,
                 sent = excluded.sent, sent_hash = excluded.sent_hash, peer_has = excluded.peer_has,
                 received = excluded.received, received_hash = excluded.received_hash",
            params![
                row.account,
                row.name,
                codes::of_state(row.state),
                codes::of_policy(row.policy),
                signed(row.added.0),
                row.request_text,
                signed(row.read_up_to),
                row.sent,
                row.sent_hash,
                row.peer_has,
                row.received,
                row.received_hash,
            ],
        ),
        Change::RemoveContact(account) => {
            let Some(contact) = find(transaction, account)? else { return Ok(()) };
            for table in ["messages", "sessions", "outgoing", "incoming", "meta"] {
                run(transaction, &format!("DELETE FROM {table} WHERE contact = ?1"), params![contact])?;
            }
            run(transaction, "DELETE FROM contacts WHERE id = ?1", params![contact])
        }
        Change::PutSession(row) => run(
            transaction,
            "INSERT INTO sessions (contact, slot, pad, state) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (contact, slot) DO UPDATE SET state = excluded.state",
            params![need(transaction, &row.contact)?, row.slot, pad(), row.state.as_slice()],
        ),
        Change::RemoveSession { contact, slot } => match find(transaction, contact)? {
            Some(contact) => {
                run(transaction, "DELETE FROM sessions WHERE contact = ?1 AND slot = ?2", params![contact, slot])
            }
            None => Ok(()),
        },
        Change::PutMessage(row) => {
            let (level, erase_day) = columns(row.secrecy);
            run(
                transaction,
                "INSERT INTO messages (number, contact, mine, sequence, previous, level, erase_day, delivery, time, gap_before, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (number) DO UPDATE SET contact = excluded.contact, mine = excluded.mine, sequence = excluded.sequence,
                     previous = excluded.previous, level = excluded.level, erase_day = excluded.erase_day,
                     delivery = excluded.delivery, time = excluded.time, gap_before = excluded.gap_before, text = excluded.text",
                params![
                    signed(row.number),
                    need(transaction, &row.contact)?,
                    row.mine,
                    row.sequence,
                    row.previous,
                    level,
                    erase_day,
                    codes::of_delivery(row.delivery),
                    signed(row.time.0),
                    row.gap_before,
                    row.text,
                ],
            )
        }
        Change::RemoveMessage { number } => run(transaction, "DELETE FROM messages WHERE number = ?1", params![signed(*number)]),
        Change::SetDelivery { number, delivery } => run(
            transaction,
            "UPDATE messages SET delivery = ?2 WHERE number = ?1",
            params![signed(*number), codes::of_delivery(*delivery)],
        ),
        Change::SetSecrecy { number, secrecy } => {
            let (level, erase_day) = columns(*secrecy);
            run(
                transaction,
                "UPDATE messages SET level = ?2, erase_day = ?3 WHERE number = ?1",
                params![signed(*number), level, erase_day],
            )
        }
        Change::PutOutgoing(row) => {
            let (level, erase_day) = columns(row.secrecy);
            run(
                transaction,
                "INSERT INTO outgoing (contact, sequence, message, kind, level, erase_day, tries, last_try, pad, body, parcel)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (contact, sequence) DO UPDATE SET message = excluded.message, kind = excluded.kind,
                     level = excluded.level, erase_day = excluded.erase_day, tries = excluded.tries, last_try = excluded.last_try,
                     body = excluded.body, parcel = excluded.parcel",
                params![
                    need(transaction, &row.contact)?,
                    row.sequence,
                    row.message.map(signed),
                    row.kind,
                    level,
                    erase_day,
                    row.tries,
                    signed(row.last_try.0),
                    pad(),
                    row.body.as_slice(),
                    row.parcel.as_slice(),
                ],
            )
        }
        Change::RemoveOutgoing { contact, sequence } => match find(transaction, contact)? {
            Some(contact) => {
                run(transaction, "DELETE FROM outgoing WHERE contact = ?1 AND sequence = ?2", params![contact, sequence])
            }
            None => Ok(()),
        },
        Change::PutIncomingPart(row) => {
            let (level, erase_day) = columns(row.secrecy);
            run(
                transaction,
                "INSERT INTO incoming (contact, sequence, level, erase_day, arrived, pad, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (contact, sequence) DO UPDATE SET level = excluded.level, erase_day = excluded.erase_day,
                     arrived = excluded.arrived, body = excluded.body",
                params![
                    need(transaction, &row.contact)?,
                    row.sequence,
                    level,
                    erase_day,
                    signed(row.arrived.0),
                    pad(),
                    row.body.as_slice(),
                ],
            )
        }
        Change::RemoveIncomingParts { contact, from, to } => match find(transaction, contact)? {
            Some(contact) => run(
                transaction,
                "DELETE FROM incoming WHERE contact = ?1 AND sequence BETWEEN ?2 AND ?3",
                params![contact, from, to],
            ),
            None => Ok(()),
        },
        Change::PutMeta { key: MetaKey { contact, name }, value } => {
            let owner = contact.as_ref().map_or(Ok(OWN), |contact| need(transaction, contact))?;
            run(
                transaction,
                "INSERT INTO meta (contact, name, pad, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (contact, name) DO UPDATE SET value = excluded.value",
                params![owner, name, pad(), value.as_slice()],
            )
        }
        Change::RemoveMeta(MetaKey { contact, name }) => {
            let owner = match contact {
                None => Some(OWN),
                Some(contact) => find(transaction, contact)?,
            };
            match owner {
                Some(owner) => run(transaction, "DELETE FROM meta WHERE contact = ?1 AND name = ?2", params![owner, name]),
                None => Ok(()),
            }
        }
        Change::PutSeen { id, day } => run(
            transaction,
            "INSERT INTO seen (id, day) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET day = excluded.day",
            params![id, day],
        ),
        Change::ForgetSeen { before_day } => run(transaction, "DELETE FROM seen WHERE day < ?1", params![before_day]),
    }
}
