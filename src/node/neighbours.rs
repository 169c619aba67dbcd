//! Which neighbours a node calls, and what its circuits are shown of them.
//!
//! The topology clock says when, the ring who; links dial. Nothing here is asked by a person. Not here: the slots and their rules
//! ([`super::topology`]).

use super::circuit::{Guard, View};
use super::link::{AssocId, DialTarget, LinkState, Purpose};
use super::topology::{self, Wish};
use super::{Node, VIEW, YOUNG_VIEW, YOUNG_VIEWS};
use crate::wire::address::Address;
use crate::wire::peer::Peer;
use crate::wire::time::Now;

impl Node {
    /// A tick of the topology clock: asks the ring for the owner of a free slot's position, or calls a lost neighbour again.
    pub(super) fn seek_link(&mut self, now: Now) {
        let record = self.dht.own_record().filter(|_| self.joined);
        let position = record.map(|record| record.position());
        let fits = self.fitting(now);
        let day = now.unix.day();
        match self.topology.handle_timeout(now.at, position, day, fits) {
            Some(Wish::Seek { slot, position }) => {
                let lookup = self.dht.lookup(now, position);
                if self.seeking.len() >= topology::CHOSEN * 4 {
                    self.seeking.clear();
                }
                self.seeking.insert(lookup, slot);
            }
            Some(Wish::CallAgain { slot, peer }) => self.call_link(now, slot, peer),
            None => {}
        }
    }

    /// Which nodes may be linked beside the links there are: not itself, none twice, none in the network of another.
    fn fitting(&self, now: Now) -> impl Fn(&Peer) -> bool + use<> {
        let (own, lan) = (self.id, self.lan);
        let taken: Vec<Peer> = self
            .links
            .info(now.at)
            .into_iter()
            .filter(|l| l.purpose == Purpose::Link)
            .filter_map(|l| l.peer)
            .collect();
        let network = |peer: &Peer| Address::from(peer.addr).network();
        move |peer: &Peer| {
            peer.node != own
                && taken
                    .iter()
                    .all(|t| t.node != peer.node && (lan || network(t) != network(peer)))
        }
    }

    pub(super) fn dial_link(&mut self, now: Now, slot: usize, candidates: &[Peer]) {
        let fits = self.fitting(now);
        if let Some(peer) = self.topology.handle_owner(slot, candidates, fits) {
            self.call_link(now, slot, peer);
        }
    }

    fn call_link(&mut self, now: Now, slot: usize, peer: Peer) {
        let assoc = self.links.dial(now, DialTarget::from(peer), Purpose::Link);
        self.topology.handle_dialling(slot, assoc, peer);
    }

    /// Tells the circuits which links there are and how large the network is. Chosen links come first: those others chose to have with us say
    /// nothing about their honesty.
    pub(super) fn show_circuits(&mut self, now: Now) {
        let young = now.at.since(self.started).as_secs_f64() < YOUNG_VIEWS;
        self.next_view = now.at.after_seconds(if young { YOUNG_VIEW } else { VIEW });
        let chosen: Vec<AssocId> = self.topology.chosen().collect();
        let mut guards: Vec<Guard> = self
            .links
            .info(now.at)
            .into_iter()
            .filter(|link| link.purpose == Purpose::Link && link.state == LinkState::Up)
            .filter_map(|link| {
                Some(Guard {
                    assoc: link.assoc,
                    peer: link.peer?,
                    certificate: self.links.certificate(link.assoc),
                    rate: link.rate.min(self.class.link_rate()),
                    chosen: chosen.contains(&link.assoc),
                    silence: link.silence,
                })
            })
            .collect();
        guards.sort_by_key(|guard| {
            (
                chosen
                    .iter()
                    .position(|c| *c == guard.assoc)
                    .unwrap_or(usize::MAX),
                guard.assoc,
            )
        });
        self.circuits.set_view(View {
            guards,
            nodes: self.dht.estimate(),
        });
    }
}
