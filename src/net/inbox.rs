//! What waits for a thread: one lock, one condition variable, and a bound for each kind of input.
//!
//! A channel for each kind would do if a thread could wait for two of them and a moment at once. Here it can, and a flood of
//! one kind cannot crowd out another: commands come before datagrams, and each kind has room of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::clock::Clock;
use crate::node::person::{NetworkInfo, NodeCommand, PersonEvent};
use crate::wire::size::DATAGRAM;
use crate::wire::time::Moment;

/// Datagrams that wait for the node thread: 1 MiB, as much as the kernel holds before them. When full the newest is dropped:
/// to its sender it is one more lost cell.
const DATAGRAMS: usize = 2048;
/// Commands that wait for the node thread. When full the person thread, which alone gives them, waits.
const NODE_COMMANDS: usize = 256;
/// Node events that wait for the person thread: hours of parcels at the rates of the inbound circuits. When full the oldest parcel is
/// dropped: it was not acknowledged, so its sender keeps it and sends it again.
const PERSON_EVENTS: usize = 4096;
/// Commands that wait for the person thread. When full the caller is told.
const PERSON_COMMANDS: usize = 256;

/// The queue is full; nothing was put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is waiting already; try again in a moment")]
pub struct Full;

/// A queue behind a lock and the thread that sleeps on it.
struct Shelf<Q> {
    queues: Mutex<Q>,
    filled: Condvar,
}

impl<Q> Shelf<Q> {
    fn new(queues: Q) -> Shelf<Q> {
        Shelf {
            queues: Mutex::new(queues),
            filled: Condvar::new(),
        }
    }

    /// The queues are whole even if a thread died with the lock: no step below leaves them half changed.
    fn lock(&self) -> MutexGuard<'_, Q> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until `take` finds something or `until` has come.
    fn wait<T>(
        &self,
        clock: &Clock,
        until: Moment,
        mut take: impl FnMut(&mut Q) -> Option<T>,
    ) -> Option<T> {
        let mut queues = self.lock();
        loop {
            if let Some(taken) = take(&mut queues) {
                return Some(taken);
            }
            let rest = clock.until(until);
            if rest.is_zero() {
                return None;
            }
            queues = self
                .filled
                .wait_timeout(queues, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// One thing for the node to do.
#[derive(Debug)]
pub enum NodeInput {
    Stop,
    Command(NodeCommand),
    Datagram {
        from: SocketAddr,
        cell: Box<[u8; DATAGRAM]>,
    },
}

#[derive(Default)]
struct NodeQueues {
    stop: bool,
    commands: VecDeque<NodeCommand>,
    datagrams: VecDeque<(SocketAddr, Box<[u8; DATAGRAM]>)>,
}

/// What waits for the node thread.
pub struct NodeInbox(Shelf<NodeQueues>);

impl Default for NodeInbox {
    fn default() -> NodeInbox {
        NodeInbox(Shelf::new(NodeQueues::default()))
    }
}

impl NodeInbox {
    pub fn datagram(&self, from: SocketAddr, cell: Box<[u8; DATAGRAM]>) -> Result<(), Full> {
        let mut queues = self.0.lock();
        if queues.datagrams.len() >= DATAGRAMS || queues.stop {
            return Err(Full);
        }
        queues.datagrams.push_back((from, cell));
        self.0.filled.notify_one();
        Ok(())
    }

    /// Gives the command back if there is no room. After the end it is taken and forgotten.
    pub fn command(&self, command: NodeCommand) -> Result<(), NodeCommand> {
        let mut queues = self.0.lock();
        if queues.stop {
            return Ok(());
        }
        if queues.commands.len() >= NODE_COMMANDS {
            return Err(command);
        }
        queues.commands.push_back(command);
        self.0.filled.notify_one();
        Ok(())
    }

    pub fn stop(&self) {
        self.0.lock().stop = true;
        self.0.filled.notify_one();
    }

    /// The next input, or `None` when `until` has come.
    pub fn next(&self, clock: &Clock, until: Moment) -> Option<NodeInput> {
        self.0.wait(clock, until, |queues| {
            if queues.stop {
                return Some(NodeInput::Stop);
            }
            if let Some(command) = queues.commands.pop_front() {
                return Some(NodeInput::Command(command));
            }
            queues
                .datagrams
                .pop_front()
                .map(|(from, cell)| NodeInput::Datagram { from, cell })
        })
    }
}

/// One thing for the person's machine to do. `C` is its command, `R` the answer to it.
#[derive(Debug)]
pub enum PersonInput<C, R> {
    Stop,
    Command {
        command: C,
        reply: oneshot::Sender<R>,
    },
    Event(PersonEvent),
    Network(Box<NetworkInfo>),
    /// The node thread has ended although nobody stopped it.
    NodeEnded,
}

struct PersonQueues<C, R> {
    stop: bool,
    node_ended: bool,
    commands: VecDeque<(C, oneshot::Sender<R>)>,
    events: VecDeque<PersonEvent>,
    network: Option<Box<NetworkInfo>>,
    dropped: u64,
}

/// What waits for the person thread.
pub struct PersonInbox<C, R>(Shelf<PersonQueues<C, R>>);

impl<C, R> Default for PersonInbox<C, R> {
    fn default() -> PersonInbox<C, R> {
        PersonInbox(Shelf::new(PersonQueues {
            stop: false,
            node_ended: false,
            commands: VecDeque::new(),
            events: VecDeque::new(),
            network: None,
            dropped: 0,
        }))
    }
}

/// The node's half of a person's inbox. The node never waits for the person, so nothing here can fail or block.
pub trait PersonSink: Send + Sync {
    fn event(&self, event: PersonEvent);
    /// Replaces the snapshot before, if nobody has read it.
    fn network(&self, info: NetworkInfo);
    /// There will be no more events.
    fn ended(&self);
}

/// The parcels are what may be dropped: their senders keep them until they are acknowledged.
fn is_parcel(event: &PersonEvent) -> bool {
    matches!(
        event,
        PersonEvent::Arrived { .. } | PersonEvent::FromSpur { .. } | PersonEvent::NotSent { .. }
    )
}

impl<C: Send, R: Send> PersonSink for PersonInbox<C, R> {
    fn event(&self, event: PersonEvent) {
        let mut queues = self.0.lock();
        if queues.events.len() >= PERSON_EVENTS {
            // Without any parcel the queue holds thousands of changes of spurs and intro points; then the oldest change goes.
            let oldest = queues.events.iter().position(is_parcel).unwrap_or(0);
            queues.events.remove(oldest);
            queues.dropped += 1;
        }
        queues.events.push_back(event);
        self.0.filled.notify_one();
    }

    fn network(&self, info: NetworkInfo) {
        self.0.lock().network = Some(Box::new(info));
        self.0.filled.notify_one();
    }

    fn ended(&self) {
        self.0.lock().node_ended = true;
        self.0.filled.notify_one();
    }
}

impl<C, R> PersonInbox<C, R> {
    /// Queues a command; its answer comes through the receiver.
    pub fn command(&self, command: C) -> Result<oneshot::Receiver<R>, Full> {
        let mut queues = self.0.lock();
        if queues.commands.len() >= PERSON_COMMANDS {
            return Err(Full);
        }
        let (reply, receiver) = oneshot::channel();
        queues.commands.push_back((command, reply));
        self.0.filled.notify_one();
        Ok(receiver)
    }

    pub fn stop(&self) {
        self.0.lock().stop = true;
        self.0.filled.notify_one();
    }

    /// Node events that were dropped because the person thread was busy for too long.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// The next input, or `None` when `until` has come. With `events == false` node events stay where they are: the screen
    /// has not read what it was told before.
    pub fn next(&self, clock: &Clock, until: Moment, events: bool) -> Option<PersonInput<C, R>> {
        self.0.wait(clock, until, |queues| {
            // Commands first, then the end: what was asked before the end is still answered.
            if let Some((command, reply)) = queues.commands.pop_front() {
                return Some(PersonInput::Command { command, reply });
            }
            if queues.stop {
                return Some(PersonInput::Stop);
            }
            if events && let Some(event) = queues.events.pop_front() {
                return Some(PersonInput::Event(event));
            }
            if let Some(info) = queues.network.take() {
                return Some(PersonInput::Network(info));
            }
            queues.node_ended.then_some(PersonInput::NodeEnded)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::person::{ContactTag, ReplyHandle};
    use crate::wire::size::PARCEL;

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    #[test]
    fn a_flood_of_datagrams_is_bounded_and_never_delays_a_command() {
        let inbox = NodeInbox::default();
        for _ in 0..DATAGRAMS {
            inbox
                .datagram(address(), Box::new([0; DATAGRAM]))
                .expect("there is room");
        }
        assert_eq!(
            inbox.datagram(address(), Box::new([0; DATAGRAM])),
            Err(Full)
        );
        inbox
            .command(NodeCommand::Tokens(Vec::new()))
            .expect("commands have room of their own");
        let next = inbox.next(&Clock::start(), Moment(0));
        assert!(matches!(
            next,
            Some(NodeInput::Command(NodeCommand::Tokens(_)))
        ));
    }

    #[test]
    fn an_empty_inbox_gives_nothing_once_the_moment_has_come() {
        assert!(
            NodeInbox::default()
                .next(&Clock::start(), Moment(2_000))
                .is_none()
        );
    }

    #[test]
    fn a_person_who_does_not_read_loses_parcels_that_come_again_and_keeps_what_does_not() {
        let inbox = PersonInbox::<(), ()>::default();
        let handle = ReplyHandle {
            circuit: 1,
            spur: 1,
        };
        inbox.event(PersonEvent::SpurUp {
            contact: ContactTag(7),
        });
        for _ in 0..2 * PERSON_EVENTS {
            inbox.event(PersonEvent::Arrived {
                handle,
                parcel: Box::new([0; PARCEL]),
            });
        }
        let clock = Clock::start();
        let first = inbox.next(&clock, Moment(0), true);
        assert!(matches!(
            first,
            Some(PersonInput::Event(PersonEvent::SpurUp {
                contact: ContactTag(7)
            }))
        ));
        assert_eq!(inbox.dropped(), PERSON_EVENTS as u64 + 1);
    }

    #[test]
    fn network_snapshots_replace_each_other_and_pass_events_that_are_held_back() {
        let inbox = PersonInbox::<(), ()>::default();
        let contact = ContactTag(7);
        inbox.event(PersonEvent::SpurDown { contact });
        for cells_out in 0..3 {
            inbox.network(NetworkInfo {
                cells_out,
                ..NetworkInfo::default()
            });
        }
        let clock = Clock::start();
        match inbox.next(&clock, Moment(0), false) {
            Some(PersonInput::Network(info)) => assert_eq!(info.cells_out, 2),
            other => panic!("expected the newest snapshot, got {other:?}"),
        }
        assert!(inbox.next(&clock, Moment(0), false).is_none());
        assert!(matches!(
            inbox.next(&clock, Moment(0), true),
            Some(PersonInput::Event(PersonEvent::SpurDown { .. }))
        ));
    }

    #[test]
    fn what_was_asked_before_the_end_is_still_answered() {
        let inbox = PersonInbox::<u8, u8>::default();
        let answer = inbox.command(5).expect("there is room");
        inbox.stop();
        match inbox.next(&Clock::start(), Moment(0), true) {
            Some(PersonInput::Command { command, reply }) => {
                reply.send(command + 1).expect("the asker waits")
            }
            other => panic!("expected the command, got {other:?}"),
        }
        assert_eq!(answer.blocking_recv(), Ok(6));
        assert!(matches!(
            inbox.next(&Clock::start(), Moment(0), true),
            Some(PersonInput::Stop)
        ));
    }
}
