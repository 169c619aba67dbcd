//! The ways to a contact: their descriptor, our spur to one of their intro points, the spur of theirs that an answer goes back along.
//!
//! Not here: when a way is wanted (that is a matter of what waits), the spurs themselves (the node's).

use std::time::Duration;

use crate::node::person::{ContactTag, IntroPoint, ReplyHandle, SpurTarget, Way};
use crate::wire::circuit::registered;
use crate::wire::introduction::Introduction;
use crate::wire::time::Moment;

/// A reply handle that was silent this long is not used any more: spurs live about ten minutes.
const HANDLE_LIFE: Duration = Duration::from_secs(15 * 60);
/// A handle that was silent for so long makes way for another by which something came that proves nothing.
const HANDLE_SILENCE: Duration = Duration::from_secs(20);
/// A handle whose parcels nobody acknowledges is used this long beyond its patience while there is no other way: shorter than a session
/// takes to count as lost.
const HANDLE_ALONE: Duration = Duration::from_secs(30);
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
/// An intro point that led to nothing for this long is given up for the other one. Which of the two a spur goes to is decided at its birth,
/// so that this is no haste.
const POINT_PATIENCE: Duration = Duration::from_secs(20);
/// An open spur that brought nothing for this long, while something waits, tries the other credential.
const CREDENTIAL_PATIENCE: Duration = Duration::from_secs(15);
/// The second intro point of a descriptor is the standby, at a tenth of the rate, and the cookie lets one parcel through in 15 s: after so long the first
/// point and the token are tried again.
const SECOND_BEST: Duration = Duration::from_secs(60);
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
    /// Look-ups in a row that brought nothing new, since something was heard.
    looks: u32,
    /// Those that brought the points that were known.
    same: u32,
    /// Which day the next look-up asks for.
    turn: u32,
    pick: usize,
    picked: Moment,
    /// Since when nothing was heard although a way is wanted.
    silent_since: Option<Moment>,
    spur_up: bool,
    /// Since when it is, or goes elsewhere.
    spur_since: Moment,
    /// Since then something came by it, or something that left by it was acknowledged: when that came or left.
    spur_proved: Option<Moment>,
    spur_heard: Moment,
    /// The patience with the spur ends: a parcel left along it, and nothing that left so was acknowledged since.
    spur_until: Option<Moment>,
    handle: Option<(ReplyHandle, Moment)>,
    /// The patience with the handle ends: a parcel left along it, and nothing came by it since.
    handle_until: Option<Moment>,
    /// Since when the cookie is shown instead of the token of the day.
    use_cookie: Option<Moment>,
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
            looks: 0,
            same: 0,
            turn: 0,
            pick: 0,
            picked: Moment(0),
            silent_since: None,
            spur_up: false,
            spur_since: Moment(0),
            spur_proved: None,
            spur_heard: Moment(0),
            spur_until: None,
            handle: None,
            handle_until: None,
            use_cookie: None,
            shows_cookie: true,
            credential_since: Moment(0),
        }
    }

    /// The way for something that left `tries` times without an answer: our spur, whose end we know beforehand and which is the quicker one, then theirs,
    /// in turn; theirs first if it was heard from since ours opened and ours was not. While nothing comes of the spur, theirs alone.
    pub fn way(&self, now: Moment, tries: u32) -> Option<ReachedBy> {
        self.choose(
            now,
            tries,
            self.spur_proved.is_some() || !self.handle_is_newer(),
        )
    }

    /// The same for something that they acknowledge, and that left last at `left`. One at a time proves a spur of which nothing came yet. Where something
    /// that left later along our spur was acknowledged, this was lost by chance: our spur again. (That something came by their handle says nothing of
    /// how long the way back along it is.)
    pub fn proving_way(&self, now: Moment, tries: u32, left: Moment) -> Option<ReachedBy> {
        if self.spur_up && tries > 0 && self.spur_proved > Some(left) {
            return Some(ReachedBy::Spur);
        }
        let proves = self.spur_until.is_none();
        let spur_first = self.spur_proved.is_some() || !self.handle_is_newer() || proves;
        self.choose(now, tries, spur_first)
    }

    /// Whether their handle was heard of since our spur opened.
    fn handle_is_newer(&self) -> bool {
        let heard = self.handle_heard();
        heard.is_some_and(|heard| heard > self.spur_since)
    }

    fn choose(&self, now: Moment, tries: u32, spur_first: bool) -> Option<ReachedBy> {
        let handle = self.open_handle(now).map(ReachedBy::Handle);
        if !self.spur_up {
            return handle;
        }
        let doubtful = self.spur_until.is_some_and(|until| now >= until);
        let by_spur = !doubtful && tries.is_multiple_of(2) == spur_first;
        handle.filter(|_| !by_spur).or(Some(ReachedBy::Spur))
    }

    /// The other way than this one, if it is open.
    pub fn other(&self, by: ReachedBy, now: Moment) -> Option<ReachedBy> {
        match by {
            ReachedBy::Spur => self.open_handle(now).map(ReachedBy::Handle),
            ReachedBy::Handle(_) => self.spur_up.then_some(ReachedBy::Spur),
        }
    }

    fn open_handle(&self, now: Moment) -> Option<ReplyHandle> {
        (now < self.handle_end()?).then_some(self.handle?.0)
    }

    /// When the handle is a way no more, unless something is heard by it.
    fn handle_end(&self) -> Option<Moment> {
        let (_, heard) = self.handle?;
        let alone = if self.spur_up {
            Duration::ZERO
        } else {
            HANDLE_ALONE
        };
        let silent = self
            .handle_until
            .map_or(Moment::NEVER, |until| until + alone);
        Some(silent.min(heard + HANDLE_LIFE))
    }

    /// Until when a way is open if nothing happens; `now` if none is.
    pub fn open_until(&self, now: Moment) -> Moment {
        if self.spur_up {
            return Moment::NEVER;
        }
        self.handle_end().map_or(now, |end| end.max(now))
    }

    /// Something that is to be acknowledged leaves. `patience`: how long until an answer is missed.
    pub fn used(&mut self, by: ReachedBy, now: Moment, patience: Duration) {
        let until = match by {
            ReachedBy::Spur => &mut self.spur_until,
            ReachedBy::Handle(_) => &mut self.handle_until,
        };
        until.get_or_insert(now + patience);
    }

    /// Something that left along our spur at `left` was acknowledged.
    pub fn spur_led_there(&mut self, left: Moment) {
        self.spur_until = None;
        self.spur_proved = self.spur_proved.max(Some(left));
    }

    /// The intro point says that their spur has ended. Whether it was the way that is known.
    pub fn handle_gone(&mut self, gone: ReplyHandle) -> bool {
        self.handle.take_if(|(known, _)| *known == gone).is_some()
    }

    /// A way refused a parcel: the other one, if it is open. A handle that refused is a way no more.
    pub fn refused(&mut self, way: Way, now: Moment) -> Option<ReachedBy> {
        match way {
            Way::Spur(_) => self.other(ReachedBy::Spur, now),
            Way::Handle(refused) => {
                if self.handle.is_some_and(|(known, _)| known == refused) {
                    self.handle = None;
                }
                self.other(ReachedBy::Handle(refused), now)
            }
        }
    }

    pub fn spur_up(&mut self, now: Moment) {
        self.spur_up = true;
        self.spur_since = now;
        self.spur_proved = None;
        self.spur_until = None;
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

    /// Something of theirs opened that came this way. Whether it opens a way that was not open before.
    pub fn heard(&mut self, by: ReachedBy, now: Moment) -> bool {
        self.silent_since = None;
        self.looks = 0;
        self.credential_since = now;
        match by {
            ReachedBy::Spur => {
                self.spur_heard = now;
                self.spur_led_there(now);
                false
            }
            ReachedBy::Handle(handle) => {
                let known = self.open_handle(now) == Some(handle);
                self.offer_handle(handle, now);
                !known
            }
        }
    }

    /// A parcel that names them came this way, or a copy of one, although nothing is proven: an answer can go back.
    pub fn offer_handle(&mut self, handle: ReplyHandle, now: Moment) {
        self.handle = Some((handle, now));
        self.handle_until = None;
    }

    /// Something that proves nothing came this way: a first parcel, or a copy of what has no place in the sequence. An answer can go back, if nothing
    /// was heard by another handle for a while: whoever records parcels can send copies. Whether it is a way now.
    pub fn offer_unproven(&mut self, handle: ReplyHandle, now: Moment) -> bool {
        let silent = self
            .handle_heard()
            .is_none_or(|heard| now.since(heard) >= HANDLE_SILENCE);
        if silent {
            self.offer_handle(handle, now);
        }
        silent
    }

    /// When a handle was last heard from, if there is one.
    fn handle_heard(&self) -> Option<Moment> {
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
        now >= self.stale_at() && now >= self.next_fetch
    }

    /// When what is known of the contact's intro points is to be looked up again.
    fn stale_at(&self) -> Moment {
        let silent = self
            .silent_since
            .map(|since| since.after_seconds(LOOK_AGAIN));
        self.fresh_until().min(silent.unwrap_or(Moment::NEVER))
    }

    fn fresh_until(&self) -> Moment {
        let Some(at) = self.fetched else {
            return Moment(0);
        };
        // A descriptor that names one intro point was written while the other was being built, and the one may be the standby.
        let fresh = match self.points.len() {
            0 | 1 => FRESH.min(Duration::from_secs_f64(doubled(self.same))),
            _ => FRESH,
        };
        at + fresh
    }

    /// When `wants_fetch` becomes true by time alone.
    pub fn fetch_due(&self) -> Moment {
        match &self.fetch {
            Some(fetch) => fetch.asked + FETCH_PATIENCE,
            None => self.stale_at().max(self.next_fetch),
        }
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

    /// Whether no descriptor was ever found in this run.
    pub fn is_unknown(&self) -> bool {
        self.fetched.is_none()
    }

    /// Whether a descriptor was found in this run that may still be the newest.
    pub fn is_known(&self, now: Moment) -> bool {
        now < self.fresh_until()
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
        let wait = (FIRST_FETCH * FETCH_GROWTH.powi(self.failures.min(30) as i32)).min(LAST_FETCH);
        self.failures = self.failures.saturating_add(1);
        self.next_fetch = now.after_seconds(wait);
    }

    /// They say in the session where they are reached from now on. It counts if it is newer than what is known, and of a day that is looked up: a day far
    /// ahead would stand above every descriptor to come.
    pub fn told(&mut self, introduction: Introduction, today: u32, now: Moment) {
        if (introduction.day, introduction.revision) > self.revision
            && introduction.day.abs_diff(today) <= 1
            && !introduction.points.is_empty()
        {
            self.take(introduction, now);
        }
    }

    pub fn found(&mut self, introduction: Introduction, now: Moment) {
        self.fetch = None;
        if (introduction.day, introduction.revision) < self.revision
            || introduction.points.is_empty()
        {
            self.failed(now);
            return;
        }
        self.take(introduction, now);
        let wait = doubled(self.looks);
        self.looks = self.looks.saturating_add(1);
        self.next_fetch = now.after_seconds(wait.min(LAST_FETCH));
    }

    fn take(&mut self, introduction: Introduction, now: Moment) {
        self.revision = (introduction.day, introduction.revision);
        self.fetched = Some(now);
        self.failures = 0;
        self.turn = 0;
        if self.points != introduction.points {
            self.points = introduction.points;
            self.looks = 0;
            self.same = 0;
            self.pick = 0;
            self.picked = now;
            // That the token led nowhere was said of other points.
            self.use_cookie = None;
            self.credential_since = now;
        } else {
            self.same = self.same.saturating_add(1);
        }
    }

    /// The day is another one: what is found now counts, whatever its revision.
    pub fn new_day(&mut self) {
        self.next_fetch = Moment(0);
    }

    /// Where a spur should go, while one is wanted. `working`: something waits; then it goes on to the other point, and to the other
    /// credential, when one leads nowhere. `leaves`: since when something can leave; before that, silence says nothing of a point.
    pub fn target(
        &mut self,
        contact: ContactTag,
        token: Option<[u8; 16]>,
        working: bool,
        leaves: Moment,
        now: Moment,
    ) -> Option<SpurTarget> {
        if working {
            let since = *self.silent_since.get_or_insert(now);
            if now >= self.other_point(since, leaves) {
                self.pick = self.pick.wrapping_add(1);
                self.picked = now;
            }
            if self.spur_up && now >= self.other_credential(since) {
                self.use_cookie = self.use_cookie.is_none().then_some(now);
                self.credential_since = now;
            }
        } else {
            self.silent_since = None;
        }
        if now >= self.token_again() {
            self.use_cookie = None;
            self.credential_since = now;
        }
        if now >= self.first_again() {
            self.pick = 0;
            self.picked = now;
        }
        let point = self.points.get(self.pick % self.points.len().max(1))?;
        self.shows_cookie = token.is_none() || self.use_cookie.is_some();
        Some(SpurTarget {
            contact,
            node: point.node,
            addr: point.addr,
            cookie_key: point.cookie_key,
            point: point.cookie,
            credential: match token {
                Some(token) if self.use_cookie.is_none() => registered(&token, &point.cookie),
                _ => point.cookie,
            },
        })
    }

    /// When the other intro point is tried, if nothing was heard since `since` although something waits.
    fn other_point(&self, since: Moment, leaves: Moment) -> Moment {
        self.picked.max(since).max(leaves) + POINT_PATIENCE
    }

    /// When the other credential is tried, if nothing was heard since `since` although something waits.
    fn other_credential(&self, since: Moment) -> Moment {
        self.credential_since.max(self.spur_heard).max(since) + CREDENTIAL_PATIENCE
    }

    /// When the token is tried again, if it is not shown.
    fn token_again(&self) -> Moment {
        self.use_cookie
            .map_or(Moment::NEVER, |since| since + SECOND_BEST)
    }

    /// When the first intro point is tried again, if it is not the one in use.
    fn first_again(&self) -> Moment {
        if self.pick.is_multiple_of(self.points.len().max(1)) {
            Moment::NEVER
        } else {
            self.picked + SECOND_BEST
        }
    }

    /// When `target` may change by time alone.
    pub fn target_due(&self, leaves: Moment) -> Moment {
        let silent = self.silent_since;
        let other = silent.map_or(Moment::NEVER, |since| self.other_point(since, leaves));
        let point = other.min(self.first_again());
        let credential = silent.filter(|_| self.spur_up);
        let credential = credential.map_or(Moment::NEVER, |since| self.other_credential(since));
        point.min(credential).min(self.token_again())
    }
}

/// Seconds until what was looked up is looked up again, by how often it brought nothing new.
fn doubled(times: u32) -> f64 {
    LOOK_AGAIN * 2f64.powi(times.min(10) as i32)
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
mod tests;
