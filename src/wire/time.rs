//! The two clocks, as arguments.

use std::time::Duration;

/// Microseconds since the program, or the simulated world, started. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Later than everything: "no timer".
    pub const NEVER: Moment = Moment(u64::MAX);

    /// Time passed since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `seconds` from now; `NEVER` stays `NEVER`.
    pub fn after_seconds(self, seconds: f64) -> Moment {
        Moment(self.0.saturating_add((seconds.max(0.0) * 1e6) as u64))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, d: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

impl std::ops::Sub<Duration> for Moment {
    type Output = Moment;
    fn sub(self, d: Duration) -> Moment {
        Moment(
            self.0
                .saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

/// Unix time in milliseconds, as this computer believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMs(pub u64);

impl UnixMs {
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// Days since 1970-01-01 UTC: the period of descriptors and blinded keys.
    pub fn day(self) -> u32 {
        u32::try_from(self.0 / 86_400_000).unwrap_or(u32::MAX)
    }
}

/// Both clocks, read once for each input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub at: Moment,
    pub unix: UnixMs,
}
