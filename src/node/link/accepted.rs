//! Which packets of the peer were accepted, as each cell tells it.
//!
//! Not here: what the peer says of ours (`flights`), and which bodies are new (`shaped`).

use crate::wire::cell::Ack;
use crate::wire::time::Moment;

/// Which of the peer's packets were accepted.
#[derive(Clone, Copy)]
pub struct Accepted {
    top: Option<(u64, Moment)>,
    bits: u64,
}

impl Accepted {
    pub fn none() -> Accepted {
        Accepted { top: None, bits: 0 }
    }

    pub fn mark(&mut self, number: u64, now: Moment) {
        match self.top {
            Some((top, _)) if number <= top => {
                let back = top - number;
                if (1..=64).contains(&back) {
                    self.bits |= 1 << (back - 1);
                }
            }
            Some((top, _)) => {
                let step = number - top;
                let bits = if step < 64 { self.bits << step } else { 0 };
                self.bits = if step <= 64 {
                    bits | 1 << (step - 1)
                } else {
                    0
                };
                self.top = Some((number, now));
            }
            None => self.top = Some((number, now)),
        }
    }

    pub fn ack(&self, tick: Moment) -> Option<Ack> {
        let (top, at) = self.top?;
        let delay = tick.since(at).as_millis().min(u128::from(u16::MAX)) as u16;
        Some(Ack {
            delay,
            top: top as u32,
            bits: self.bits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    #[test]
    fn acknowledgements_say_exactly_what_was_accepted() {
        let mut accepted = Accepted::none();
        let mut random = Stream::from_seed([3; 32]);
        let mut all = std::collections::BTreeSet::new();
        let mut base = 0u64;
        for _ in 0..2000 {
            base += random.below(5);
            let number = base + random.below(30);
            accepted.mark(number, Moment(0));
            all.insert(number);
            let ack = accepted.ack(Moment(0)).expect("one was accepted");
            let top = *all.last().expect("one was accepted");
            assert_eq!(u64::from(ack.top), top);
            for i in 0..64u64 {
                let there = top.checked_sub(i + 1).is_some_and(|n| all.contains(&n));
                assert_eq!(ack.bits >> i & 1 == 1, there, "{i} below {top}");
            }
        }
    }
}
