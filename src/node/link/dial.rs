//! A call that waits for its answer.

use std::collections::VecDeque;
use std::time::Duration;

use super::handshake::Calling;
use super::lanes::Full;
use super::{DialTarget, Purpose};
use crate::crypto::random::Stream;
use crate::wire::size::BODY;
use crate::wire::time::Moment;

/// Seconds from one INIT to the next, each times 0.75 to 1.25.
const PAUSES: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
/// A contact session's first pause: a DHT message waits for it, and its sender gives up after seconds.
const CONTACT_PAUSES: [f64; 4] = [0.4, 0.8, 1.6, 3.2];
/// Without an answer for so long, a call has failed.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same for a contact session.
const CONTACT_PATIENCE: Duration = Duration::from_secs(6);
/// Bodies a contact session keeps until it is up; more are refused.
pub const WAITING: usize = 4;

pub struct Dial {
    pub target: DialTarget,
    pub purpose: Purpose,
    /// By name, not by sending: its end is told.
    pub asked: bool,
    pub calling: Calling,
    pub waiting: Waiting,
    started: Moment,
    tries: usize,
    jitter: Stream,
}

/// Bodies of a contact session that is not up yet.
#[derive(Default)]
pub struct Waiting(pub VecDeque<[u8; BODY]>);

impl Waiting {
    pub fn push(&mut self, body: &[u8; BODY]) -> Result<(), Full> {
        if self.0.len() == WAITING {
            return Err(Full);
        }
        self.0.push_back(*body);
        Ok(())
    }
}

impl Dial {
    pub fn new(
        target: DialTarget,
        purpose: Purpose,
        asked: bool,
        calling: Calling,
        now: Moment,
        jitter: Stream,
    ) -> Dial {
        Dial {
            target,
            purpose,
            asked,
            calling,
            waiting: Waiting::default(),
            started: now,
            tries: 0,
            jitter,
        }
    }

    /// When to call again, after an INIT at `now`; never before it has failed.
    pub fn next(&mut self, now: Moment) -> Moment {
        let pauses = if self.purpose.is_contact() {
            CONTACT_PAUSES
        } else {
            PAUSES
        };
        let pause = pauses[self.tries.min(pauses.len() - 1)] * (0.75 + 0.5 * self.jitter.unit());
        self.tries += 1;
        now.after_seconds(pause).min(self.started + self.patience())
    }

    pub fn started(&self) -> Moment {
        self.started
    }

    pub fn has_failed(&self, now: Moment) -> bool {
        now.since(self.started) >= self.patience()
    }

    fn patience(&self) -> Duration {
        if self.purpose.is_contact() {
            CONTACT_PATIENCE
        } else {
            PATIENCE
        }
    }
}
