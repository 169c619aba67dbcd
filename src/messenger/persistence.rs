//! What the messenger keeps, and the one trait it keeps it through.
//!
//! The messenger calls it synchronously, one transaction for each step: a key is deleted in the transaction that stores the plaintext
//! it opened, a message is on disk before it is drawn, acknowledged or sent. Rows are plain data; what they mean is the messenger's.
//! Not here: files and SQL (`store`), the simulated disk (`memory`).

use std::fmt;

use zeroize::Zeroizing;

use super::view::{ContactState, Delivery, Policy};
use crate::crypto::secrecy::Secrecy;
use crate::wire::time::UnixMs;

/// An AccountID as its 33 bytes. Rows are not parsed on the way in: the messenger decodes what it uses.
pub type AccountBytes = [u8; 33];

/// Longest text of a message in bytes; longer ones are refused before they reach the store.
pub const MAX_TEXT: usize = 4000;
/// Longest name of a contact or of the own profile, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest secret, meta value or part: a ratchet with 2000 stored keys and headers takes about 200 kB.
pub const MAX_BYTES: usize = 1 << 20;
/// Most changes in one batch: a full catch-up of a contact (1000 parcels, two rows each) stays far below.
pub const MAX_CHANGES: usize = 16_384;
/// Most messages one history read returns.
pub const MAX_PAGE: usize = 1000;

/// Bytes that must not be printed and leave no copy behind. Copying is an explicit call.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub fn new(bytes: Vec<u8>) -> SecretBytes {
        SecretBytes(Zeroizing::new(bytes))
    }

    pub fn from_slice(bytes: &[u8]) -> SecretBytes {
        SecretBytes::new(bytes.to_vec())
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// A second copy, as the simulated disk needs one.
    pub fn copy(&self) -> SecretBytes {
        SecretBytes::from_slice(&self.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> SecretBytes {
        SecretBytes(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

/// The owner of the profile.
#[derive(Debug)]
pub struct ProfileRow {
    /// The 32 bytes of the account key.
    pub account_key: SecretBytes,
    pub name: String,
    pub created: UnixMs,
}

impl ProfileRow {
    pub fn copy(&self) -> ProfileRow {
        ProfileRow {
            account_key: self.account_key.copy(),
            name: self.name.clone(),
            created: self.created,
        }
    }
}

/// One person and the state of the conversation with them, texts and keys apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow {
    pub account: AccountBytes,
    pub name: String,
    pub state: ContactState,
    pub policy: Policy,
    pub added: UnixMs,
    /// Theirs if `Asking`, ours if `Asked`.
    pub request_text: String,
    /// Number of the last message of the conversation that the person has seen; 0 if none.
    pub read_up_to: u64,
    /// The last sequence number we gave to something for them; 0 if none.
    pub sent: u32,
    /// Hash of that, as the next one names it.
    pub sent_hash: [u8; 8],
    /// They have everything of ours up to this sequence number, and said so.
    pub peer_has: u32,
    /// We have everything of theirs up to this sequence number.
    pub received: u32,
    /// Hash of that, as their next one must name it.
    pub received_hash: [u8; 8],
}

/// A message of the history. Secrecy and delivery are two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Orders the history; unique in the profile and never used twice.
    pub number: u64,
    pub contact: AccountBytes,
    pub mine: bool,
    /// Sequence number of its last parcel in the conversation, in its direction; 0 if it has none yet.
    pub sequence: u32,
    /// Hash of what stood before it in its direction.
    pub previous: [u8; 8],
    pub text: String,
    pub secrecy: Secrecy,
    pub delivery: Delivery,
    pub time: UnixMs,
    /// Messages of the contact that are missing directly before it.
    pub gap_before: u32,
    /// The row on disk cannot be read: only number and contact hold, the text is empty, the secrecy the lowest.
    pub unreadable: bool,
}

/// A parcel, or what will become one, that the contact has not acknowledged.
#[derive(Debug)]
pub struct OutgoingRow {
    pub contact: AccountBytes,
    /// Its place in the conversation; unique for the contact.
    pub sequence: u32,
    /// The message it carries a part of, if it does.
    pub message: Option<u64>,
    /// The messenger's code for what it is.
    pub kind: u8,
    /// What it says. It stays beside the parcel, because a new session seals it anew.
    pub body: SecretBytes,
    /// The sealed parcel, sent again as it is; empty while it waits. A secret too, because it must be gone when it is said to be.
    pub parcel: SecretBytes,
    /// The secrecy its key gave it; meaningful once it is sealed.
    pub secrecy: Secrecy,
    /// How often it has left.
    pub tries: u32,
    /// When it left last; 0 if never.
    pub last_try: UnixMs,
}

impl OutgoingRow {
    pub fn copy(&self) -> OutgoingRow {
        OutgoingRow {
            body: self.body.copy(),
            parcel: self.parcel.copy(),
            ..*self
        }
    }
}

/// A parcel that was opened and cannot be shown yet: a part of a longer text, or one that came before its predecessor.
#[derive(Debug)]
pub struct IncomingPart {
    pub contact: AccountBytes,
    /// Its place in the conversation; unique for the contact.
    pub sequence: u32,
    pub body: SecretBytes,
    pub secrecy: Secrecy,
    pub arrived: UnixMs,
}

impl IncomingPart {
    pub fn copy(&self) -> IncomingPart {
        IncomingPart {
            body: self.body.copy(),
            ..*self
        }
    }
}

/// A secret state of a contact's session. The messenger numbers them: one being started, the current one, the one before.
#[derive(Debug)]
pub struct SessionRow {
    pub contact: AccountBytes,
    pub slot: u8,
    pub state: SecretBytes,
}

/// The name of a small value: of the program itself, or of a contact (and gone with the contact).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetaKey {
    pub contact: Option<AccountBytes>,
    pub name: String,
}

impl MetaKey {
    pub fn own(name: impl Into<String>) -> MetaKey {
        MetaKey {
            contact: None,
            name: name.into(),
        }
    }

    pub fn of(contact: AccountBytes, name: impl Into<String>) -> MetaKey {
        MetaKey {
            contact: Some(contact),
            name: name.into(),
        }
    }
}

/// One change of a batch. `Put` replaces the row of the same key.
#[derive(Debug)]
pub enum Change {
    PutProfile(ProfileRow),
    PutContact(ContactRow),
    /// With messages, sessions, outgoing, incoming and meta rows of the contact.
    RemoveContact(AccountBytes),
    PutSession(SessionRow),
    RemoveSession {
        contact: AccountBytes,
        slot: u8,
    },
    PutMessage(MessageRow),
    RemoveMessage {
        number: u64,
    },
    SetDelivery {
        number: u64,
        delivery: Delivery,
    },
    SetSecrecy {
        number: u64,
        secrecy: Secrecy,
    },
    PutOutgoing(OutgoingRow),
    RemoveOutgoing {
        contact: AccountBytes,
        sequence: u32,
    },
    PutIncomingPart(IncomingPart),
    /// Those with `from <= sequence <= to`.
    RemoveIncomingParts {
        contact: AccountBytes,
        from: u32,
        to: u32,
    },
    PutMeta {
        key: MetaKey,
        value: SecretBytes,
    },
    RemoveMeta(MetaKey),
    /// A parcel that must not be taken twice (or that could not be read and was put aside), by hash, until the end of `day`.
    PutSeen {
        id: [u8; 16],
        day: u32,
    },
    /// Forgets those whose day lies before this one.
    ForgetSeen {
        before_day: u32,
    },
}

/// Changes that become durable together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    pub changes: Vec<Change>,
    /// What the changes remove or replace must also be gone from freed pages and from the log before `commit` returns, because an
    /// acknowledgement that says so leaves afterwards. It holds for sessions, outgoing and incoming bodies, parcels and meta values,
    /// also those of earlier batches; for texts, names and conversations only if the batch removes a message or a contact, which
    /// writes the whole history anew (some seconds per 100 MB).
    pub erase: bool,
}

impl Batch {
    pub fn new() -> Batch {
        Batch::default()
    }

    /// A batch whose removed bytes are gone when it is committed.
    pub fn erasing() -> Batch {
        Batch {
            changes: Vec::new(),
            erase: true,
        }
    }

    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Holds every change to the bounds of this module. Each store calls it first.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.changes.len() > MAX_CHANGES {
            return Err(StoreError::Refused("too many changes in one batch"));
        }
        self.changes.iter().try_for_each(Change::check)
    }
}

fn within(len: usize, most: usize, what: &'static str) -> Result<(), StoreError> {
    if len <= most {
        Ok(())
    } else {
        Err(StoreError::Refused(what))
    }
}

impl Change {
    fn check(&self) -> Result<(), StoreError> {
        match self {
            Change::PutProfile(row) => {
                within(row.name.len(), MAX_NAME, "a name is too long")?;
                within(
                    row.account_key.0.len(),
                    MAX_BYTES,
                    "an account key is too long",
                )
            }
            Change::PutContact(row) => {
                within(row.name.len(), MAX_NAME, "a name is too long")?;
                within(row.request_text.len(), MAX_TEXT, "a text is too long")
            }
            Change::PutSession(row) => {
                within(row.state.0.len(), MAX_BYTES, "a session is too long")
            }
            Change::PutMessage(row) => {
                within(row.text.len(), MAX_TEXT, "a text is too long")?;
                // SQL integers are signed, and number 0 means "none".
                if row.number == 0 || row.number >= i64::MAX as u64 {
                    return Err(StoreError::Refused("a message number is out of range"));
                }
                Ok(())
            }
            Change::PutOutgoing(row) => {
                within(row.body.0.len(), MAX_BYTES, "a body is too long")?;
                within(row.parcel.0.len(), MAX_BYTES, "a parcel is too long")
            }
            Change::PutIncomingPart(row) => {
                within(row.body.0.len(), MAX_BYTES, "a body is too long")
            }
            Change::PutMeta { key, value } => {
                within(key.name.len(), MAX_NAME, "a name is too long")?;
                within(value.0.len(), MAX_BYTES, "a value is too long")
            }
            Change::RemoveContact(_)
            | Change::RemoveSession { .. }
            | Change::RemoveMessage { .. }
            | Change::SetDelivery { .. }
            | Change::SetSecrecy { .. }
            | Change::RemoveOutgoing { .. }
            | Change::RemoveIncomingParts { .. }
            | Change::RemoveMeta(_)
            | Change::PutSeen { .. }
            | Change::ForgetSeen { .. } => Ok(()),
        }
    }
}

/// Everything but the history, as a start finds it. Lists are ordered by their keys.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// None in a profile that has no account yet.
    pub profile: Option<ProfileRow>,
    pub contacts: Vec<ContactRow>,
    /// Messages of a contact with a number above its `read_up_to`, those of the contact only; contacts without any are left out.
    pub unread: Vec<(AccountBytes, u32)>,
    pub sessions: Vec<SessionRow>,
    /// By contact and sequence.
    pub outgoing: Vec<OutgoingRow>,
    /// By contact and sequence.
    pub incoming: Vec<IncomingPart>,
    pub meta: Vec<(MetaKey, SecretBytes)>,
    pub seen: Vec<([u8; 16], u32)>,
    /// Above every number that any message ever had.
    pub next_number: u64,
}

/// Why something was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It works again by itself once there is room.
    #[error("the disk is full: free some space and try again")]
    Full,
    #[error("the profile's database is damaged: quit and restore a copy of the data directory")]
    Damaged,
    /// The caller broke a bound of this module, or named a row that is not there.
    #[error("the change does not fit the store: {0}")]
    Refused(&'static str),
    /// The batch is kept, but what it removed may still be on the disk: nothing may be claimed yet. An empty erasing batch tries
    /// again.
    #[error("the disk did not let erased keys be overwritten: free some space and try again")]
    NotErased,
    #[error("the profile cannot be read or written: {0}")]
    Io(String),
}

/// One transaction for each step. After `Full`, `Refused` and `Damaged` the store holds exactly what it held before. After `Io` the
/// batch is there whole or not at all: the caller treats it as not done, and must be ready to meet it after a restart.
pub trait Persistence {
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Applies the changes in order, all or none. Durable when it returns.
    ///
    /// Sessions, messages, outgoing, incoming and a contact's meta rows need their contact; `Set` and `Remove` of a row that is not
    /// there do nothing.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError>;

    /// Up to `limit` (at most `MAX_PAGE`) newest messages of the conversation with numbers below `before`, oldest first.
    fn messages(
        &mut self,
        contact: &AccountBytes,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError>;

    fn message(&mut self, number: u64) -> Result<Option<MessageRow>, StoreError>;
}
