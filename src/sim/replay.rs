//! One node's run again, with the very cells that came in and nobody behind it.
//!
//! Two worlds with one seed soon differ: what a person writes fills other cells, other nodes answer at other moments, and what a node carries
//! for others follows that. So they cannot say whether all that a node sends is free of what its person does, down to the last spur and answer.
//! A replay can: what comes in is the same to the bit, the person is gone, and whatever then leaves at another moment left because of her.
//! Not here: what the test compares.

use super::eve::Sighting;
use super::world::World;
use crate::node::NodeOutput;
use crate::wire::size::DATAGRAM;
use crate::wire::time::Moment;
use std::net::SocketAddr;

/// What came in at a node, and when it was woken, in order.
#[derive(Default)]
pub(super) struct Inputs {
    started: Option<Moment>,
    inputs: Vec<(Moment, Input)>,
}

enum Input {
    Datagram(SocketAddr, Box<[u8; DATAGRAM]>),
    Timeout,
}

impl Inputs {
    pub(super) fn starts(&mut self, at: Moment) {
        self.started = Some(at);
        self.inputs.clear();
    }

    pub(super) fn takes(&mut self, at: Moment, from: SocketAddr, cell: &[u8; DATAGRAM]) {
        let cell = Box::new(*cell);
        self.inputs.push((at, Input::Datagram(from, cell)));
    }

    pub(super) fn wakes(&mut self, at: Moment) {
        self.inputs.push((at, Input::Timeout));
    }
}

impl World {
    /// What the node would have sent up to now without a word from its person, had the same come in: Eve's records of it. To be recorded since
    /// before its start ([`World::record`]).
    pub fn replay(&self, index: usize) -> Vec<Sighting> {
        let recorded = self.recorded(index);
        let started = recorded.started.expect("the node has started");
        let mut node = self.make_node(index, started);
        let mut seen = Vec::new();
        let mut drain = |node: &mut crate::node::Node, now: Moment| {
            while let Some(output) = node.poll_output() {
                if let NodeOutput::Transmit {
                    at,
                    to,
                    cell,
                    cause,
                } = output
                    && let Some(target) = self.index_at(to)
                {
                    seen.push(Sighting {
                        at: at.max(now).0,
                        source: index as u32,
                        target,
                        length: cell.len() as u16,
                        cause,
                    });
                }
            }
        };
        drain(&mut node, started);
        let inputs = recorded.inputs.iter().map(|(at, input)| (*at, Some(input)));
        // The last look, at the end, is nobody's input.
        for (at, input) in inputs.chain([(self.now().at, None)]) {
            while node.next_timeout() < at {
                let due = node.next_timeout();
                node.handle_timeout(self.moment(due));
                drain(&mut node, due);
            }
            match input {
                Some(Input::Datagram(from, cell)) => {
                    node.handle_datagram(self.moment(at), *from, &cell[..])
                }
                Some(Input::Timeout) | None if node.next_timeout() <= at => {
                    node.handle_timeout(self.moment(at))
                }
                Some(Input::Timeout) | None => {}
            }
            drain(&mut node, at);
        }
        seen
    }
}
