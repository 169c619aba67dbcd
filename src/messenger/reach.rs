//! How a contact is reached: look-ups of their descriptor, the aim of our spur at one of their intro points, the ways that are open.
//!
//! Not here: when a way is wanted (that is a matter of what waits), the spurs themselves (the node's).

use crate::messenger::slowness::Slowness;
use crate::node::person::{ContactTag, SpurTarget};
use crate::wire::introduction::Introduction;
use crate::wire::time::Moment;

mod aim;
mod lookup;
#[cfg(test)]
mod tests;
mod ways;

use aim::{Aim, Silence};
use lookup::Lookup;
pub use ways::ReachedBy;
use ways::Ways;

pub struct Reach {
    pub lookup: Lookup,
    aim: Aim,
    pub ways: Ways,
    /// Since when nothing was heard although a way is wanted.
    silent_since: Option<Moment>,
    slowness: Slowness,
}

impl Reach {
    pub fn new() -> Reach {
        Reach {
            lookup: Lookup::new(),
            aim: Aim::new(),
            ways: Ways::new(),
            silent_since: None,
            slowness: Slowness::USUAL,
        }
    }

    pub fn set_slowness(&mut self, slowness: Slowness) {
        self.slowness = slowness;
        self.ways.set_slowness(slowness);
    }

    pub fn spur_up(&mut self, now: Moment) {
        self.ways.spur_up(now);
        self.aim.renew(now);
    }

    /// Something of theirs opened that came this way. Whether it opens a way that was not open before.
    pub fn heard(&mut self, by: ReachedBy, now: Moment) -> bool {
        self.silent_since = None;
        self.lookup.heard();
        self.aim.renew(now);
        self.ways.heard(by, now)
    }

    /// Whether the intro point takes what comes along our spur for a stranger's.
    pub fn shows_cookie(&self) -> bool {
        self.aim.shows_cookie()
    }

    /// Whether the descriptor should be looked up now; `true` at most once until the answer.
    pub fn wants_lookup(&mut self, now: Moment) -> bool {
        self.lookup.is_due(self.silent_since, now)
    }

    /// When that becomes true by time alone.
    pub fn lookup_due(&self) -> Moment {
        self.lookup.due(self.silent_since)
    }

    /// They say in the session where they are reached from now on.
    pub fn told(&mut self, introduction: &Introduction, today: u32, now: Moment) {
        if self.lookup.is_news(introduction, today) {
            self.take(introduction, now);
        }
    }

    /// A look-up found this.
    pub fn found(&mut self, introduction: &Introduction, now: Moment) {
        if self.lookup.found(introduction, now) {
            self.take(introduction, now);
            self.lookup.wait(now);
        }
    }

    fn take(&mut self, introduction: &Introduction, now: Moment) {
        let others = self.aim.found(&introduction.points, now);
        self.lookup.known(introduction, others, now);
    }

    /// Where a spur should go, while one is wanted. `working`: something waits, so that silence means something. `leaves`: since when something
    /// can leave.
    pub fn target(
        &mut self,
        contact: ContactTag,
        token: Option<[u8; 16]>,
        working: bool,
        leaves: Moment,
        now: Moment,
    ) -> Option<SpurTarget> {
        self.silent_since = working.then(|| self.silent_since.unwrap_or(now));
        let silence = self.silence(leaves);
        self.aim.target(contact, token, silence, now)
    }

    fn silence(&self, leaves: Moment) -> Silence {
        Silence {
            since: self.silent_since,
            leaves,
            spur_up: self.ways.is_spur_up(),
            slowness: self.slowness,
        }
    }

    /// When `target` may change by time alone.
    pub fn target_due(&self, leaves: Moment) -> Moment {
        self.aim.due(self.silence(leaves))
    }
}
