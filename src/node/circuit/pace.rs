//! Poisson clocks. A circuit's cells leave by one of these and by nothing else.
//!
//! A clock owns its random stream, so that nothing but time moves it. Not here: what a tick carries.

use crate::crypto::random::Stream;
use crate::wire::circuit::Channel;
use crate::wire::time::Moment;

/// How much faster a circuit starts, and for how many seconds: registrations and first look-ups then take seconds. Always, whatever the person
/// does. Not longer than young links are faster, or a network that starts all at once would lose cells on its busiest links.
#[derive(Clone, Copy)]
pub struct Boost {
    factor: f64,
    seconds: f64,
}

impl Boost {
    /// Utility circuits most of all: everything else of a start waits for a publication and a look-up. It has its price: where several start at once over
    /// one link of a small network a fifth of their cells is lost. Four times as fast, a contact who was killed was back after 20 s instead of 30 in
    /// the middle, and a whole network of 27 nodes needed 8.9 s instead of 7.5 to its first words.
    pub fn of(channel: Channel) -> Boost {
        match channel {
            Channel::Outbound | Channel::Inbound => Boost {
                factor: 2.0,
                seconds: 15.0,
            },
            Channel::Utility => Boost {
                factor: 6.0,
                seconds: 10.0,
            },
        }
    }

    pub fn factor(&self) -> f64 {
        self.factor
    }

    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// A Poisson process that is faster in its first seconds.
pub struct Pace {
    stream: Stream,
    rate: f64,
    boost: f64,
    boost_until: Moment,
    next: Moment,
}

impl Pace {
    /// `rate` in ticks per second, steady, after the boost from `now` on.
    pub fn new(stream: Stream, rate: f64, boost: Boost, now: Moment) -> Pace {
        let mut pace = Pace::at_once(stream, rate, boost, now);
        pace.next = pace.draw(now);
        pace
    }

    /// The same with a first tick now.
    pub fn at_once(stream: Stream, rate: f64, boost: Boost, now: Moment) -> Pace {
        Pace {
            stream,
            rate,
            boost: boost.factor,
            boost_until: now.after_seconds(boost.seconds),
            next: now,
        }
    }

    pub fn next(&self) -> Moment {
        self.next
    }

    /// How many times faster than its steady rate it is.
    pub fn factor(&self, now: Moment) -> f64 {
        if now < self.boost_until {
            self.boost
        } else {
            1.0
        }
    }

    /// True once for each tick that is due. A clock that was not looked at for long does not catch up in a burst.
    pub fn tick(&mut self, now: Moment) -> bool {
        if now < self.next {
            return false;
        }
        let drawn = self.draw(self.next);
        self.next = drawn.max(now);
        true
    }

    /// The tick after `from`: one unit of an exponential, spent at the rate of the moment.
    fn draw(&mut self, from: Moment) -> Moment {
        let mass = self.stream.exponential(1.0);
        let boosted = self.boost_until.since(from).as_secs_f64();
        let fast = self.rate * self.boost;
        let gap = if mass <= boosted * fast {
            mass / fast
        } else {
            boosted + (mass - boosted * fast) / self.rate
        };
        from.after_seconds(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(pace: &mut Pace, from: f64, to: f64) -> usize {
        let end = Moment(0).after_seconds(to);
        let mut count = 0;
        while pace.next() < end {
            let at = pace.next();
            assert!(pace.tick(at));
            count += usize::from(at >= Moment(0).after_seconds(from));
        }
        count
    }

    #[test]
    fn a_new_circuit_ticks_twice_as_fast_at_first() {
        let (mut young, mut old) = (0, 0);
        for seed in 0..200u8 {
            let boost = Boost::of(Channel::Outbound);
            let mut pace = Pace::new(Stream::from_seed([seed; 32]), 1.0, boost, Moment(0));
            young += ticks(&mut pace, 0.0, 15.0);
            old += ticks(&mut pace, 15.0, 30.0);
        }
        // 6 000 and 3 000 expected, standard deviations 77 and 55.
        assert!((5_650..6_350).contains(&young), "{young}");
        assert!((2_750..3_250).contains(&old), "{old}");
    }

    #[test]
    fn a_clock_that_was_asleep_does_not_catch_up() {
        let boost = Boost::of(Channel::Outbound);
        let mut pace = Pace::new(Stream::from_seed([1; 32]), 10.0, boost, Moment(0));
        let late = Moment(0).after_seconds(100.0);
        let burst = (0..1000).take_while(|_| pace.tick(late)).count();
        assert!(burst <= 2, "{burst} ticks at once");
    }
}
