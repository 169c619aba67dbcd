//! What waits for the screen, or for whoever reads the JSON lines.
//!
//! Chat events wait in order and are never dropped; a snapshot of the network replaces the one before it. When the queue is full the person
//! thread takes no more parcels from the node until somebody reads. They are not acknowledged then, so their senders keep them: a
//! screen that stands still (Ctrl+S, a slow line, a stopped pipe) loses no message, and the node goes on ticking.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::messenger::view::ChatEvent;
use crate::node::person::NetworkInfo;

/// Chat events that may wait before the person thread stops taking parcels. One step of the messenger may overshoot it by what that step tells.
const EVENTS: usize = 1024;

/// Something to show.
#[derive(Debug)]
pub enum FrontEvent {
    Chat(ChatEvent),
    Network(Box<NetworkInfo>),
    /// The threads behind have ended although nobody asked them to. Nothing follows.
    Ended,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<ChatEvent>,
    network: Option<Box<NetworkInfo>>,
    ended: bool,
}

/// The queue. One reader.
#[derive(Default)]
pub struct Front {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Front {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_room(&self) -> bool {
        self.lock().events.len() < EVENTS
    }

    /// Also for whoever started the person and has something to tell about it.
    pub fn chat(&self, event: ChatEvent) {
        self.lock().events.push_back(event);
        self.filled.notify_one();
    }

    pub(super) fn network(&self, info: Box<NetworkInfo>) {
        self.lock().network = Some(info);
        self.filled.notify_one();
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_one();
    }

    /// What is there now, chat first.
    pub fn try_next(&self) -> Option<FrontEvent> {
        let mut waiting = self.lock();
        if let Some(event) = waiting.events.pop_front() {
            return Some(FrontEvent::Chat(event));
        }
        if let Some(info) = waiting.network.take() {
            return Some(FrontEvent::Network(info));
        }
        waiting.ended.then_some(FrontEvent::Ended)
    }

    /// Waits for the next. Safe to drop while it waits: nothing is taken out before it is returned.
    pub async fn next(&self) -> FrontEvent {
        loop {
            // Registered before the look, so that a fill in between is not missed.
            let filled = self.filled.notified();
            if let Some(event) = self.try_next() {
                return event;
            }
            filled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: usize) -> ChatEvent {
        ChatEvent::Notice(number.to_string())
    }

    #[test]
    fn a_reader_who_comes_late_gets_every_message_and_one_snapshot() {
        let front = Front::default();
        for number in 0..EVENTS {
            assert!(front.has_room());
            front.chat(notice(number));
            front.network(Box::new(NetworkInfo {
                cells_in: number as u64,
                ..NetworkInfo::default()
            }));
        }
        assert!(!front.has_room());
        front.end();
        for number in 0..EVENTS {
            match front.try_next() {
                Some(FrontEvent::Chat(event)) => assert_eq!(event, notice(number)),
                other => panic!("expected message {number}, got {other:?}"),
            }
        }
        match front.try_next() {
            Some(FrontEvent::Network(info)) => assert_eq!(info.cells_in, EVENTS as u64 - 1),
            other => panic!("expected the snapshot, got {other:?}"),
        }
        assert!(matches!(front.try_next(), Some(FrontEvent::Ended)));
    }
}
