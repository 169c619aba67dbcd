//! The ways to a contact: their descriptor, our spur to one of their intro points, the spur of theirs that an answer goes back along.
//!
//! Not here: when a way is wanted (that is a matter of what waits), the spurs themselves (the node's).

use std::time::Duration;

use crate::node::person::{ContactTag, IntroPoint, ReplyHandle, SpurTarget, Way};
use crate::wire::introduction::Introduction;
use crate::wire::time::Moment;

/// A reply handle that was silent this long is not used any more: spurs live about ten minutes.
const HANDLE_LIFE: Duration = Duration::from_secs(15 * 60);
/// A handle whose parcels nobody acknowledges is used this long beyond its patience while there is no other way: shorter than a session
/// takes to count as lost.
const HANDLE_ALONE: Duration = Duration::from_secs(30);
/// First and longest wait between look-ups that found nothing, in seconds.
const FIRST_FETCH: f64 = 1.0;
const LAST_FETCH: f64 = 60.0;
/// A look-up that was never answered counts as failed.
const FETCH_PATIENCE: Duration = Duration::from_secs(180);
/// An intro point that led to nothing for this long is given up for the other one, and the descriptor is looked up again.
const POINT_PATIENCE: Duration = Duration::from_secs(60);
/// An open spur that brought nothing for this long tries the other credential.
const CREDENTIAL_PATIENCE: Duration = Duration::from_secs(25);
/// A descriptor is looked up again after this long, if a way is wanted.
const FRESH: Duration = Duration::from_secs(30 * 60);

/// A look-up under way.
struct Fetch {
    id: u64,
    day: u32,
    asked: Moment,
}

pub struct Reach {
    points: Vec<IntroPoint>,
    revision: (u32, u64),
    fetched: Option<Moment>,
    fetch: Option<Fetch>,
    next_fetch: Moment,
    failures: u32,
    /// Which day the next look-up asks for.
    turn: u32,
    pick: usize,
    /// Since when the picked point has led to nothing although a way is wanted.
    tried_since: Option<Moment>,
    spur_up: bool,
    spur_heard: Moment,
    handle: Option<(ReplyHandle, Moment)>,
    /// The patience with the handle ends: a parcel left along it, and nothing came by it since.
    handle_until: Option<Moment>,
    /// The cookie instead of the token of the day.
    use_cookie: bool,
    /// What the spur shows at present.
    shows_cookie: bool,
    credential_since: Moment,
}

impl Reach {
    pub fn new() -> Reach {
        Reach {
            points: Vec::new(),
            revision: (0, 0),
            fetched: None,
            fetch: None,
            next_fetch: Moment(0),
            failures: 0,
            turn: 0,
            pick: 0,
            tried_since: None,
            spur_up: false,
            spur_heard: Moment(0),
            handle: None,
            handle_until: None,
            use_cookie: false,
            shows_cookie: true,
            credential_since: Moment(0),
        }
    }

    /// The way for something that left `tries` times without an answer: our spur, whose end we know beforehand, then theirs, in turn.
    pub fn way(&self, now: Moment, tries: u32) -> Option<(ReachedBy, Moment)> {
        let handle = self.open_handle(now);
        let spur = self.spur_up.then_some(self.spur_heard);
        match (spur, handle) {
            (None, None) => None,
            (Some(heard), None) => Some((ReachedBy::Spur, heard)),
            (None, Some((handle, heard))) => Some((ReachedBy::Handle(handle), heard)),
            (Some(by_spur), Some((handle, by_handle))) => {
                if tries.is_multiple_of(2) {
                    Some((ReachedBy::Spur, by_spur))
                } else {
                    Some((ReachedBy::Handle(handle), by_handle))
                }
            }
        }
    }

    fn open_handle(&self, now: Moment) -> Option<(ReplyHandle, Moment)> {
        let (handle, heard) = self.handle?;
        let alone = if self.spur_up {
            Duration::ZERO
        } else {
            HANDLE_ALONE
        };
        let silent = self.handle_until.is_some_and(|until| now >= until + alone);
        (!silent && now.since(heard) < HANDLE_LIFE).then_some((handle, heard))
    }

    /// Something that is to be acknowledged leaves along the handle. `patience`: how long until a word by it is missed.
    pub fn handle_used(&mut self, now: Moment, patience: Duration) {
        self.handle_until.get_or_insert(now + patience);
    }

    /// A way refused a parcel: the other one, if it is open. A handle that refused is a way no more.
    pub fn refused(&mut self, way: Way, now: Moment) -> Option<ReachedBy> {
        let handle = self.open_handle(now).map(|(handle, _)| handle);
        match way {
            Way::Spur(_) => handle.map(ReachedBy::Handle),
            Way::Handle(refused) => {
                if self.handle.is_some_and(|(known, _)| known == refused) {
                    self.handle = None;
                }
                self.spur_up.then_some(ReachedBy::Spur)
            }
        }
    }

    pub fn spur_up(&mut self, now: Moment) {
        self.spur_up = true;
        self.credential_since = now;
    }

    /// The handle is the only way now: it gets another chance.
    pub fn spur_down(&mut self) {
        self.spur_up = false;
        self.handle_until = None;
    }

    pub fn is_spur_up(&self) -> bool {
        self.spur_up
    }

    /// Whether the intro point takes what comes along our spur for a stranger's.
    pub fn shows_cookie(&self) -> bool {
        self.shows_cookie
    }

    /// Something of theirs opened that came this way.
    pub fn heard(&mut self, by: ReachedBy, now: Moment) {
        match by {
            ReachedBy::Spur => self.spur_heard = now,
            ReachedBy::Handle(handle) => self.offer_handle(handle, now),
        }
        self.tried_since = None;
        self.credential_since = now;
    }

    /// A parcel that names them came this way, although nothing is proven: an answer can go back.
    pub fn offer_handle(&mut self, handle: ReplyHandle, now: Moment) {
        self.handle = Some((handle, now));
        self.handle_until = None;
    }

    /// When a handle was last heard from, if there is one.
    pub fn handle_heard(&self) -> Option<Moment> {
        self.handle.map(|(_, heard)| heard)
    }

    /// Whether the descriptor should be looked up now; `true` at most once until the answer.
    pub fn wants_fetch(&mut self, now: Moment) -> bool {
        if let Some(fetch) = &self.fetch {
            if now.since(fetch.asked) < FETCH_PATIENCE {
                return false;
            }
            self.failed(now);
        }
        let stale = match self.fetched {
            None => true,
            Some(at) => {
                now.since(at) >= FRESH
                    || (self.points_tried(now) && now.since(at) >= POINT_PATIENCE)
            }
        };
        stale && now >= self.next_fetch
    }

    /// When `wants_fetch` may change by time alone.
    pub fn fetch_due(&self, now: Moment) -> Moment {
        match (&self.fetch, self.fetched) {
            (Some(fetch), _) => fetch.asked + FETCH_PATIENCE,
            (None, None) => self.next_fetch,
            (None, Some(at)) => {
                let tried = self.tried_since.map_or(Moment::NEVER, |since| {
                    (since + POINT_PATIENCE).max(at + POINT_PATIENCE)
                });
                let due = (at + FRESH).min(tried).max(self.next_fetch);
                if due <= now {
                    now + Duration::from_secs(1)
                } else {
                    due
                }
            }
        }
    }

    fn points_tried(&self, now: Moment) -> bool {
        self.tried_since
            .is_some_and(|since| now.since(since) >= POINT_PATIENCE)
    }

    /// Begins a look-up and says for which day: today's first and mostly, now and then yesterday's and tomorrow's, because clocks
    /// differ and a day changes for the two at different moments.
    pub fn begin_fetch(&mut self, id: u64, today: u32, now: Moment) -> u32 {
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

    /// Whether a look-up is under way.
    pub fn is_fetching(&self) -> bool {
        self.fetch.is_some()
    }

    /// Whether a descriptor was ever found in this run.
    pub fn is_known(&self) -> bool {
        self.fetched.is_some()
    }

    /// The day a look-up asked for, if it is this contact's.
    pub fn fetch_day(&self, id: u64) -> Option<u32> {
        self.fetch
            .as_ref()
            .filter(|fetch| fetch.id == id)
            .map(|fetch| fetch.day)
    }

    /// Nothing was found, or nothing that holds.
    pub fn failed(&mut self, now: Moment) {
        self.fetch = None;
        let wait = (FIRST_FETCH * 2f64.powi(self.failures.min(10) as i32)).min(LAST_FETCH);
        self.failures = self.failures.saturating_add(1);
        self.next_fetch = now.after_seconds(wait);
    }

    pub fn found(&mut self, introduction: Introduction, now: Moment) {
        self.fetch = None;
        if (introduction.day, introduction.revision) < self.revision
            || introduction.points.is_empty()
        {
            self.failed(now);
            return;
        }
        self.revision = (introduction.day, introduction.revision);
        self.fetched = Some(now);
        self.failures = 0;
        self.turn = 0;
        self.next_fetch = now.after_seconds(LAST_FETCH);
        if self.points != introduction.points {
            self.points = introduction.points;
            self.pick = 0;
            self.tried_since = None;
        }
    }

    /// The day is another one: what is found now counts, whatever its revision.
    pub fn new_day(&mut self) {
        self.next_fetch = Moment(0);
    }

    /// Where a spur should go, while one is wanted. `working`: something waits; then it goes on to the other point, and to the other
    /// credential, when one leads nowhere.
    pub fn target(
        &mut self,
        contact: ContactTag,
        token: Option<[u8; 16]>,
        working: bool,
        now: Moment,
    ) -> Option<SpurTarget> {
        if working {
            let since = *self.tried_since.get_or_insert(now);
            if now.since(since) >= POINT_PATIENCE * 2 {
                self.pick = self.pick.wrapping_add(1);
                self.tried_since = Some(now);
            }
            if self.spur_up
                && now.since(self.credential_since.max(self.spur_heard)) >= CREDENTIAL_PATIENCE
            {
                self.use_cookie = !self.use_cookie;
                self.credential_since = now;
            }
        } else {
            self.tried_since = None;
        }
        let point = self.points.get(self.pick % self.points.len().max(1))?;
        self.shows_cookie = token.is_none() || self.use_cookie;
        Some(SpurTarget {
            contact,
            node: point.node,
            addr: point.addr,
            cookie_key: point.cookie_key,
            credential: match token {
                Some(token) if !self.use_cookie => token,
                _ => point.cookie,
            },
        })
    }

    /// When `target` may change by time alone.
    pub fn target_due(&self) -> Moment {
        let point = self
            .tried_since
            .map_or(Moment::NEVER, |since| since + POINT_PATIENCE * 2);
        let credential = if self.spur_up {
            self.credential_since.max(self.spur_heard) + CREDENTIAL_PATIENCE
        } else {
            Moment::NEVER
        };
        point.min(credential)
    }
}

/// By which of the two ways something came or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachedBy {
    Spur,
    Handle(ReplyHandle),
}

impl ReachedBy {
    pub fn way(self, contact: ContactTag) -> Way {
        match self {
            ReachedBy::Spur => Way::Spur(contact),
            ReachedBy::Handle(handle) => Way::Handle(handle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: ReplyHandle = ReplyHandle {
        circuit: 1,
        spur: 2,
    };

    fn second(seconds: f64) -> Moment {
        Moment(0).after_seconds(seconds)
    }

    fn by_handle(reach: &Reach, seconds: f64, tries: u32) -> bool {
        let way = reach.way(second(seconds), tries);
        way.is_some_and(|(by, _)| by == ReachedBy::Handle(HANDLE))
    }

    #[test]
    fn a_handle_that_nothing_comes_back_by_is_left_for_a_spur_after_its_patience_and_for_nothing_later()
     {
        let mut reach = Reach::new();
        reach.heard(ReachedBy::Handle(HANDLE), second(10.0));
        reach.handle_used(second(20.0), Duration::from_secs(8));
        reach.handle_used(second(25.0), Duration::from_secs(8));
        assert!(by_handle(&reach, 57.0, 0), "it is the only way");
        assert!(!by_handle(&reach, 58.0, 0));
        reach.spur_up(second(21.0));
        assert!(!by_handle(&reach, 27.0, 0), "a spur goes before");
        assert!(by_handle(&reach, 27.0, 1));
        assert!(!by_handle(&reach, 28.0, 0) && !by_handle(&reach, 28.0, 1));
        reach.heard(ReachedBy::Handle(HANDLE), second(60.0));
        assert!(by_handle(&reach, 500.0, 1), "a word by it opens it again");
    }

    #[test]
    fn a_handle_that_refuses_a_parcel_is_left_at_once() {
        let mut reach = Reach::new();
        reach.heard(ReachedBy::Handle(HANDLE), second(1.0));
        let other = Way::Handle(ReplyHandle {
            circuit: 1,
            spur: 3,
        });
        assert_eq!(reach.refused(other, second(2.0)), None);
        assert!(by_handle(&reach, 2.0, 0), "that was an older one");
        assert_eq!(reach.refused(Way::Handle(HANDLE), second(2.0)), None);
        assert!(reach.way(second(2.0), 0).is_none());
    }
}
