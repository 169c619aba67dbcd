//! The four spurs of an own outbound circuit, as their origin sees them.
//!
//! A spur is born when the slot's last one ends, on the slot's own clock; a waiting contact then takes the place of the random target
//! that was drawn all the same. So when spurs come and go says nothing about whom they serve. Not here: the link itself, which the
//! circuit's end holds (`relay`).

use std::collections::{BTreeMap, BTreeSet};

use super::births::Births;
use super::cookie::CookieSealer;
use super::pool::Pool;
use super::queues::Queues;
use crate::crypto::curve::Point;
use crate::crypto::keys::Ephemeral;
use crate::crypto::random::Stream;
use crate::node::person::{ContactTag, SpurTarget};
use crate::wire::address::Address;
use crate::wire::circuit::{OutboundForward, SPUR_SLOTS, SpurName, spur_name};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::PARCEL;
use crate::wire::time::Moment;

/// A contact whose spur ends within so much of a mean life may have the next one already: with three other slots that come to their ends meanwhile,
/// four in five have it in time, and nobody waits for a way to open.
const OVERLAP: f64 = 0.5;
/// The same in seconds while the circuit is young and spurs live for one turn through the slots: whoever has one then shall leave a slot to others.
const YOUNG_OVERLAP_SECONDS: f64 = 8.0;
/// No spur is shorter than its own opening.
const SHORTEST_LIFE: f64 = 2.0;
/// Spurs of a slot remembered for answers: the end keeps two of a slot at most.
const BEFORE: usize = 2;
/// Seconds without word from the end until it is told again, and how often.
const AGAIN_SECONDS: f64 = 5.0;
const TELLS: u8 = 4;

enum State {
    /// The end is to be told.
    Telling {
        tells: u8,
        at: Moment,
    },
    Up,
    /// The end could not make it. The slot waits for its clock.
    Failed,
}

/// What a spur is for: the contact, and which of its registrations.
pub(super) type Served = (ContactTag, [u8; 16]);

struct Spur {
    key: Point,
    target: Peer,
    contact: Option<(Served, CookieSealer)>,
    state: State,
}

struct Slot {
    /// Draws lives, offsets and random targets; nothing else touches it.
    clock: Stream,
    /// Number of the next birth among those of the circuit.
    births: u32,
    born: Moment,
    ends: Moment,
    spur: Option<Spur>,
    /// The last of this slot that served a contact, newest first, for answers that come late.
    before: Vec<(SpurName, ContactTag)>,
}

pub(super) struct Spurs {
    class: Class,
    births: Births,
    slots: [Slot; SPUR_SLOTS as usize],
    crypto: Stream,
    /// Where the next look for something to tell starts.
    turn: u8,
}

impl Spurs {
    /// The clock is the circuit's own; `back_rate` in cells per second, steady; `crypto` makes throwaway keys.
    pub fn new(class: Class, clock: &Stream, back_rate: f64, crypto: Stream) -> Spurs {
        let slot = |n: u8| Slot {
            clock: clock.fork("spur slot", &[n]),
            births: u32::from(n),
            born: Moment(0),
            ends: Moment(0),
            spur: None,
            before: Vec::new(),
        };
        Spurs {
            class,
            births: Births::new(Moment(0), back_rate),
            slots: [slot(0), slot(1), slot(2), slot(3)],
            crypto,
            turn: 0,
        }
    }

    /// When each slot's first spur is born. Asked once, when the circuit is ready.
    pub fn births(&mut self, now: Moment) -> [Moment; SPUR_SLOTS as usize] {
        self.births.begin(now);
        std::array::from_fn(|n| self.births.moment(n as u32))
    }

    /// A slot's spur is over; another is born. Gives the moment of its end.
    pub fn birth(&mut self, now: Moment, slot: u8, pool: &Pool, wanted: &[SpurTarget]) -> Moment {
        let others = || {
            let held = self.slots.iter().enumerate();
            held.filter(|(n, _)| *n != usize::from(slot))
                .filter_map(|(_, held)| Some((held.spur.as_ref()?, held.ends)))
                // A spur that failed serves nobody, though its slot waits for its clock.
                .filter(|(spur, _)| !matches!(spur.state, State::Failed))
                .filter_map(|(spur, ends)| Some((spur.contact.as_ref()?.0, ends)))
        };
        // When the last spur to each registration ends. One that goes elsewhere does not count: the contact has another intro point now.
        let mut until: BTreeMap<Served, Moment> = BTreeMap::new();
        for (served, ends) in others() {
            let last = until.entry(served).or_insert(ends);
            *last = ends.max(*last);
        }
        let Some(slot) = self.slots.get_mut(usize::from(slot)) else {
            return Moment::NEVER;
        };
        // Drawn in any case, so that a waiting contact shifts nothing.
        let drawn = slot.clock.exponential(self.class.spur_life());
        let (ends, overlap) = if self.births.is_young(slot.births) {
            (self.births.end(slot.births), YOUNG_OVERLAP_SECONDS)
        } else {
            let ends = now.after_seconds(drawn.max(SHORTEST_LIFE));
            (ends, OVERLAP * self.class.spur_life())
        };
        slot.births = slot.births.saturating_add(u32::from(SPUR_SLOTS));
        let random = pool.random(&mut slot.clock);
        let throwaway = Ephemeral::generate(&mut self.crypto);
        // Whoever has none comes first, then those whose last one ends soon, the soonest first.
        let soon = now.after_seconds(overlap);
        let mut waiting: Vec<(Option<&Moment>, &SpurTarget)> = wanted
            .iter()
            .map(|target| (until.get(&(target.contact, target.point)), target))
            .filter(|(last, _)| last.is_none_or(|last| *last <= soon))
            .collect();
        waiting.sort_by_key(|(last, _)| *last);
        let real = waiting.into_iter().find_map(|(_, target)| {
            let sealer =
                CookieSealer::new(&throwaway, &target.cookie_key, target.credential).ok()?;
            Some((
                Peer {
                    node: target.node,
                    addr: target.addr,
                },
                Some(((target.contact, target.point), sealer)),
            ))
        });
        if let Some(Spur {
            key,
            contact: Some(((tag, _), _)),
            ..
        }) = &slot.spur
        {
            slot.before.insert(0, (spur_name(key), *tag));
            slot.before.truncate(BEFORE);
        }
        slot.spur = real
            .or(random.map(|peer| (peer, None)))
            .map(|(target, contact)| Spur {
                key: *throwaway.public(),
                target,
                contact,
                state: State::Telling { tells: 0, at: now },
            });
        slot.born = now;
        slot.ends = ends;
        slot.ends
    }

    /// Spurs that go on show from now on what their contacts are to be shown: who was a stranger at the birth may be a contact meanwhile,
    /// and would wait among strangers until the spur's end.
    pub fn show(&mut self, wanted: &[SpurTarget]) {
        for spur in self.slots.iter_mut().filter_map(|held| held.spur.as_mut()) {
            let Some((served, sealer)) = &mut spur.contact else {
                continue;
            };
            let same = |w: &&SpurTarget| (w.contact, w.point) == *served;
            if let Some(target) = wanted.iter().find(same) {
                sealer.show(target.credential);
            }
        }
    }

    /// What the end is to be told about spurs now, if anything.
    pub fn tell(&mut self, now: Moment) -> Option<OutboundForward> {
        for step in 0..SPUR_SLOTS {
            let at = (self.turn + step) % SPUR_SLOTS;
            let Some(spur) = &mut self.slots[usize::from(at)].spur else {
                continue;
            };
            let State::Telling { tells, at: when } = &mut spur.state else {
                continue;
            };
            if *when > now {
                continue;
            }
            if *tells >= TELLS {
                spur.state = State::Failed;
                continue;
            }
            *tells += 1;
            *when = now.after_seconds(AGAIN_SECONDS);
            self.turn = at + 1;
            let addr = Address::from(spur.target.addr);
            return Some(OutboundForward::SpurOpen {
                slot: at,
                node: spur.target.node,
                addr,
                key: Box::new(spur.key),
            });
        }
        None
    }

    /// The end said how a spur is.
    pub fn state(&mut self, slot: u8, key: &Point, up: bool) {
        if let Some(spur) = self
            .slots
            .get_mut(usize::from(slot))
            .and_then(|slot| slot.spur.as_mut())
            && spur.key == *key
        {
            spur.state = if up { State::Up } else { State::Failed };
        }
    }

    /// What is served by a spur that is up.
    pub fn up(&self) -> impl Iterator<Item = Served> {
        self.slots.iter().filter_map(|slot| match &slot.spur {
            Some(Spur {
                contact: Some((served, _)),
                state: State::Up,
                ..
            }) => Some(*served),
            _ => None,
        })
    }

    /// The contact that a slot's spur of this name serves, or served before the one that is there now.
    pub fn contact(&self, slot: u8, name: &SpurName) -> Option<ContactTag> {
        let held = self.slots.get(usize::from(slot))?;
        match &held.spur {
            Some(spur) if spur_name(&spur.key) == *name => {
                spur.contact.as_ref().map(|((tag, _), _)| *tag)
            }
            _ => {
                let before = held.before.iter().find(|(known, _)| known == name);
                before.map(|(_, tag)| *tag)
            }
        }
    }

    /// The slot of this contact's spur that is up and goes to where the contact is wanted now, or else was born last, because it shows what the
    /// contact wants to be shown now. To the last moment: what is on its way then reaches the end before the word of the next spur, and the end
    /// keeps this one beside it.
    fn best(&self, contact: ContactTag, wanted: &[SpurTarget]) -> Option<usize> {
        let fits = |held: &Slot| matches!(&held.spur, Some(Spur { contact: Some(((tag, _), _)), state: State::Up, .. }) if *tag == contact);
        let open = self.slots.iter().enumerate().filter(|(_, held)| fits(held));
        let meant = wanted.iter().find(|w| w.contact == contact);
        let key = |held: &Slot| {
            let spur = held.spur.as_ref().and_then(|spur| spur.contact.as_ref());
            let there = spur.map(|((_, point), _)| *point);
            (there == meant.map(|w| w.point), held.born)
        };
        open.max_by_key(|(_, held)| key(held)).map(|(slot, _)| slot)
    }

    /// A real delivery to this contact, if it has a spur that takes it.
    pub fn deliver(
        &mut self,
        contact: ContactTag,
        wanted: &[SpurTarget],
        parcel: Box<[u8; PARCEL]>,
    ) -> Option<OutboundForward> {
        let slot = self.best(contact, wanted)?;
        let (_, sealer) = self.slots[slot].spur.as_mut()?.contact.as_mut()?;
        let block = sealer.seal(&parcel);
        Some(OutboundForward::Deliver {
            slot: slot as u8,
            block,
            parcel,
        })
    }

    /// The next waiting parcel of a contact that has a spur here.
    pub fn next(
        &mut self,
        outbox: &mut Queues<ContactTag, ()>,
        wanted: &[SpurTarget],
    ) -> Option<OutboundForward> {
        let up: BTreeSet<ContactTag> = self.up().map(|(contact, _)| contact).collect();
        let (contact, (), parcel) = outbox.next(|contact| up.contains(contact))?;
        self.deliver(contact, wanted, parcel)
    }

    /// A delivery that carries nothing: random bytes to a random spur that is up. The end cannot tell it from a real one.
    pub fn dummy(&self, chaff: &mut Stream) -> OutboundForward {
        let up: Vec<u8> = (0..SPUR_SLOTS)
            .filter(|slot| {
                let spur = &self.slots[usize::from(*slot)].spur;
                spur.as_ref()
                    .is_some_and(|spur| matches!(spur.state, State::Up))
            })
            .collect();
        // The same draws whatever is up.
        let (pick, block, parcel) = (
            chaff.below(u64::from(SPUR_SLOTS) * 3),
            chaff.bytes(),
            chaff.bytes(),
        );
        match up.get(pick as usize % up.len().max(1)) {
            Some(slot) => OutboundForward::Deliver {
                slot: *slot,
                block: Box::new(block),
                parcel: Box::new(parcel),
            },
            None => OutboundForward::Dummy,
        }
    }
}

#[cfg(test)]
mod tests;
