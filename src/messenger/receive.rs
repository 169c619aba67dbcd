//! What arrives: sorted to the session that opens it, or taken for a first parcel.
//!
//! A stranger's first parcels cost curve work; they wait in a short queue that is served once a second.
//! Not here: what a parcel that opened leads to (`opened`).

use std::collections::VecDeque;

use super::contact::{Contact, Face};
use super::deliver::OFFER_PATIENCE;
use super::persistence::Persistence;
use super::reach::ReachedBy;
use super::session::{Offered, ParcelId, current_row, parcel_id, remove_offered};
use super::view::{ContactState, Policy};
use super::{FIRST_PARCEL_VERSION, Messenger, STRANGERS};
use crate::crypto::id::AccountId;
use crate::crypto::session::{ANSWER, SessionOffer};
use crate::wire::size::PARCEL;
use crate::wire::time::{Moment, Now};

/// First parcels waiting for their curve work; what comes when it is full is dropped and will be sent again.
pub const QUEUE: usize = 16;
/// One first parcel a second: two agreements of 0.7 ms each, whatever strangers send.
const OFFER_SECONDS: f64 = 1.0;
/// Offers of sessions that were confirmed, so that a late copy costs nothing.
pub const ANSWERED: usize = 64;

/// First parcels that wait, and those that were dealt with.
#[derive(Default)]
pub struct Offers {
    queue: VecDeque<(ReachedBy, Option<AccountId>, Box<[u8; PARCEL]>)>,
    next: Moment,
    pub answered: VecDeque<ParcelId>,
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
                if in_sequence {
                    contact.came_again(by, now.at);
                }
                if let ReachedBy::Handle(handle) = by {
                    if !in_sequence && contact.reach.ways.offer_unproven(handle, now.at) {
                        contact.way_opened(now.at);
                    }
                    self.note_handle(handle, *account);
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

    pub(super) fn heard(&mut self, now: Now, account: AccountId, by: ReachedBy) {
        if let Some(contact) = self.contacts.get_mut(&account) {
            contact.talk.heard = now.at;
            if contact.reach.heard(by, now.at) {
                contact.way_opened(now.at);
            }
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
            contact.reach.ways.offer_unproven(handle, now.at);
        }
        if contact.sessions.start.is_some() && own < peer {
            // Both start at once: the one with the smaller id goes on, and the other answers.
            contact.offer_back(&mut self.desk, by, now.at);
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
        // Should the offer come to nothing, ours is to follow as if none had been tried before.
        contact.talk.renew_at = contact.talk.renew_at.min(now.at + OFFER_PATIENCE);
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
            .insert(peer, Contact::new(peer, tag, face, self.slowness, now.at));
    }
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
