//! What one socket has done, counted where it happens: by the task that owns the socket.
//!
//! These are the numbers Eve could count herself. `paratox demo` lets a contact read them aloud. They only grow, and reading them
//! disturbs nobody.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one socket since it was opened.
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    other_sizes: AtomicU64,
    send_errors: AtomicU64,
    receive_errors: AtomicU64,
    late: AtomicU64,
    inbox_full: AtomicU64,
    heap_full: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams the system took, each of 512 bytes.
    pub sent: u64,
    /// Datagrams of 512 bytes that came in.
    pub received: u64,
    /// Datagrams of any other length that came in; dropped.
    pub other_sizes: u64,
    /// Cells the system refused (no route, firewall, full buffers); gone, like cells lost on the way.
    pub send_errors: u64,
    pub receive_errors: u64,
    /// Cells that left more than 20 ms after their moment. Below that a Poisson clock hides the difference.
    pub late: u64,
    /// Datagrams dropped because the node was busy.
    pub inbox_full: u64,
    /// Cells dropped because too many waited for their moment.
    pub heap_full: u64,
}

/// What there is to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Sent,
    Received,
    OtherSize,
    SendError,
    ReceiveError,
    Late,
    InboxFull,
    HeapFull,
}

impl Counters {
    pub(super) fn add(&self, what: Count) {
        let counter = match what {
            Count::Sent => &self.sent,
            Count::Received => &self.received,
            Count::OtherSize => &self.other_sizes,
            Count::SendError => &self.send_errors,
            Count::ReceiveError => &self.receive_errors,
            Count::Late => &self.late,
            Count::InboxFull => &self.inbox_full,
            Count::HeapFull => &self.heap_full,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            sent: read(&self.sent),
            received: read(&self.received),
            other_sizes: read(&self.other_sizes),
            send_errors: read(&self.send_errors),
            receive_errors: read(&self.receive_errors),
            late: read(&self.late),
            inbox_full: read(&self.inbox_full),
            heap_full: read(&self.heap_full),
        }
    }
}
