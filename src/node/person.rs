//! What a node tells the person it serves, and what the person may ask of it.
//!
//! The list is closed: nothing a person does reaches the node but these commands, and none of them changes when the node sends.

use std::net::SocketAddr;

use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::wire::class::Class;
pub use crate::wire::introduction::IntroPoint;
use crate::wire::size::{PARCEL, VALUE};

/// A number the messenger gives a contact for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactTag(pub u64);

/// Where an answer to an arrived parcel goes: back along the spur it came by. Dies with the spur or the inbound circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyHandle {
    /// Which inbound circuit it came by (a number never used twice in a run).
    pub circuit: u64,
    /// The intro point's handle for the spur.
    pub spur: u32,
}

/// How a parcel leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Along our spur to the contact's intro point.
    Spur(ContactTag),
    /// Back along theirs.
    Handle(ReplyHandle),
}

/// A contact that waits for a spur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpurTarget {
    pub contact: ContactTag,
    pub node: NodeId,
    pub addr: SocketAddr,
    pub cookie_key: Point,
    /// Which of the contact's registrations it leads to: the cookie of the descriptor. Two may be at one node.
    pub point: [u8; 16],
    /// The contact's token of the day, or the cookie of the descriptor for strangers.
    pub credential: [u8; 16],
}

#[derive(Clone, Debug)]
pub enum NodeCommand {
    /// Contacts that want a spur, most urgent first; replaces the list given before (at most 64, the rest is cut).
    WantSpurs(Vec<SpurTarget>),
    /// A parcel to the contact's intro point, on the outbound circuit's clock.
    SendSpur {
        contact: ContactTag,
        parcel: Box<[u8; PARCEL]>,
    },
    /// A parcel back along the way an arrived one came.
    SendReply {
        handle: ReplyHandle,
        parcel: Box<[u8; PARCEL]>,
    },
    /// Find out who is closest to a key, on the utility clock, because something will be published or looked up there. Nothing is answered.
    Approach { id: u64, key: [u8; 32] },
    /// Look a value up, on the utility clock.
    Fetch { id: u64, key: [u8; 32] },
    /// Store a value at the nodes closest to its key, on the utility clock.
    Publish {
        id: u64,
        key: [u8; 32],
        value: Box<[u8; VALUE]>,
    },
    /// Tokens that the own intro points accept as contacts'; replaces the list given before.
    Tokens(Vec<[u8; 16]>),
}

#[derive(Clone, Debug)]
pub enum PersonEvent {
    /// The set of live intro points changed: publish again.
    Intro {
        points: Vec<IntroPoint>,
    },
    /// How many cells a second the outbound circuit sends, steadily; 0 if none serves. Without one nothing leaves along any spur, and that nothing
    /// comes says nothing of a contact.
    Outbound {
        rate: f64,
    },
    /// A spur to the contact's intro point is open, the first or one to another point than those that are.
    SpurUp {
        contact: ContactTag,
    },
    SpurDown {
        contact: ContactTag,
    },
    /// A parcel came back along our spur to this contact.
    FromSpur {
        contact: ContactTag,
        parcel: Box<[u8; PARCEL]>,
    },
    /// A parcel arrived at one of our intro points.
    Arrived {
        handle: ReplyHandle,
        parcel: Box<[u8; PARCEL]>,
    },
    /// The spur that an answer would go back along has ended.
    HandleGone {
        handle: ReplyHandle,
    },
    /// The replicas were asked. `None`: the nodes that straddle the key say there is no such value, or none could be reached.
    Fetched {
        id: u64,
        value: Option<Box<[u8; VALUE]>>,
    },
    /// `copies` of the closest nodes signed for the value; 0 means it failed and has to be asked again.
    Published {
        id: u64,
        copies: u8,
    },
    /// A SendSpur or SendReply that was not sent: the queue was full or the way is gone.
    NotSent {
        way: Way,
        parcel: Box<[u8; PARCEL]>,
    },
}

/// A snapshot for the status line and the network screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkInfo {
    pub online: bool,
    pub class: Option<Class>,
    pub node: Option<NodeId>,
    pub address: Option<SocketAddr>,
    pub links: Vec<LinkRow>,
    pub circuits: Vec<CircuitRow>,
    /// Nodes in the ring's tables, and the estimate of all.
    pub known_nodes: usize,
    pub estimated_nodes: usize,
    pub pool_records: usize,
    pub stored_values: usize,
    pub contact_sessions: usize,
    /// Cells of links and spurs since the start.
    pub cells_out: u64,
    pub cells_in: u64,
    pub chaff_out: u64,
    /// Sum of the links' and spurs' rates, cells per second each way: now, and when those that are young have left their quick start behind.
    pub rate: f64,
    pub steady_rate: f64,
    /// The last own circuit that failed.
    pub failure: Option<CircuitFailure>,
    /// Datagrams dropped in silence because they opened nothing.
    pub dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LinkRow {
    pub node: Option<NodeId>,
    /// "link" or "spur".
    pub purpose: &'static str,
    /// "dialling", "up", "suspect", "draining".
    pub state: &'static str,
    pub seconds: u64,
    /// Cells per second: those of its clock, and those that lately came.
    pub rate: f64,
    pub rate_in: f64,
    /// Share of our cells that were not acknowledged, 0 to 1.
    pub loss: f64,
    pub rtt_ms: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CircuitRow {
    /// "outbound", "inbound", "standby", "utility".
    pub role: &'static str,
    /// "building", "ready", "retiring".
    pub state: &'static str,
    pub hops: u8,
    pub seconds: u64,
    /// Until its successor is built, while it serves.
    pub seconds_left: Option<u64>,
    /// Successors of circuits with this role that died.
    pub rebuilt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitFailure {
    /// As in [`CircuitRow`].
    pub role: &'static str,
    pub why: WhyFailed,
    pub seconds_ago: u64,
}

/// How an own circuit ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyFailed {
    /// The link to its first hop ended.
    LinkDown,
    /// Its first hop was silent while it was being built.
    GuardSilent,
    /// While it was being built: this hop, counted from 1, refused or did not answer, or nobody was to be had for it.
    Hop(u8),
    /// It served, and nothing came from its end any more.
    Silent,
    /// It served, and a hop closed it.
    Closed,
    /// It served until its keys had sealed as many cells as they may.
    Spent,
}
