//! When the spurs of a young circuit are born.
//!
//! A contact that begins to wait soon after a start is to be reached in seconds, so a young circuit's spurs are born in quick turns, whoever waits.
//! Each birth costs a cell of the way back, on which it is told that the spur is up, and what contacts answer comes back on the same way. At a
//! birth a second on a circuit that brings 1.5 cells a second, or 0.5, answers found no room. So births keep to a share of that rate.
//! Not here: lives after that, and whom a spur is for ([`super::spur`]).

use super::pace::Boost;
use crate::wire::circuit::{Channel, SPUR_SLOTS};
use crate::wire::time::Moment;

/// Mean gaps of the way back from one birth to the next while the circuit is quick: two thirds of its cells are left for what comes back, and of those
/// of the way out, each of which a birth costs one too.
const QUICK_BIRTH_GAPS: f64 = 3.0;
/// And later, when people have begun to talk.
const BIRTH_GAPS: f64 = 6.0;
/// For so many mean gaps of the steady way back a circuit is young: 30 s of `fast`, 90 s of `normal`.
const YOUNG_GAPS: f64 = 45.0;

/// The births of one circuit, counted from 0; birth n is that of slot n modulo their number.
pub(super) struct Births {
    begun: Moment,
    /// Mean seconds between two cells of the way back, at its steady rate.
    gap: f64,
}

impl Births {
    pub fn new(begun: Moment, back_rate: f64) -> Births {
        Births {
            begun,
            gap: 1.0 / back_rate,
        }
    }

    /// The circuit is ready.
    pub fn begin(&mut self, now: Moment) {
        self.begun = now;
    }

    /// Seconds after the beginning: quicker while the circuit is.
    fn seconds(&self, birth: u32) -> f64 {
        let (boost, later) = (Boost::of(Channel::Outbound), BIRTH_GAPS * self.gap);
        let step = QUICK_BIRTH_GAPS * self.gap / boost.factor();
        let quick = (boost.seconds() / step).floor();
        let n = f64::from(birth);
        n.min(quick) * step + (n - quick).max(0.0) * later
    }

    pub fn moment(&self, birth: u32) -> Moment {
        self.begun.after_seconds(self.seconds(birth))
    }

    pub fn is_young(&self, birth: u32) -> bool {
        self.seconds(birth) < YOUNG_GAPS * self.gap
    }

    /// The end of a young spur: the next birth of its slot.
    pub fn end(&self, birth: u32) -> Moment {
        self.moment(birth + u32::from(SPUR_SLOTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn births_are_even_and_take_no_more_than_a_third_of_the_way_back() {
        for (rate, quick, later, young) in [(1.5, 1.0, 4.0, 19), (0.5, 3.0, 12.0, 12)] {
            let births = Births::new(Moment(0), rate);
            let steps: Vec<f64> = (0..40)
                .map(|n| births.moment(n + 1).since(births.moment(n)).as_secs_f64())
                .collect();
            let boost = (15.0 / quick) as usize;
            assert!(
                steps[..boost]
                    .iter()
                    .all(|step| (step - quick).abs() < 1e-3)
            );
            assert!(
                steps[boost..]
                    .iter()
                    .all(|step| (step - later).abs() < 1e-3)
            );
            assert_eq!((0..40).filter(|n| births.is_young(*n)).count(), young);
        }
    }
}
