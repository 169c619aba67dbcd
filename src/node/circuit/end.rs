//! What the last hop of a circuit holds, by channel.
//!
//! Cells back to the origin leave on the end's own Poisson clock, dummies where nothing waits. Not here: building (`relay`), whose
//! answers leave at once because no person's action ever starts one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::allowance::Allowance;
use super::intro::{Down, Intro};
use super::pace::Pace;
use crate::crypto::curve::Point;
use crate::node::link::AssocId;
use crate::wire::circuit::{
    COOKIE_BLOCK, Channel, InboundBack, OutboundBack, SPUR_SLOTS, SpurName, UtilityBack, spur_name,
};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{END, PARCEL};
use crate::wire::time::Moment;

/// Cells that wait for an outbound end's clock: at 0.5/s a minute's worth. The newest is dropped; parcels are sent again by those who miss them.
const MAX_BACK: usize = 32;
/// Answers that wait for a utility circuit's clock; the oldest goes. Whoever asked waits for three seconds and six mean gaps: with a longer queue that
/// has once filled, every answer would come too late, and would be asked for again, for ever.
const MAX_ANSWERS: usize = 8;
/// Deliveries kept while a spur is being dialled; more are dropped.
pub const MAX_EARLY: usize = 4;
/// Spurs of one circuit kept for answers; the oldest is closed.
const MAX_RETIRED: usize = 8;

/// Spurs an origin may open at once, and seconds to one more: some twenty births come quickly at a circuit's start, later one in 30 s.
const SPUR_BURST: f64 = 32.0;
const SPUR_SECONDS: f64 = 5.0;

/// Seconds for which a spur is kept beside its successor: whoever was reached by it waits up to 1.5 s with a receipt, which then has a
/// circuit's way back.
fn answers_within(class: Class) -> f64 {
    match class {
        Class::Fast => 6.0,
        Class::Normal => 12.0,
    }
}

/// A delivery as it goes over a spur.
pub(super) type Delivery = (Box<[u8; COOKIE_BLOCK]>, Box<[u8; PARCEL]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpurState {
    /// Asked for, no association yet.
    Dialling(u64),
    /// Handshake, or waiting for the intro point's word.
    Opening(AssocId),
    Up(AssocId),
    /// The intro point is this node.
    Local,
}

pub(super) struct SpurSlot {
    /// The spur's throwaway key: names it towards the origin.
    pub key: Point,
    pub peer: Peer,
    pub state: SpurState,
    pub early: VecDeque<Delivery>,
}

/// A spur whose slot has another one already. It delivers nothing any more, but answers to what it delivered last may still come.
pub(super) struct Retired {
    pub assoc: AssocId,
    peer: Peer,
    pub slot: u8,
    pub name: SpurName,
    until: Moment,
}

pub(super) struct OutboundEnd {
    pub slots: [Option<SpurSlot>; SPUR_SLOTS as usize],
    /// Oldest first.
    pub retired: VecDeque<Retired>,
    back: VecDeque<OutboundBack>,
    openings: Allowance,
}

impl OutboundEnd {
    /// Whether the origin may open one more spur now.
    pub fn may_open(&mut self, now: Moment) -> bool {
        self.openings.take(now)
    }

    /// Takes a spur that is up out of its slot, for its answers. Gives the one that has to go for it, if there were too many.
    pub fn retire(&mut self, now: Moment, class: Class, slot: u8) -> Option<AssocId> {
        let held = self.slots.get_mut(usize::from(slot))?;
        let Some(SpurSlot {
            key,
            peer,
            state: SpurState::Up(assoc),
            ..
        }) = held
        else {
            return None;
        };
        self.retired.push_back(Retired {
            assoc: *assoc,
            peer: *peer,
            slot,
            name: spur_name(key),
            until: now.after_seconds(answers_within(class)),
        });
        *held = None;
        (self.retired.len() > MAX_RETIRED)
            .then(|| self.retired.pop_front())
            .flatten()
            .map(|oldest| oldest.assoc)
    }

    /// A retired spur whose time is over.
    pub fn retired_over(&mut self, now: Moment) -> Option<AssocId> {
        let over = self.retired.front().is_some_and(|first| first.until <= now);
        over.then(|| self.retired.pop_front())
            .flatten()
            .map(|first| first.assoc)
    }

    /// Slot and name of the spur over this association, in its slot or retired.
    pub fn spur_of(&self, assoc: AssocId) -> Option<(u8, SpurName)> {
        let held = (0..).zip(&self.slots).find_map(|(slot, held)| {
            let held = held.as_ref()?;
            (held.state == SpurState::Up(assoc)).then(|| (slot, spur_name(&held.key)))
        });
        held.or_else(|| {
            let retired = self.retired.iter().find(|retired| retired.assoc == assoc);
            retired.map(|retired| (retired.slot, retired.name))
        })
    }

    pub fn slot(&mut self, slot: u8) -> Option<&mut SpurSlot> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    /// What came back along a spur. A copy of what waits is let go.
    pub fn returned(&mut self, slot: u8, spur: SpurName, parcel: Box<[u8; PARCEL]>) {
        let waits = |cell: &OutboundBack| matches!(cell, OutboundBack::Returned { parcel: held, .. } if *held == parcel);
        if self.back.len() < MAX_BACK && !self.back.iter().any(waits) {
            self.back
                .push_back(OutboundBack::Returned { slot, spur, parcel });
        }
    }

    /// Tells the origin about a slot's spur; replaces what was to be said about it before.
    pub fn say(&mut self, slot: u8, key: Point, up: bool) {
        self.back.retain(
            |cell| !matches!(cell, OutboundBack::SpurState { slot: said, .. } if *said == slot),
        );
        // Ahead of parcels: a state is short-lived and rare.
        self.back
            .push_front(OutboundBack::SpurState { slot, key, up });
    }
}

#[derive(Default)]
pub(super) struct InboundEnd {
    pub cookie: Option<[u8; 16]>,
    /// The registration was confirmed in a cell since it was last asked for.
    pub confirm: bool,
}

#[derive(Default)]
pub(super) struct UtilityEnd {
    back: VecDeque<UtilityBack>,
}

impl UtilityEnd {
    pub fn push(&mut self, cell: UtilityBack) {
        if self.back.len() >= MAX_ANSWERS {
            self.back.pop_front();
        }
        self.back.push_back(cell);
    }
}

pub(super) enum Role {
    Outbound(Box<OutboundEnd>),
    Inbound(InboundEnd),
    Utility(UtilityEnd),
}

/// The end of a circuit that has begun.
pub(super) struct End {
    pub role: Role,
    pub pace: Pace,
}

impl End {
    pub fn new(channel: Channel, pace: Pace, now: Moment) -> End {
        let role = match channel {
            Channel::Outbound => Role::Outbound(Box::new(OutboundEnd {
                slots: Default::default(),
                retired: VecDeque::new(),
                back: VecDeque::new(),
                openings: Allowance::new(1.0 / SPUR_SECONDS, SPUR_BURST, now),
            })),
            Channel::Inbound => Role::Inbound(InboundEnd::default()),
            Channel::Utility => Role::Utility(UtilityEnd::default()),
        };
        End { role, pace }
    }

    pub fn channel(&self) -> Channel {
        match self.role {
            Role::Outbound(_) => Channel::Outbound,
            Role::Inbound(_) => Channel::Inbound,
            Role::Utility(_) => Channel::Utility,
        }
    }

    /// The cell of this tick.
    pub fn next(&mut self, now: Moment, intro: &mut Intro) -> [u8; END] {
        match &mut self.role {
            Role::Outbound(end) => end.back.pop_front().unwrap_or(OutboundBack::Dummy).encode(),
            Role::Inbound(end) => {
                let cell = match end.cookie {
                    Some(_) if end.confirm => {
                        end.confirm = false;
                        InboundBack::Established {
                            cookie_key: *intro.cookie_key(),
                        }
                    }
                    Some(cookie) => match intro.next(now, &cookie) {
                        Some(Down::Parcel(spur, parcel)) => InboundBack::Arrived { spur, parcel },
                        Some(Down::Gone(spur)) => InboundBack::Gone { spur },
                        None => InboundBack::Dummy,
                    },
                    None => InboundBack::Dummy,
                };
                cell.encode()
            }
            Role::Utility(end) => end.back.pop_front().unwrap_or(UtilityBack::Dummy).encode(),
        }
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        match &self.role {
            Role::Outbound(end) => {
                let held = end.slots.iter().flatten().map(|slot| slot.peer.addr);
                held.chain(end.retired.iter().map(|retired| retired.peer.addr))
                    .collect()
            }
            Role::Inbound(_) | Role::Utility(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_came_faster_than_the_clock_give_way_to_newer_ones() {
        let mut end = UtilityEnd::default();
        let answer = |n: u8| UtilityBack::QueryAnswer {
            asked: [n; crate::wire::size::POINT],
            sealed: Box::new([n; crate::wire::size::SEALED]),
        };
        for n in 0..100 {
            end.push(answer(n));
        }
        // What waits at last is still waited for at the rates of `normal`, the slower ones.
        let longest = end.back.len() as f64 / 0.75;
        assert!(longest < 3.0 + 6.0 / 0.75, "{longest} s");
        assert_eq!(end.back.pop_back(), Some(answer(99)));
    }
}
