//! What the person may see: plain data, cleaned of everything that could steer a terminal.

use crate::crypto::id::AccountId;
use crate::crypto::secrecy::Secrecy;
use crate::wire::time::UnixMs;

/// How far an own message has come. Never shown further than it is; never goes back except to `Failed` or `Expired`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// On our disk only.
    Queued,
    /// Left for the contact's intro point at least once.
    Sent,
    /// The contact's device has it on disk and said so.
    Delivered,
    Failed,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactState {
    /// We asked; no answer yet.
    Asked,
    /// They asked; ours to decide.
    Asking,
    Accepted,
    /// They declined, or we did; kept so that a second request is recognised.
    Declined,
    Blocked,
}

/// May a message leave without forward secrecy?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Ask,
    Wait,
    ForwardSecretOnly,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ContactView {
    pub id: AccountId,
    pub name: String,
    pub state: ContactState,
    pub policy: Policy,
    /// A confirmed session exists: the next message is forward secret once opened.
    pub session: bool,
    /// Where the contact can be reached was found out in this run.
    pub found: bool,
    /// A way to the contact is open now (spur either way).
    pub reachable: bool,
    /// Our request has not arrived yet (only if `Asked`).
    pub request_waits: bool,
    pub unread: u32,
    pub queued: u32,
    pub added: UnixMs,
    /// Text of the request (theirs if `Asking`, ours if `Asked`).
    pub request_text: String,
}

/// A message as it stands in a conversation. `number` orders it and is unique within this profile.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageView {
    pub number: u64,
    pub contact: AccountId,
    pub mine: bool,
    pub text: String,
    pub secrecy: Secrecy,
    pub delivery: Delivery,
    /// When it was written here (ours) or committed here (theirs).
    pub time: UnixMs,
    /// Messages of the contact that are missing directly before this one.
    pub gap_before: u32,
    /// Its row on the disk is damaged: `text` says so, and `secrecy` is the least there is because nothing better can be told.
    pub damaged: bool,
}

/// What the messenger tells the screen and the JSON lines.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// A contact was added or changed (also: became reachable, unread count).
    Contact(ContactView),
    ContactGone(AccountId),
    Request(ContactView),
    Message(MessageView),
    /// The two columns of one own message.
    Delivery {
        number: u64,
        contact: AccountId,
        delivery: Delivery,
        secrecy: Secrecy,
    },
    /// A message waits for the person's decision.
    Question {
        number: u64,
        contact: AccountId,
        reason: String,
    },
    /// Something the person should read once (a contact's rolled-back state).
    Notice(String),
    /// Something that lasts and that the person has to see as long as it does (a full disk); `None`: it is over.
    Trouble(Option<String>),
}
