//! Allowances: so much at once, and so much a second. What others may cost this node is counted with them.

use crate::wire::time::Moment;

#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    rate: f64,
    most: f64,
    left: f64,
    at: Moment,
}

impl Allowance {
    /// `rate` a second, up to `most` of them saved; whole at first.
    pub fn new(rate: f64, most: f64, now: Moment) -> Allowance {
        Allowance {
            rate,
            most,
            left: most,
            at: now,
        }
    }

    fn refill(&mut self, now: Moment) {
        let earned = now.since(self.at).as_secs_f64() * self.rate;
        self.left = (self.left + earned).min(self.most);
        self.at = self.at.max(now);
    }

    /// Whether one is there now. It is not taken.
    pub fn has(&mut self, now: Moment) -> bool {
        self.refill(now);
        self.left >= 1.0
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Moment) -> bool {
        let there = self.has(now);
        if there {
            self.left -= 1.0;
        }
        there
    }

    /// Whether nothing was taken of late: to forget it and to make a new one is the same.
    pub fn is_whole(&mut self, now: Moment) -> bool {
        self.refill(now);
        self.left >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_at_once_and_so_much_a_second() {
        let at = |seconds| Moment(0).after_seconds(seconds);
        let mut allowance = Allowance::new(2.0, 5.0, at(0.0));
        assert!(allowance.is_whole(at(0.0)));
        let taken = (0..9).filter(|_| allowance.take(at(0.0))).count();
        assert_eq!(taken, 5);
        assert!(!allowance.has(at(0.4)));
        assert!(allowance.take(at(0.5)) && !allowance.take(at(0.5)));
        assert!(!allowance.is_whole(at(2.9)));
        assert!(allowance.is_whole(at(100.0)));
        let taken = (0..9).filter(|_| allowance.take(at(100.0))).count();
        assert_eq!(taken, 5, "no more is saved");
    }
}
