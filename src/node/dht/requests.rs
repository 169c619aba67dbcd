//! What this node asked and is still waiting for.
//!
//! Each request has a nonce; each try of it a number, which the answer repeats, so that a late answer measures its own try.

use std::time::Duration;

use crate::wire::dht::{Message, Tag};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::size::BODY;
use crate::wire::time::{Moment, Now};

use super::members::{Health, prefix_of};
use super::rto::Rto;
use super::{Dht, Timer};

/// Requests without an answer; more are not sent, as if lost on the wire.
const REQUESTS_MAX: usize = 2048;
/// Tries of one request.
const TRIES_MAX: usize = 8;
/// Where the number of the try stands in a body: after kind and nonce.
const ATTEMPT_AT: usize = 1 + 8;
/// How long a node is asked that is not a member: its contact session has to be set up, and its round trip is unknown.
const STRANGER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a suspected leaf, or other member, may still prove that it lives.
const SECOND_CHANCE_LEAF: Duration = Duration::from_secs(6);
const SECOND_CHANCE: Duration = Duration::from_secs(60);
/// Between two tries to hear from a suspected member outside the leaf set.
const SECOND_CHANCE_PAUSE: Duration = Duration::from_secs(3);

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
    body: [u8; BODY],
    sent: Vec<Moment>,
    every: Duration,
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
        if self.requests.len() >= REQUESTS_MAX {
            return None;
        }
        let nonce = self.nonce(foreign);
        let body = message(Tag { nonce, attempt: 0 }).encode();
        self.watch(now, nonce, to, why, body);
        Some(nonce)
    }

    fn watch(&mut self, now: Now, nonce: u64, to: Peer, why: Why, body: [u8; BODY]) {
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
        let every = rto.timeout();
        let give_up = now.at + patience;
        let request = Request {
            to,
            why,
            body,
            sent: vec![now.at],
            every,
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

    /// The request an answer belongs to, with the round trip; the peer is alive. Ends the request.
    pub(super) fn settle(
        &mut self,
        now: Now,
        from: &Peer,
        tag: Tag,
    ) -> Option<(Request, Option<Duration>)> {
        let rtt = self.heard(now, from, tag)?;
        self.timers.clear(&Timer::Request(tag.nonce));
        let request = self.requests.remove(&tag.nonce)?;
        Some((request, rtt))
    }

    /// Like `settle`, but the request stays known: more than one answer comes to it. The inner `None`: an unknown try.
    pub(super) fn heard(&mut self, now: Now, from: &Peer, tag: Tag) -> Option<Option<Duration>> {
        let request = self.requests.get(&tag.nonce)?;
        if request.to.node != from.node {
            return None;
        }
        let sent = request.sent.get(usize::from(tag.attempt));
        let rtt = sent.map(|sent| now.at.since(*sent));
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
        let next = (now.at + request.every).min(request.give_up);
        let body = Box::new(request.body);
        self.timers.set(Timer::Request(nonce), next);
        self.push(super::DhtOutput::Send { to, body });
    }

    fn on_silence(&mut self, now: Now, nonce: u64, why: Why, to: Peer) {
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
            Why::Hop { carriage, .. } => {
                if let Some(at) = self.members.find(&to.node) {
                    self.suspect(now, &at);
                }
                self.pass_over(now, carriage, to.node);
            }
            Why::Back => self.doubt(now, &to),
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
                    Duration::ZERO
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
