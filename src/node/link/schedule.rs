//! When a link sends: the clock is the only sender.
//!
//! A Poisson process whose every tick is drawn before anything is known about what it will carry. Its stream of random numbers belongs to
//! this link alone, so nothing that happens elsewhere moves a tick. Not here: what a tick carries.

use std::time::Duration;

use crate::crypto::random::Stream;
use crate::wire::time::Moment;

/// A cell is chosen and sealed this long before its tick, so that the time that takes does not show.
pub const LEAD: Duration = Duration::from_millis(10);
/// A link's start runs at this rate at least, whoever starts it and why, so that joining is quick.
pub const WARM_UP_RATE: f64 = 20.0;
/// And at so many times its later rate, because young circuits are faster too and would overload it.
pub const WARM_UP_FACTOR: f64 = 5.0;
/// How long the start lasts: the circuits' own start, and the seconds until they stand.
pub const WARM_UP: Duration = Duration::from_secs(20);
/// The same for a spur, whose first cells only open it: with the first parcel it has two ticks of each side behind it.
/// Times its later rate.
pub const SPUR_WARM_UP_FACTOR: f64 = 3.0;
pub const SPUR_WARM_UP: Duration = Duration::from_secs(2);
/// A program that wakes this late (a suspended machine) moves its schedule instead of sending all it missed in a burst.
const LATE: Duration = Duration::from_millis(50);

/// The ticks of one link in one direction.
pub struct Clock {
    random: Stream,
    /// Cells per second after the start.
    rate: f64,
    /// And in it.
    warm_rate: f64,
    warm_until: Moment,
    next: Moment,
}

impl Clock {
    /// A link's ticks from `now` on, at `rate` cells a second after its start.
    pub fn of_link(random: Stream, now: Moment, rate: f64) -> Clock {
        let warm_rate = (rate * WARM_UP_FACTOR).max(WARM_UP_RATE);
        Clock::new(random, now, rate, (warm_rate, WARM_UP))
    }

    /// A spur's.
    pub fn of_spur(random: Stream, now: Moment, rate: f64) -> Clock {
        Clock::new(
            random,
            now,
            rate,
            (rate * SPUR_WARM_UP_FACTOR, SPUR_WARM_UP),
        )
    }

    fn new(random: Stream, now: Moment, rate: f64, (warm_rate, span): (f64, Duration)) -> Clock {
        let mut clock = Clock {
            random,
            rate,
            warm_rate,
            warm_until: now + span,
            next: now,
        };
        clock.next = clock.after(now);
        clock
    }

    /// When the cell of the next tick is to be made.
    pub fn due(&self) -> Moment {
        self.next - LEAD
    }

    /// Takes the next tick if it is due, and draws the one after it. A tick that is already over is now.
    pub fn tick(&mut self, now: Moment) -> Option<Moment> {
        if self.due() > now {
            return None;
        }
        let tick = self.next.max(now);
        let from = if now.since(self.next) > LATE {
            now
        } else {
            self.next
        };
        self.next = self.after(from);
        Some(tick)
    }

    /// After the start.
    pub fn steady_rate(&self) -> f64 {
        self.rate
    }

    pub fn rate_at(&self, now: Moment) -> f64 {
        if now < self.warm_until {
            self.warm_rate
        } else {
            self.rate
        }
    }

    /// One draw: the gap in expected ticks, spent at the rate of each stretch of time it passes through.
    fn after(&mut self, from: Moment) -> Moment {
        let mut left = self.random.exponential(1.0);
        let mut at = from;
        if at < self.warm_until {
            let rate = self.rate_at(at);
            let whole = self.warm_until.since(at).as_secs_f64() * rate;
            if left < whole {
                return at.after_seconds(left / rate);
            }
            left -= whole;
            at = self.warm_until;
        }
        at.after_seconds(left / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(rate: f64) -> Clock {
        Clock::of_link(Stream::from_seed([9; 32]), Moment(0), rate)
    }

    fn spur(rate: f64) -> Clock {
        Clock::of_spur(Stream::from_seed([9; 32]), Moment(0), rate)
    }

    fn ticks(clock: &mut Clock, until: Moment) -> Vec<Moment> {
        let mut ticks = Vec::new();
        while clock.due() < until {
            let due = clock.due();
            ticks.push(clock.tick(due).expect("it is due"));
        }
        ticks
    }

    #[test]
    fn a_link_starts_fast_for_twenty_seconds_and_then_keeps_its_rate() {
        for (rate, start_rate) in [(6.0, 30.0), (20.0, 100.0)] {
            let mut clock = link(rate);
            let all = ticks(&mut clock, Moment(1_020_000_000));
            let start = all.iter().filter(|t| t.0 < 20_000_000).count() as f64;
            let rest = all.iter().filter(|t| t.0 >= 20_000_000).count() as f64;
            // Four standard deviations.
            let near = |count: f64, mean: f64| (count - mean).abs() < 4.0 * mean.sqrt();
            assert!(near(start, 20.0 * start_rate), "{start}");
            assert!(near(rest, 1000.0 * rate), "{rest}");
        }
    }

    #[test]
    fn a_spur_starts_three_times_as_fast_for_two_seconds() {
        let (mut young, mut later) = (0, 0);
        for seed in 0..200u8 {
            let mut clock = Clock::of_spur(Stream::from_seed([seed; 32]), Moment(0), 5.0);
            let all = ticks(&mut clock, Moment(4_000_000));
            young += all.iter().filter(|t| t.0 < 2_000_000).count();
            later += all.iter().filter(|t| t.0 >= 2_000_000).count();
        }
        // 6 000 and 2 000 expected, standard deviations 77 and 45.
        assert!((5_690..6_310).contains(&young), "{young}");
        assert!((1_820..2_180).contains(&later), "{later}");
    }

    #[test]
    fn gaps_are_exponential_in_mean_and_spread() {
        let all = ticks(&mut spur(6.0), Moment(2_000_000_000));
        let gaps: Vec<f64> = all
            .windows(2)
            .map(|w| w[1].since(w[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let spread =
            (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean * 6.0 - 1.0).abs() < 0.05, "{mean}");
        assert!((spread / mean - 1.0).abs() < 0.05, "{spread}");
    }

    #[test]
    fn the_schedule_does_not_depend_on_how_promptly_it_is_served() {
        let prompt = ticks(&mut link(6.0), Moment(60_000_000));
        let mut clock = link(6.0);
        let mut served = Vec::new();
        // Served every millisecond instead of on the spot: always before the tick.
        for ms in 0..60_000 {
            while let Some(tick) = clock.tick(Moment(ms * 1000)) {
                served.push(tick);
            }
        }
        assert_eq!(prompt[..served.len()], served[..]);
        assert!(served.len() + 3 > prompt.len());
    }

    #[test]
    fn a_late_tick_is_sent_late_and_what_a_sleep_missed_is_not_sent_in_a_burst() {
        let mut clock = spur(20.0);
        let woken = Moment(3_600_000_000);
        assert_eq!(clock.tick(woken), Some(woken));
        let mut burst = 0;
        while clock.tick(woken).is_some() {
            burst += 1;
        }
        assert!(burst <= 2, "{burst}");
    }
}
