//! What happens when an association's time has come: ticks, good-byes, signs of life, idle ends.

use super::assoc::{Assoc, Contact, Role};
use super::shaped;
use super::{AssocId, CLOSING, DRAIN, DownReason, IDLE, LinkOutput, Links, Purpose, UNTAKEN};
use crate::node::{Cause, Shaping};
use crate::wire::cell::CellKind;
use crate::wire::size::{BODY, INNER};
use crate::wire::time::Now;

impl Links {
    /// A shaped association's tick is due: choose, seal, hand out.
    pub(super) fn tick(&mut self, now: Now, id: AssocId) {
        let credit = (UNTAKEN - self.untaken.min(UNTAKEN)).min(usize::from(shaped::CREDIT)) as u16;
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return;
        };
        if let Some(why) = assoc.is_over(now.at) {
            let (purpose, said) = (assoc.purpose, assoc.closing.is_some());
            self.forget(id);
            if !said {
                self.down(id, purpose, why);
            }
            return;
        }
        assoc.prepare(now, &self.key, &mut self.random);
        let Role::Shaped(link) = &mut assoc.role else {
            return;
        };
        let mut spent = false;
        while let Some(tick) = link.shaped.clock.tick(now.at) {
            let mut inner = [0; INNER];
            let seq = link
                .shaped
                .fill(tick, assoc.closing.is_some(), credit, &mut inner);
            let Ok((cell, number)) = assoc.keys.seal(&inner) else {
                spent = true;
                break;
            };
            link.shaped.sent(number, tick, seq);
            let to = assoc.peer.addr;
            self.output.push_back(LinkOutput::Transmit {
                at: tick,
                to,
                cell: Box::new(cell),
                cause: assoc.purpose.cause(),
            });
        }
        if spent {
            let purpose = assoc.purpose;
            self.forget(id);
            self.down(id, purpose, DownReason::KeysSpent);
            return;
        }
        let due = link.shaped.clock.due();
        self.timers.set(id, due);
    }

    /// The fault of the positive control: a cell on every shaped link now, because the person has something to say. It does nothing while the
    /// shaping is on.
    pub fn hurry(&mut self, now: Now) {
        if self.shaping == Shaping::On {
            return;
        }
        for assoc in self.assocs.values_mut() {
            let Role::Shaped(link) = &mut assoc.role else {
                continue;
            };
            let mut inner = [0; INNER];
            let seq = link.shaped.fill(now.at, false, 0, &mut inner);
            if let Ok((cell, number)) = assoc.keys.seal(&inner) {
                link.shaped.sent(number, now.at, seq);
                self.output.push_back(LinkOutput::Transmit {
                    at: now.at,
                    to: assoc.peer.addr,
                    cell: Box::new(cell),
                    cause: assoc.purpose.cause(),
                });
            }
        }
    }

    /// Says good-bye from now on, until the drain is over.
    pub(super) fn drain(&mut self, now: Now, id: AssocId, why: DownReason) {
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return;
        };
        if assoc.closing.is_some() {
            return;
        }
        assoc.closing = Some(now.at + DRAIN);
        let purpose = assoc.purpose;
        self.down(id, purpose, why);
        let closing = self
            .assocs
            .iter()
            .filter_map(|(id, a)| a.closing.map(|until| (until, *id)));
        let (count, first) = (closing.clone().count(), closing.min());
        if count > CLOSING
            && let Some((_, oldest)) = first
        {
            self.forget(oldest);
        }
    }

    pub(super) fn down(&mut self, assoc: AssocId, purpose: Purpose, why: DownReason) {
        if !purpose.is_contact() {
            self.output.push_back(LinkOutput::Down {
                assoc,
                purpose,
                why,
            });
        }
    }

    pub(super) fn forget(&mut self, id: AssocId) -> Option<Assoc> {
        let assoc = self.assocs.remove(&id)?;
        self.gone = self.gone + assoc.counts().unwrap_or_default();
        self.addresses.remove(assoc.peer.addr, id);
        self.timers.clear(id);
        let session = (assoc.purpose, assoc.peer.node);
        if self.contacts.get(&session) == Some(&id) {
            self.contacts.remove(&session);
        }
        if self.contact_dials.get(&session) == Some(&id) {
            self.contact_dials.remove(&session);
        }
        Some(assoc)
    }

    /// One cell in a contact session, now.
    pub(super) fn contact_cell(
        &mut self,
        now: Now,
        id: AssocId,
        kind: CellKind,
        body: Option<&[u8; BODY]>,
    ) {
        let Some(Assoc {
            role: Role::Contact(contact),
            keys,
            peer,
            purpose,
            ..
        }) = self.assocs.get_mut(&id)
        else {
            return;
        };
        contact.sent(now.at, kind);
        match keys.seal(&Contact::fill(kind, body)) {
            Ok((cell, _)) => {
                let to = peer.addr;
                let answers = body.is_some_and(|b| b[0] == crate::wire::dht::FORWARDED_ANSWER);
                let cause = if answers {
                    Cause::Answer
                } else {
                    purpose.cause()
                };
                self.output.push_back(LinkOutput::Transmit {
                    at: now.at,
                    to,
                    cell: Box::new(cell),
                    cause,
                });
            }
            Err(_) => {
                self.forget(id);
            }
        }
    }

    /// A contact session's timer: a sign of life that is owed, the end of an idle or old one, or neither yet.
    pub(super) fn contact_due(&mut self, now: Now, id: AssocId) {
        let Some(Assoc {
            role: Role::Contact(contact),
            keys,
            ..
        }) = self.assocs.get(&id)
        else {
            return;
        };
        if contact.used() + IDLE <= now.at || keys.is_over(now.at) {
            self.contact_cell(now, id, CellKind::Close, None);
            self.forget(id);
            return;
        }
        if contact.owes().is_some_and(|due| due <= now.at) {
            self.contact_cell(now, id, CellKind::Chaff, None);
        }
        self.time_contact(id);
    }

    /// Sets the timer of a contact session anew.
    pub(super) fn time_contact(&mut self, id: AssocId) {
        if let Some(Assoc {
            role: Role::Contact(contact),
            ..
        }) = self.assocs.get(&id)
        {
            let end = contact.used() + IDLE;
            self.timers
                .set(id, contact.owes().map_or(end, |due| due.min(end)));
        }
    }
}
