//! Circuits of others that pass through this node or end here.
//!
//! A relay knows the circuit's neighbour on each side and its own layer; position, length and purpose stay hidden from all hops but the
//! end. It refuses what does not fit the link, carries no more than was named, replaces duplicates and missing cells by random blocks, and takes
//! the circuit down when a side is gone. How it comes to be is in `build`, what is taken on in `admission`; what an end does is in
//! `end`, `intro` and `forward`. This file brings cells to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::allowance::Allowance;
use super::base::Base;
use super::end::End;
use super::forward::Forwarder;
use super::hop;
use super::intro::Intro;
use super::seen::{Seen, Verdict};
use super::strangers::Strangers;
use super::timers::{Direction, Timer};
use crate::crypto::keys::CookieKey;
use crate::crypto::onion::HopKeys;
use crate::node::link::AssocId;
use crate::wire::circuit::{
    BuildBack, BuildForward, CREATE_HEAD, CREATED_HEAD, Channel, InboundForward, OutboundForward,
    Rates, SPUR_SLOTS, UtilityForward,
};
use crate::wire::size::{BLOCK, END};
use crate::wire::time::{Moment, Now};

mod admission;
mod build;
#[cfg(test)]
mod tests;

/// Seconds without a cell from the origin's side, at least, until the circuit counts as abandoned.
const SILENCE_SECONDS: f64 = 60.0;
/// And in mean gaps.
const SILENCE_GAPS: f64 = 24.0;
/// A cell is due and missing when nothing came for so many mean gaps. At 3, each hop would add 5 cells to every 100; at 5 it adds less than 1.
const REFILL_GAPS: f64 = 5.0;

/// A circuit may carry this much more than the rates it named: clocks differ, and hops before this one refill.
const SLACK: f64 = 1.25;
/// And so many cells at once, with so many seconds' worth: the steps of its building, and the first 10 s of a utility circuit at six times its
/// rate. More is dropped, or admission would be a matter of what an origin says.
const BURST: f64 = 32.0;
const BURST_SECONDS: f64 = 50.0;

/// What a circuit may carry in one direction.
fn named(rate: f64, now: Moment) -> Allowance {
    Allowance::new(SLACK * rate, BURST + BURST_SECONDS * rate, now)
}

struct Extending {
    head: [u8; CREATE_HEAD],
    to: (AssocId, u32),
}

pub(super) struct Relayed {
    prev: (AssocId, u32),
    next: Option<(AssocId, u32)>,
    extending: Option<Extending>,
    /// The extension that was made and its answer, in case the origin asks again.
    extended: Option<([u8; CREATE_HEAD], [u8; CREATED_HEAD])>,
    keys: HopKeys,
    rates: Rates,
    may_forward: Allowance,
    may_back: Allowance,
    seen_forward: Seen,
    seen_back: Seen,
    last_forward: Moment,
    last_back: Moment,
    /// Last cell from the origin's side: of any kind at a middle hop, an authentic one at the last.
    heard: Moment,
    pub(super) end: Option<End>,
}

impl Relayed {
    fn silence(&self) -> f64 {
        SILENCE_SECONDS.max(SILENCE_GAPS / self.rates.forward_rate())
    }
}

/// Everything this node does for others' circuits.
pub(super) struct Relays {
    pub(super) circuits: BTreeMap<u64, Relayed>,
    next_number: u64,
    pub intro: Intro,
    pub(super) forwarder: Forwarder,
    pub(super) next_dial: u64,
    /// Spurs that were asked for and have no association yet.
    pub(super) dials: BTreeMap<u64, (u64, u8)>,
    /// Spurs of ends here.
    pub(super) outgoing: BTreeMap<AssocId, (u64, u8)>,
    /// Spurs that others dialled, whose far end delivers here.
    pub(super) incoming: BTreeMap<AssocId, SocketAddr>,
    /// Addresses that are called on an origin's word.
    pub strangers: Strangers,
    /// Blocks that were replaced because they came twice.
    pub duplicates: u64,
    /// Blocks that were dropped because their circuit named lower rates.
    pub excess: u64,
    /// Commands that did not belong to their channel.
    pub refused: u64,
}

impl Relays {
    pub fn new(base: &Base, cookie: CookieKey) -> Relays {
        Relays {
            circuits: BTreeMap::new(),
            next_number: 0,
            intro: Intro::new(cookie, base.relay_random.fork("intro", b"")),
            forwarder: Forwarder::new(base.relay_random.fork("forward", b"")),
            next_dial: 0,
            dials: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            strangers: Strangers::default(),
            duplicates: 0,
            excess: 0,
            refused: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.circuits.len()
    }

    /// A block from the origin's side.
    pub fn forward(&mut self, base: &mut Base, now: Now, number: u64, mut block: Box<[u8; BLOCK]>) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        if !circuit.may_forward.take(now.at) {
            self.excess += 1;
            return;
        }
        circuit.keys.forward.decrypt(&mut block);
        circuit.last_forward = now.at;
        let verdict = circuit.seen_forward.check(&block);
        if verdict == Verdict::Duplicate {
            self.duplicates += 1;
            if let Some(next) = circuit.next {
                let random: [u8; BLOCK] = base.relay_random.bytes();
                base.send(next, &random);
            }
            return;
        }
        match (circuit.keys.opener.open(&block), circuit.next) {
            (Ok((_, command)), _) => {
                circuit.heard = now.at;
                self.command(base, now, number, &command);
            }
            (Err(_), Some(next)) => {
                circuit.heard = now.at;
                base.send(next, &block);
            }
            // A random block that a hop put where a cell was missing, or damage.
            (Err(_), None) => {}
        }
        if verdict == Verdict::Full {
            self.close(base, number, None);
        }
    }

    /// A block from the end's side.
    pub fn back(&mut self, base: &mut Base, now: Now, number: u64, mut block: Box<[u8; BLOCK]>) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        if let Some(extending) = circuit.extending.take() {
            base.timers.clear(Timer::RelayExtend(number));
            let created = hop::head::<CREATED_HEAD>(&block);
            circuit.next = Some(extending.to);
            circuit.extended = Some((extending.head, created));
            self.reply(
                base,
                number,
                &BuildBack::Extended {
                    created: Box::new(created),
                }
                .encode(),
            );
            return;
        }
        if !circuit.may_back.take(now.at) {
            self.excess += 1;
            return;
        }
        circuit.last_back = now.at;
        let verdict = circuit.seen_back.check(&block);
        if verdict == Verdict::Duplicate {
            self.duplicates += 1;
            *block = base.relay_random.bytes();
        } else {
            circuit.keys.backward.encrypt(&mut block);
        }
        let prev = circuit.prev;
        base.send(prev, &block);
        if verdict == Verdict::Full {
            self.close(base, number, None);
        }
    }

    /// Seals a command for the origin and sends it.
    fn reply(&mut self, base: &mut Base, number: u64, command: &[u8; END]) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let Ok(mut block) = circuit.keys.sealer.seal(command) else {
            self.close(base, number, None);
            return;
        };
        circuit.keys.backward.encrypt(&mut block);
        let prev = circuit.prev;
        base.send(prev, &block);
    }

    fn command(&mut self, base: &mut Base, now: Now, number: u64, command: &[u8; END]) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        if let Ok(build) = BuildForward::decode(command) {
            self.build(base, now, number, build);
            return;
        }
        let Some(channel) = circuit.end.as_ref().map(End::channel) else {
            self.refused += 1;
            return;
        };
        let done = match channel {
            Channel::Outbound => OutboundForward::decode(command)
                .map(|command| self.outbound(base, now, number, command)),
            Channel::Inbound => InboundForward::decode(command)
                .map(|command| self.inbound(base, now, number, command)),
            Channel::Utility => UtilityForward::decode(command)
                .map(|command| self.utility(base, now, number, command)),
        };
        if done.is_err() {
            self.refused += 1;
        }
    }

    /// An end's clock.
    pub fn tick(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let Some(end) = circuit.end.as_mut() else {
            return;
        };
        let command = end
            .pace
            .tick(now.at)
            .then(|| end.next(now.at, &mut self.intro));
        base.timers.set(Timer::EndTick(number), end.pace.next());
        if let Some(command) = command {
            self.reply(base, number, &command);
        }
        self.close_retired(base, now.at, number);
    }

    /// A cell is due and missing in this direction: a random one goes instead, so that a gap does not travel through the circuit.
    pub fn refill(&mut self, base: &mut Base, now: Now, number: u64, direction: Direction) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let (last, rate, to) = match direction {
            Direction::Forward => (
                &mut circuit.last_forward,
                circuit.rates.forward_rate(),
                circuit.next,
            ),
            Direction::Back => (
                &mut circuit.last_back,
                circuit.rates.back_rate(),
                circuit.next.is_some().then_some(circuit.prev),
            ),
        };
        let gaps = REFILL_GAPS / rate;
        if last.after_seconds(gaps) <= now.at {
            *last = now.at;
            if let Some(to) = to {
                let random: [u8; BLOCK] = base.relay_random.bytes();
                base.send(to, &random);
            }
        }
        base.timers
            .set(Timer::Refill(number, direction), last.after_seconds(gaps));
    }

    pub fn silence(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let until = circuit.heard.after_seconds(circuit.silence());
        if until <= now.at {
            self.close(base, number, None);
        } else {
            base.timers.set(Timer::RelaySilence(number), until);
        }
    }

    /// The neighbour on one side says that the circuit is gone.
    pub fn closed(&mut self, base: &mut Base, number: u64, by: (AssocId, u32)) {
        let extending = self
            .circuits
            .get(&number)
            .and_then(|circuit| circuit.extending.as_ref())
            .map(|e| e.to);
        if extending == Some(by) {
            self.extend_failed(base, number);
        } else {
            self.close(base, number, Some(by));
        }
    }

    /// Takes a circuit down and tells the sides, except the one that said so.
    fn close(&mut self, base: &mut Base, number: u64, told_by: Option<(AssocId, u32)>) {
        for slot in 0..SPUR_SLOTS {
            self.close_spur(base, number, slot);
        }
        self.close_retired(base, Moment::NEVER, number);
        let Some(circuit) = self.circuits.remove(&number) else {
            return;
        };
        self.intro.circuit_gone(number);
        self.forwarder.circuit_gone(number);
        for timer in [
            Timer::RelaySilence(number),
            Timer::RelayExtend(number),
            Timer::EndTick(number),
            Timer::Refill(number, Direction::Forward),
            Timer::Refill(number, Direction::Back),
        ] {
            base.timers.clear(timer);
        }
        for side in [
            Some(circuit.prev),
            circuit.next,
            circuit.extending.map(|e| e.to),
        ]
        .into_iter()
        .flatten()
        {
            base.routes.remove(&side);
            if told_by != Some(side) {
                base.close(side);
            }
        }
    }

    /// A shaped link is gone: so is every circuit over it.
    pub fn link_down(&mut self, base: &mut Base, assoc: AssocId) {
        let over: Vec<u64> = self
            .circuits
            .iter()
            .filter(|(_, circuit)| {
                circuit.prev.0 == assoc || circuit.next.is_some_and(|next| next.0 == assoc)
            })
            .map(|(number, _)| *number)
            .collect();
        over.into_iter()
            .for_each(|number| self.close(base, number, None));
        let extending: Vec<u64> = self
            .circuits
            .iter()
            .filter(|(_, circuit)| circuit.extending.as_ref().is_some_and(|e| e.to.0 == assoc))
            .map(|(number, _)| *number)
            .collect();
        extending
            .into_iter()
            .for_each(|number| self.extend_failed(base, number));
    }

    /// For each relayed circuit, every address that this node's state ties to it.
    pub fn addresses(&self, base: &Base) -> Vec<Vec<SocketAddr>> {
        let link = |side: (AssocId, u32)| base.links.get(&side.0).map(|link| link.peer.addr);
        self.circuits
            .iter()
            .map(|(number, circuit)| {
                let mut found: Vec<SocketAddr> = [Some(circuit.prev), circuit.next]
                    .into_iter()
                    .flatten()
                    .filter_map(link)
                    .collect();
                found.extend(circuit.end.iter().flat_map(End::addresses));
                found.extend(self.forwarder.addresses_of(*number));
                found
            })
            .collect()
    }
}
