//! A step of a contact that is not on disk yet.
//!
//! What must survive a crash is written here first, and takes effect when the store has it. Not here: what the rows look like (`rows`).

use std::collections::VecDeque;

use super::contact::Face;
use super::inbox::Inbox;
use super::outbox::{Head, Item};
use super::persistence::{AccountBytes, Change, ContactRow, MetaKey, SecretBytes};
use super::rows::{self, CONVERSATION, outgoing_row};
use super::session::{ParcelId, SEEN};
use super::view::ChatEvent;
use crate::wire::parcel::Kind;

/// A step of a contact that is not on disk yet.
pub struct Draft {
    pub account: AccountBytes,
    pub face: Face,
    pub inbox: Inbox,
    pub head: Head,
    pub seen: VecDeque<ParcelId>,
    pub new_items: Vec<Item>,
    pub changes: Vec<Change>,
    /// What the changes remove must be gone for good.
    pub erase: bool,
    /// Told once it is on disk.
    pub events: Vec<ChatEvent>,
    /// Message numbers taken.
    pub numbers: u64,
    /// A request is complete: tell the person.
    pub requested: bool,
}

impl Draft {
    /// The parcel was opened; `in_sequence` if it had a place there.
    pub fn note_seen(&mut self, mut id: ParcelId, in_sequence: bool) {
        id[0] |= u8::from(in_sequence);
        // Receipts do not displace what their sender repeats until it is acknowledged.
        let alike = |seen: &&ParcelId| (seen[0] ^ id[0]) & 1 == 0;
        if self.seen.iter().filter(alike).count() >= SEEN / 2
            && let Some(oldest) = self.seen.iter().position(|seen| alike(&seen))
        {
            self.seen.remove(oldest);
        }
        self.seen.push_back(id);
    }

    /// Adds items to the outbox and their rows to the changes.
    pub fn enqueue(&mut self, kind: Kind, pieces: &[&[u8]], message: Option<u64>) {
        let items = self.head.prepare(kind, pieces, message);
        for item in &items {
            self.changes
                .push(Change::PutOutgoing(outgoing_row(self.account, item, None)));
        }
        self.new_items.extend(items);
    }

    /// Everything of this step as changes, the contact first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = vec![
            Change::PutContact(ContactRow {
                account: self.account,
                name: self.face.name.clone(),
                state: self.face.state,
                policy: self.face.policy,
                added: self.face.added,
                request_text: self.face.request_text.clone(),
                read_up_to: self.face.read_up_to,
                sent: self.head.sent,
                sent_hash: self.head.sent_link,
                peer_has: self.head.peer_has,
                received: self.inbox.received,
                received_hash: self.inbox.link(),
            }),
            Change::PutMeta {
                key: MetaKey::of(self.account, CONVERSATION),
                value: SecretBytes::new(rows::conversation(
                    self.face.asked,
                    &self.head,
                    &self.inbox,
                    &self.seen,
                )),
            },
        ];
        changes.append(&mut self.changes);
        changes
    }
}
