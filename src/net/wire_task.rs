//! The task that owns the socket: it sends each sealed cell at its moment and takes in whatever arrives.
//!
//! It knows no keys and no machines, so nothing a person or a stranger does can make it late by more than one system call a
//! cell. A late cell goes late; it never goes in the place of another, and nothing is ever sent that no machine sealed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::counters::{Count, Counters};
use super::inbox::NodeInbox;
use super::socket;
use crate::wire::size::DATAGRAM;
use crate::wire::time::Moment;

/// Cells that wait for their moment. A node seals a few milliseconds ahead, so thousands mean a broken clock. When full the newest is
/// dropped and counted: to its receiver it is one more lost cell.
const HEAP: usize = 4096;
/// Cells on their way from the node thread to the heap; when full the node thread drops the newest and counts it.
pub(super) const CHANNEL: usize = 1024;
/// Datagrams taken in between two looks at the clock: less than a millisecond of work.
const BATCH: usize = 32;
/// Later than this is counted as late: below it a Poisson clock hides the difference (PROTOCOL.md, "The clock is the only sender").
const LATE: Duration = Duration::from_millis(20);
/// Rest after a receive error that is not "nothing there", so that a socket that fails at once does not eat a core.
const ERROR_REST: Duration = Duration::from_millis(10);

/// A cell with its moment and its receiver.
#[derive(Debug)]
pub struct Sealed {
    pub at: Moment,
    pub to: SocketAddr,
    pub cell: Box<[u8; DATAGRAM]>,
}

/// A cell in the heap: the earliest moment first, cells of one moment in the order they were sealed.
struct Due {
    order: u64,
    sealed: Sealed,
}

impl Due {
    fn key(&self) -> (Moment, u64) {
        (self.sealed.at, self.order)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// Reversed, because the standard heap gives the greatest first.
    fn cmp(&self, other: &Due) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// What the task works on.
pub(super) struct WireTask {
    socket: UdpSocket,
    ipv6: bool,
    clock: Clock,
    inbox: Arc<NodeInbox>,
    counters: Arc<Counters>,
    heap: BinaryHeap<Due>,
    order: u64,
}

/// What became of the cells that were due.
enum Sent {
    /// All of them are gone.
    AllDue,
    /// The system takes no more for now.
    Blocked,
}

impl WireTask {
    pub(super) fn new(
        socket: UdpSocket,
        clock: Clock,
        inbox: Arc<NodeInbox>,
        counters: Arc<Counters>,
    ) -> WireTask {
        let ipv6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
        WireTask {
            socket,
            ipv6,
            clock,
            inbox,
            counters,
            heap: BinaryHeap::new(),
            order: 0,
        }
    }

    /// Works until the node thread has gone and its last cell has left.
    pub(super) async fn run(mut self, mut cells: mpsc::Receiver<Sealed>) {
        let mut open = true;
        let mut rest_until = Moment(0);
        let mut batch = Vec::with_capacity(64);
        loop {
            let blocked = matches!(self.send_due(), Sent::Blocked);
            if !open && self.heap.is_empty() {
                return;
            }
            let sleep = self
                .clock
                .until(self.heap.peek().map_or(Moment::NEVER, |due| due.sealed.at));
            let rest = self.clock.until(rest_until);
            tokio::select! {
                received = cells.recv_many(&mut batch, 64), if open => {
                    open = received > 0;
                    for sealed in batch.drain(..) {
                        self.hold(sealed);
                    }
                }
                _ = tokio::time::sleep(sleep), if !blocked && !self.heap.is_empty() => {}
                _ = self.socket.writable(), if blocked => {}
                _ = tokio::time::sleep(rest), if !rest.is_zero() => {}
                _ = self.socket.readable(), if rest.is_zero() => {
                    if self.receive().is_err() {
                        self.counters.add(Count::ReceiveError);
                        rest_until = self.clock.at() + ERROR_REST;
                    }
                }
            }
        }
    }

    fn hold(&mut self, sealed: Sealed) {
        if self.heap.len() >= HEAP {
            self.counters.add(Count::HeapFull);
            return;
        }
        self.order += 1;
        self.heap.push(Due {
            order: self.order,
            sealed,
        });
    }

    fn send_due(&mut self) -> Sent {
        let now = self.clock.at();
        while self.heap.peek().is_some_and(|due| due.sealed.at <= now) {
            let Some(due) = self.heap.peek() else { break };
            match self.send(&due.sealed) {
                Ok(()) => {
                    self.counters.add(Count::Sent);
                    if self.clock.at().since(due.sealed.at) > LATE {
                        self.counters.add(Count::Late);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Blocked,
                // No route, a firewall, full buffers, an address this socket cannot reach: the cell is lost, the socket is not.
                Err(_) => self.counters.add(Count::SendError),
            }
            self.heap.pop();
        }
        Sent::AllDue
    }

    fn send(&self, sealed: &Sealed) -> io::Result<()> {
        let to = socket::dressed(sealed.to, self.ipv6).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let first = self.socket.try_send_to(&sealed.cell[..], to);
        match first {
            // Some systems report here what became of an earlier datagram to somebody else, and send nothing. This cell is not to blame.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                ) =>
            {
                self.socket.try_send_to(&sealed.cell[..], to).map(drop)
            }
            other => other.map(drop),
        }
    }

    fn receive(&self) -> io::Result<()> {
        // One byte more than a cell, so that a longer datagram is seen to be longer.
        let mut buffer = [0; DATAGRAM + 1];
        for _ in 0..BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((DATAGRAM, from)) => {
                    self.counters.add(Count::Received);
                    let mut cell = Box::new([0; DATAGRAM]);
                    cell.copy_from_slice(&buffer[..DATAGRAM]);
                    if self.inbox.datagram(socket::plain(from), cell).is_err() {
                        self.counters.add(Count::InboxFull);
                    }
                }
                Ok(_) => self.counters.add(Count::OtherSize),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    // The fate of an earlier datagram to somebody.
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                        self.counters.add(Count::ReceiveError);
                    }
                    // Windows says this of a datagram that is longer than the buffer.
                    _ if error.raw_os_error() == Some(WSAEMSGSIZE) => {
                        self.counters.add(Count::OtherSize)
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

const WSAEMSGSIZE: i32 = 10040;
