//! What Watcher tells: the counters of the real sockets, as Eve would read them off the wire.
//!
//! It counts and compares; it does not know what the user did. A difference that chance does not explain is said, not hidden.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::net::counters::{Counters, Counts};
use crate::wire::size::DATAGRAM;

/// Between two looks at the counters.
const LOOK: Duration = Duration::from_secs(1);
/// Seconds of one stretch; the report compares the last one with the one before.
const STRETCH: usize = 10;
/// Standard deviations that chance is granted. Beyond three, one comparison in 370 is called a change by mistake.
const CHANCE: f64 = 3.0;

/// The counters of the user's socket, second by second, and those of all others.
pub struct Watch {
    user: Arc<Counters>,
    others: Vec<Arc<Counters>>,
    /// Newest last.
    looks: Mutex<VecDeque<Counts>>,
}

impl Watch {
    pub fn new(user: Arc<Counters>, others: Vec<Arc<Counters>>) -> Watch {
        Watch {
            user,
            others,
            looks: Mutex::new(VecDeque::new()),
        }
    }

    /// Looks once a second, for ever.
    pub async fn sample(self: Arc<Watch>) {
        let mut clock = tokio::time::interval(LOOK);
        loop {
            clock.tick().await;
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            looks.push_back(self.user.read());
            if looks.len() > 2 * STRETCH + 1 {
                looks.pop_front();
            }
        }
    }

    /// What Eve has seen until now, in a few sentences.
    pub fn report(&self) -> String {
        let mut looks: Vec<Counts> = self
            .looks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect();
        if looks.is_empty() {
            looks.push(self.user.read());
        }
        let network = self.others.iter().map(|counters| counters.read()).fold(
            self.user.read(),
            |sum, one| Counts {
                sent: sum.sent + one.sent,
                other_sizes: sum.other_sizes + one.other_sizes,
                ..sum
            },
        );
        report(&looks, &network, self.others.len() + 1)
    }
}

fn report(looks: &[Counts], network: &Counts, sockets: usize) -> String {
    let whole = format!(
        "All {sockets} sockets of this network together: {} packets, {}.",
        network.sent,
        if network.other_sizes == 0 {
            format!("every one of {DATAGRAM} bytes")
        } else {
            format!("{} not of {DATAGRAM} bytes", network.other_sizes)
        },
    );
    let Some(newest) = looks.len().checked_sub(1) else {
        return whole;
    };
    if newest < 2 * STRETCH {
        return format!(
            "I need {} seconds to compare; ask me again in {}. {whole}",
            2 * STRETCH,
            2 * STRETCH - newest
        );
    }
    let (start, middle, end) = (
        &looks[newest - 2 * STRETCH],
        &looks[newest - STRETCH],
        &looks[newest],
    );
    let (before, now) = (middle.sent - start.sent, end.sent - middle.sent);
    let received = end.received - middle.received;
    let chance = CHANCE * ((before + now) as f64).sqrt();
    let difference = now.abs_diff(before);
    let verdict = if difference as f64 <= chance {
        format!(
            "A clock like yours differs by up to {chance:.0} from chance alone; this is {difference}. Nothing that she can measure has changed: not when you typed, not whether, not to whom."
        )
    } else {
        format!(
            "That differs by {difference}, more than the {chance:.0} of chance: links or circuits of your node were made or replaced. They follow the network's clocks, not your keys; a new link runs at 20 packets a second for its first 15 seconds."
        )
    };
    format!(
        "Eve at your socket. Last {STRETCH} s: {now} packets out, {received} in, each of {DATAGRAM} bytes, {:.1} a second out. The {STRETCH} s before: {before} out. {verdict} {whole}",
        now as f64 / STRETCH as f64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::size::TEXT;

    fn looks(before: u64, now: u64) -> Vec<Counts> {
        let mut sent = 0;
        (0..=2 * STRETCH)
            .map(|second| {
                if second > 0 {
                    sent += if second <= STRETCH { before } else { now };
                }
                Counts {
                    sent,
                    received: sent,
                    ..Counts::default()
                }
            })
            .collect()
    }

    #[test]
    fn the_same_rate_is_called_chance_and_a_jump_is_not_hidden() {
        let steady = report(&looks(100, 101), &Counts::default(), 27);
        assert!(steady.contains("1010 packets out"), "{steady}");
        assert!(
            steady.contains("Nothing that she can measure has changed"),
            "{steady}"
        );
        let jump = report(&looks(100, 150), &Counts::default(), 27);
        assert!(jump.contains("differs by 500"), "{jump}");
        assert!(!jump.contains("Nothing"), "{jump}");
    }

    #[test]
    fn before_it_can_compare_it_says_so() {
        let young = report(&looks(100, 100)[..STRETCH], &Counts::default(), 27);
        assert!(young.contains("ask me again in 11"), "{young}");
    }

    #[test]
    fn a_packet_of_another_size_is_told() {
        let network = Counts {
            sent: 9,
            other_sizes: 1,
            ..Counts::default()
        };
        assert!(report(&looks(1, 1), &network, 2).contains("1 not of 512 bytes"));
    }

    #[test]
    fn a_report_fits_a_few_parcels() {
        let long = report(
            &looks(u64::MAX / 64, 1),
            &Counts {
                sent: u64::MAX,
                ..Counts::default()
            },
            27,
        );
        assert!(long.len() <= 4 * TEXT, "{}", long.len());
    }
}
