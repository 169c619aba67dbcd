//! How much longer a round trip takes than on the ways that patience was measured on.
//!
//! Between two people of class `fast` one way takes 1.7 s in the mean, and every patience of this room is made for that. In `normal`, whose circuits
//! have a third of the rates, it takes 6 s: who waits no longer there sends each parcel four times, and leaves every intro point before the first
//! answer can be back. So the node says how fast its way out is. (That of the contact is not known; what an acknowledgement took is learned soon.)
//! Not here: the patience itself.

use std::time::Duration;

/// Cells per second on the outbound circuit of a node of class `fast` in a network of such.
const USUAL: f64 = 3.0;
/// Slower circuits than those of `normal` there are not.
const SLOWEST: f64 = 3.0;

/// Times as long, 1 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slowness(f64);

impl Slowness {
    pub const USUAL: Slowness = Slowness(1.0);

    /// With an outbound circuit of so many cells per second.
    pub fn of(rate: f64) -> Slowness {
        Slowness((USUAL / rate).clamp(1.0, SLOWEST))
    }

    pub fn seconds(self, usual: f64) -> f64 {
        usual * self.0
    }

    pub fn span(self, usual: Duration) -> Duration {
        usual.mul_f64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::class::Class;

    #[test]
    fn patience_is_three_times_as_long_in_normal_and_never_shorter_than_usual() {
        let rate = |class: Class| class.circuit_factor();
        assert_eq!(Slowness::of(rate(Class::Fast)), Slowness::USUAL);
        assert_eq!(Slowness::of(rate(Class::Normal)).seconds(3.0), 9.0);
        assert_eq!(Slowness::of(100.0), Slowness::USUAL);
        for odd in [0.0, -1.0, f64::MIN_POSITIVE] {
            let seconds = Slowness::of(odd).seconds(1.0);
            assert!((1.0..=SLOWEST).contains(&seconds), "{odd}: {seconds}");
        }
    }
}
