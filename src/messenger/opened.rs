//! A parcel opened in a session: what it says is committed, and only then acknowledged and shown.
//!
//! A parcel whose step the store did not take leaves everything as it was, its key included: it opens again when it is sent again.
//! Not here: which session opens it (`receive`), what becomes of texts and requests (`units`).

use std::time::Duration;

use super::contact::Contact;
use super::desk::Desk;
use super::draft::Draft;
use super::inbox::Step;
use super::outbox::{Item, Standing, renumber};
use super::persistence::{Change, Persistence, StoreError};
use super::reach::ReachedBy;
use super::receive::ANSWERED;
use super::rows::outgoing_row;
use super::session::{ParcelId, Place, current_row, remove_offered};
use super::units::take_units;
use super::view::{ChatEvent, ContactState, Delivery};
use super::{Messenger, PENDING};
use crate::crypto::id::AccountId;
use crate::crypto::ratchet::RatchetStep;
use crate::wire::introduction::Introduction;
use crate::wire::parcel::{Body, Meaning, Receipt};
use crate::wire::time::Now;
/// A contact that denies our past again within this time gets its new session at the usual pace.
const LOST_GAP: Duration = Duration::from_secs(120);

/// What a step leads to once it is committed.
#[derive(Default)]
struct After {
    receipt: bool,
    acknowledged: Option<u32>,
    /// have, ahead
    held: Option<(u32, u32)>,
    verified: bool,
    /// A receipt had matched in the same session before.
    matched_before: bool,
    peer_receipt: Option<u32>,
    peer_lost: bool,
    /// Something of ours was known to be with them, and it is not what they have: worth a word to the person.
    we_lost: bool,
    /// The outbox with new numbers.
    renumbered: Option<Vec<Item>>,
    aside: u32,
    /// Where they are reached from now on.
    introduction: Option<Introduction>,
}

impl<P: Persistence> Messenger<P> {
    /// A parcel opened in one of the contact's sessions.
    pub(super) fn opened(
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
                    // What was read in the session before says nothing of this one: its sender may be older now.
                    let newest = match place {
                        Place::Current => contact.talk.peer_receipt,
                        Place::Offered(_) => 0,
                    };
                    after.matched_before = place == Place::Current && contact.talk.verified;
                    if receipt.number > newest {
                        after.peer_receipt = Some(receipt.number);
                        let desk = &mut self.desk;
                        let have = body.have();
                        if read_receipt(desk, contact, &mut draft, &mut after, have, &receipt)
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
                Ok(Meaning::Introduction(introduction)) => {
                    after.introduction = Some(introduction);
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
                contact.sessions.heard = Some(now.at);
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
        talk.unopened = 0;
        if after.receipt {
            talk.again_by = None;
            talk.again = 0;
        }
        if after.receipt || after.acknowledged.is_some() {
            talk.talked = now.at;
        }
        talk.renewals = 0;
        talk.verified |= after.verified;
        if let Some(number) = after.peer_receipt {
            talk.peer_receipt = number;
        }
        if let Some(up_to) = after.acknowledged
            && let Some(left) = contact.outbox.acknowledge(up_to, now.at)
        {
            contact.reach.ways.spur_led_there(left);
        }
        if let Some(introduction) = after.introduction {
            contact.reach.told(&introduction, now.unix.day(), now.at);
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
        // In a session in which a receipt matched before, what their parcels said since then counts, too: this receipt was overtaken by one
        // of those. A state that was rolled back speaks in a session of its own.
        Standing::PeerLost if after.matched_before => {}
        Standing::PeerLost => after.peer_lost = true,
        Standing::Nonsense => {}
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
