//! The sans-IO state machine of the person: contacts, sessions, outbox, receipts, and where the person can be reached.
//!
//! Inputs are [`Messenger::handle_node`], [`Messenger::command`] and [`Messenger::handle_timeout`]; after each of them everything that
//! follows is taken out with [`Messenger::poll_output`]. Every step that must survive a crash is one transaction of [`Persistence`],
//! committed before its outputs exist.
//!
//! A text is sealed once in a session and sent again as the same bytes until it is acknowledged. An acknowledgement leaves only after
//! the receiver's store has the text and no longer the key; then the sender shows it as delivered and forward secret. When the two
//! sides' states do not fit any more (a restored copy, a lost session), a new session is made and the receipts' hash chain shows
//! what the other side really has.
//!
//! Not here: the network (`node`), files (`store`), the screen (`app`, `tui`).

mod act;
mod command;
mod contact;
mod deliver;
mod desk;
mod draft;
mod inbox;
pub mod memory;
mod opened;
mod outbox;
pub mod persistence;
mod publish;
mod reach;
mod receive;
mod rows;
mod session;
mod slowness;
pub mod text;
mod units;
pub mod view;
mod wants;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use command::{Command, CommandError, Reply, Status};
use contact::{Contact, Face};
use desk::Desk;
use persistence::{
    AccountBytes, Batch, Change, Persistence, ProfileRow, SecretBytes, Snapshot, StoreError,
};
use publish::Publisher;
use reach::ReachedBy;
use receive::Offers;
use rows::{CONVERSATION, accepted_row, restore, restore_item};
use slowness::Slowness;
use view::{ChatEvent, ContactState};

use crate::crypto::id::AccountId;
use crate::crypto::keys::AccountKey;
use crate::crypto::random::Stream;
use crate::node::person::{ContactTag, NodeCommand, PersonEvent, ReplyHandle, SpurTarget, Way};
use crate::wire::parcel::{Body, REQUEST_NAME};
use crate::wire::time::{Moment, Now};

/// Contacts of all states but undecided requests.
pub const CONTACTS: usize = 1000;
/// Undecided requests; the oldest gives way to a new one.
pub const PENDING: usize = 64;
/// Strangers between their first parcel and their request, in memory only; the one silent longest gives way.
pub const STRANGERS: usize = 64;
/// Parcels that wait for an acknowledgement, of all contacts together; a message that does not fit is refused before it is kept.
pub const OUTBOX: usize = 10_000;
/// Longest text of a message, in bytes.
pub const MAX_TEXT: usize = persistence::MAX_TEXT;
/// Reply handles remembered with their contact; the oldest is forgotten.
const HANDLES: usize = 1024;
/// Contacts that are offered to the node for spurs at once.
const TARGETS: usize = 64;
/// Look-ups under way at once: the utility clock asks one question every two seconds.
const FETCHES: usize = 8;
/// A contact with whom something was exchanged this recently keeps a spur if there is room.
const ACTIVE: Duration = Duration::from_secs(600);
/// The order of contacts that nothing is heard from changes this often, so that none holds the few spurs for ever.
const ROTATION: u64 = 120_000_000;
/// What the screen shows of a contact is looked over this often, for what changes by time alone.
const SWEEP: Duration = Duration::from_secs(60);
/// Nothing is tried again sooner.
const SHORTEST: Duration = Duration::from_millis(20);
/// Descriptors of contacts for whom nothing waits are looked up one at a time, so that a first message finds a way at once.
const PREFETCHES: usize = 1;
/// Version in the first two parcels of a session.
const FIRST_PARCEL_VERSION: u8 = 1;

#[derive(Clone, Debug)]
pub enum MessengerOutput {
    Node(NodeCommand),
    Event(ChatEvent),
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the profile has no account yet")]
    NoAccount,
    #[error("the profile has an account already: open it, or take another data directory")]
    HasAccount,
    #[error("the account key in the profile is damaged: restore a copy of the data directory")]
    BadKey,
}

/// At most `most` bytes of a text, cut between two letters.
fn cut(mut text: String, most: usize) -> String {
    let mut at = text.len().min(most);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.truncate(at);
    text
}

/// One person.
pub struct Messenger<P: Persistence> {
    desk: Desk<P>,
    contacts: BTreeMap<AccountId, Contact>,
    tags: BTreeMap<ContactTag, AccountId>,
    next_tag: u64,
    handles: BTreeMap<ReplyHandle, AccountId>,
    handle_order: VecDeque<ReplyHandle>,
    offers: Offers,
    publisher: Publisher,
    /// When everything that was due was done last.
    settled: Moment,
    fetches: BTreeMap<u64, AccountId>,
    next_id: u64,
    /// Since when an outbound circuit serves.
    leaves: Moment,
    slowness: Slowness,
    wanted: Vec<SpurTarget>,
    tokens: Vec<[u8; 16]>,
    /// Contacts whose view may have changed.
    touched: BTreeSet<AccountId>,
    day: u32,
    swept: Option<Moment>,
}

impl<P: Persistence> Messenger<P> {
    /// Makes the account of an empty profile.
    ///
    /// # Errors
    /// If the store refuses, or the profile has an account: a second one would take its place for ever.
    pub fn create(
        store: P,
        name: &str,
        mut random: Stream,
        now: Now,
    ) -> Result<Messenger<P>, OpenError> {
        let key = AccountKey::generate(&mut random);
        Messenger::create_knowing(store, key, name, &[], random, now)
    }

    /// Makes an empty profile of an account whose key was drawn before, with `contacts` (AccountID, name) as if each had added the other and
    /// both had accepted, long ago; the two start a session by themselves as soon as one finds the other. For profiles that are made
    /// together by one hand, as a demonstration makes them: what nobody asked is not asked of anybody. Only a profile without an account
    /// can be made so, and no parcel leads here. Own ids and what is above [`CONTACTS`] are left out.
    ///
    /// # Errors
    /// As [`Messenger::create`].
    pub fn create_knowing(
        mut store: P,
        key: AccountKey,
        name: &str,
        contacts: &[(AccountId, &str)],
        random: Stream,
        now: Now,
    ) -> Result<Messenger<P>, OpenError> {
        if store.load()?.profile.is_some() {
            return Err(OpenError::HasAccount);
        }
        let own = key.id();
        let mut batch = Batch::new();
        batch.push(Change::PutProfile(ProfileRow {
            account_key: SecretBytes::from_slice(&key.to_bytes()[..]),
            name: cut(text::clean_line(name), REQUEST_NAME),
            created: now.unix,
        }));
        let others = contacts.iter().filter(|(account, _)| *account != own);
        for (account, name) in others.take(CONTACTS) {
            batch.push(Change::PutContact(accepted_row(account, name, now)));
        }
        store.commit(batch)?;
        drop(key);
        Messenger::open(store, random, now)
    }

    /// Takes up a profile where it was left.
    ///
    /// # Errors
    /// If it cannot be read or has no account.
    pub fn open(mut store: P, random: Stream, now: Now) -> Result<Messenger<P>, OpenError> {
        let snapshot = store.load()?;
        let profile = snapshot.profile.as_ref().ok_or(OpenError::NoAccount)?;
        let key: [u8; 32] = profile
            .account_key
            .as_slice()
            .try_into()
            .map_err(|_| OpenError::BadKey)?;
        let key = AccountKey::from_bytes(&key).map_err(|_| OpenError::BadKey)?;
        // A restored copy must not draw the numbers again that it drew before: the moment of this start goes into the stream.
        let random = random
            .fork("messenger", &now.unix.0.to_be_bytes())
            .forgetful();
        let mut messenger = Messenger {
            desk: Desk::new(
                store,
                key,
                profile.name.clone(),
                snapshot.next_number,
                random,
            ),
            contacts: BTreeMap::new(),
            tags: BTreeMap::new(),
            next_tag: 1,
            handles: BTreeMap::new(),
            handle_order: VecDeque::new(),
            offers: Offers::default(),
            publisher: Publisher::new(now.unix.day()),
            settled: now.at,
            fetches: BTreeMap::new(),
            next_id: 1,
            leaves: Moment::NEVER,
            slowness: Slowness::USUAL,
            wanted: Vec::new(),
            tokens: Vec::new(),
            touched: BTreeSet::new(),
            day: now.unix.day(),
            swept: None,
        };
        messenger.restore(snapshot, now);
        Ok(messenger)
    }

    fn restore(&mut self, snapshot: Snapshot, now: Now) {
        let mut conversations: BTreeMap<AccountBytes, SecretBytes> = BTreeMap::new();
        for (key, value) in snapshot.meta {
            if let Some(account) = key.contact
                && key.name == CONVERSATION
            {
                conversations.insert(account, value);
            }
        }
        for row in &snapshot.contacts {
            let Ok(account) = AccountId::decode(&row.account) else {
                continue;
            };
            let tag = self.new_tag(account);
            let face = Face {
                name: row.name.clone(),
                state: row.state,
                policy: row.policy,
                added: row.added,
                request_text: row.request_text.clone(),
                asked: row.received > 0,
                read_up_to: row.read_up_to,
                unread: 0,
            };
            let mut contact = Contact::new(account, tag, face, self.slowness, now.at);
            let conversation = conversations.get(&row.account).map(SecretBytes::as_slice);
            if restore(&mut contact, row, conversation).is_err() {
                self.desk.notice(format!(
                    "The numbers of the conversation with {} are damaged; what is missing will show as a gap.",
                    row.name
                ));
            }
            self.contacts.insert(account, contact);
        }
        for (account, unread) in snapshot.unread {
            if let Some(contact) = self.restored(&account) {
                contact.face.unread = unread;
            }
        }
        for row in &snapshot.sessions {
            if let Some(contact) = self.restored(&row.contact) {
                // A damaged session is a lost one: it is made anew when something waits.
                let _ = contact
                    .sessions
                    .restore(row.slot, row.state.as_slice(), now.at);
            }
        }
        for row in &snapshot.outgoing {
            if let Some(contact) = self.restored(&row.contact) {
                let previous = contact
                    .outbox
                    .items()
                    .last()
                    .map_or(contact.outbox.head.peer_has_link, |item| item.link);
                let item = restore_item(row, previous);
                contact.outbox.restore(item);
            }
        }
        for part in &snapshot.incoming {
            if let Some(contact) = self.restored(&part.contact)
                && let Ok(bytes) = part.body.as_slice().try_into()
            {
                contact.inbox.restore_part(Body::from_bytes(bytes));
            }
        }
        for contact in self.contacts.values_mut() {
            // A history that cannot be read now is read when it is opened; here it only orders.
            let rows = self.desk.store.messages(contact.account.bytes(), None, 1);
            let newest = rows.ok().and_then(|rows| rows.last().map(|row| row.number));
            contact.talk.newest = newest.unwrap_or(0);
        }
        self.touched.extend(self.contacts.keys().copied());
        self.settle(now);
    }

    fn restored(&mut self, account: &AccountBytes) -> Option<&mut Contact> {
        self.contacts.get_mut(&AccountId::decode(account).ok()?)
    }

    /// The own AccountId.
    pub fn id(&self) -> AccountId {
        self.desk.id
    }

    /// The own name, as requests carry it.
    pub fn name(&self) -> &str {
        &self.desk.name
    }

    /// The store, for what the messenger has no part in.
    pub fn store(&mut self) -> &mut P {
        &mut self.desk.store
    }

    /// Gives the store back; what was not committed is gone.
    pub fn into_store(self) -> P {
        self.desk.store
    }

    pub fn handle_node(&mut self, now: Now, event: PersonEvent) {
        match event {
            PersonEvent::Intro { points } => {
                // What contacts were still to be told is over.
                for contact in self.contacts.values_mut() {
                    contact.talk.news = None;
                }
                self.publisher.points(points, now);
            }
            PersonEvent::Outbound { rate } => self.outbound(now, rate),
            PersonEvent::SpurUp { contact } => {
                let known = self.tagged(contact);
                if let Some(answer) = known.and_then(|known| known.spur_opened(now.at)) {
                    self.desk.send(Way::Spur(contact), answer);
                }
            }
            PersonEvent::SpurDown { contact } => {
                if let Some(contact) = self.tagged(contact) {
                    contact.reach.ways.spur_down();
                }
            }
            PersonEvent::FromSpur { contact, parcel } => {
                if let Some(account) = self.tags.get(&contact).copied() {
                    self.arrived(now, ReachedBy::Spur, Some(account), parcel);
                }
            }
            PersonEvent::Arrived { handle, parcel } => {
                let from = self.handles.get(&handle).copied();
                self.arrived(now, ReachedBy::Handle(handle), from, parcel);
            }
            PersonEvent::HandleGone { handle } => {
                let account = self.handles.get(&handle);
                if let Some(contact) = account.and_then(|of| self.contacts.get_mut(of)) {
                    self.touched.insert(contact.account);
                    contact.handle_gone(handle, now.at);
                }
            }
            PersonEvent::Fetched { id, value } => self.fetched(now, id, value),
            PersonEvent::Published { id, copies } => self.publisher.published(id, copies, now),
            PersonEvent::NotSent { way, parcel } => {
                let account = match way {
                    Way::Spur(contact) => self.tags.get(&contact),
                    Way::Handle(handle) => self.handles.get(&handle),
                };
                if let Some(contact) = account.and_then(|of| self.contacts.get_mut(of)) {
                    self.touched.insert(contact.account);
                    contact.not_sent(&mut self.desk, way, parcel, now.at);
                }
            }
        }
        self.settle(now);
    }

    /// So many cells a second leave along the outbound circuit from now on.
    fn outbound(&mut self, now: Now, rate: f64) {
        if rate <= 0.0 {
            self.leaves = Moment::NEVER;
            return;
        }
        if self.leaves == Moment::NEVER {
            self.leaves = now.at;
        }
        self.slowness = Slowness::of(rate);
        for contact in self.contacts.values_mut() {
            contact.set_slowness(self.slowness);
        }
    }

    /// # Errors
    /// If the command was not done; then nothing of it was.
    pub fn command(&mut self, now: Now, command: Command) -> Result<Reply, CommandError> {
        let reply = self.act(now, command);
        self.settle(now);
        reply
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.settle(now);
    }

    pub fn poll_output(&mut self) -> Option<MessengerOutput> {
        self.desk.poll()
    }

    /// When `handle_timeout` has something to do.
    pub fn next_timeout(&self, now: Now) -> Moment {
        let mut next = self.offers.due().min(self.publisher.due());
        // The day changes at midnight, UTC.
        let midnight = 86_400_000 - now.unix.0 % 86_400_000;
        next = next.min(now.at + Duration::from_millis(midnight));
        let mut rotating = false;
        let room = self.fetches.len() < FETCHES;
        let ahead = self.fetches.len() < PREFETCHES;
        for contact in self.contacts.values() {
            next = next.min(contact.due(now.at));
            if contact.is_reachable(now.at) {
                next = next.min(contact.reachable_end());
            }
            if contact.wants_way() {
                if room || contact.reach.lookup.is_under_way() {
                    next = next.min(contact.reach.lookup_due());
                }
                next = next.min(contact.reach.target_due(self.leaves));
                rotating = true;
            } else if ahead && contact.looks_ahead(now.at) {
                next = next.min(contact.reach.lookup_due());
            }
        }
        if rotating {
            next = next.min(Moment((now.at.0 / ROTATION + 1) * ROTATION));
        }
        // Whatever is due now was tried a moment ago. Counted from there and not from now, or whoever asks often would wait for ever.
        next.max(self.settled + SHORTEST)
    }

    fn tagged(&mut self, tag: ContactTag) -> Option<&mut Contact> {
        let account = *self.tags.get(&tag)?;
        self.touched.insert(account);
        self.contacts.get_mut(&account)
    }

    fn new_tag(&mut self, account: AccountId) -> ContactTag {
        let tag = ContactTag(self.next_tag);
        self.next_tag += 1;
        self.tags.insert(tag, account);
        tag
    }

    fn note_handle(&mut self, handle: ReplyHandle, account: AccountId) {
        if self.handles.insert(handle, account).is_none() {
            self.handle_order.push_back(handle);
        }
        while self.handle_order.len() > HANDLES {
            if let Some(oldest) = self.handle_order.pop_front() {
                self.handles.remove(&oldest);
            }
        }
    }

    /// Takes a contact out of memory.
    fn forget(&mut self, account: &AccountId) {
        if let Some(contact) = self.contacts.remove(account) {
            self.tags.remove(&contact.tag);
            self.handles.retain(|_, of| of != account);
            self.handle_order
                .retain(|handle| self.handles.contains_key(handle));
            self.fetches.retain(|_, of| of != account);
        }
    }

    /// Everything that follows from what has changed.
    fn settle(&mut self, now: Now) {
        self.settled = now.at;
        if self.swept.is_none_or(|at| now.at.since(at) >= SWEEP) {
            self.swept = Some(now.at);
            self.touched.extend(self.contacts.keys().copied());
        }
        if now.unix.day() != self.day {
            self.day = now.unix.day();
            for contact in self.contacts.values_mut() {
                contact.reach.lookup.new_day();
            }
        }
        self.serve_offers(now);
        self.give_tokens(now);
        self.fetch(now);
        self.want_spurs(now);
        for contact in self.contacts.values_mut() {
            if contact.due(now.at) <= now.at {
                contact.serve(&mut self.desk, now.at);
            }
            if contact.note_way(now.at) {
                self.touched.insert(contact.account);
            }
        }
        self.publisher.serve(&mut self.desk, &mut self.next_id, now);
        if let Some((introduction, due)) = self.publisher.news() {
            for contact in self.contacts.values_mut() {
                contact.introduce(&introduction, due);
            }
        }
        self.show(now);
    }

    fn show(&mut self, now: Now) {
        for account in std::mem::take(&mut self.touched) {
            let Some(contact) = self.contacts.get_mut(&account) else {
                continue;
            };
            if !contact.is_visible() {
                continue;
            }
            let view = contact.view(now.at);
            if contact.shown.as_ref() == Some(&view) {
                continue;
            }
            let new = contact.shown.is_none();
            contact.shown = Some(view.clone());
            self.desk
                .event(if new && view.state == ContactState::Asking {
                    ChatEvent::Request(view)
                } else {
                    ChatEvent::Contact(view)
                });
        }
    }
}
