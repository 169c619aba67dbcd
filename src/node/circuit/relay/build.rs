//! How others' circuits come to be: CREATE from the side of the origin, then what it asks of the last hop so far until that is the end.

use super::super::base::{Base, Route};
use super::super::end::End;
use super::super::hop;
use super::super::pace::{Boost, Pace};
use super::super::seen::Seen;
use super::super::timers::{Direction, Timer};
use super::{Extending, Relayed, Relays, named};
use crate::crypto::id::NodeId;
use crate::node::link::AssocId;
use crate::wire::circuit::{BuildBack, BuildForward, CREATE_HEAD};
use crate::wire::size::BLOCK;
use crate::wire::time::Now;

/// Seconds for the next hop to answer a CREATE.
const EXTEND_SECONDS: f64 = 8.0;
/// Refilling starts when the circuit is built and has settled.
const REFILL_AFTER: f64 = 30.0;

impl Relays {
    /// A block on a circuit id nobody knows: a CREATE, or nothing.
    pub fn create(&mut self, base: &mut Base, now: Now, at: (AssocId, u32), block: &[u8; BLOCK]) {
        let head = hop::head::<CREATE_HEAD>(block);
        if !hop::is_create(&base.id, &head) {
            return;
        }
        let Ok(rates) = hop::rates(&base.id, &head) else {
            return;
        };
        if !self.has_room(base, at.0, rates.back_rate()) {
            base.close(at);
            return;
        }
        let key = base.key.clone();
        let Ok((keys, created)) = hop::accept(&key, &head, &mut base.relay_random) else {
            return;
        };
        let number = self.next_number;
        self.next_number += 1;
        let circuit = Relayed {
            prev: at,
            next: None,
            extending: None,
            extended: None,
            keys,
            rates,
            may_forward: named(rates.forward_rate(), now.at),
            may_back: named(rates.back_rate(), now.at),
            seen_forward: Seen::new(),
            seen_back: Seen::new(),
            last_forward: now.at,
            last_back: now.at,
            heard: now.at,
            end: None,
        };
        base.routes.insert(at, Route::Prev(number));
        base.timers.set(
            Timer::RelaySilence(number),
            now.at.after_seconds(circuit.silence()),
        );
        let settled = now.at.after_seconds(REFILL_AFTER);
        base.timers
            .set(Timer::Refill(number, Direction::Forward), settled);
        base.timers
            .set(Timer::Refill(number, Direction::Back), settled);
        self.circuits.insert(number, circuit);
        let block = hop::fill(&created, &mut base.relay_random);
        base.send(at, &block);
    }

    pub(super) fn build(&mut self, base: &mut Base, now: Now, number: u64, command: BuildForward) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        match command {
            // Begun: an end builds no further, whatever it is told.
            BuildForward::Neighbours { .. } | BuildForward::Extend { .. }
                if circuit.end.is_some() =>
            {
                self.refused += 1
            }
            BuildForward::Neighbours { ask } => {
                let named = base.neighbours(&ask);
                let total = u8::try_from(base.certified()).unwrap_or(u8::MAX);
                self.reply(
                    base,
                    number,
                    &BuildBack::Neighbours { total, named }.encode(),
                );
            }
            BuildForward::Extend { node, create } => self.extend(base, now, number, node, &create),
            BuildForward::Begin { channel } => {
                if circuit.next.is_some() || circuit.extending.is_some() {
                    self.refused += 1;
                    return;
                }
                if circuit.end.is_none() {
                    let clock = base.schedule.fork("end", &number.to_be_bytes());
                    let pace =
                        Pace::new(clock, circuit.rates.back_rate(), Boost::of(channel), now.at);
                    base.timers.set(Timer::EndTick(number), pace.next());
                    circuit.end = Some(End::new(channel, pace, now.at));
                }
                let channel = circuit.end.as_ref().map_or(channel, End::channel);
                self.reply(base, number, &BuildBack::Begun { channel }.encode());
            }
        }
    }

    fn extend(
        &mut self,
        base: &mut Base,
        now: Now,
        number: u64,
        node: NodeId,
        head: &[u8; CREATE_HEAD],
    ) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        if let Some((made, created)) = &circuit.extended {
            let answer = if made == head {
                BuildBack::Extended {
                    created: Box::new(*created),
                }
            } else {
                BuildBack::Refused
            };
            self.reply(base, number, &answer.encode());
            return;
        }
        if circuit.extending.is_some() {
            return;
        }
        let (rate, prev) = (circuit.rates.forward_rate(), circuit.prev.0);
        // Over a silent link the origin would wait for nothing.
        let link = base
            .links
            .iter()
            .find(|(assoc, link)| link.peer.node == node && **assoc != prev && !link.silent)
            .map(|(assoc, _)| *assoc);
        let Some(assoc) = link.filter(|assoc| self.admits_forward(base, *assoc, rate)) else {
            self.reply(base, number, &BuildBack::Refused.encode());
            return;
        };
        let Some(to) = base.new_circuit(assoc, Route::Next(number)) else {
            self.reply(base, number, &BuildBack::Refused.encode());
            return;
        };
        if let Some(circuit) = self.circuits.get_mut(&number) {
            circuit.extending = Some(Extending { head: *head, to });
        }
        base.timers.set(
            Timer::RelayExtend(number),
            now.at.after_seconds(EXTEND_SECONDS),
        );
        let block = hop::fill(head, &mut base.relay_random);
        base.send(to, &block);
    }

    /// The next hop did not answer, or said no.
    pub fn extend_failed(&mut self, base: &mut Base, number: u64) {
        let Some(extending) = self
            .circuits
            .get_mut(&number)
            .and_then(|circuit| circuit.extending.take())
        else {
            return;
        };
        base.timers.clear(Timer::RelayExtend(number));
        base.routes.remove(&extending.to);
        base.close(extending.to);
        self.reply(base, number, &BuildBack::Refused.encode());
    }
}
