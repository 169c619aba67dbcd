//! Which circuits there are: built, replaced and rebuilt on the circuit clock, whatever the person does.
//!
//! Not here: what they carry.

use std::collections::BTreeMap;

use super::super::base::Base;
use super::super::inbound::Inbound;
use super::super::origin::{Leeway, Origin};
use super::super::path::{self, TINY};
use super::super::spur::Spurs;
use super::super::timers::Timer;
use super::{Age, Circuit, Duty, HELD_UP_SECONDS, Load, Own, silence};
use crate::node::person::WhyFailed;
use crate::wire::class::Class;
use crate::wire::time::Now;

/// Mean seconds between ticks of the circuit clock.
const CLOCK_SECONDS: f64 = 10.0;
/// The same from the death or failure of a circuit on, so that a person is not without it for long; but not for ever: after so many ticks in a
/// row at which one was missing, a network has no room.
const MISSING_CLOCK_SECONDS: f64 = 3.0;
const MISSING_TICKS: u32 = 40;
/// While a circuit has never been up, so that a fresh start takes seconds; but not for ever.
const FIRST_CLOCK_SECONDS: f64 = 0.4;
const FIRST_TICKS: u32 = 150;
/// A circuit that is shorter than the network now asks for is replaced when it is so old, one at a tick: in a network that starts all at
/// once everybody's first circuits are short, and to build all of them twice in those seconds would take every guard's room.
const OUTGROWN_SECONDS: f64 = 60.0;
/// The same for one that ended early because no further hop was to be had, that is slow because hops had no room, or that ends where the inbound one
/// does: that changes when the first circuits of a start have left their quick beginning behind. Twice as long each time another is such a one: in a
/// small network that stays as it is, intro points shall not move every minute.
const POOR_SECONDS: f64 = 20.0;
const POOR_DOUBLINGS: u32 = 7;
/// A circuit that dies sooner died young: a hop of it may let circuits be built and then drop their cells.
const YOUNG_SECONDS: f64 = 300.0;
/// Failed attempts in a row after which a circuit in a tiny network may be a hop shorter than it should, and after as many more another hop: whoever
/// is the only hop knows both ends, so that comes last.
const SHORT_AFTER: u32 = 3;
/// And not in this node's first seconds: links and their certificates are only coming then, and attempts follow each other quickly.
const SHORT_SECONDS: f64 = 15.0;
/// Failed attempts in a row after which the utility circuit may lead over nodes that the pool does not know: by that circuit alone the pool learns of
/// others, and who knew none behind either guard would look nobody up for ever.
const UNKNOWN_AFTER: u32 = 6;

impl Own {
    /// A tick of the circuit clock: builds what is missing.
    pub fn clock_tick(&mut self, base: &mut Base, now: Now) {
        self.ticks = self.ticks.saturating_add(1);
        self.pins.refresh(base, now.at);
        self.leave_silent_guards(base, now);
        self.tell_points(base, now);
        // A network that has grown since: the first nodes of one begin with circuits of one hop, and with whoever called them for a guard.
        let wanted = path::length_here(base);
        let outgrown = |circuit: &&Circuit| {
            let origin = &circuit.origin;
            let seconds = if origin.target() < wanted || !self.pins.holds(&origin.guard().node) {
                OUTGROWN_SECONDS
            } else if self.is_poor(base, circuit) {
                let times = self.poor.get(&circuit.duty).copied().unwrap_or_default();
                let doublings = times.saturating_sub(1).min(POOR_DOUBLINGS);
                POOR_SECONDS * f64::from(1 << doublings)
            } else {
                return false;
            };
            circuit.serves()
                && circuit.age == Age::Serving
                && origin.born.after_seconds(seconds) <= now.at
        };
        let outgrown = self.circuits.iter().find(|(_, c)| outgrown(c));
        let outgrown = outgrown.map(|(number, _)| *number);
        if let Some(circuit) = outgrown.and_then(|number| self.circuits.get_mut(&number)) {
            circuit.age = Age::Expired;
        }
        for duty in Duty::ALL {
            let has = |wanted: &dyn Fn(&Circuit) -> bool| {
                self.circuits.values().any(|c| c.duty == duty && wanted(c))
            };
            let building = has(&|c| !c.serves() && c.age == Age::Serving);
            if !building && !has(&|c| c.serves() && c.age == Age::Serving) {
                self.build(base, now, duty);
            }
        }
        let fresh = self.ticks < FIRST_TICKS
            && Duty::ALL.iter().any(|duty| {
                !self.ever.contains(duty)
                    && (*duty != Duty::Standby || self.pins.backup(base).is_some())
            });
        let missing = Duty::ALL.iter().any(|duty| {
            let serves = |c: &Circuit| c.duty == *duty && c.serves() && c.age == Age::Serving;
            let wanted = *duty != Duty::Standby || self.pins.backup(base).is_some();
            wanted && !self.circuits.values().any(serves)
        });
        self.missing_ticks = if missing { self.missing_ticks + 1 } else { 0 };
        let mean = if fresh {
            FIRST_CLOCK_SECONDS
        } else if missing && self.missing_ticks < MISSING_TICKS {
            MISSING_CLOCK_SECONDS
        } else {
            CLOCK_SECONDS
        };
        base.timers.set(
            Timer::CircuitClock,
            now.at.after_seconds(self.clock.exponential(mean)),
        );
    }

    /// Circuits over a guard that is silent, while another is heard: what is being built there has failed, what serves gets a successor and goes on
    /// if the guard comes back.
    fn leave_silent_guards(&mut self, base: &mut Base, now: Now) {
        let mut failed = Vec::new();
        for (number, circuit) in &mut self.circuits {
            if !self.pins.has_left(base, circuit.origin.assoc()) {
                continue;
            }
            if !circuit.serves() {
                failed.push(*number);
            } else if circuit.age == Age::Serving {
                circuit.age = Age::Expired;
            }
        }
        failed
            .into_iter()
            .for_each(|number| self.dead(base, now, number, WhyFailed::GuardSilent));
    }

    fn build(&mut self, base: &mut Base, now: Now, duty: Duty) {
        let count = |counts: &BTreeMap<Duty, u32>| counts.get(&duty).copied().unwrap_or(0);
        let failures = count(&self.failures);
        let at_guard = count(&self.at_guard);
        let deaths = self.deaths.get(&duty).copied().unwrap_or_default();
        let guard = match duty {
            Duty::Standby => self.pins.backup(base),
            _ if is_backups_turn(deaths.young, at_guard, failures - at_guard) => {
                self.pins.backup(base).or_else(|| self.pins.guard(base))
            }
            Duty::Outbound | Duty::Inbound | Duty::Utility => self.pins.guard(base),
        };
        let Some(guard) = guard else { return };
        let since = *self.building_since.get_or_insert(now.at);
        let patient = now.at >= since.after_seconds(SHORT_SECONDS);
        // Where later hops are slower than we are, every third try is at the rates that all of them have room for. At first every sixth: what fails
        // then mostly fails because links are only coming, and on a slow circuit a person who talks waits for minutes.
        let every = if patient { 3 } else { 6 };
        let slow = failures % every == every - 1
            || base
                .links
                .get(&guard.0)
                .is_some_and(|link| link.rate < base.class.link_rate());
        let wanted = path::length_here(base);
        let least = if base.nodes < TINY && patient {
            let missing = usize::try_from(failures / SHORT_AFTER).unwrap_or(wanted);
            wanted.saturating_sub(missing).max(1)
        } else {
            wanted
        };
        let factor = if slow {
            Class::Normal.circuit_factor()
        } else {
            base.class.circuit_factor()
        };
        // Unless there is no other.
        let avoids = deaths.young % 2 == 1 && failures < SHORT_AFTER;
        let number = self.next_number;
        let Some(origin) = Origin::start(
            base,
            now,
            number,
            guard,
            duty.channel(),
            duty.rates(factor),
            Leeway {
                least,
                avoided: deaths.behind.filter(|_| avoids),
                may_be_unknown: duty == Duty::Utility && failures >= UNKNOWN_AFTER,
            },
        ) else {
            return;
        };
        self.next_number += 1;
        let context = base.fork_context();
        let load = match duty {
            Duty::Outbound => {
                let clock = base.schedule.fork("spurs", &context);
                let crypto = base.own_random.branch();
                let back_rate = origin.rates().back_rate();
                Load::Outbound(Box::new(Spurs::new(base.class, &clock, back_rate, crypto)))
            }
            Duty::Inbound | Duty::Standby => {
                Load::Inbound(Box::new(Inbound::new(base.own_random.bytes())))
            }
            Duty::Utility => Load::Utility,
        };
        let chaff = base.own_random.branch();
        self.circuits.insert(
            number,
            Circuit {
                origin,
                duty,
                load,
                age: Age::Serving,
                chaff,
            },
        );
    }

    /// It cannot be built.
    pub(super) fn failed(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let next = circuit.origin.hops() as u8 + 1;
        self.dead(base, now, number, WhyFailed::Hop(next));
    }

    /// A circuit failed or was found dead. The circuit clock builds another.
    pub(super) fn dead(&mut self, base: &mut Base, now: Now, number: u64, why: WhyFailed) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let duty = circuit.duty;
        if circuit.age != Age::Retiring {
            self.failure = Some((now.at, duty, why));
        }
        if circuit.origin.is_ready() {
            if circuit.age != Age::Retiring {
                *self.rebuilt.entry(duty).or_default() += 1;
                let deaths = self.deaths.entry(duty).or_default();
                let young = now.at < circuit.origin.born.after_seconds(YOUNG_SECONDS);
                // A guard that is gone is left anyway, whatever lies behind it.
                if base.is_heard(circuit.origin.assoc()) {
                    deaths.young = if young { deaths.young + 1 } else { 0 };
                    deaths.behind = circuit.origin.path().get(1).map(|hop| hop.node);
                }
            }
        } else {
            *self.failures.entry(duty).or_default() += 1;
            *self.at_guard.entry(duty).or_default() += u32::from(circuit.origin.hops() == 0);
        }
        if self.missing_ticks < MISSING_TICKS {
            let soon = self.clock.exponential(MISSING_CLOCK_SECONDS);
            base.timers
                .hasten(Timer::CircuitClock, now.at.after_seconds(soon));
        }
        self.remove(base, now, number);
    }

    /// Something about which circuits serve changed: successors take over, and the person hears of intro points and spurs.
    pub(super) fn changed(&mut self, base: &mut Base, now: Now) {
        for duty in Duty::ALL {
            let newest = self
                .circuits
                .iter()
                .rev()
                .find(|(_, c)| c.duty == duty && c.serves())
                .map(|(number, _)| *number);
            let Some(newest) = newest else { continue };
            self.ever.insert(duty);
            for (number, circuit) in self.circuits.range_mut(..newest) {
                if circuit.duty == duty && circuit.age != Age::Retiring {
                    circuit.age = Age::Retiring;
                    base.timers.set(
                        Timer::OriginLife(*number),
                        now.at.after_seconds(duty.overlap()),
                    );
                }
            }
        }
        self.tell_outbound(base);
        self.tell_spurs(base);
        self.tell_points(base, now);
    }

    pub fn silence(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let silence = silence(&circuit.origin);
        let until = circuit.origin.heard.after_seconds(silence);
        let again = if until > now.at {
            until
        } else if now.at > until.after_seconds(HELD_UP_SECONDS) {
            now.at.after_seconds(silence)
        } else {
            self.dead(base, now, number, WhyFailed::Silent);
            return;
        };
        base.timers.set(Timer::OriginSilence(number), again);
    }

    /// A circuit's life is over, or the time beside its successor.
    pub fn life_over(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        match circuit.age {
            Age::Serving => circuit.age = Age::Expired,
            Age::Expired => {}
            Age::Retiring => self.remove(base, now, number),
        }
    }
}

/// The guard may have no room, or nobody behind it, or a hop that lets circuits be built and drops their cells. Both guards are pinned, so to take turns
/// gives nothing away. Each count of failures changes the turn by itself: whatever came before, no guard that fails is tried for ever.
fn is_backups_turn(young_deaths: u32, at_guard: u32, beyond: u32) -> bool {
    (young_deaths % 4 >= 2) ^ (at_guard % 4 >= 2) ^ (beyond % 6 >= 4)
}

#[cfg(test)]
mod tests {
    use super::is_backups_turn;

    #[test]
    fn whatever_failed_before_a_guard_that_goes_on_failing_is_left() {
        assert!(!is_backups_turn(0, 0, 0), "the guard comes first");
        for before in 0..4 * 4 * 6 {
            let (young, at_guard, beyond) = (before / 24, before / 6 % 4, before % 6);
            let turn = is_backups_turn(young, at_guard, beyond);
            let is_left = |later: &dyn Fn(u32) -> bool, within: u32| {
                (1..=within).any(|more| later(more) != turn)
            };
            assert!(is_left(
                &|n| is_backups_turn(young + n, at_guard, beyond),
                2
            ));
            assert!(is_left(
                &|n| is_backups_turn(young, at_guard + n, beyond),
                2
            ));
            assert!(is_left(
                &|n| is_backups_turn(young, at_guard, beyond + n),
                4
            ));
        }
    }
}
