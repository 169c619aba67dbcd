//! The two ways to a contact that is known: our spur to one of their intro points, and the spur of theirs that an answer goes back along (its
//! handle). Which of them a parcel takes, by what was learned of each.
//!
//! Not here: where our spur goes ([`super::aim`]).

use std::time::Duration;

use crate::messenger::slowness::Slowness;
use crate::node::person::{ContactTag, ReplyHandle, Way};
use crate::wire::time::Moment;

/// A reply handle that was silent this long is not used any more: spurs live about ten minutes.
const HANDLE_LIFE: Duration = Duration::from_secs(15 * 60);
/// A handle that was silent for so long makes way for another by which something came that proves nothing.
const HANDLE_SILENCE: Duration = Duration::from_secs(20);
/// A handle whose parcels nobody acknowledges is used this long beyond its patience while there is no other way: shorter than a session
/// takes to count as lost.
const HANDLE_ALONE: Duration = Duration::from_secs(30);

pub struct Ways {
    spur_up: bool,
    /// Since when it is, or goes elsewhere.
    spur_since: Moment,
    /// Since then something came by it, or something that left by it was acknowledged: when that came or left.
    spur_proved: Option<Moment>,
    /// The patience with the spur ends: a parcel left along it, and nothing that left so was acknowledged since.
    spur_until: Option<Moment>,
    handle: Option<(ReplyHandle, Moment)>,
    /// The patience with the handle ends: a parcel left along it, and nothing came by it since.
    handle_until: Option<Moment>,
    slowness: Slowness,
}

impl Ways {
    pub fn new() -> Ways {
        Ways {
            spur_up: false,
            spur_since: Moment(0),
            spur_proved: None,
            spur_until: None,
            handle: None,
            handle_until: None,
            slowness: Slowness::USUAL,
        }
    }

    pub fn set_slowness(&mut self, slowness: Slowness) {
        self.slowness = slowness;
    }

    /// The way for something that left `tries` times without an answer: our spur, whose end we know beforehand and which is the quicker one, then theirs,
    /// in turn; theirs first if it was heard from since ours opened and ours was not. While nothing comes of the spur, theirs alone.
    pub fn way(&self, now: Moment, tries: u32) -> Option<ReachedBy> {
        let spur_first = self.spur_proved.is_some() || !self.handle_is_newer();
        self.choose(now, tries.is_multiple_of(2) == spur_first)
    }

    /// The same for something that they acknowledge, and that left last at `left`, by our spur or not: the other way than that. One at a time proves a
    /// spur of which nothing came yet. Where something that left later along our spur was acknowledged, this was lost by chance: our spur again. (That
    /// something came by their handle says nothing of how long the way back along it is.) Where their handle, too, brought no answer to it, the spur
    /// has its turn: it may be their receipts that are lost.
    pub fn proving_way(
        &self,
        now: Moment,
        tries: u32,
        left: Moment,
        by_spur: bool,
    ) -> Option<ReachedBy> {
        let by_chance = tries > 0 && self.spur_proved > Some(left);
        let in_vain = tries > 1 && !by_spur && self.handle_heard() < Some(left);
        if self.spur_up && (by_chance || in_vain) {
            return Some(ReachedBy::Spur);
        }
        let proves = self.spur_until.is_none();
        let spur_first = self.spur_proved.is_some() || !self.handle_is_newer() || proves;
        // What proved the spur and got no answer is not to prove it again.
        self.choose(now, if tries > 0 { !by_spur } else { spur_first })
    }

    /// Whether their handle was heard of since our spur opened.
    fn handle_is_newer(&self) -> bool {
        let heard = self.handle_heard();
        heard.is_some_and(|heard| heard > self.spur_since)
    }

    /// Our spur if it is meant, and nothing speaks against it.
    fn choose(&self, now: Moment, by_spur: bool) -> Option<ReachedBy> {
        let handle = self.open_handle(now).map(ReachedBy::Handle);
        if !self.spur_up {
            return handle;
        }
        let doubtful = self.spur_until.is_some_and(|until| now >= until);
        handle
            .filter(|_| doubtful || !by_spur)
            .or(Some(ReachedBy::Spur))
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
            self.slowness.span(HANDLE_ALONE)
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
    }

    /// The handle is the only way now: it gets another chance.
    pub fn spur_down(&mut self) {
        self.spur_up = false;
        self.handle_until = None;
    }

    pub fn is_spur_up(&self) -> bool {
        self.spur_up
    }

    /// Something of theirs opened that came this way. Whether it opens a way that was not open before.
    pub fn heard(&mut self, by: ReachedBy, now: Moment) -> bool {
        match by {
            ReachedBy::Spur => {
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
            .is_none_or(|heard| now.since(heard) >= self.slowness.span(HANDLE_SILENCE));
        if silent {
            self.offer_handle(handle, now);
        }
        silent
    }

    /// When a handle was last heard from, if there is one.
    fn handle_heard(&self) -> Option<Moment> {
        self.handle.map(|(_, heard)| heard)
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
