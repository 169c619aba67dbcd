//! Look-ups of the contact's descriptor: when the next one is due, for which day it asks, and what came of those before.
//!
//! Not here: what the descriptor says ([`super::aim`]), the look-up itself (the node's).

use std::time::Duration;

use crate::wire::introduction::Introduction;
use crate::wire::time::Moment;

/// First and longest wait between look-ups that found nothing, in seconds, and how it grows: two who start together miss each other's descriptor
/// by a second or two, and look-ups leave on a clock of their own anyway.
const FIRST_FETCH: f64 = 0.5;
const LAST_FETCH: f64 = 60.0;
const FETCH_GROWTH: f64 = 1.25;
/// A look-up that was never answered counts as failed.
const FETCH_PATIENCE: Duration = Duration::from_secs(180);
/// Where nothing was heard for so long although a way is wanted, the descriptor is looked up again; twice as long after each look-up that
/// brought nothing new, up to `LAST_FETCH`. An intro point is replaced 30 s after it was lost, and a look-up costs nothing but its turn.
const LOOK_AGAIN: f64 = 10.0;
/// A descriptor is looked up again after this long, if a way is wanted.
const FRESH: Duration = Duration::from_secs(30 * 60);

/// A look-up under way.
struct Fetch {
    id: u64,
    day: u32,
    asked: Moment,
}

pub struct Lookup {
    /// Day and revision of the newest word of where they are reached.
    newest: (u32, u64),
    /// It names more than one intro point.
    whole: bool,
    fetched: Option<Moment>,
    fetch: Option<Fetch>,
    next_fetch: Moment,
    failures: u32,
    /// Look-ups in a row that brought nothing new, since something was heard.
    looks: u32,
    /// Those that brought the points that were known.
    same: u32,
    /// Which day the next look-up asks for.
    turn: u32,
}

impl Lookup {
    pub fn new() -> Lookup {
        Lookup {
            newest: (0, 0),
            whole: false,
            fetched: None,
            fetch: None,
            next_fetch: Moment(0),
            failures: 0,
            looks: 0,
            same: 0,
            turn: 0,
        }
    }

    /// Whether one should begin now. `silent_since`: since when nothing was heard although a way is wanted.
    pub fn is_due(&mut self, silent_since: Option<Moment>, now: Moment) -> bool {
        if let Some(fetch) = &self.fetch {
            if now.since(fetch.asked) < FETCH_PATIENCE {
                return false;
            }
            self.failed(now);
        }
        now >= self.due(silent_since)
    }

    /// When that becomes true by time alone.
    pub fn due(&self, silent_since: Option<Moment>) -> Moment {
        if let Some(fetch) = &self.fetch {
            return fetch.asked + FETCH_PATIENCE;
        }
        let silent = silent_since.map_or(Moment::NEVER, |since| since.after_seconds(LOOK_AGAIN));
        self.fresh_until().min(silent).max(self.next_fetch)
    }

    fn fresh_until(&self) -> Moment {
        let Some(at) = self.fetched else {
            return Moment(0);
        };
        // A descriptor that names one intro point was written while the other was being built, and the one may be the standby.
        let fresh = if self.whole {
            FRESH
        } else {
            FRESH.min(Duration::from_secs_f64(doubled(self.same)))
        };
        at + fresh
    }

    /// Begins a look-up and says for which day: today's first and mostly, now and then yesterday's and tomorrow's, because clocks
    /// differ and a day changes for the two at different moments.
    pub fn begin(&mut self, id: u64, today: u32, now: Moment) -> u32 {
        let day = match self.turn % 8 {
            3 => today.saturating_sub(1),
            7 => today.saturating_add(1),
            _ => today,
        };
        self.turn = self.turn.wrapping_add(1);
        self.fetch = Some(Fetch {
            id,
            day,
            asked: now,
        });
        day
    }

    /// Whether one is under way.
    pub fn is_under_way(&self) -> bool {
        self.fetch.is_some()
    }

    /// Whether no descriptor was ever found in this run.
    pub fn is_unknown(&self) -> bool {
        self.fetched.is_none()
    }

    /// Whether a descriptor was found in this run that may still be the newest.
    pub fn is_known(&self, now: Moment) -> bool {
        now < self.fresh_until()
    }

    /// The day the look-up with this id asked for, if it is this contact's.
    pub fn day(&self, id: u64) -> Option<u32> {
        self.fetch
            .as_ref()
            .filter(|fetch| fetch.id == id)
            .map(|fetch| fetch.day)
    }

    /// Nothing was found, or nothing that holds.
    pub fn failed(&mut self, now: Moment) {
        self.fetch = None;
        let wait = (FIRST_FETCH * FETCH_GROWTH.powi(self.failures.min(30) as i32)).min(LAST_FETCH);
        self.failures = self.failures.saturating_add(1);
        self.next_fetch = now.after_seconds(wait);
    }

    /// A descriptor was found. Whether it counts: what is older than the newest word does not.
    pub fn found(&mut self, introduction: &Introduction, now: Moment) -> bool {
        self.fetch = None;
        let counts = (introduction.day, introduction.revision) >= self.newest
            && !introduction.points.is_empty();
        if !counts {
            self.failed(now);
        }
        counts
    }

    /// Whether what they say themselves counts: if it is newer than what is known, and of a day that is looked up. A day far ahead would stand above
    /// every descriptor to come.
    pub fn is_news(&self, introduction: &Introduction, today: u32) -> bool {
        (introduction.day, introduction.revision) > self.newest
            && introduction.day.abs_diff(today) <= 1
            && !introduction.points.is_empty()
    }

    /// This is where they are reached from now on. `others`: at other points than was known.
    pub fn known(&mut self, introduction: &Introduction, others: bool, now: Moment) {
        self.newest = (introduction.day, introduction.revision);
        self.whole = introduction.points.len() > 1;
        self.fetched = Some(now);
        self.failures = 0;
        self.turn = 0;
        if others {
            (self.looks, self.same) = (0, 0);
        } else {
            self.same = self.same.saturating_add(1);
        }
    }

    /// What was looked up counted: the next one waits, the longer the more of them changed nothing.
    pub fn wait(&mut self, now: Moment) {
        self.next_fetch = now.after_seconds(doubled(self.looks).min(LAST_FETCH));
        self.looks = self.looks.saturating_add(1);
    }

    /// Something of theirs came.
    pub fn heard(&mut self) {
        self.looks = 0;
    }

    /// The day is another one: what is found now counts, whatever its revision.
    pub fn new_day(&mut self) {
        self.next_fetch = Moment(0);
    }
}

/// Seconds until what was looked up is looked up again, by how often it brought nothing new.
fn doubled(times: u32) -> f64 {
    LOOK_AGAIN * 2f64.powi(times.min(10) as i32)
}
