//! How contacts, what waits for them, and messages stand in the store, and back from there.
//!
//! Not here: when they are written (`draft`), and the store itself (`persistence`).

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::contact::Contact;
use super::inbox::Inbox;
use super::outbox::{Head, Item, Outbox};
use super::persistence::{
    AccountBytes, ContactRow, MAX_NAME, MessageRow, OutgoingRow, SecretBytes,
};
use super::session::{ParcelId, SEEN};
use super::view::{ContactState, Delivery, MessageView, Policy};
use super::{cut, text};
use crate::crypto::id::AccountId;
use crate::crypto::secrecy::Secrecy;
use crate::wire::codec::{Malformed, Reader, malformed};
use crate::wire::parcel::{Body, RECEIPT_LINKS, START};
use crate::wire::size::{PARCEL, TEXT};
use crate::wire::time::{Moment, Now, UnixMs};

/// Name of the small value with the numbers that have no column.
pub const CONVERSATION: &str = "conversation";
/// Layout of that value.
const VERSION: u8 = 1;

/// The small value: `version 1 | asked 1 | peer_has link 8 | receipts 4 | missing 4 | count 1, links 8 each | seen 16 each`.
pub fn conversation(asked: bool, head: &Head, inbox: &Inbox, seen: &VecDeque<ParcelId>) -> Vec<u8> {
    let links = inbox.links();
    let mut bytes = Vec::with_capacity(19 + links.len() * 8 + seen.len() * 16);
    bytes.push(VERSION);
    bytes.push(u8::from(asked));
    bytes.extend_from_slice(&head.peer_has_link);
    bytes.extend_from_slice(&head.receipts.to_be_bytes());
    bytes.extend_from_slice(&inbox.missing.to_be_bytes());
    bytes.push(links.len() as u8);
    for link in &links {
        bytes.extend_from_slice(link);
    }
    for seen in seen {
        bytes.extend_from_slice(seen);
    }
    bytes
}

/// Fills a contact from its row and the small value beside it.
///
/// # Errors
/// If the small value is not one of ours.
pub fn restore(
    contact: &mut Contact,
    row: &ContactRow,
    conversation: Option<&[u8]>,
) -> Result<(), Malformed> {
    contact.stored = true;
    let mut head = Head {
        sent: row.sent,
        sent_link: row.sent_hash,
        peer_has: row.peer_has,
        peer_has_link: if row.peer_has == row.sent {
            row.sent_hash
        } else {
            [0; 8]
        },
        receipts: 0,
    };
    let mut links = vec![row.received_hash];
    let mut missing = 0;
    if row.received == 0 {
        links.clear();
    }
    let result = conversation.map_or(Ok(()), |bytes| {
        let mut r = Reader::new(bytes);
        if r.u8("version")? != VERSION {
            return malformed("version");
        }
        contact.face.asked = r.u8("asked")? != 0;
        head.peer_has_link = r.array("link")?;
        head.receipts = r.u32("receipts")?;
        missing = r.u32("missing")?;
        let count = usize::from(r.u8("links")?).min(RECEIPT_LINKS);
        let mut read = Vec::with_capacity(count);
        for _ in 0..count {
            read.push(r.array("link")?);
        }
        links = read;
        while r.remaining() >= 16 && contact.sessions.seen.len() < SEEN {
            contact.sessions.seen.push_back(r.array("seen")?);
        }
        r.end("conversation")
    });
    contact.inbox = Inbox::restore(row.received, links, missing);
    contact.outbox = Outbox::new(head);
    result
}

/// The row of a contact that was accepted and with whom nothing was exchanged yet.
pub fn accepted_row(account: &AccountId, name: &str, now: Now) -> ContactRow {
    ContactRow {
        account: *account.bytes(),
        name: cut(text::clean_line(name), MAX_NAME),
        state: ContactState::Accepted,
        policy: Policy::default(),
        added: now.unix,
        request_text: String::new(),
        read_up_to: 0,
        sent: 0,
        sent_hash: START,
        peer_has: 0,
        received: 0,
        received_hash: START,
    }
}

/// An item found in the store; `previous` is the link of the one before it.
pub fn restore_item(row: &OutgoingRow, previous: [u8; 8]) -> Item {
    // No row of ours is longer; one that is must not stop the program when it is sealed.
    let text = row.body.as_slice();
    let text = text.get(..TEXT).unwrap_or(text);
    let body = Body::piece(row.kind, row.sequence, 0, &previous, text);
    Item {
        sequence: row.sequence,
        message: row.message,
        code: row.kind,
        text: Zeroizing::new(text.to_vec()),
        previous,
        link: body.link(),
        sealed: <[u8; PARCEL]>::try_from(row.parcel.as_slice())
            .ok()
            .map(Box::new),
        secrecy: row.secrecy,
        left: row.tries > 0,
        tries: 0,
        waits: 0,
        by_spur: false,
        first: Moment(0),
        last: Moment(0),
        due: Moment(0),
        held: false,
    }
}

/// The row of an item, sealed or not. The text stays beside the parcel: a new session seals it anew.
pub fn outgoing_row(
    contact: AccountBytes,
    item: &Item,
    parcel: Option<&[u8; PARCEL]>,
) -> OutgoingRow {
    OutgoingRow {
        contact,
        sequence: item.sequence,
        message: item.message,
        kind: item.code,
        body: SecretBytes::from_slice(&item.text),
        parcel: SecretBytes::from_slice(parcel.map_or(&[][..], |parcel| &parcel[..])),
        secrecy: item.secrecy,
        tries: u32::from(item.left),
        last_try: UnixMs(0),
    }
}

/// A row as the screen shows it; None if the account in it is none.
pub fn message_view(row: &MessageRow) -> Option<MessageView> {
    Some(MessageView {
        number: row.number,
        contact: AccountId::decode(&row.contact).ok()?,
        mine: row.mine,
        text: if row.unreadable {
            "(this message cannot be read: its row in the profile is damaged)".to_owned()
        } else {
            row.text.clone()
        },
        secrecy: row.secrecy,
        delivery: row.delivery,
        time: row.time,
        gap_before: row.gap_before,
        damaged: row.unreadable,
    })
}

/// A message of theirs, as it is committed.
pub fn received_row(
    contact: AccountBytes,
    number: u64,
    text: String,
    time: UnixMs,
    unit: (u32, [u8; 8], u32),
    secrecy: Secrecy,
) -> MessageRow {
    let (sequence, previous, gap_before) = unit;
    MessageRow {
        number,
        contact,
        mine: false,
        sequence,
        previous,
        text,
        secrecy,
        delivery: Delivery::Delivered,
        time,
        gap_before,
        unreadable: false,
    }
}
