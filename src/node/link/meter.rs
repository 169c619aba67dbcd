//! How many cells a second come in, for the screen.
//!
//! Nothing is decided by it. Not here: whether a link is alive (`shaped`), and how fast it sends (`schedule`).

use std::time::Duration;

use crate::wire::time::Moment;

/// One stretch of counting: long enough for the 6 cells a second of `normal` to be told from 5 (a standard deviation is 0.8), short enough to show
/// what is going on.
const STRETCH: Duration = Duration::from_secs(10);
/// Over less time than this a rate says nothing.
const LEAST: Duration = Duration::from_secs(1);

/// Counts in stretches, and remembers what the last whole one had.
pub struct Meter {
    since: Moment,
    counted: u32,
    last: Option<f64>,
}

impl Meter {
    pub fn new(now: Moment) -> Meter {
        Meter {
            since: now,
            counted: 0,
            last: None,
        }
    }

    pub fn count(&mut self, now: Moment) {
        if now.since(self.since) >= STRETCH {
            self.last = Some(self.mean(now));
            self.since = now;
            self.counted = 0;
        }
        self.counted = self.counted.saturating_add(1);
    }

    /// Per second: of the last whole stretch, of the first one while it lasts, or since the last count where nothing comes any more.
    pub fn rate(&self, now: Moment) -> f64 {
        match self.last {
            Some(last) if now.since(self.since) < STRETCH => last,
            _ => self.mean(now),
        }
    }

    fn mean(&self, now: Moment) -> f64 {
        f64::from(self.counted) / now.since(self.since).max(LEAST).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(millis * 1000)
    }

    #[test]
    fn a_rate_follows_what_comes_and_falls_when_nothing_does() {
        let mut meter = Meter::new(at(0));
        assert_eq!(meter.rate(at(0)), 0.0);
        for n in 0..200 {
            meter.count(at(n * 50));
        }
        assert!((meter.rate(at(5_000)) - 20.0).abs() > 1.0, "200 in 5 s");
        assert!((meter.rate(at(9_999)) - 20.0).abs() < 0.1);
        for n in 200..300 {
            meter.count(at(10_000 + (n - 200) * 200));
        }
        assert!(
            (meter.rate(at(29_800)) - 5.0).abs() < 0.2,
            "{}",
            meter.rate(at(29_800))
        );
        // The last stretch began at 20 s and had 50.
        assert!((meter.rate(at(70_000)) - 1.0).abs() < 0.01);
        assert!(meter.rate(at(1_000_000)) < 0.1);
    }
}
