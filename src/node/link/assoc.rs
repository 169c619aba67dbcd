//! One association with one node, in its three roles.

use std::net::SocketAddr;
use std::time::Duration;

use super::certificate::Vouching;
use super::keys::Keys;
use super::shaped::{Counts, Health, Shaped};
use super::{AssocId, DownReason, LinkInfo, LinkState, Purpose};
use crate::crypto::keys::NodeKey;
use crate::crypto::random::Stream;
use crate::wire::address::{Address, Reach};
use crate::wire::cell::{CellKind, InnerHeader};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, INNER, INNER_HEADER};
use crate::wire::time::{Moment, Now};

/// In a contact session, silence for this long after something was sent means that the other end has forgotten it.
const STALE: Duration = Duration::from_secs(3);
/// A body that nothing is said to for this long is answered with an empty cell.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

pub struct Assoc {
    pub peer: Peer,
    pub purpose: Purpose,
    /// This end called.
    pub dialled: bool,
    /// Up since, or half open since.
    pub since: Moment,
    /// Boxed: it holds key schedules of some kilobytes, and maps move their values.
    pub keys: Box<Keys>,
    /// Until when it says good-bye.
    pub closing: Option<Moment>,
    pub role: Role,
}

pub enum Role {
    /// We answered; the caller has not proved itself yet, so nothing is sent.
    HalfOpen(Box<HalfOpen>),
    Shaped(Box<Link>),
    Contact(Contact),
}

pub struct HalfOpen {
    pub class: Class,
    /// Where the caller says it reached us.
    pub reached: Address,
    /// Where its INIT came from, as our RESP told it.
    pub observed: Address,
    /// Our own call to the same node, which gives way when this one is confirmed.
    pub own_call: Option<AssocId>,
}

pub struct Link {
    pub shaped: Shaped,
    /// Links have certificates, spurs do not.
    pub vouching: Option<Vouching>,
}

/// A contact session that is up.
pub struct Contact {
    used: Moment,
    /// Since when something was sent and nothing came.
    unanswered: Option<Moment>,
    /// Since when a body came and nothing was sent.
    owing: Option<Moment>,
}

impl Contact {
    pub fn new(now: Moment) -> Contact {
        Contact {
            used: now,
            unanswered: None,
            owing: None,
        }
    }

    pub fn used(&self) -> Moment {
        self.used
    }

    pub fn sent(&mut self, now: Moment, kind: CellKind) {
        self.owing = None;
        if kind == CellKind::Body {
            self.used = now;
            self.unanswered.get_or_insert(now);
        }
    }

    /// Whether a timer for a sign of life has to be set.
    pub fn heard(&mut self, now: Moment, kind: CellKind) -> bool {
        self.unanswered = None;
        let first = kind == CellKind::Body && self.owing.is_none();
        if kind == CellKind::Body {
            self.used = now;
            self.owing.get_or_insert(now);
        }
        first
    }

    /// When a sign of life is due to the other end, which otherwise takes the session for forgotten.
    pub fn owes(&self) -> Option<Moment> {
        self.owing.map(|since| since + SIGN_OF_LIFE)
    }

    pub fn is_stale(&self, now: Moment) -> bool {
        self.unanswered
            .is_some_and(|since| now.since(since) > STALE)
    }

    /// The inner cell that carries a body, nothing, or good-bye.
    pub fn fill(kind: CellKind, body: Option<&[u8; BODY]>) -> [u8; INNER] {
        let mut inner = [0; INNER];
        InnerHeader {
            kind,
            ack: None,
            body_seq: 0,
            credit: 0,
        }
        .write(&mut inner);
        if let Some(body) = body {
            inner[INNER_HEADER..].copy_from_slice(body);
        }
        inner
    }
}

impl Assoc {
    pub fn is_shaped(&self) -> bool {
        matches!(self.role, Role::Shaped(_))
    }

    /// Why it must end now, if it must.
    pub fn is_over(&self, now: Moment) -> Option<DownReason> {
        let Role::Shaped(link) = &self.role else {
            return None;
        };
        if self.closing.is_some_and(|until| until <= now) {
            return Some(DownReason::Closed);
        }
        if link.shaped.health(now) == Health::Dead {
            return Some(DownReason::Silent);
        }
        self.keys.is_over(now).then_some(DownReason::KeysSpent)
    }

    /// What the link itself has to say by now: its certificate, a new agreement. Queued, not sent. And what it has to forget.
    pub fn prepare(&mut self, now: Now, own: &NodeKey, random: &mut Stream) {
        self.keys.forget_old(now.at);
        let Role::Shaped(link) = &mut self.role else {
            return;
        };
        if self.closing.is_some() {
            return;
        }
        if let Some(body) = link.vouching.as_mut().and_then(|v| v.offer(now, own)) {
            // Full: the offer is made again later.
            let _ = link.shaped.send_control(&body);
        }
        if let Some(body) = self.keys.ask(now.at, random) {
            let _ = link.shaped.send_control(&body);
        }
    }

    /// None where no clock sends.
    pub fn counts(&self) -> Option<Counts> {
        match &self.role {
            Role::Shaped(link) => Some(link.shaped.counts),
            Role::HalfOpen(_) | Role::Contact(_) => None,
        }
    }

    pub fn info(&self, id: AssocId, now: Moment) -> Option<LinkInfo> {
        let Role::Shaped(link) = &self.role else {
            return None;
        };
        let state = match link.shaped.health(now) {
            _ if self.closing.is_some() => LinkState::Draining,
            Health::Fine => LinkState::Up,
            Health::Suspect | Health::Dead => LinkState::Suspect,
        };
        let counts = link.shaped.counts;
        let (waiting, displaced) = link.shaped.queue();
        Some(LinkInfo {
            assoc: id,
            peer: Some(self.peer),
            purpose: self.purpose,
            state,
            since: self.since,
            cells_in: counts.cells_in,
            cells_out: counts.cells_out,
            chaff_out: counts.chaff_out,
            bodies_lost: counts.bodies_lost,
            waiting,
            displaced,
            loss: link.shaped.loss(),
            round_trip: link.shaped.round_trip(),
            rate: link.shaped.clock.rate_at(now),
            steady_rate: link.shaped.clock.steady_rate(),
            rate_in: link.shaped.rate_in(now),
            silence: link.shaped.silence(now),
        })
    }
}

/// Where a node is reached that was reached at `known` and from which something authentic came by `from`. Only a changed port, or an
/// address in the same /24 or /64, is a rebinding. Another network is not followed: it would tell the peer both places, and whoever may
/// name any source could aim a whole link at it. Nor is an address that is never sent to.
pub fn followed(known: SocketAddr, from: SocketAddr, reach: Reach) -> SocketAddr {
    use std::net::IpAddr::{V4, V6};
    let beside = match (known.ip(), from.ip()) {
        (V4(a), V4(b)) => a.octets()[..3] == b.octets()[..3],
        (V6(a), V6(b)) => a.octets()[..8] == b.octets()[..8],
        _ => false,
    };
    if beside && Address::from(from).is_allowed(reach) {
        from
    } else {
        known
    }
}
