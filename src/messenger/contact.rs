//! One person: what the screen shows of them, the two directions of the conversation, the sessions, the ways.
//!
//! A step that must survive a crash is written on a [`Draft`] first; the draft takes effect when the store has it. Not here: how any of it stands in
//! the store (`rows`).

use std::time::Duration;

use super::ACTIVE;
use super::draft::Draft;
use super::inbox::Inbox;
use super::outbox::{Head, Outbox};
use super::persistence::{AccountBytes, Change};
use super::reach::{Reach, ReachedBy};
use super::rows::outgoing_row;
use super::session::Sessions;
use super::slowness::Slowness;
use super::view::{ContactState, ContactView, Policy};
use crate::crypto::id::AccountId;
use crate::node::person::ContactTag;
use crate::wire::introduction::Introduction;
use crate::wire::parcel::Kind;
use crate::wire::time::{Moment, UnixMs};

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
