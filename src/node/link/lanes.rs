//! Bodies that wait for a tick: one short queue for each circuit, served in turn.
//!
//! Fair turns keep one busy circuit from slowing the others. All bodies of a link lie in one store that grows to its bound and is used
//! again, so that a cell in passing allocates nothing.

use crate::wire::size::BODY;

/// Circuits that may wait at once on one link; more are refused.
pub const LANES: usize = 64;
/// Bodies one circuit may have waiting. When full the oldest goes: links are loaded to about a third, so that more than this many of one
/// circuit only wait where too much comes together, and there a deep queue would make every cell late instead of losing a few.
pub const DEPTH: usize = 6;
/// The same on a spur, which all parcels of one person share.
pub const SPUR_DEPTH: usize = 16;

/// There is no room: the body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

/// Index of a body in its link's [`Bodies`].
pub type Slot = u16;

/// The store of a link's bodies.
#[derive(Default)]
pub struct Bodies {
    places: Vec<Place>,
    free: Vec<Slot>,
}

struct Place {
    body: [u8; BODY],
    /// The next in the same lane.
    next: Option<Slot>,
}

impl Bodies {
    /// The queues' bounds keep this below 64 x 6 + 64 + 32 places.
    pub fn keep(&mut self, body: &[u8; BODY]) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                let place = &mut self.places[usize::from(slot)];
                place.body = *body;
                place.next = None;
                slot
            }
            None => {
                self.places.push(Place {
                    body: *body,
                    next: None,
                });
                (self.places.len() - 1) as Slot
            }
        }
    }

    pub fn get(&self, slot: Slot) -> &[u8; BODY] {
        &self.places[usize::from(slot)].body
    }

    pub fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }
}

struct Lane {
    id: u32,
    head: Slot,
    tail: Slot,
    len: usize,
}

/// The lanes that have something waiting, in the order in which they are served.
pub struct Lanes {
    waiting: std::collections::VecDeque<Lane>,
    depth: usize,
    /// Bodies that a full lane has lost.
    displaced: u64,
}

impl Lanes {
    /// Lanes that hold `depth` bodies each.
    pub fn new(depth: usize) -> Lanes {
        Lanes {
            waiting: std::collections::VecDeque::new(),
            depth,
            displaced: 0,
        }
    }

    /// Bodies that wait.
    pub fn len(&self) -> usize {
        self.waiting.iter().map(|lane| lane.len).sum()
    }

    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Puts a body behind those of its lane. [`Full`] if there are too many lanes; a lane that is full loses its oldest body.
    pub fn push(&mut self, bodies: &mut Bodies, id: u32, body: &[u8; BODY]) -> Result<(), Full> {
        if let Some(lane) = self.waiting.iter_mut().find(|lane| lane.id == id) {
            if lane.len == self.depth {
                let oldest = lane.head;
                if let Some(second) = bodies.places[usize::from(oldest)].next {
                    lane.head = second;
                    lane.len -= 1;
                    bodies.release(oldest);
                    self.displaced += 1;
                }
            }
            let slot = bodies.keep(body);
            bodies.places[usize::from(lane.tail)].next = Some(slot);
            lane.tail = slot;
            lane.len += 1;
            return Ok(());
        }
        if self.waiting.len() == LANES {
            return Err(Full);
        }
        let slot = bodies.keep(body);
        self.waiting.push_back(Lane {
            id,
            head: slot,
            tail: slot,
            len: 1,
        });
        Ok(())
    }

    /// The next body, each lane in its turn. The slot stays taken.
    pub fn pop(&mut self, bodies: &Bodies) -> Option<Slot> {
        let mut lane = self.waiting.pop_front()?;
        let slot = lane.head;
        lane.len -= 1;
        if let Some(next) = bodies.places[usize::from(slot)].next
            && lane.len > 0
        {
            lane.head = next;
            self.waiting.push_back(lane);
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(n: u8) -> [u8; BODY] {
        [n; BODY]
    }

    fn drain(lanes: &mut Lanes, bodies: &mut Bodies) -> Vec<u8> {
        let mut order = Vec::new();
        while let Some(slot) = lanes.pop(bodies) {
            order.push(bodies.get(slot)[0]);
            bodies.release(slot);
        }
        order
    }

    #[test]
    fn lanes_take_turns_and_each_keeps_its_order() {
        let (mut lanes, mut bodies) = (Lanes::new(DEPTH), Bodies::default());
        for (lane, n) in [(7, 1), (7, 2), (7, 3), (9, 11), (9, 12), (8, 21)] {
            assert_eq!(lanes.push(&mut bodies, lane, &body(n)), Ok(()));
        }
        assert_eq!(drain(&mut lanes, &mut bodies), [1, 11, 21, 2, 12, 3]);
        assert_eq!(lanes.pop(&bodies), None);
    }

    #[test]
    fn a_full_lane_loses_its_oldest_and_the_others_go_on() {
        let (mut lanes, mut bodies) = (Lanes::new(3), Bodies::default());
        for n in 1..=5 {
            assert_eq!(lanes.push(&mut bodies, 1, &body(n)), Ok(()));
        }
        assert_eq!(lanes.push(&mut bodies, 2, &body(11)), Ok(()));
        assert_eq!(drain(&mut lanes, &mut bodies), [3, 11, 4, 5]);
        assert_eq!(bodies.places.len(), bodies.free.len());
    }

    #[test]
    fn one_lane_too_many_is_refused() {
        let (mut lanes, mut bodies) = (Lanes::new(DEPTH), Bodies::default());
        for lane in 1..=LANES as u32 {
            assert_eq!(lanes.push(&mut bodies, lane, &body(2)), Ok(()));
        }
        assert_eq!(lanes.push(&mut bodies, 1000, &body(3)), Err(Full));
    }

    #[test]
    fn places_are_used_again() {
        let (mut lanes, mut bodies) = (Lanes::new(DEPTH), Bodies::default());
        for round in 0..100 {
            for n in 0..DEPTH as u8 {
                assert_eq!(lanes.push(&mut bodies, round, &body(n)), Ok(()));
            }
            assert_eq!(drain(&mut lanes, &mut bodies).len(), DEPTH);
        }
        assert_eq!(bodies.places.len(), DEPTH);
    }
}
