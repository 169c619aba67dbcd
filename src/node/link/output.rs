//! What links give out: datagrams, news, and figures for the network screen.

use std::net::SocketAddr;
use std::time::Duration;

use super::{AssocId, Cell, DialTarget, Purpose};
use crate::node::Cause;
use crate::wire::peer::Peer;
use crate::wire::size::BODY;
use crate::wire::time::Moment;

/// Why a call was answered with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No place left.
    Full,
    /// It has a link into the caller's network already.
    Network,
    /// Of a later version.
    Other,
}

impl Refusal {
    pub(super) fn code(self) -> u8 {
        match self {
            Refusal::Full => 1,
            Refusal::Network => 2,
            Refusal::Other => 255,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Refusal> {
        match code {
            0 => None,
            1 => Some(Refusal::Full),
            2 => Some(Refusal::Network),
            _ => Some(Refusal::Other),
        }
    }
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Silence: nobody there, a wrong key, a wrong clock.
    NoAnswer,
    Refused(Refusal),
    /// Too many calls or associations of this node's own.
    TooMany,
    /// An address or key that is never called: this node itself, or one outside its reach.
    NotAllowed,
    /// There is a link to this node already.
    Linked,
}

/// Why an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// [`Links::close`].
    Closed,
    /// The other end said so.
    ClosedByPeer,
    /// Nothing came any more.
    Silent,
    /// A newer link with the same node.
    Replaced,
    /// Its keys were used up and could not be replaced.
    KeysSpent,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    Circuit,
    /// Between the two ends of the link; the first byte is 0x40 or more.
    Control,
}

#[derive(Debug)]
pub enum LinkOutput {
    /// Send at this moment, which lies up to [`LEAD`] ahead; if it is over, at once.
    Transmit {
        at: Moment,
        to: SocketAddr,
        cell: Box<Cell>,
        /// Has no part in the cell: the simulator's tests compare worlds by it.
        cause: Cause,
    },
    /// Of every link and spur, and of contact sessions that [`Links::dial`] asked for. `dialled`: this end called. `observed`: this node's address as the other end sees it, or claims to have reached it.
    Up {
        assoc: AssocId,
        peer: Peer,
        purpose: Purpose,
        dialled: bool,
        observed: Option<SocketAddr>,
    },
    /// Of an association that was up; nothing can be sent on it any more.
    Down {
        assoc: AssocId,
        purpose: Purpose,
        why: DownReason,
    },
    /// From a link or spur. Bodies arrive once, in any order.
    Body {
        assoc: AssocId,
        kind: BodyKind,
        body: [u8; BODY],
    },
    /// From a contact session; the NodeId is authentic.
    Contact {
        plane: Purpose,
        peer: Peer,
        body: [u8; BODY],
    },
    DialFailed {
        assoc: AssocId,
        target: DialTarget,
        why: DialFailure,
    },
}

/// For the network screen.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkInfo {
    pub assoc: AssocId,
    pub peer: Option<Peer>,
    pub purpose: Purpose,
    pub state: LinkState,
    /// Since when it is up, or called.
    pub since: Moment,
    pub cells_in: u64,
    pub cells_out: u64,
    pub chaff_out: u64,
    /// Bodies given up after all their sends.
    pub bodies_lost: u64,
    /// Bodies that wait for a tick, and those that had to give way to newer ones.
    pub waiting: usize,
    pub displaced: u64,
    /// Share of our cells not acknowledged, 0 to 1.
    pub loss: f64,
    pub round_trip: Option<Duration>,
    /// Cells per second that its clock sends: now, and after its start.
    pub rate: f64,
    pub steady_rate: f64,
    /// Cells per second that lately came.
    pub rate_in: f64,
    /// Since the last cell came in.
    pub silence: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Dialling,
    Up,
    Suspect,
    Draining,
}

impl LinkState {
    pub fn word(self) -> &'static str {
        match self {
            LinkState::Dialling => "dialling",
            LinkState::Up => "up",
            LinkState::Suspect => "suspect",
            LinkState::Draining => "draining",
        }
    }
}
