//! A replay window: which of the last 1024 numbers were seen.

/// How far behind the newest a number may come and still count. A cell that is later than this was not late but kept.
pub const WINDOW: u64 = 1024;
/// How far ahead of the newest a number may be. A link that lost so many cells in a row, at 60 a second, died of silence long before.
/// Not more, because a genuine cell whose number was changed on its way is recognised if it lies in this reach, and opening it then costs
/// a key for every 256 numbers that it jumps over.
pub const AHEAD: u64 = 1 << 12;

#[derive(Clone)]
pub struct Window {
    /// One more than the highest number seen; 0: none yet.
    next: u64,
    /// Bit n % 1024 stands for number n, for the last 1024 numbers.
    seen: [u64; (WINDOW / 64) as usize],
}

impl Default for Window {
    fn default() -> Window {
        Window::new()
    }
}

impl Window {
    pub fn new() -> Window {
        Window {
            next: 0,
            seen: [0; (WINDOW / 64) as usize],
        }
    }

    pub fn top(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// May the number be one of ours at all? (Seen or not.)
    pub fn near(&self, number: u64) -> bool {
        number.wrapping_sub(self.next.saturating_sub(WINDOW)) <= self.next.min(WINDOW) + AHEAD
    }

    pub fn fresh(&self, number: u64) -> bool {
        if number >= self.next {
            return number - self.next <= AHEAD;
        }
        self.next - number <= WINDOW && self.seen[word(number)] & bit(number) == 0
    }

    /// For a number that is [`Window::fresh`] and whose cell was authentic.
    pub fn record(&mut self, number: u64) {
        if number >= self.next {
            if number - self.next >= WINDOW {
                self.seen = [0; (WINDOW / 64) as usize];
            } else {
                for passed in self.next..number {
                    self.seen[word(passed)] &= !bit(passed);
                }
            }
            self.next = number + 1;
        }
        self.seen[word(number)] |= bit(number);
    }
}

fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crypto::random::Stream;

    #[test]
    fn a_window_agrees_with_a_set_of_all_numbers_seen() {
        let mut random = Stream::from_seed([5; 32]);
        let mut window = Window::new();
        let (mut seen, mut next) = (BTreeSet::new(), 0u64);
        for _ in 0..20_000 {
            let number = match random.below(10) {
                0 => next + random.below(3000),
                1 => next + AHEAD - 2 + random.below(5),
                2..=5 => next.saturating_sub(random.below(2100)),
                _ => next + random.below(4),
            };
            let fresh = if number >= next {
                number - next <= AHEAD
            } else {
                next - number <= WINDOW && !seen.contains(&number)
            };
            assert_eq!(window.fresh(number), fresh, "number {number}, next {next}");
            assert!(!fresh || window.near(number));
            if fresh {
                window.record(number);
                seen.insert(number);
                next = next.max(number + 1);
            }
            assert_eq!(window.top(), next.checked_sub(1));
        }
    }

    #[test]
    fn far_numbers_are_not_near() {
        let mut window = Window::new();
        assert!(
            window.near(0)
                && window.near(AHEAD)
                && !window.near(AHEAD + 1)
                && !window.near(u64::MAX)
        );
        window.record(5000);
        assert!(window.near(5001 - WINDOW) && !window.near(5000 - WINDOW));
        assert!(window.near(5001 + AHEAD) && !window.near(5002 + AHEAD));
    }
}
