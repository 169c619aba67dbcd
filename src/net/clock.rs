//! The two clocks of the world, read in one place.
//!
//! Timers run on the monotonic one; the civil one is for descriptors, records and what people read. The monotonic one stands still while the
//! program does (Ctrl+Z, a lid that is shut): to judge by it whether somebody else is silent, this program has to have listened.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::time::{Moment, Now, UnixMs};

/// How far ahead a thread sleeps at most. A bound, because adding `Moment::NEVER` to an `Instant` overflows; waking once an
/// hour for nothing costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// No thread has looked at a clock for so long: the program stood still. A node alone looks many times a second. Below the shortest patience
/// of a machine (8 s, a circuit), above what a busy computer takes from a whole process.
const STANDSTILL: Duration = Duration::from_secs(3);

/// The process: a stop stops all its threads.
static PROCESS: LazyLock<(Instant, Mutex<Pulse>)> =
    LazyLock::new(|| (Instant::now(), Mutex::new(Pulse::default())));

/// When the process was last seen to run, and how long it did not.
#[derive(Clone, Copy, Debug, Default)]
struct Pulse {
    seen: Duration,
    unix: UnixMs,
    stood: Duration,
    stops: u32,
}

impl Pulse {
    /// The process runs at `at` by the system's monotonic clock and at `unix` by its civil one. Returns how long it has run.
    fn beat(&mut self, at: Duration, unix: UnixMs) -> Duration {
        let gap = at.saturating_sub(self.seen);
        // A sleeping computer may stop its monotonic clock; the civil one tells. So does one that was set, which costs nothing.
        let slept = Duration::from_millis(unix.0.saturating_sub(self.unix.0));
        if self.seen > Duration::ZERO && gap.max(slept) > STANDSTILL {
            self.stops = self.stops.wrapping_add(1);
            if gap > STANDSTILL {
                self.stood += gap;
            }
        }
        self.seen = self.seen.max(at);
        self.unix = unix;
        self.seen.saturating_sub(self.stood)
    }
}

/// Looks at the process's pulse: how long it has run, and how often it stood still.
fn pulse() -> (Duration, u32, UnixMs) {
    let (start, pulse) = &*PROCESS;
    // Nothing below panics, so the pulse is whole even if a thread died elsewhere.
    let mut pulse = pulse.lock().unwrap_or_else(PoisonError::into_inner);
    let unix = unix();
    let ran = pulse.beat(start.elapsed(), unix);
    (ran, pulse.stops, unix)
}

/// Counts moments from one start. Copies of it count from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Duration,
}

impl Clock {
    /// A clock whose moment 0 is now. A process has one, so that moments of its threads compare.
    pub fn start() -> Clock {
        Clock { start: pulse().0 }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let (ran, _, unix) = pulse();
        Now {
            at: self.moment(ran),
            unix,
        }
    }

    /// The monotonic clock alone.
    pub fn at(&self) -> Moment {
        self.moment(pulse().0)
    }

    fn moment(&self, ran: Duration) -> Moment {
        let since = ran.saturating_sub(self.start);
        Moment(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// How often the program was found to have stood still: to be compared with an earlier answer.
    pub fn stops(&self) -> u32 {
        pulse().1
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

    #[test]
    fn time_in_which_the_program_stood_still_is_no_time() {
        let second = Duration::from_secs(1);
        let unix = |seconds: u64| UnixMs(1_700_000_000_000 + 1000 * seconds);
        let mut pulse = Pulse::default();
        assert_eq!(pulse.beat(second, unix(1)), second);
        assert_eq!(pulse.beat(3 * second, unix(3)), 3 * second);
        assert_eq!(pulse.stops, 0, "two seconds are a busy computer");
        assert_eq!(pulse.beat(43 * second, unix(43)), 3 * second);
        assert_eq!(pulse.beat(44 * second, unix(44)), 4 * second);
        assert_eq!(pulse.stops, 1);
        // Two threads that read the clock one after the other and come to the lock the other way round.
        assert_eq!(pulse.beat(43 * second, unix(44)), 4 * second);
        assert_eq!(pulse.stops, 1);
    }

    #[test]
    fn a_computer_that_slept_is_noticed_though_its_monotonic_clock_slept_too() {
        let second = Duration::from_secs(1);
        let mut pulse = Pulse::default();
        pulse.beat(second, UnixMs(1_700_000_000_000));
        assert_eq!(
            pulse.beat(2 * second, UnixMs(1_700_003_600_000)),
            2 * second
        );
        assert_eq!(pulse.stops, 1);
        // A civil clock that is set back is no stop.
        pulse.beat(3 * second, UnixMs(1_700_000_000_000));
        assert_eq!(pulse.stops, 1);
    }
}
