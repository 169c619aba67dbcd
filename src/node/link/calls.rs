//! This node's own calls: who may be called, INITs and their repetition, and what their answers bring.

use std::net::SocketAddr;

use super::assoc::{Assoc, Contact, Role, followed};
use super::dial::Dial;
use super::handshake::{Answer, Call, Calling};
use super::keys::Keys;
use super::{
    AssocId, CALLED_LINKS, CALLED_SPURS, CONTACT_DIALS, Cell, DIALS, DialFailure, DialKey,
    DialTarget, LinkOutput, Links, Proven, Purpose, Refusal,
};
use crate::crypto::id::NodeId;
use crate::crypto::mqv::Side;
use crate::wire::address::{Address, Reach};
use crate::wire::peer::Peer;
use crate::wire::time::Now;

impl Links {
    /// What the DHT starts by sending, it learns about by its own timeouts.
    pub(super) fn dial_failed(
        &mut self,
        assoc: AssocId,
        target: DialTarget,
        asked: bool,
        why: DialFailure,
    ) {
        if asked {
            self.output
                .push_back(LinkOutput::DialFailed { assoc, target, why });
        }
    }

    pub(super) fn may_dial(
        &self,
        target: &DialTarget,
        purpose: Purpose,
    ) -> Result<(), DialFailure> {
        let reach = Reach::of(self.lan);
        if !Address::from(target.addr).is_allowed(reach) || target.key == DialKey::Node(self.own) {
            return Err(DialFailure::NotAllowed);
        }
        // Each purpose by itself: spurs that others ask for must not keep this node from a link.
        let of_purpose = |d: &&Dial| d.purpose == purpose;
        let calls = self.dials.values().filter(of_purpose).count();
        let room = match purpose {
            Purpose::Contact | Purpose::Errand => calls < CONTACT_DIALS,
            Purpose::Link => calls + self.count(Purpose::Link, true) < CALLED_LINKS,
            Purpose::Spur => {
                calls < DIALS && calls + self.count(Purpose::Spur, true) < CALLED_SPURS
            }
        };
        if !room {
            return Err(DialFailure::TooMany);
        }
        if purpose == Purpose::Link
            && let DialKey::Node(node) = target.key
            && self.link_with(&node).is_some()
        {
            return Err(DialFailure::Linked);
        }
        Ok(())
    }

    /// Shaped associations of one purpose that are up and not closing, called by us or by others.
    pub(super) fn count(&self, purpose: Purpose, dialled: bool) -> usize {
        self.assocs
            .values()
            .filter(|a| {
                a.purpose == purpose && a.dialled == dialled && a.closing.is_none() && a.is_shaped()
            })
            .count()
    }

    pub(super) fn link_with(&self, node: &NodeId) -> Option<AssocId> {
        let mut links = self.assocs.iter();
        links
            .find(|(_, a)| {
                a.purpose == Purpose::Link
                    && a.peer.node == *node
                    && a.closing.is_none()
                    && a.is_shaped()
            })
            .map(|(id, _)| *id)
    }

    pub(super) fn call(&self, now: Now, target: &DialTarget, purpose: Purpose) -> Call {
        Call {
            caller: self.own,
            purpose,
            class: self.class,
            dialled: Address::from(target.addr),
            unix: now.unix,
        }
    }

    pub(super) fn start_dial(
        &mut self,
        now: Now,
        id: AssocId,
        target: DialTarget,
        purpose: Purpose,
        asked: bool,
    ) {
        let call = self.call(now, &target, purpose);
        let Ok((calling, cell)) = Calling::new(&call, target.key, &mut self.random) else {
            self.dial_failed(id, target, asked, DialFailure::NotAllowed);
            return;
        };
        let (key, _) = target.key.parts();
        let jitter = self.fork("dial", &key, purpose, now.at);
        let mut dial = Dial::new(target, purpose, asked, calling, now.at, jitter);
        self.timers.set(id, dial.next(now.at));
        self.dial_addresses.add(target.addr, id);
        if let (true, DialKey::Node(node)) = (purpose.is_contact(), target.key) {
            self.contact_dials.insert((purpose, node), id);
        }
        self.dials.insert(id, dial);
        self.output.push_back(LinkOutput::Transmit {
            at: now.at,
            to: target.addr,
            cell,
            cause: purpose.dial_cause(),
        });
    }

    pub(super) fn redial(&mut self, now: Now, id: AssocId) {
        let Some(dial) = self.dials.get(&id) else {
            return;
        };
        let (target, purpose, asked) = (dial.target, dial.purpose, dial.asked);
        let call = self.call(now, &target, purpose);
        let fresh = if dial.has_failed(now.at) {
            None
        } else {
            Calling::new(&call, target.key, &mut self.random).ok()
        };
        match (fresh, self.dials.get_mut(&id)) {
            (Some((calling, cell)), Some(dial)) => {
                dial.calling = calling;
                self.timers.set(id, dial.next(now.at));
                self.output.push_back(LinkOutput::Transmit {
                    at: now.at,
                    to: target.addr,
                    cell,
                    cause: purpose.dial_cause(),
                });
            }
            _ => {
                self.drop_dial(id);
                self.dial_failed(id, target, asked, DialFailure::NoAnswer);
            }
        }
    }

    pub(super) fn drop_dial(&mut self, id: AssocId) -> Option<Dial> {
        let dial = self.dials.remove(&id)?;
        self.dial_addresses.remove(dial.target.addr, id);
        self.timers.clear(id);
        if let DialKey::Node(node) = dial.target.key
            && self.contact_dials.get(&(dial.purpose, node)) == Some(&id)
        {
            self.contact_dials.remove(&(dial.purpose, node));
        }
        Some(dial)
    }

    /// A RESP to one of our calls.
    pub(super) fn answered(
        &mut self,
        now: Now,
        id: AssocId,
        from: SocketAddr,
        cell: &Cell,
    ) -> bool {
        let Some(dial) = self.drop_dial(id) else {
            return false;
        };
        let (target, purpose, asked) = (dial.target, dial.purpose, dial.asked);
        let waiting = dial.waiting;
        let answer = match dial.calling.finish(&self.key, cell) {
            Ok(answer) => answer,
            Err(_) => {
                self.dial_failed(id, target, asked, DialFailure::NoAnswer);
                return true;
            }
        };
        if let Some(refusal) = answer.refused {
            self.dial_failed(id, target, asked, DialFailure::Refused(refusal));
            return true;
        }
        let Answer {
            agreed,
            node,
            observed,
            class,
            ..
        } = answer;
        let addr = followed(target.addr, from, Reach::of(self.lan));
        if purpose == Purpose::Link && self.shares_network(&node, addr) {
            self.dial_failed(id, target, asked, DialFailure::Refused(Refusal::Network));
            return true;
        }
        let peer = Peer { node, addr };
        let jitter = self.fork("keys", node.point(), purpose, now.at);
        let assoc = Assoc {
            peer,
            purpose,
            dialled: true,
            since: now.at,
            keys: Box::new(Keys::new(&agreed, Side::Initiator, now.at, jitter)),
            closing: None,
            role: Role::Contact(Contact::new(now.at)),
        };
        let proven = Proven {
            class: class.min(self.class),
            reached: observed,
            at: Address::from(target.addr),
            waiting,
            asked,
        };
        self.up(now, id, assoc, proven);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::crypto::random::Stream;
    use crate::node::Shaping;
    use crate::node::link::LinkConfig;
    use crate::wire::class::Class;

    #[test]
    fn spurs_that_others_ask_for_take_no_place_from_this_nodes_own_links() {
        let mut random = Stream::from_seed([1; 32]);
        let config = LinkConfig {
            class: Class::Normal,
            lan: true,
            entry: None,
            shaping: Shaping::On,
        };
        let key = Arc::new(NodeKey::generate(&mut random));
        let streams = (random.fork("schedule", b""), random.fork("crypto", b""));
        let mut links = Links::new(config, key, &streams.0, &streams.1);
        let mut dial = |purpose, port| {
            let peer = Peer {
                node: NodeKey::generate(&mut random).id(),
                addr: SocketAddr::from(([127, 0, 0, 1], port)),
            };
            links.dial(Now::default(), DialTarget::from(peer), purpose);
            let failed = |output| {
                matches!(
                    output,
                    LinkOutput::DialFailed {
                        why: DialFailure::TooMany,
                        ..
                    }
                )
            };
            std::iter::from_fn(|| links.poll_output()).any(failed)
        };
        let refused = (0..50).filter(|n| dial(Purpose::Spur, 1000 + n)).count();
        assert_eq!(refused, 50 - DIALS);
        assert!(!dial(Purpose::Link, 2000));
    }
}
