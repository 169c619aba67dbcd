//! The two clocks of the world, read in one place.
//!
//! Timers run on the monotonic one; the civil one is for descriptors, records and what people read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::time::{Moment, Now, UnixMs};

/// How far ahead a thread sleeps at most. A bound, because adding `Moment::NEVER` to an `Instant` overflows; waking once an
/// hour for nothing costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Counts moments from one start. Copies of it count from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose moment 0 is now. A process has one, so that moments of its threads compare.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// When moment 0 was.
    pub fn started(&self) -> Instant {
        self.start
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now {
            at: self.at(),
            unix: unix(),
        }
    }

    /// The monotonic clock alone.
    pub fn at(&self) -> Moment {
        Moment(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// How long until `moment`: zero if it has passed, never more than an hour.
    pub fn until(&self, moment: Moment) -> Duration {
        moment.since(self.at()).min(LONGEST_SLEEP)
    }
}

/// Unix time as this computer believes; 0 if it believes to live before 1970.
fn unix() -> UnixMs {
    let passed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_never_go_back_and_never_is_an_hour_away() {
        let clock = Clock::start();
        let first = clock.at();
        assert!(clock.at() >= first);
        assert_eq!(clock.until(Moment::NEVER), LONGEST_SLEEP);
        assert_eq!(clock.until(Moment(0)), Duration::ZERO);
        assert!(
            clock.now().unix.day() > 20_000,
            "this computer's clock stands before 2024"
        );
    }
}
