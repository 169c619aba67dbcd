//! One person: what the screen shows of them, the two directions of the conversation, the sessions, the ways.
//!
//! A step that must survive a crash is written on a [`Draft`] first; the draft takes effect when the store has it.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroizing;

use super::inbox::Inbox;
use super::outbox::{Head, Item, Outbox};
use super::persistence::{
    AccountBytes, Change, ContactRow, MAX_NAME, MessageRow, MetaKey, OutgoingRow, SecretBytes,
};
use super::reach::{Reach, ReachedBy};
use super::session::{ParcelId, SEEN, Sessions};
use super::slowness::Slowness;
use super::view::{ChatEvent, ContactState, ContactView, Delivery, MessageView, Policy};
use super::{ACTIVE, cut, text};
use crate::crypto::id::AccountId;
use crate::crypto::secrecy::Secrecy;
use crate::node::person::ContactTag;
use crate::wire::codec::{Malformed, Reader, malformed};
use crate::wire::introduction::Introduction;
use crate::wire::parcel::{Body, Kind, RECEIPT_LINKS, START};
use crate::wire::size::{PARCEL, TEXT};
use crate::wire::time::{Moment, Now, UnixMs};

/// Name of the small value with the numbers that have no column.
pub const CONVERSATION: &str = "conversation";
/// Layout of that value.
const VERSION: u8 = 1;
/// A contact counts as reachable for so long after the last way closed: the next spur takes up to ten seconds.
const HOLD: Duration = Duration::from_secs(15);
/// And no longer when something that left has waited for an answer for so long, and nothing else came.
const UNANSWERED: Duration = Duration::from_secs(30);

/// What the person sees and decides.
#[derive(Clone)]
pub struct Face {
    pub name: String,
    pub state: ContactState,
    pub policy: Policy,
    pub added: UnixMs,
    pub request_text: String,
    /// Their request has arrived whole (it may be empty).
    pub asked: bool,
    pub read_up_to: u64,
    pub unread: u32,
}

pub struct Contact {
    pub account: AccountId,
    pub tag: ContactTag,
    pub face: Face,
    /// On disk. A stranger is not, until a first parcel opened in a confirmed session.
    pub stored: bool,
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub sessions: Sessions,
    pub reach: Reach,
    pub talk: Talk,
    pub slowness: Slowness,
    /// As last told to the screen.
    pub shown: Option<ContactView>,
}

/// What is known of the talk in this run only.
pub struct Talk {
    /// When the next receipt is to leave.
    pub receipt_due: Option<Moment>,
    pub last_receipt: Moment,
    /// A receipt left in this session: from then on they believe those that ride on other parcels.
    pub receipted: bool,
    /// Until when a way was open, as far as is known.
    pub open_until: Option<Moment>,
    /// Receipts sent in a session in which nothing was heard yet.
    pub unheard_receipts: u32,
    /// The way by which something came again that we have: our receipt was lost, and another is owed.
    pub again_by: Option<ReachedBy>,
    /// Such receipts that left since something new came.
    pub again: u32,
    /// When they were told last that we are here, in this run.
    pub greeted: Option<Moment>,
    /// The session began in this run: the other side may not know yet that it is confirmed.
    pub begun: bool,
    /// Something opened in the current session.
    pub heard_in_session: bool,
    /// When something opened last; the start of the run before that.
    pub heard: Moment,
    /// When a text, a request or an answer to one came or was acknowledged last; the start of the run before that.
    pub talked: Moment,
    /// Number of the newest message at the start of the run.
    pub newest: u64,
    /// A receipt of this run matched the chain: riding receipts count.
    pub verified: bool,
    /// Number of the newest receipt of theirs.
    pub peer_receipt: u32,
    /// Parcels in a row that came from them and opened under nothing.
    pub unopened: u32,
    /// Where we are reached now, if they are to be told.
    pub news: Option<News>,
    /// They lack what we do not have any more: tell them from where on it goes.
    pub skip_due: bool,
    /// No text leaves before a new session is confirmed: the old one may have sealed other texts under the same keys.
    pub rekey: bool,
    /// Not before this moment another session is started although there is one.
    pub renew_at: Moment,
    pub renewals: u32,
    /// The store refused: nothing is tried before.
    pub stalled: Moment,
    /// When the contact last showed that our state was rolled back.
    pub lost_at: Option<Moment>,
    /// The person was told that the peer's state is older than it was.
    pub told_peer_lost: bool,
}

/// What a contact is told of our intro points.
pub struct News {
    pub introduction: Introduction,
    /// Copies that have left.
    pub copies: u32,
    pub due: Moment,
}

impl Talk {
    pub fn new(now: Moment) -> Talk {
        Talk {
            receipt_due: None,
            last_receipt: Moment(0),
            receipted: false,
            open_until: None,
            unheard_receipts: 0,
            again_by: None,
            again: 0,
            greeted: None,
            begun: false,
            heard_in_session: false,
            heard: now,
            talked: now,
            newest: 0,
            verified: false,
            peer_receipt: 0,
            unopened: 0,
            news: None,
            skip_due: false,
            rekey: false,
            renew_at: Moment(0),
            renewals: 0,
            stalled: Moment(0),
            lost_at: None,
            told_peer_lost: false,
        }
    }

    /// A new session took the place of the old one.
    pub fn new_session(&mut self, now: Moment) {
        self.heard_in_session = false;
        self.receipted = false;
        self.verified = false;
        self.peer_receipt = 0;
        self.unopened = 0;
        self.rekey = false;
        self.unheard_receipts = 0;
        self.again_by = None;
        self.again = 0;
        self.begun = true;
        self.receipt_due = Some(now);
        self.heard = now;
    }
}

impl Contact {
    pub fn new(
        account: AccountId,
        tag: ContactTag,
        face: Face,
        slowness: Slowness,
        now: Moment,
    ) -> Contact {
        let mut contact = Contact {
            account,
            tag,
            face,
            stored: false,
            inbox: Inbox::new(),
            outbox: Outbox::new(Head::new()),
            sessions: Sessions::default(),
            reach: Reach::new(),
            talk: Talk::new(now),
            slowness,
            shown: None,
        };
        contact.set_slowness(slowness);
        contact
    }

    /// What leaves for them takes so much longer than usual from now on.
    pub fn set_slowness(&mut self, slowness: Slowness) {
        self.slowness = slowness;
        self.outbox.set_slowness(slowness);
        self.reach.set_slowness(slowness);
    }

    pub fn bytes(&self) -> AccountBytes {
        *self.account.bytes()
    }

    /// Whether anything of theirs is looked at, and anything sent to them.
    pub fn is_open(&self) -> bool {
        !matches!(
            self.face.state,
            ContactState::Declined | ContactState::Blocked
        )
    }

    /// Whether a parcel of this kind may leave as things stand.
    pub fn may_leave(state: ContactState, kind: Option<Kind>) -> bool {
        match state {
            ContactState::Accepted => true,
            ContactState::Asked => kind == Some(Kind::Request),
            ContactState::Asking | ContactState::Declined | ContactState::Blocked => false,
        }
    }

    /// Whether something waits that they must get, or a session with an accepted contact is to be made, so that the first text finds one.
    pub fn has_work(&self) -> bool {
        let state = self.face.state;
        (state == ContactState::Accepted && self.sessions.current.is_none())
            || self
                .outbox
                .waiting(|kind| Contact::may_leave(state, kind))
                .next()
                .is_some()
    }

    /// Whether the screen knows of them at all.
    pub fn is_visible(&self) -> bool {
        self.stored && (self.face.state != ContactState::Asking || self.face.asked)
    }

    pub fn view(&self, now: Moment) -> ContactView {
        ContactView {
            id: self.account,
            name: self.face.name.clone(),
            state: self.face.state,
            policy: self.face.policy,
            session: self.sessions.current.is_some(),
            found: !self.reach.lookup.is_unknown(),
            reachable: self.is_reachable(now),
            request_waits: self.face.state == ContactState::Asked && self.has_work(),
            unread: self.face.unread,
            queued: self
                .outbox
                .items()
                .filter(|item| item.message.is_some() && item.ends_message())
                .count() as u32,
            added: self.face.added,
            request_text: self.face.request_text.clone(),
        }
    }

    /// Whether a way to them is looked for: something waits, or answers of ours do not reach them.
    pub fn wants_way(&self) -> bool {
        self.is_open() && (self.has_work() || self.talk.rekey || self.answers_are_lost())
    }

    /// Whether their descriptor is looked up ahead: nothing waits for them yet.
    pub fn looks_ahead(&self, now: Moment) -> bool {
        self.face.state == ContactState::Accepted
            && !self.reach.lookup.is_known(now)
            && (self.reach.lookup.is_unknown() || self.is_recent(now))
    }

    /// Whether something was exchanged with them so recently that a spur is kept for the next text.
    pub fn is_recent(&self, now: Moment) -> bool {
        self.sessions.current.is_some() && now.since(self.talk.talked) < ACTIVE
    }

    /// Since when they owe an answer to something that left, if they do.
    fn unanswered_since(&self) -> Option<Moment> {
        let left = self
            .outbox
            .items()
            .filter(|item| item.tries > 0 && !item.held);
        let start = self.sessions.start.as_ref().filter(|start| start.tries > 0);
        let first = left
            .map(|item| item.first)
            .chain(start.map(|start| start.made))
            .min()?;
        Some(first.max(self.talk.heard))
    }

    /// What the screen promises by "reachable": what is written now is expected to be there in seconds. A way is open, or was a moment ago,
    /// because spurs come and go; and nothing that went along it has been left without an answer for long.
    pub fn is_reachable(&self, now: Moment) -> bool {
        self.is_open() && now < self.reachable_end()
    }

    /// When that ends if nothing happens.
    pub fn reachable_end(&self) -> Moment {
        let [hold, unanswered] = [HOLD, UNANSWERED].map(|usual| self.slowness.span(usual));
        let open = self.talk.open_until.map_or(Moment(0), |until| until + hold);
        let silent = self.unanswered_since();
        open.min(silent.map_or(Moment::NEVER, |since| since + unanswered))
    }

    /// Notes whether a way is open. Whether the screen is to be told.
    pub fn note_way(&mut self, now: Moment) -> bool {
        let until = self.reach.ways.open_until(now);
        self.talk.open_until = if until > now {
            Some(until)
        } else {
            self.talk.open_until.map(|before| before.min(now))
        };
        let shown = self.shown.as_ref().map(|view| view.reachable);
        shown.is_some_and(|shown| shown != self.is_reachable(now))
    }

    pub fn draft(&self) -> Draft {
        Draft {
            account: self.bytes(),
            face: self.face.clone(),
            inbox: self.inbox.clone(),
            head: self.outbox.head,
            seen: self.sessions.seen.clone(),
            new_items: Vec::new(),
            changes: Vec::new(),
            erase: false,
            events: Vec::new(),
            numbers: 0,
            requested: false,
        }
    }

    /// The draft is on disk (or belongs to a stranger who is not).
    pub fn adopt(&mut self, draft: Draft) {
        self.face = draft.face;
        self.inbox = draft.inbox;
        self.outbox.head = draft.head;
        self.sessions.seen = draft.seen;
        self.outbox.append(draft.new_items);
    }

    /// Rows of items that are sealed: the bodies wait for a new key.
    pub fn unsealed_rows(&self) -> Vec<Change> {
        self.outbox
            .items()
            .filter(|item| item.sealed.is_some())
            .map(|item| Change::PutOutgoing(outgoing_row(self.bytes(), item, None)))
            .collect()
    }
}

/// A step of a contact that is not on disk yet.
pub struct Draft {
    account: AccountBytes,
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
                value: SecretBytes::new(self.conversation()),
            },
        ];
        changes.append(&mut self.changes);
        changes
    }

    /// `version 1 | asked 1 | peer_has link 8 | receipts 4 | missing 4 | count 1, links 8 each | seen 16 each`.
    fn conversation(&self) -> Vec<u8> {
        let links = self.inbox.links();
        let mut bytes = Vec::with_capacity(19 + links.len() * 8 + self.seen.len() * 16);
        bytes.push(VERSION);
        bytes.push(u8::from(self.face.asked));
        bytes.extend_from_slice(&self.head.peer_has_link);
        bytes.extend_from_slice(&self.head.receipts.to_be_bytes());
        bytes.extend_from_slice(&self.inbox.missing.to_be_bytes());
        bytes.push(links.len() as u8);
        for link in &links {
            bytes.extend_from_slice(link);
        }
        for seen in &self.seen {
            bytes.extend_from_slice(seen);
        }
        bytes
    }
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
