//! How long to wait for a peer before acting: Jacobson's estimator with our bounds.

use std::time::Duration;

/// Nothing is known of the peer; its contact session may still have to be set up.
const INITIAL: f64 = 1.0;
/// Below this a scheduler's hiccup would look like a death.
const FLOOR: f64 = 0.050;
/// Above this a user waits for nothing.
const CEILING: f64 = 2.0;
/// Added to every estimate: the grain of the other side's work.
const GRAIN: f64 = 0.010;
/// Patience on a hop that decides ownership, in retransmission timeouts, and its least length.
const PATIENCE: f64 = 2.6;
const PATIENCE_FLOOR: f64 = 0.400;

/// Retransmission timeout of one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rto {
    smoothed: Option<f64>,
    variation: f64,
}

impl Rto {
    pub fn new() -> Rto {
        Rto {
            smoothed: None,
            variation: 0.0,
        }
    }

    /// A round trip was measured.
    pub fn sample(&mut self, rtt: Duration) {
        let rtt = rtt.as_secs_f64();
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2.0;
            }
            Some(smoothed) => {
                self.variation += ((rtt - smoothed).abs() - self.variation) / 4.0;
                self.smoothed = Some(smoothed + (rtt - smoothed) / 8.0);
            }
        }
    }

    fn seconds(&self) -> f64 {
        match self.smoothed {
            None => INITIAL,
            Some(smoothed) => (smoothed + 4.0 * self.variation + GRAIN).clamp(FLOOR, CEILING),
        }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.seconds())
    }

    /// How long the hop that decides ownership is asked again before another node may answer in its place.
    pub fn patience(&self) -> Duration {
        Duration::from_secs_f64((PATIENCE * self.seconds()).max(PATIENCE_FLOOR))
    }

    /// Proximity in classes of 50 ms: shaving off milliseconds wins nothing.
    pub fn class(&self) -> u32 {
        self.smoothed
            .map_or(u32::MAX, |seconds| (seconds / 0.050) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_round_trip_is_learnt_and_a_step_costs_two_false_alarms_at_most() {
        let mut rto = Rto::new();
        assert_eq!(rto.timeout(), Duration::from_secs(1));
        for _ in 0..30 {
            rto.sample(Duration::from_millis(100));
        }
        assert!(rto.timeout() < Duration::from_millis(150));
        let mut false_alarms = 0;
        for _ in 0..30 {
            if rto.timeout() < Duration::from_millis(400) {
                false_alarms += 1;
            }
            rto.sample(Duration::from_millis(400));
        }
        assert!(false_alarms <= 2, "{false_alarms}");
    }

    #[test]
    fn the_timeout_stays_between_its_bounds() {
        for rtt in [0, 1, 10_000_000] {
            let mut rto = Rto::new();
            for _ in 0..50 {
                rto.sample(Duration::from_micros(rtt));
                assert!(rto.timeout() >= Duration::from_millis(50));
                assert!(rto.timeout() <= Duration::from_secs(2));
                assert!(rto.patience() >= Duration::from_millis(400));
            }
        }
    }
}
