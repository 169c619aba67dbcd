//! One circuit of our own: telescoped building, and the seals of every cell after it.
//!
//! CREATE to the guard, then for each further hop a question for its neighbours and an EXTEND, at last BEGIN. Answers that do not come
//! are asked for again; a circuit that cannot be built is given up and tried again on the circuit clock (`own`). Building happens at
//! times the network decides, never a person, so its steps follow each other at once. Not here: what the finished circuit carries.

use std::collections::BTreeSet;

use super::base::{Base, Route};
use super::guards::Pins;
use super::hop;
use super::pace::{Boost, Pace};
use super::path;
use super::pool::Pool;
use super::timers::Timer;
use crate::crypto::id::NodeId;
use crate::crypto::onion::HopKeys;
use crate::crypto::random::Stream;
use crate::node::link::AssocId;
use crate::wire::certificate::LinkCertificate;
use crate::wire::circuit::{
    BuildBack, BuildForward, CREATED_HEAD, Channel, NEIGHBOURS_AN_ANSWER, Rates,
};
use crate::wire::codec::Reader;
use crate::wire::peer::Peer;
use crate::wire::size::{BLOCK, END, NEIGHBOUR};
use crate::wire::time::{Moment, Now};

/// Seconds for a step of building, plus so many for each hop it passes: four times what the slowest class needs in the mean.
const STEP_SECONDS: f64 = 5.0;
const STEP_SECONDS_A_HOP: f64 = 1.0;
/// Times a step is tried.
const TRIES: u8 = 3;
/// Times a hop is asked for neighbours, 2 of at most 14 a time: some have no room.
const ASKS: u8 = 10;
/// Questions that go to a hop at once, so that as many neighbours as are needed mostly come in one round.
const ASKS_AT_ONCE: u8 = 2;
/// A hop must name so many neighbours that may follow, or it is none: with fewer to choose among it might lead everybody to friends of its own.
/// What counts are neighbours with true certificates, not what it says of itself. Below `TINY` nodes one is enough.
const LEAST_NEIGHBOURS: usize = 3;

struct Hop {
    peer: Peer,
    keys: HopKeys,
}

enum Step {
    Create(hop::Asked),
    Ask,
    Extend(hop::Asked, Peer),
    Begin,
    Done,
}

/// What became of a block or a timer while building.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Going,
    Ready,
    Failed,
}

/// What an attempt may do, or must not, that others must not, or may.
#[derive(Clone, Copy)]
pub(super) struct Leeway {
    /// Hops it must have at least: as many as the network asks for, fewer in a tiny one that has no further.
    pub least: usize,
    /// A second hop behind which circuits die.
    pub avoided: Option<NodeId>,
    /// Whether a hop that the pool does not know may follow.
    pub may_be_unknown: bool,
}

pub(super) struct Origin {
    number: u64,
    at: (AssocId, u32),
    guard: Peer,
    channel: Channel,
    rates: Rates,
    target: usize,
    least: usize,
    may_be_unknown: bool,
    hops: Vec<Hop>,
    step: Step,
    tries: u8,
    /// Questions for neighbours that the last hop was asked, and how many of them are not answered.
    asks: u8,
    open: u8,
    /// Where in the last hop's list of neighbours the questions begin.
    first: u8,
    /// Neighbours that may follow, as the last hop named them, and that were not tried yet: `ASKS` answers' at most.
    fit: Vec<Peer>,
    /// It has named enough of them.
    enough: bool,
    /// Nodes that this circuit could not be extended to.
    refused: BTreeSet<NodeId>,
    /// Where other circuits end that shall not die with this one.
    other_ends: Vec<NodeId>,
    choice: Stream,
    pub born: Moment,
    pub heard: Moment,
    pub pace: Option<Pace>,
}

impl Origin {
    pub fn start(
        base: &mut Base,
        now: Now,
        number: u64,
        (assoc, guard): (AssocId, Peer),
        channel: Channel,
        rates: Rates,
        leeway: Leeway,
    ) -> Option<Origin> {
        let target = path::length_here(base);
        let at = base.new_circuit(assoc, Route::Origin(number))?;
        let asked = hop::Asked::new(guard.node, rates, &mut base.own_random);
        let block = hop::fill(asked.head(), &mut base.own_random);
        base.send(at, &block);
        let context = base.fork_context();
        let choice = base.topology.fork("path", &context);
        let origin = Origin {
            number,
            at,
            guard,
            channel,
            rates,
            target,
            least: leeway.least,
            may_be_unknown: leeway.may_be_unknown,
            hops: Vec::new(),
            step: Step::Create(asked),
            tries: 1,
            asks: 0,
            open: 0,
            first: 0,
            fit: Vec::new(),
            enough: false,
            refused: leeway.avoided.into_iter().collect(),
            other_ends: Vec::new(),
            choice,
            born: now.at,
            heard: now.at,
            pace: None,
        };
        origin.patience(base, now);
        Some(origin)
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// Hops it was to have when it was begun.
    pub fn target(&self) -> usize {
        self.target
    }

    pub fn hops(&self) -> usize {
        self.hops.len()
    }

    pub fn assoc(&self) -> AssocId {
        self.at.0
    }

    pub fn guard(&self) -> Peer {
        self.guard
    }

    /// The last hop.
    pub fn end(&self) -> Option<Peer> {
        self.hops.last().map(|hop| hop.peer)
    }

    pub fn path(&self) -> Vec<Peer> {
        self.hops.iter().map(|hop| hop.peer).collect()
    }

    fn patience(&self, base: &mut Base, now: Now) {
        let seconds = STEP_SECONDS + STEP_SECONDS_A_HOP * (self.hops.len() + 1) as f64;
        base.timers.set(
            Timer::OriginStep(self.number),
            now.at.after_seconds(seconds),
        );
    }

    /// Seals a command to the last hop and sends it through the layers. False if the circuit is used up.
    pub fn send(&mut self, base: &mut Base, command: &[u8; END]) -> bool {
        let Some(last) = self.hops.last_mut() else {
            return false;
        };
        let Ok(mut block) = last.keys.sealer.seal(command) else {
            return false;
        };
        for hop in self.hops.iter().rev() {
            hop.keys.forward.encrypt(&mut block);
        }
        base.send(self.at, &block);
        true
    }

    /// Takes the layers off a block from the guard. `None` if it is not from the end: random, damaged or twice.
    pub fn open(&mut self, now: Now, block: &[u8; BLOCK]) -> Option<[u8; END]> {
        let mut block = *block;
        for hop in &self.hops {
            hop.keys.backward.decrypt(&mut block);
        }
        let (_, command) = self.hops.last_mut()?.keys.opener.open(&block).ok()?;
        self.heard = now.at;
        Some(command)
    }

    /// The last hop, or the node that is asked to become it.
    pub fn end_in_sight(&self) -> Option<NodeId> {
        match &self.step {
            Step::Extend(_, peer) if self.hops.len() + 1 == self.target => Some(peer.node),
            Step::Begin | Step::Done => self.end().map(|peer| peer.node),
            _ => None,
        }
    }

    /// A block while the circuit is being built. It ends at none of `other_ends`, where there is a choice.
    pub fn building(
        &mut self,
        base: &mut Base,
        now: Now,
        pool: &mut Pool,
        pins: &mut Pins,
        other_ends: Vec<NodeId>,
        block: &[u8; BLOCK],
    ) -> Progress {
        self.other_ends = other_ends;
        if let Step::Create(asked) = &self.step {
            let Ok(keys) = asked.finish(&hop::head::<CREATED_HEAD>(block)) else {
                return Progress::Failed;
            };
            self.hops.push(Hop {
                peer: self.guard,
                keys,
            });
            return self.advance(base, now, pins);
        }
        let Some(command) = self.open(now, block) else {
            return Progress::Going;
        };
        let Ok(answer) = BuildBack::decode(&command) else {
            // The end's own clock runs, so it has begun: its word of that was lost among the first cells, which come quickly.
            return match self.step {
                Step::Begin => self.begun(base, now),
                _ => Progress::Going,
            };
        };
        match (answer, &self.step) {
            (BuildBack::Neighbours { total, named }, Step::Ask | Step::Extend(..)) => {
                self.open = self.open.saturating_sub(1);
                self.take_in(base, now, pool, &named);
                match self.step {
                    Step::Ask => self.choose(base, now, pins, usize::from(total)),
                    // The first answer was enough to go on.
                    _ => Progress::Going,
                }
            }
            (BuildBack::Extended { created }, Step::Extend(asked, peer)) => {
                let peer = *peer;
                // Otherwise the answer to an earlier question, given twice; or a lie, which time will tell.
                let Ok(keys) = asked.finish(&created) else {
                    return Progress::Going;
                };
                self.hops.push(Hop { peer, keys });
                if self.hops.len() == 2 {
                    pins.pin_second(self.guard.node, peer);
                }
                self.advance(base, now, pins)
            }
            (BuildBack::Refused, Step::Extend(_, peer)) => {
                let node = peer.node;
                self.not_there(base, now, pins, node)
            }
            (BuildBack::Begun { channel }, Step::Begin) if channel == self.channel => {
                self.begun(base, now)
            }
            // An answer to a question that was asked twice.
            _ => Progress::Going,
        }
    }

    /// The next step after a hop was added.
    fn advance(&mut self, base: &mut Base, now: Now, pins: &mut Pins) -> Progress {
        self.asks = 0;
        self.open = 0;
        self.fit.clear();
        self.enough = false;
        self.first = self.choice.below(u64::from(u8::MAX / 2)) as u8;
        if self.hops.len() >= self.target {
            return self.begin(base, now);
        }
        if self.hops.len() == 1
            && let Some(second) = pins.second(&self.guard.node, &self.refused)
        {
            return self.extend(base, now, second);
        }
        self.ask(base, now)
    }

    fn take(&mut self, base: &mut Base, now: Now, step: Step, command: &[u8; END]) -> Progress {
        self.step = step;
        self.tries = 1;
        self.patience(base, now);
        if self.send(base, command) {
            Progress::Going
        } else {
            Progress::Failed
        }
    }

    fn begin(&mut self, base: &mut Base, now: Now) -> Progress {
        let command = BuildForward::Begin {
            channel: self.channel,
        }
        .encode();
        self.take(base, now, Step::Begin, &command)
    }

    fn begun(&mut self, base: &mut Base, now: Now) -> Progress {
        self.step = Step::Done;
        base.timers.clear(Timer::OriginStep(self.number));
        let context = base.fork_context();
        let clock = base.schedule.fork("origin", &context);
        // The first cell leaves at once, as those before it did: a registration, a question, whatever the circuit is for.
        self.pace = Some(Pace::at_once(
            clock,
            self.rates.forward_rate(),
            Boost::of(self.channel),
            now.at,
        ));
        Progress::Ready
    }

    fn ask(&mut self, base: &mut Base, now: Now) -> Progress {
        for _ in 0..ASKS_AT_ONCE {
            // From a random place on through the whole list, so that no neighbour is asked for twice.
            let next = usize::from(self.first) + usize::from(self.asks) * NEIGHBOURS_AN_ANSWER;
            let ask = std::array::from_fn(|n| (next + n) as u8);
            self.asks += 1;
            self.open += 1;
            let command = BuildForward::Neighbours { ask }.encode();
            if self.take(base, now, Step::Ask, &command) == Progress::Failed {
                return Progress::Failed;
            }
        }
        Progress::Going
    }

    fn extend(&mut self, base: &mut Base, now: Now, to: Peer) -> Progress {
        let asked = hop::Asked::new(to.node, self.rates, &mut base.own_random);
        let command = BuildForward::Extend {
            node: to.node,
            create: Box::new(*asked.head()),
        }
        .encode();
        self.take(base, now, Step::Extend(asked, to), &command)
    }

    /// Neighbours of the last hop: the certified ones go to the pool, those that may follow are kept.
    fn take_in(
        &mut self,
        base: &Base,
        now: Now,
        pool: &mut Pool,
        named: &[(u8, Box<[u8; NEIGHBOUR]>)],
    ) {
        let path = self.path();
        let Some(last) = path.last() else {
            return;
        };
        for (_, bytes) in named {
            let Ok(certificate) = LinkCertificate::read(&mut Reader::new(&bytes[..])) else {
                continue;
            };
            let reach = crate::wire::address::Reach::of(base.lan);
            if !certificate.address.is_allowed(reach) || !certificate.verify(&last.node, now.unix) {
                continue;
            }
            let peer = Peer {
                node: certificate.neighbour,
                addr: certificate.address.socket(),
            };
            let known = self.fit.iter().any(|fit| fit.node == peer.node)
                || self.refused.contains(&peer.node);
            let asked = (!self.may_be_unknown).then_some(&*pool);
            if !known && path::may_follow(base, asked, &path, &peer) {
                self.fit.push(peer);
            }
            pool.name(peer, last.node);
        }
    }

    /// Goes on to one of the neighbours that may follow, once there are enough to choose among.
    fn choose(&mut self, base: &mut Base, now: Now, pins: &mut Pins, total: usize) -> Progress {
        let least = if base.nodes < path::TINY {
            1
        } else {
            LEAST_NEIGHBOURS
        };
        self.enough |= self.fit.len() >= least;
        let is_last = self.hops.len() + 1 == self.target;
        // Those where another circuit ends come last.
        let other_ends = &self.other_ends;
        let is_other_end = |peer: &Peer| is_last && other_ends.contains(&peer.node);
        self.fit.sort_by_key(is_other_end);
        let free = self.fit.iter().filter(|peer| !is_other_end(peer)).count();
        if self.enough && free > 0 {
            return self.draw(base, now, free);
        }
        if self.open > 0 {
            return Progress::Going;
        }
        if self.asks < ASKS && usize::from(self.asks) * NEIGHBOURS_AN_ANSWER < total {
            return self.ask(base, now);
        }
        if self.enough && !self.fit.is_empty() {
            return self.draw(base, now, self.fit.len());
        }
        self.no_further(base, now, pins)
    }

    /// Goes on to one of the first `count` that may follow.
    fn draw(&mut self, base: &mut Base, now: Now, count: usize) -> Progress {
        let at = self.choice.below(count as u64) as usize;
        let chosen = self.fit.swap_remove(at);
        self.extend(base, now, chosen)
    }

    /// The last hop has named all that it will.
    fn no_further(&mut self, base: &mut Base, now: Now, pins: &mut Pins) -> Progress {
        if self.hops.len() >= self.least {
            return self.begin(base, now);
        }
        if let [guard, second] = self.path()[..] {
            // Another hop than this one next time.
            pins.unpin_second(&guard.node, &second.node);
        }
        Progress::Failed
    }

    fn not_there(&mut self, base: &mut Base, now: Now, pins: &mut Pins, node: NodeId) -> Progress {
        self.refused.insert(node);
        if self.hops.len() == 1
            && let Some(second) = pins.second(&self.guard.node, &self.refused)
        {
            return self.extend(base, now, second);
        }
        // Questions that are still open are as good as lost.
        self.open = 0;
        self.choose(base, now, pins, usize::from(u8::MAX))
    }

    /// A step was not answered in time.
    pub fn step_overdue(&mut self, base: &mut Base, now: Now, pins: &mut Pins) -> Progress {
        if self.tries >= TRIES {
            if let (Step::Extend(_, peer), 1) = (&self.step, self.hops.len()) {
                pins.unpin_second(&self.guard.node, &peer.node);
            }
            return Progress::Failed;
        }
        let command = match &self.step {
            // A second CREATE would need a second id: the circuit clock makes one.
            Step::Create(_) => return Progress::Failed,
            Step::Done => return Progress::Going,
            Step::Ask => BuildForward::Neighbours {
                ask: self.choice.bytes(),
            },
            Step::Extend(asked, peer) => BuildForward::Extend {
                node: peer.node,
                create: Box::new(*asked.head()),
            },
            Step::Begin => BuildForward::Begin {
                channel: self.channel,
            },
        };
        self.tries += 1;
        self.open = self.open.min(1);
        self.patience(base, now);
        if self.send(base, &command.encode()) {
            Progress::Going
        } else {
            Progress::Failed
        }
    }

    /// Frees the circuit's id and tells the guard.
    pub fn close(&self, base: &mut Base) {
        base.routes.remove(&self.at);
        base.close(self.at);
        for timer in [
            Timer::OriginStep(self.number),
            Timer::OriginTick(self.number),
            Timer::OriginSilence(self.number),
            Timer::OriginLife(self.number),
        ] {
            base.timers.clear(timer);
        }
    }
}
