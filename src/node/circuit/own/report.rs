//! What a person, the network screen and the simulator hear of the own circuits. It changes nothing but what was told before.

use super::*;

/// At a start a standby intro point waits so long for the other one before it is told alone: whoever finds it alone talks along it, at a tenth of the
/// rate, until they look again.
const STANDBY_ALONE_SECONDS: f64 = 10.0;

impl Own {
    pub(super) fn tell_outbound(&mut self, base: &mut Base) {
        let mut circuits = self.circuits.values().rev();
        let newest = circuits.find(|c| c.duty == Duty::Outbound && c.serves());
        let rate = newest.map_or(0.0, |circuit| circuit.origin.rates().forward_rate());
        if rate != self.outbound {
            self.outbound = rate;
            base.person(PersonEvent::Outbound { rate });
        }
    }

    pub(super) fn tell_spurs(&mut self, base: &mut Base) {
        let mut up = BTreeSet::new();
        for circuit in self.circuits.values() {
            if let Load::Outbound(spurs) = &circuit.load {
                up.extend(spurs.up());
            }
        }
        // One to another intro point of the contact is news, though the contact had one before.
        for (contact, _) in up.difference(&self.up) {
            base.person(PersonEvent::SpurUp { contact: *contact });
        }
        let contacts = |up: &BTreeSet<Served>| -> BTreeSet<ContactTag> {
            up.iter().map(|(contact, _)| *contact).collect()
        };
        for contact in contacts(&self.up).difference(&contacts(&up)) {
            for parcel in self.outbox.remove(contact) {
                let way = Way::Spur(*contact);
                base.person(PersonEvent::NotSent { way, parcel });
            }
            base.person(PersonEvent::SpurDown { contact: *contact });
        }
        self.up = up;
    }

    pub(super) fn tell_points(&mut self, base: &mut Base, now: Now) {
        let mut points = Vec::new();
        let mut alone = None;
        for duty in [Duty::Inbound, Duty::Standby] {
            for circuit in self
                .circuits
                .values()
                .filter(|c| c.duty == duty && c.age != Age::Retiring)
            {
                if let Load::Inbound(inbound) = &circuit.load
                    && let Some(cookie_key) = inbound.established
                    && let Some(end) = circuit.origin.end()
                {
                    alone = (duty == Duty::Standby && points.is_empty())
                        .then(|| circuit.origin.born.after_seconds(STANDBY_ALONE_SECONDS));
                    points.push(IntroPoint {
                        node: end.node,
                        addr: end.addr,
                        cookie_key,
                        cookie: inbound.cookie,
                    });
                }
            }
        }
        if !self.ever.contains(&Duty::Inbound) && alone.is_some_and(|until| now.at < until) {
            return;
        }
        // Nothing to publish is no news: the old points are gone, and the next ones come soon.
        if points != self.points {
            self.points = points.clone();
            base.person(PersonEvent::Intro { points });
        }
    }

    pub(super) fn tell_utility(&mut self, base: &mut Base) {
        while let Some(event) = self.utility.poll() {
            base.person(event);
        }
    }

    pub fn rows(&self, base: &Base, now: Moment) -> Vec<CircuitRow> {
        self.circuits
            .iter()
            .map(|(number, circuit)| CircuitRow {
                role: circuit.duty.word(),
                state: match (circuit.serves(), circuit.age) {
                    (_, Age::Retiring) => "retiring",
                    (true, _) => "ready",
                    (false, _) => "building",
                },
                hops: circuit.origin.hops() as u8,
                seconds: now.since(circuit.origin.born).as_secs(),
                seconds_left: base
                    .timers
                    .at(Timer::OriginLife(*number))
                    .filter(|_| circuit.serves() && circuit.age == Age::Serving)
                    .map(|end| end.since(now).as_secs()),
                rebuilt: self.rebuilt.get(&circuit.duty).copied().unwrap_or(0),
            })
            .collect()
    }

    pub fn failure(&self, now: Moment) -> Option<CircuitFailure> {
        self.failure.map(|(at, duty, why)| CircuitFailure {
            role: duty.word(),
            why,
            seconds_ago: now.since(at).as_secs(),
        })
    }

    /// The path of each own circuit that serves, by role, for tests and the simulator.
    pub fn paths(&self) -> Vec<(&'static str, Vec<Peer>)> {
        self.circuits
            .values()
            .filter(|c| c.serves() && c.age != Age::Retiring)
            .map(|c| (c.duty.word(), c.origin.path()))
            .collect()
    }

    /// Whether the circuits that a chat needs are there: outbound, inbound and utility.
    pub fn online(&self) -> bool {
        [Duty::Outbound, Duty::Inbound, Duty::Utility]
            .iter()
            .all(|duty| {
                self.circuits
                    .values()
                    .any(|c| c.duty == *duty && c.serves())
            })
    }
}
