//! What arrives: sorted to the session that opens it, committed, and only then acknowledged and shown.
//!
//! A parcel whose step the store did not take leaves everything as it was, its key included: it opens again when it is sent again.
//! A stranger's first parcels cost curve work; they wait in a short queue that is served once a second.

use std::collections::VecDeque;
use std::time::Duration;

use super::contact::{Contact, Draft, Face, message_view, outgoing_row, received_row};
use super::desk::Desk;
use super::inbox::{PartChange, Step, Taken, Unit};
use super::outbox::{Item, Standing, renumber};
use super::persistence::{Change, IncomingPart, MAX_TEXT, Persistence, StoreError};
use super::reach::ReachedBy;
use super::session::{Offered, ParcelId, Place, current_row, parcel_id, remove_offered};
use super::view::{ChatEvent, ContactState, Delivery, Policy};
use super::{FIRST_PARCEL_VERSION, Messenger, PENDING, STRANGERS, cut, text};
use crate::crypto::id::AccountId;
use crate::crypto::ratchet::RatchetStep;
use crate::crypto::secrecy::Secrecy;
use crate::crypto::session::{ANSWER, SessionOffer};
use crate::wire::parcel::{Body, Kind, Meaning, Receipt, Request};
use crate::wire::size::PARCEL;
use crate::wire::time::{Moment, Now};

/// First parcels waiting for their curve work; what comes when it is full is dropped and will be sent again.
pub const QUEUE: usize = 16;
/// One first parcel a second: two agreements of 0.7 ms each, whatever strangers send.
const OFFER_SECONDS: f64 = 1.0;
/// A contact that denies our past again within this time gets its new session at the usual pace.
const LOST_GAP: Duration = Duration::from_secs(120);
/// Offers of sessions that were confirmed, so that a late copy costs nothing.
const ANSWERED: usize = 64;

/// First parcels that wait, and those that were dealt with.
#[derive(Default)]
pub struct Offers {
    queue: VecDeque<(ReachedBy, Option<AccountId>, Box<[u8; PARCEL]>)>,
    next: Moment,
    answered: VecDeque<ParcelId>,
}

impl Offers {
    pub fn due(&self) -> Moment {
        if self.queue.is_empty() {
            Moment::NEVER
        } else {
            self.next
        }
    }
}

/// What a step leads to once it is committed.
#[derive(Default)]
struct After {
    receipt: bool,
    acknowledged: Option<u32>,
    /// have, ahead
    held: Option<(u32, u32)>,
    verified: bool,
    peer_receipt: Option<u32>,
    peer_lost: bool,
    /// Something of ours was known to be with them, and it is not what they have: worth a word to the person.
    we_lost: bool,
    /// The outbox with new numbers.
    renumbered: Option<Vec<Item>>,
    aside: u32,
}

impl<P: Persistence> Messenger<P> {
    pub(super) fn arrived(
        &mut self,
        now: Now,
        by: ReachedBy,
        from: Option<AccountId>,
        parcel: Box<[u8; PARCEL]>,
    ) {
        let id = parcel_id(&parcel);
        let mut order: Vec<AccountId> = from.into_iter().collect();
        if matches!(by, ReachedBy::Handle(_)) {
            order.extend(
                self.contacts
                    .values()
                    .filter(|c| Some(c.account) != from && !c.sessions.is_empty())
                    .map(|c| c.account),
            );
        }
        for account in &order {
            let Some(contact) = self.contacts.get_mut(account) else {
                continue;
            };
            if let Some(in_sequence) = contact.sessions.opened_before(&id) {
                if in_sequence && contact.sessions.current.is_some() {
                    contact.talk.copies = contact.talk.copies.wrapping_add(1);
                    contact.owe_receipt(now.at);
                }
                return;
            }
        }
        for account in &order {
            let Some(contact) = self.contacts.get(account) else {
                continue;
            };
            if let Some((place, step)) = contact.sessions.open(&parcel, &mut self.desk.random) {
                self.opened(now, *account, by, id, place, step);
                return;
            }
        }
        if self.offers.answered.contains(&id) {
            return;
        }
        for contact in self.contacts.values() {
            if let Some(offered) = contact
                .sessions
                .offered
                .iter()
                .find(|offered| offered.offer == id)
            {
                self.desk.send(by.way(contact.tag), offered.answer.clone());
                return;
            }
        }
        if let Some(account) = from {
            if self.answered(now, account, by, id, &parcel) {
                return;
            }
            if let Some(contact) = self.contacts.get_mut(&account) {
                contact.talk.unopened = contact.talk.unopened.saturating_add(1);
            }
        }
        if self.offers.queue.len() < QUEUE {
            self.offers.queue.push_back((by, from, parcel));
        }
        self.serve_offers(now);
    }

    /// The answer to our first parcel, perhaps.
    fn answered(
        &mut self,
        now: Now,
        account: AccountId,
        by: ReachedBy,
        id: ParcelId,
        parcel: &[u8; PARCEL],
    ) -> bool {
        let Some(contact) = self.contacts.get_mut(&account) else {
            return false;
        };
        let Some(start) = &contact.sessions.start else {
            return false;
        };
        let Ok((ratchet, payload)) =
            start
                .state
                .finish(&self.desk.key, parcel, &mut self.desk.random)
        else {
            return false;
        };
        if payload[0] != FIRST_PARCEL_VERSION {
            let text = newer(&contact.face.name, payload[0]);
            self.desk.notice(text);
            return true;
        }
        let mut draft = contact.draft();
        draft.note_seen(id, false);
        draft.erase = true;
        let mut more = vec![current_row(contact.bytes(), ratchet.to_bytes())];
        more.extend(remove_offered(contact.bytes()));
        more.extend(contact.unsealed_rows());
        if self.desk.save(contact, draft, more).is_err() {
            return true;
        }
        contact.sessions.begin(ratchet);
        contact.outbox.unseal();
        contact.talk.new_session(now.at);
        self.heard(now, account, by);
        true
    }

    fn heard(&mut self, now: Now, account: AccountId, by: ReachedBy) {
        if let Some(contact) = self.contacts.get_mut(&account) {
            contact.reach.heard(by, now.at);
            contact.talk.heard = now.at;
        }
        if let ReachedBy::Handle(handle) = by {
            self.note_handle(handle, account);
        }
        self.touched.insert(account);
    }

    /// Deals with the first parcel that waits longest, if it is time.
    pub(super) fn serve_offers(&mut self, now: Now) {
        while now.at >= self.offers.next {
            let Some((by, from, parcel)) = self.offers.queue.pop_front() else {
                return;
            };
            self.offers.next = now.at.after_seconds(OFFER_SECONDS);
            self.offer(now, by, from, &parcel);
        }
    }

    fn offer(&mut self, now: Now, by: ReachedBy, from: Option<AccountId>, parcel: &[u8; PARCEL]) {
        let Ok(offer) = SessionOffer::read(&self.desk.key, parcel) else {
            return;
        };
        let peer = offer.peer;
        // What comes along our spur to one contact cannot be another one's.
        if peer == self.desk.id || (by == ReachedBy::Spur && from != Some(peer)) {
            return;
        }
        let id = parcel_id(parcel);
        if !self.contacts.contains_key(&peer) {
            self.admit_stranger(peer, now);
        }
        let own = self.desk.id;
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if !contact.is_open()
            || contact
                .sessions
                .offered
                .iter()
                .any(|offered| offered.offer == id)
        {
            return;
        }
        if offer.payload[0] != FIRST_PARCEL_VERSION {
            if contact.stored {
                let text = newer(&contact.face.name, offer.payload[0]);
                self.desk.notice(text);
            }
            return;
        }
        contact.talk.unopened = 0;
        if let ReachedBy::Handle(handle) = by {
            let silent = contact
                .reach
                .handle_heard()
                .is_none_or(|heard| now.at.since(heard).as_secs() >= 20);
            if silent {
                contact.reach.offer_handle(handle, now.at);
            }
        }
        if let Some(start) = &mut contact.sessions.start
            && own < peer
        {
            // Both start at once: the one with the smaller id goes on, and the other answers.
            start.due = start.due.min(now.at);
            if let ReachedBy::Handle(handle) = by {
                self.note_handle(handle, peer);
            }
            return;
        }
        let mut payload = [0; ANSWER];
        payload[0] = FIRST_PARCEL_VERSION;
        let Ok((ratchet, answer)) = offer.answer(&self.desk.key, &payload, &mut self.desk.random)
        else {
            return;
        };
        let answer = Box::new(answer);
        contact.sessions.offer(Offered {
            ratchet,
            offer: id,
            answer: answer.clone(),
            made: now.at,
        });
        if contact.stored {
            let changes = contact.sessions.offered_changes(contact.bytes());
            if self.desk.commit(changes, false).is_err() {
                contact.sessions.offered.pop();
                return;
            }
        }
        contact.sessions.start = None;
        let tag = contact.tag;
        if let ReachedBy::Handle(handle) = by {
            self.note_handle(handle, peer);
        }
        // A contact's tokens must stand at the intro point before the answer makes them be used.
        self.give_tokens(now);
        self.desk.send(by.way(tag), answer);
    }

    /// A place for somebody never heard of; the one silent longest goes if there is none.
    fn admit_stranger(&mut self, peer: AccountId, now: Now) {
        let strangers: Vec<(Moment, AccountId)> = self
            .contacts
            .values()
            .filter(|c| !c.stored)
            .map(|c| (c.talk.heard, c.account))
            .collect();
        if strangers.len() >= STRANGERS
            && let Some((_, oldest)) = strangers.into_iter().min()
        {
            self.forget(&oldest);
        }
        let face = Face {
            name: String::new(),
            state: ContactState::Asking,
            policy: Policy::default(),
            added: now.unix,
            request_text: String::new(),
            asked: false,
            read_up_to: 0,
            unread: 0,
        };
        let tag = self.new_tag(peer);
        self.contacts
            .insert(peer, Contact::new(peer, tag, face, now.at));
    }

    /// A parcel opened in one of the contact's sessions.
    fn opened(
        &mut self,
        now: Now,
        account: AccountId,
        by: ReachedBy,
        id: ParcelId,
        place: Place,
        step: RatchetStep,
    ) {
        let Some(contact) = self.contacts.get_mut(&account) else {
            return;
        };
        let body = Body::from_bytes(&step.body);
        let mut draft = contact.draft();
        let mut after = After::default();
        draft.note_seen(id, body.in_sequence());
        draft.erase = true;
        let stored = contact.stored;
        if body.in_sequence() {
            // One request is all that a stranger may leave before the person has decided.
            let undecided = contact.face.state == ContactState::Asking && contact.face.asked;
            if undecided && body.sequence() > draft.inbox.received {
                return;
            }
            match draft
                .inbox
                .take(body.clone(), contact.face.state == ContactState::Asking)
            {
                Step::Refused => return,
                Step::Known => after.receipt = true,
                Step::Took(taken) => {
                    contact.stored = true;
                    after.receipt = true;
                    after.aside = taken.aside;
                    take_units(&self.desk, contact, &mut draft, taken, now);
                }
            }
        } else {
            match body.meaning() {
                Ok(Meaning::Receipt(receipt)) => {
                    if receipt.number > contact.talk.peer_receipt {
                        after.peer_receipt = Some(receipt.number);
                        if read_receipt(
                            &mut self.desk,
                            contact,
                            &mut draft,
                            &mut after,
                            body.have(),
                            &receipt,
                        )
                        .is_err()
                        {
                            return;
                        }
                    }
                }
                Ok(Meaning::Skip) => {
                    if let Some(taken) = draft.inbox.skip(body.sequence(), body.previous()) {
                        after.receipt = true;
                        after.aside = taken.aside;
                        if contact.stored {
                            take_units(&self.desk, contact, &mut draft, taken, now);
                        }
                    }
                }
                Ok(Meaning::Piece { .. }) | Err(_) => after.aside = 1,
            }
        }
        if after.acknowledged.is_none()
            && contact.talk.verified
            && place == Place::Current
            && body.have() > contact.outbox.head.peer_has
            && body.have() <= contact.outbox.head.sent
            && acknowledge(&mut self.desk, contact, &mut draft, &mut after, body.have()).is_err()
        {
            contact.stored = stored;
            return;
        }
        let mut more = vec![current_row(contact.bytes(), step.next_state())];
        let promoted = matches!(place, Place::Offered(_));
        if promoted {
            more.extend(remove_offered(contact.bytes()));
            if after.renumbered.is_none() {
                more.extend(contact.unsealed_rows());
            }
        }
        let evicted = if contact.stored && !stored {
            self.oldest_request()
        } else {
            None
        };
        let Some(contact) = self.contacts.get_mut(&account) else {
            return;
        };
        more.extend(evicted.map(|oldest| Change::RemoveContact(*oldest.bytes())));
        // Rows this step acknowledges were put back by the unsealing above only if they are removed after it.
        more.append(&mut draft_tail(&mut draft));
        if self.desk.save(contact, draft, more).is_err() {
            contact.stored = stored;
            return;
        }
        self.settle_opened(now, account, by, place, step, after);
        if let Some(oldest) = evicted {
            self.forget(&oldest);
            self.desk.event(ChatEvent::ContactGone(oldest));
        }
    }

    /// The step is on disk.
    fn settle_opened(
        &mut self,
        now: Now,
        account: AccountId,
        by: ReachedBy,
        place: Place,
        step: RatchetStep,
        after: After,
    ) {
        let Some(contact) = self.contacts.get_mut(&account) else {
            return;
        };
        match place {
            Place::Current => {
                if let Some(current) = &mut contact.sessions.current {
                    step.commit(current);
                }
            }
            Place::Offered(i) => {
                if let Some(offered) = contact.sessions.offered.get_mut(i) {
                    step.commit(&mut offered.ratchet);
                    if self.offers.answered.len() >= ANSWERED {
                        self.offers.answered.pop_front();
                    }
                    self.offers.answered.push_back(offered.offer);
                }
                contact.sessions.promote(i);
                contact.outbox.unseal();
                contact.talk.new_session(now.at);
            }
        }
        let talk = &mut contact.talk;
        talk.heard_in_session = true;
        talk.unheard_receipts = 0;
        talk.copies = 0;
        talk.unopened = 0;
        talk.renewals = 0;
        talk.verified |= after.verified;
        if let Some(number) = after.peer_receipt {
            talk.peer_receipt = number;
        }
        if let Some(up_to) = after.acknowledged {
            contact.outbox.acknowledge(up_to, now.at);
        }
        if let Some((have, ahead)) = after.held {
            contact.outbox.note_held(have, ahead, now.at);
        }
        if let Some(items) = after.renumbered {
            contact.outbox.drain();
            contact.outbox.append(items);
            contact.talk.rekey = true;
            let often = contact
                .talk
                .lost_at
                .is_some_and(|before| now.at.since(before) < LOST_GAP);
            if !often {
                contact.talk.renew_at = now.at;
            }
            contact.talk.lost_at = Some(now.at);
            if after.we_lost {
                let name = contact.face.name.clone();
                self.desk.notice(format!(
                "This profile is older than what {name} has from you: it was restored from a copy. What waits is sent again."
            ));
            }
        }
        if after.peer_lost {
            contact.talk.skip_due = true;
            if !std::mem::replace(&mut contact.talk.told_peer_lost, true) {
                let name = contact.face.name.clone();
                self.desk.notice(format!(
                    "{name} has an older state of this conversation than before (a restored copy, or you were removed and added again). What they had is not sent again."
                ));
            }
        }
        if after.aside > 0 {
            let name = contact.face.name.clone();
            self.desk.notice(format!(
                "Something from {name} cannot be read by this version and was put aside; the conversation shows the gap."
            ));
        }
        if after.receipt {
            contact.owe_receipt(now.at);
        }
        self.heard(now, account, by);
    }

    /// The undecided request that came first, if there is no place for another one.
    fn oldest_request(&self) -> Option<AccountId> {
        let requests = || {
            self.contacts
                .values()
                .filter(|c| c.stored && c.face.state == ContactState::Asking)
        };
        if requests().count() <= PENDING {
            return None;
        }
        requests()
            .min_by_key(|c| (c.face.added, c.account))
            .map(|c| c.account)
    }
}

/// The removals of a draft, which must come after rows that are put.
fn draft_tail(draft: &mut Draft) -> Vec<Change> {
    std::mem::take(&mut draft.changes)
}

fn newer(name: &str, version: u8) -> String {
    let name = if name.is_empty() { "Somebody" } else { name };
    if version > FIRST_PARCEL_VERSION {
        format!("{name} uses a newer paratox that this one cannot talk to: update yours.")
    } else {
        format!(
            "{name} uses an older paratox that this one cannot talk to: they must update theirs."
        )
    }
}

/// Units and part changes of a step go into the draft.
fn take_units<P>(desk: &Desk<P>, contact: &Contact, draft: &mut Draft, taken: Taken, now: Now) {
    let account = contact.bytes();
    for change in taken.changes {
        draft.changes.push(match change {
            PartChange::Keep(sequence) => match draft.inbox.part(sequence) {
                Some(body) => Change::PutIncomingPart(IncomingPart {
                    contact: account,
                    sequence,
                    body: super::persistence::SecretBytes::from_slice(body.bytes()),
                    secrecy: Secrecy::OnceOpened.acknowledged(),
                    arrived: now.unix,
                }),
                // It completed a unit in the same step.
                None => continue,
            },
            PartChange::Drop { from, to } => Change::RemoveIncomingParts {
                contact: account,
                from,
                to,
            },
        });
    }
    for unit in taken.units {
        take_unit(desk, contact, draft, unit, now);
    }
}

fn take_unit<P>(desk: &Desk<P>, contact: &Contact, draft: &mut Draft, unit: Unit, now: Now) {
    let place = (unit.sequence, unit.previous, unit.gap);
    match unit.kind {
        Kind::Text => match std::str::from_utf8(&unit.bytes) {
            Ok(words) => {
                let words = shown(words);
                match draft.face.state {
                    ContactState::Asking => {
                        ask(desk, contact, draft, String::new(), words, place, now)
                    }
                    _ => {
                        // Whoever writes has accepted.
                        draft.face.state = ContactState::Accepted;
                        message(desk, contact, draft, words, place, now);
                    }
                }
            }
            Err(_) => {
                draft.inbox.missing = draft
                    .inbox
                    .missing
                    .saturating_add(unit.gap)
                    .saturating_add(1)
            }
        },
        Kind::Request => match Request::decode(&unit.bytes) {
            Ok(request) => {
                let (name, words) = (text::clean_line(&request.name), shown(&request.text));
                match draft.face.state {
                    ContactState::Asking => ask(desk, contact, draft, name, words, place, now),
                    _ => {
                        draft.face.state = ContactState::Accepted;
                        // One that waits already says it as well.
                        let says = |item: &Item| item.kind() == Some(Kind::Accept);
                        if !contact.outbox.items().chain(&draft.new_items).any(says) {
                            draft.enqueue(Kind::Accept, &[b""], None);
                        }
                        if !words.is_empty() {
                            message(desk, contact, draft, words, place, now);
                        }
                    }
                }
            }
            Err(_) => {
                draft.inbox.missing = draft
                    .inbox
                    .missing
                    .saturating_add(unit.gap)
                    .saturating_add(1)
            }
        },
        Kind::Accept => {
            draft.inbox.missing = draft.inbox.missing.saturating_add(unit.gap);
            if draft.face.state == ContactState::Asked {
                draft.face.state = ContactState::Accepted;
            }
        }
    }
}

/// A stranger's request is complete.
fn ask<P>(
    desk: &Desk<P>,
    contact: &Contact,
    draft: &mut Draft,
    name: String,
    words: String,
    place: (u32, [u8; 8], u32),
    now: Now,
) {
    if draft.face.name.is_empty() {
        draft.face.name = if name.is_empty() {
            contact.account.to_string().chars().take(12).collect()
        } else {
            name
        };
    }
    draft.face.asked = true;
    draft.requested = true;
    draft.face.request_text = words.clone();
    if !words.is_empty() {
        message(desk, contact, draft, words, place, now);
        // The request says it; it does not count as unread besides.
        draft.events.pop();
        draft.face.unread = 0;
    }
}

/// A message of theirs.
fn message<P>(
    desk: &Desk<P>,
    contact: &Contact,
    draft: &mut Draft,
    words: String,
    place: (u32, [u8; 8], u32),
    now: Now,
) {
    let number = desk.next_number + draft.numbers;
    draft.numbers += 1;
    // Opened with a key that this very step erases; the sender's was gone before the parcel left.
    let secrecy = Secrecy::OnceOpened.acknowledged();
    let row = received_row(contact.bytes(), number, words, now.unix, place, secrecy);
    if let Some(view) = message_view(&row) {
        draft.events.push(ChatEvent::Message(view));
    }
    draft.face.unread = draft.face.unread.saturating_add(1);
    draft.changes.push(Change::PutMessage(row));
}

/// Peer text as it is kept: clean, and no longer than an honest sender's.
fn shown(words: &str) -> String {
    cut(text::clean(words), MAX_TEXT)
}

fn read_receipt<P: Persistence>(
    desk: &mut Desk<P>,
    contact: &mut Contact,
    draft: &mut Draft,
    after: &mut After,
    have: u32,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    match contact.outbox.compare(have, &receipt.links) {
        Standing::Covers(up_to) => {
            after.verified = true;
            after.held = Some((have, receipt.ahead));
            if up_to > contact.outbox.head.peer_has {
                acknowledge(desk, contact, draft, after, up_to)?;
            }
        }
        Standing::PeerLost => after.peer_lost = true,
        Standing::WeLost { common } => {
            acknowledge(desk, contact, draft, after, common)?;
            after.acknowledged = None;
            let account = contact.bytes();
            let rest: Vec<&Item> = contact
                .outbox
                .items()
                .filter(|item| item.sequence > common)
                .collect();
            for item in &rest {
                draft.changes.push(Change::RemoveOutgoing {
                    contact: account,
                    sequence: item.sequence,
                });
            }
            let link = receipt.links.first().copied().unwrap_or_default();
            let (head, items) = renumber(&draft.head, have, link, &rest);
            for item in &items {
                draft
                    .changes
                    .push(Change::PutOutgoing(outgoing_row(account, item, None)));
            }
            draft.head = head;
            after.we_lost = contact.outbox.head.peer_has > 0;
            after.renumbered = Some(items);
        }
    }
    Ok(())
}

/// Everything up to `up_to` is on their disk: it leaves our outbox, and its messages rise.
fn acknowledge<P: Persistence>(
    desk: &mut Desk<P>,
    contact: &Contact,
    draft: &mut Draft,
    after: &mut After,
    up_to: u32,
) -> Result<(), StoreError> {
    let account = contact.bytes();
    let head = contact.outbox.head_after(up_to);
    draft.head.peer_has = head.peer_has;
    draft.head.peer_has_link = head.peer_has_link;
    for item in contact.outbox.items().filter(|item| item.sequence <= up_to) {
        draft.changes.push(Change::RemoveOutgoing {
            contact: account,
            sequence: item.sequence,
        });
        let Some(number) = item.message.filter(|_| item.ends_message()) else {
            continue;
        };
        let Some(row) = desk.store.message(number)? else {
            continue;
        };
        let secrecy = row.secrecy.acknowledged();
        draft.changes.push(Change::SetDelivery {
            number,
            delivery: Delivery::Delivered,
        });
        draft.changes.push(Change::SetSecrecy { number, secrecy });
        draft.events.push(ChatEvent::Delivery {
            number,
            contact: contact.account,
            delivery: Delivery::Delivered,
            secrecy,
        });
    }
    after.acknowledged = Some(up_to);
    Ok(())
}
