//! How much of others' circuits this node takes: by the rates that they name, and by the links that they would go over.

use super::super::base::Base;
use super::Relays;
use crate::node::link::AssocId;

/// Share of a directed link's rate that relayed circuits may take with cells going on over it.
const ADMISSION_FORWARD: f64 = 0.25;
/// And with cells going back over it: those of a neighbour whose guard this node is fit (2.35 of 6 in `normal`), with the successor of one
/// of them beside it (1 of 6).
const ADMISSION_BACK: f64 = 0.56;
/// A circuit goes on over a link only while both together stay below this. So a link that leads to the owner's guard, too, is loaded to
/// 0.85 (2.1 of 6 are its own; 0.91 while a neighbour's circuit is replaced): near 1 queues grow without bound. The own circuits' share is left free on every link, because a
/// refusal where it is used would tell which link leads to the guard; and cells going back have no second bound, because those going on
/// would crowd out the neighbour's own. The mean of a network is 0.24.
const ADMISSION_BOTH: f64 = 0.50;
/// Circuits relayed at once; one more is refused. Admission on twelve links binds long before, unless circuits name the least of rates: so no link
/// may bring more than a quarter.
const MAX_RELAYED: usize = 512;
pub(super) const MAX_RELAYED_OF_ONE: usize = MAX_RELAYED / 4;

impl Relays {
    /// Steady cells per second that relayed circuits put on the directed link from here: cells going on, and cells going back.
    pub fn load(&self, assoc: AssocId) -> (f64, f64) {
        let (mut forward, mut back) = (0.0, 0.0);
        for circuit in self.circuits.values() {
            if circuit.prev.0 == assoc {
                back += circuit.rates.back_rate();
            }
            let next = circuit.next.or(circuit.extending.as_ref().map(|e| e.to));
            if next.is_some_and(|(to, _)| to == assoc) {
                forward += circuit.rates.forward_rate();
            }
        }
        (forward, back)
    }

    pub(super) fn admits_forward(&self, base: &Base, assoc: AssocId, rate: f64) -> bool {
        let link = base.links.get(&assoc).map_or(0.0, |link| link.rate);
        // A thousandth of slack: sums of hundredths are not exact.
        let (forward, back) = self.load(assoc);
        forward + rate <= ADMISSION_FORWARD * link + 0.001
            && forward + back + rate <= ADMISSION_BOTH * link + 0.001
    }

    /// Whether one more circuit from this link is taken.
    pub(super) fn has_room(&self, base: &Base, assoc: AssocId, rate: f64) -> bool {
        let circuits = self.circuits.values();
        let of_one = circuits.filter(|circuit| circuit.prev.0 == assoc);
        self.circuits.len() < MAX_RELAYED
            && of_one.count() < MAX_RELAYED_OF_ONE
            && self.admits_back(base, assoc, rate)
    }

    fn admits_back(&self, base: &Base, assoc: AssocId, rate: f64) -> bool {
        let link = base.links.get(&assoc).map_or(0.0, |link| link.rate);
        self.load(assoc).1 + rate <= ADMISSION_BACK * link + 0.001
    }
}
