//! What this node asked and is still waiting for.
//!
//! Each request has a nonce; each try of it a number, which the answer repeats, so that a late answer measures its own try.

use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::wire::dht::{Message, Tag};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::size::BODY;
use crate::wire::time::{Moment, Now};

use super::members::{Health, Shunned, prefix_of};
use super::rto::Rto;
use super::{Dht, Timer};

/// Requests without an answer; more are not sent, as if lost on the wire. What is carried for others leaves room for our own.
const REQUESTS_MAX: usize = 2048;
const FOREIGN_REQUESTS_MAX: usize = 1536;
/// Tries of one request.
const TRIES_MAX: usize = 8;
/// Where the number of the try stands in a body: after kind and nonce.
const ATTEMPT_AT: usize = 1 + 8;
/// How long a node is asked that is not a member: its contact session has to be set up, and its round trip is unknown.
const STRANGER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a suspected leaf, or other member, may still prove that it lives.
const SECOND_CHANCE_LEAF: Duration = Duration::from_secs(6);
const SECOND_CHANCE: Duration = Duration::from_secs(60);
/// How long a member that was late for others is not used for others: about as long as the own clocks need to find out.
const SHUNNED: Duration = Duration::from_secs(10);
/// The same for the hop that decides ownership: passing over a living owner is a wrong answer, so three lost cells in a row must
/// not cost more than a moment of them.
const SHUNNED_AS_OWNER: Duration = Duration::from_secs(2);
/// Share of the timeout after which a hop that is waited for is asked again: three tries, each with a whole timeout to answer,
/// fit into the patience of 2.6 timeouts.
const AGAIN: f64 = 0.8;
/// Between two tries to hear from a suspected leaf, or other member: a ring that loses a third of its nodes at once must not
/// shout after them.
const SECOND_CHANCE_PAUSE_LEAF: Duration = Duration::from_secs(1);
const SECOND_CHANCE_PAUSE: Duration = Duration::from_secs(10);

/// Why a request was sent: what to do when it is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Might become a member.
    Candidate,
    /// Is this member still there?
    Check(Position),
    /// Leaf set, row, or records: the next period asks again.
    Exchange,
    /// A hop of a carried look-up.
    Hop { carriage: u64, deciding: bool },
    /// An answer on its way back to whom it was carried for.
    Back,
}

pub(super) struct Request {
    pub to: Peer,
    pub why: Why,
    /// Carried for others: its fate changes nothing of what this node starts.
    foreign: bool,
    body: [u8; BODY],
    sent: Vec<Moment>,
    every: Duration,
    /// Each wait is twice the one before: the peer is no member, so its round trip is a guess.
    doubling: bool,
    give_up: Moment,
}

impl Dht {
    /// A fresh nonce, never 0.
    pub(super) fn nonce(&mut self, foreign: bool) -> u64 {
        let stream = if foreign {
            &mut self.relay_nonces
        } else {
            &mut self.nonces
        };
        stream.u64().max(1)
    }

    /// Sends a request and watches over it. Returns its nonce, or nothing if too many are open.
    pub(super) fn ask(
        &mut self,
        now: Now,
        to: Peer,
        why: Why,
        foreign: bool,
        message: impl FnOnce(Tag) -> Message,
    ) -> Option<u64> {
        let limit = if foreign {
            FOREIGN_REQUESTS_MAX
        } else {
            REQUESTS_MAX
        };
        if self.requests.len() >= limit {
            return None;
        }
        let nonce = self.nonce(foreign);
        let body = message(Tag { nonce, attempt: 0 }).encode();
        self.watch(now, nonce, to, why, foreign, body);
        Some(nonce)
    }

    fn watch(&mut self, now: Now, nonce: u64, to: Peer, why: Why, foreign: bool, body: [u8; BODY]) {
        let member = self
            .members
            .find(&to.node)
            .and_then(|at| self.members.get(&at));
        let rto = member.map_or_else(Rto::new, |m| m.rto);
        let suspected = member.is_some_and(|m| matches!(m.health, Health::Suspect { .. }));
        let patience = match why {
            Why::Check(_) if suspected => rto.timeout(),
            _ if member.is_some() => rto.patience(),
            _ => STRANGER_PATIENCE,
        };
        let every = match why {
            Why::Hop {
                deciding: false, ..
            } => rto.timeout(),
            _ if member.is_some() && !suspected => rto.timeout().mul_f64(AGAIN),
            _ => rto.timeout(),
        };
        let give_up = now.at + patience;
        let request = Request {
            to,
            why,
            foreign,
            body,
            sent: vec![now.at],
            every,
            doubling: member.is_none(),
            give_up,
        };
        self.requests.insert(nonce, request);
        self.timers
            .set(Timer::Request(nonce), (now.at + every).min(give_up));
        self.push(super::DhtOutput::Send {
            to,
            body: Box::new(body),
        });
    }

    /// Asks whether a node is there. Returns whether the question was sent.
    pub(super) fn ping(&mut self, now: Now, to: Peer, why: Why) -> bool {
        let Some(record) = self.own_bytes() else {
            return false;
        };
        let ready = self.is_ready();
        self.ask(now, to, why, false, |tag| Message::Ping {
            tag,
            ready,
            record,
        })
        .is_some()
    }

    /// The round trip of the request that an answer ends; the peer is alive. Nothing if no such request (`expected`) waits for this
    /// peer; the inner `None`: an unknown try.
    pub(super) fn settle(
        &mut self,
        now: Now,
        from: &Peer,
        tag: Tag,
        expected: impl Fn(&Why) -> bool,
    ) -> Option<Option<Duration>> {
        let request = self.requests.get(&tag.nonce)?;
        if !expected(&request.why) {
            return None;
        }
        let rtt = self.heard(now, from, tag)?;
        self.forget_request(tag.nonce);
        Some(rtt)
    }

    /// Like `settle`, but the request stays known: more than one answer comes to it.
    pub(super) fn heard(&mut self, now: Now, from: &Peer, tag: Tag) -> Option<Option<Duration>> {
        let request = self.requests.get(&tag.nonce)?;
        if request.to.node != from.node {
            return None;
        }
        let sent = request.sent.get(usize::from(tag.attempt));
        let rtt = sent.map(|sent| now.at.since(*sent));
        if request.foreign {
            if let Some(at) = self.members.find(&from.node)
                && let Some(member) = self.members.get_mut(&at)
            {
                member.shunned = Shunned::NOT;
            }
            return Some(rtt);
        }
        if let Some(at) = self.members.find(&from.node)
            && let Some(member) = self.members.get_mut(&at)
        {
            if let Some(rtt) = rtt {
                member.rto.sample(rtt);
            }
            member.heard = now.at;
            member.health = Health::Good;
            let wait = self.draw(self.config.timing.ping);
            self.timers.set(Timer::Ping(at), now.at + wait);
        }
        Some(rtt)
    }

    /// Ends a request without an answer.
    pub(super) fn forget_request(&mut self, nonce: u64) {
        self.timers.clear(&Timer::Request(nonce));
        self.requests.remove(&nonce);
    }

    /// Whether any request with this reason is open.
    pub(super) fn waits_for(&self, wanted: impl Fn(&Why) -> bool) -> bool {
        self.requests.values().any(|r| wanted(&r.why))
    }

    /// Whether a request with this reason is open to this node.
    pub(super) fn waits_for_peer(&self, node: &NodeId, wanted: impl Fn(&Why) -> bool) -> bool {
        self.requests
            .values()
            .any(|r| r.to.node == *node && wanted(&r.why))
    }

    pub(super) fn on_request_timer(&mut self, now: Now, nonce: u64) {
        let Some(request) = self.requests.get(&nonce) else {
            return;
        };
        let (why, to) = (request.why, request.to);
        if let Why::Hop {
            carriage,
            deciding: false,
        } = why
            && request.sent.len() == 1
            && self.reroute(now, carriage, nonce, to)
        {
            return;
        }
        let Some(request) = self.requests.get_mut(&nonce) else {
            return;
        };
        if now.at >= request.give_up || request.sent.len() >= TRIES_MAX {
            self.on_silence(now, nonce, why, to);
            return;
        }
        request.body[ATTEMPT_AT] = request.sent.len() as u8;
        request.sent.push(now.at);
        if request.doubling {
            request.every *= 2;
        }
        let next = (now.at + request.every).min(request.give_up);
        let body = Box::new(request.body);
        self.timers.set(Timer::Request(nonce), next);
        self.push(super::DhtOutput::Send { to, body });
    }

    fn on_silence(&mut self, now: Now, nonce: u64, why: Why, to: Peer) {
        let foreign = self.requests.get(&nonce).is_some_and(|r| r.foreign);
        self.forget_request(nonce);
        match why {
            Why::Candidate => {
                if let Some(record) = self.candidates.remove(&to.node) {
                    let prefix = prefix_of(&record.position());
                    self.admission.silent(record.address(), prefix, now.at);
                }
                self.joined_if_gathered(now);
            }
            Why::Check(position) => self.suspect(now, &position),
            Why::Exchange => {
                self.doubt(now, &to);
                self.joined_if_gathered(now);
            }
            Why::Hop { carriage, .. } if foreign => {
                self.shun(now, &to, true);
                self.pass_over(now, carriage, to.node);
            }
            Why::Hop { carriage, .. } => {
                if let Some(at) = self.members.find(&to.node) {
                    self.suspect(now, &at);
                }
                self.pass_over(now, carriage, to.node);
            }
            Why::Back => {}
        }
    }

    /// One answer is late: the member is asked at once, and meanwhile not used as an intermediate hop.
    pub(super) fn doubt(&mut self, now: Now, peer: &Peer) {
        if let Some(at) = self.members.find(&peer.node)
            && let Some(member) = self.members.get_mut(&at)
            && member.health == Health::Good
        {
            member.health = Health::Doubtful;
            self.timers.set(Timer::Ping(at), now.at);
        }
    }

    /// What was carried for others was not answered in time: for a while nothing else of others goes there.
    pub(super) fn shun(&mut self, now: Now, peer: &Peer, as_owner: bool) {
        if let Some(at) = self.members.find(&peer.node)
            && let Some(member) = self.members.get_mut(&at)
        {
            member.shunned.as_hop = now.at + SHUNNED;
            if as_owner {
                member.shunned.as_owner = now.at + SHUNNED_AS_OWNER;
            }
        }
    }

    /// Patience is over: the second chance begins, or ends.
    fn suspect(&mut self, now: Now, position: &Position) {
        let leaf = self.members.is_leaf_place(position);
        let Some(member) = self.members.get_mut(position) else {
            return;
        };
        match member.health {
            Health::Suspect { until } if now.at >= until => self.drop_member(position),
            Health::Suspect { .. } => {
                let pause = if leaf {
                    SECOND_CHANCE_PAUSE_LEAF
                } else {
                    SECOND_CHANCE_PAUSE
                };
                self.timers.set(Timer::Ping(*position), now.at + pause);
            }
            Health::Good | Health::Doubtful => {
                let chance = if leaf {
                    SECOND_CHANCE_LEAF
                } else {
                    SECOND_CHANCE
                };
                member.health = Health::Suspect {
                    until: now.at + chance,
                };
                self.timers.set(Timer::Ping(*position), now.at);
            }
        }
    }

    /// The member's own clock: it is asked unless it was heard within the period (each round trip sets the clock back).
    pub(super) fn on_ping_timer(&mut self, now: Now, position: Position) {
        let Some(member) = self.members.get(&position) else {
            return;
        };
        let peer = member.record.peer();
        let already = self.waits_for(|why| *why == Why::Check(position));
        if already || !self.ping(now, peer, Why::Check(position)) {
            let wait = self.draw(self.config.timing.ping);
            self.timers.set(Timer::Ping(position), now.at + wait);
        }
    }
}
