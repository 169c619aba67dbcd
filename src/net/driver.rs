//! The node thread: waits, does one thing, drains, and starts over.
//!
//! A thread and not a task, because the node computes: a signature between two awaits would hold up every other task of its
//! worker. Ticks that are due come before everything that waits, so that no flood delays them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::counters::{Count, Counters, Counts};
use super::inbox::{NodeInbox, NodeInput, PersonSink};
use super::wire_task::{self, Sealed, WireTask};
use crate::node::person::{NetworkInfo, NodeCommand, PersonEvent};
use crate::wire::size::DATAGRAM;
use crate::wire::time::{Moment, Now};

/// Pause after work, so that what comes meanwhile is done together: waking a thread costs more than a cell, and a demo of 27 nodes wakes
/// them thousands of times a second. Shorter than the time by which ticks are prepared (`node::link`), so that none is late.
const REST: Duration = Duration::from_millis(6);
/// How often the person gets a new snapshot of the network: as often as a person reads a number.
const SNAPSHOT: Duration = Duration::from_secs(1);

/// A sans-IO machine behind a socket: the node, and in the driver's own tests something simpler.
pub trait Machine: Send + 'static {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]);
    fn handle_timeout(&mut self, now: Now);
    fn command(&mut self, now: Now, command: NodeCommand);
    /// The program stood still until now.
    fn stood_still(&mut self, now: Now);
    /// The next output, until there is none.
    fn poll_output(&mut self) -> Option<Output>;
    fn next_timeout(&self) -> Moment;
    fn info(&self, now: Now) -> NetworkInfo;
}

/// What a machine asks of the world.
#[derive(Debug)]
pub enum Output {
    /// Send this cell at this moment, or at once if it has passed.
    Transmit {
        at: Moment,
        to: SocketAddr,
        cell: Box<[u8; DATAGRAM]>,
    },
    Person(PersonEvent),
}

/// A running node. Dropping it stops its thread; cells sealed by then still leave at their moments.
pub struct Running {
    inbox: Arc<NodeInbox>,
    counters: Arc<Counters>,
    local: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// Puts `machine` behind `socket`. The wire task runs on `runtime`; the machine gets a thread named `name`.
/// Events and snapshots go to `person`; without one the machine only relays.
pub fn start<M: Machine>(
    runtime: &Handle,
    clock: Clock,
    socket: std::net::UdpSocket,
    machine: M,
    person: Option<Arc<dyn PersonSink>>,
    name: &str,
) -> io::Result<Running> {
    let local = socket.local_addr()?;
    let inbox = Arc::new(NodeInbox::default());
    let counters = Arc::new(Counters::default());
    let (cells, receiver) = mpsc::channel(wire_task::CHANNEL);
    let socket = {
        let _in_runtime = runtime.enter();
        UdpSocket::from_std(socket)?
    };
    let mut worker = Worker {
        machine,
        clock,
        inbox: inbox.clone(),
        cells,
        person,
        counters: counters.clone(),
        next_snapshot: clock.at(),
        stops: clock.stops(),
    };
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || worker.run())?;
    runtime.spawn(WireTask::new(socket, clock, inbox.clone(), counters.clone()).run(receiver));
    Ok(Running {
        inbox,
        counters,
        local,
        thread: Some(thread),
    })
}

impl Running {
    /// The address the socket is bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// The live counters, for whoever watches the socket.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Where commands for the node go.
    pub fn inbox(&self) -> Arc<NodeInbox> {
        self.inbox.clone()
    }

    /// Tells the node to end, without waiting for it as dropping does: many are told first and waited for together.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// The thread has ended although nobody stopped it: a defect of the program.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been printed by the hook already.
            let _ = thread.join();
        }
    }
}

struct Worker<M> {
    machine: M,
    clock: Clock,
    inbox: Arc<NodeInbox>,
    cells: mpsc::Sender<Sealed>,
    person: Option<Arc<dyn PersonSink>>,
    counters: Arc<Counters>,
    next_snapshot: Moment,
    stops: u32,
}

impl<M: Machine> Worker<M> {
    fn run(&mut self) {
        self.drain();
        let mut tired = false;
        loop {
            let now = self.clock.now();
            let stops = self.clock.stops();
            if stops != self.stops {
                self.stops = stops;
                self.machine.stood_still(now);
                self.drain();
            }
            if self.machine.next_timeout() <= now.at {
                self.machine.handle_timeout(now);
                self.drain();
                tired = true;
            }
            self.snapshot(now);
            // What waits already is done without a pause; only then does the thread rest, and then sleep.
            let until = match tired {
                true => Moment(0),
                false => self.machine.next_timeout().min(self.next_snapshot),
            };
            let input = self.inbox.next(&self.clock, until);
            if input.is_none() && tired {
                std::thread::sleep(REST);
            }
            tired = input.is_some();
            match input {
                None => continue,
                Some(NodeInput::Stop) => return,
                Some(NodeInput::Command(command)) => {
                    self.machine.command(self.clock.now(), command)
                }
                Some(NodeInput::Datagram { from, cell }) => {
                    self.machine
                        .handle_datagram(self.clock.now(), from, &cell[..]);
                }
            }
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Transmit { at, to, cell } => {
                    if self.cells.try_send(Sealed { at, to, cell }).is_err() {
                        self.counters.add(Count::HeapFull);
                    }
                }
                Output::Person(event) => {
                    if let Some(person) = &self.person {
                        person.event(event);
                    }
                }
            }
        }
    }

    fn snapshot(&mut self, now: Now) {
        match &self.person {
            None => self.next_snapshot = Moment::NEVER,
            Some(person) if self.next_snapshot <= now.at => {
                person.network(self.machine.info(now));
                self.next_snapshot = now.at + SNAPSHOT;
            }
            Some(_) => {}
        }
    }
}

impl<M> Drop for Worker<M> {
    /// Also on a panic: nobody may wait for a node that has gone.
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(person) = &self.person {
            person.ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc as channel;
    use std::time::Instant;

    use super::*;
    use crate::net::inbox::PersonInbox;
    use crate::net::socket;

    /// Sends every cell back two milliseconds later, and numbered cells of its own when told to.
    #[derive(Default)]
    struct Echo {
        out: VecDeque<Output>,
        seen: Option<channel::Sender<(SocketAddr, u8)>>,
        to: Option<SocketAddr>,
        next: Option<Moment>,
    }

    impl Machine for Echo {
        fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
            if let Some(seen) = &self.seen {
                seen.send((from, bytes[0])).expect("the test listens");
                return;
            }
            let mut cell = Box::new([0; DATAGRAM]);
            cell.copy_from_slice(bytes);
            self.out.push_back(Output::Transmit {
                at: now.at + Duration::from_millis(2),
                to: from,
                cell,
            });
        }

        fn handle_timeout(&mut self, now: Now) {
            self.next = None;
            // Cells handed over in the wrong order: the wire task sorts them by their moments.
            for number in [3, 1, 2] {
                let at = now.at + Duration::from_millis(5 * u64::from(number));
                let to = self.to.expect("set by the test");
                self.out.push_back(Output::Transmit {
                    at,
                    to,
                    cell: Box::new([number; DATAGRAM]),
                });
            }
        }

        fn stood_still(&mut self, _: Now) {}

        fn command(&mut self, _: Now, _: NodeCommand) {
            self.out.push_back(Output::Person(PersonEvent::SpurUp {
                contact: crate::node::person::ContactTag(1),
            }));
        }

        fn poll_output(&mut self) -> Option<Output> {
            self.out.pop_front()
        }

        fn next_timeout(&self) -> Moment {
            self.next.unwrap_or(Moment::NEVER)
        }

        fn info(&self, _: Now) -> NetworkInfo {
            NetworkInfo {
                online: true,
                ..NetworkInfo::default()
            }
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("tests run on a system")
    }

    fn loopback() -> std::net::UdpSocket {
        socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback")
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "{what} did not happen");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn cells_leave_in_the_order_of_their_moments_and_come_back() {
        let runtime = runtime();
        let clock = Clock::start();
        let echo = start(
            runtime.handle(),
            clock,
            loopback(),
            Echo::default(),
            None,
            "echo",
        )
        .expect("starts");
        let (seen, heard) = channel::channel();
        let machine = Echo {
            seen: Some(seen),
            to: Some(echo.local()),
            next: Some(Moment(0)),
            ..Echo::default()
        };
        let sender =
            start(runtime.handle(), clock, loopback(), machine, None, "sender").expect("starts");
        let got: Vec<_> = (0..3)
            .map(|_| heard.recv_timeout(PATIENCE).expect("an echo"))
            .collect();
        assert_eq!(
            got,
            [(echo.local(), 1), (echo.local(), 2), (echo.local(), 3)]
        );
        assert_eq!(sender.counts().sent, 3);
        assert_eq!(sender.counts().received, 3);
        assert!(!sender.has_ended());
    }

    #[test]
    fn datagrams_of_any_other_length_are_dropped_counted_and_never_answered() {
        let runtime = runtime();
        let echo = start(
            runtime.handle(),
            Clock::start(),
            loopback(),
            Echo::default(),
            None,
            "echo",
        )
        .expect("starts");
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        stranger
            .set_read_timeout(Some(PATIENCE))
            .expect("a duration");
        for length in [0, 1, DATAGRAM - 1, DATAGRAM + 1, 1200, 65_507] {
            stranger
                .send_to(&vec![7; length], echo.local())
                .expect("loopback takes it");
        }
        wait_for("counting six odd datagrams", || {
            echo.counts().other_sizes == 6
        });
        stranger
            .send_to(&[9; DATAGRAM], echo.local())
            .expect("loopback takes it");
        let mut buffer = [0; 2 * DATAGRAM];
        let (length, _) = stranger.recv_from(&mut buffer).expect("the echo");
        assert_eq!(
            (length, buffer[0]),
            (DATAGRAM, 9),
            "the first answer is to the only datagram of the right length"
        );
        assert_eq!(echo.counts().received, 1);
    }

    #[test]
    fn a_receiver_who_has_gone_costs_a_cell_and_not_the_socket() {
        let runtime = runtime();
        let clock = Clock::start();
        let gone = loopback().local_addr().expect("bound");
        let unreachable = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xffff, 1], 1));
        for to in [gone, unreachable] {
            let machine = Echo {
                to: Some(to),
                next: Some(Moment(0)),
                ..Echo::default()
            };
            let node = start(runtime.handle(), clock, loopback(), machine, None, "sender")
                .expect("starts");
            wait_for("three tries", || {
                node.counts().sent + node.counts().send_errors == 3
            });
            let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
            stranger
                .set_read_timeout(Some(PATIENCE))
                .expect("a duration");
            stranger
                .send_to(&[9; DATAGRAM], node.local())
                .expect("loopback takes it");
            stranger
                .recv_from(&mut [0; DATAGRAM])
                .expect("the node still answers");
        }
    }

    #[test]
    fn commands_reach_the_machine_and_its_events_and_snapshots_the_person() {
        let runtime = runtime();
        let clock = Clock::start();
        let person = Arc::new(PersonInbox::<(), ()>::default());
        let sink: Arc<dyn PersonSink> = person.clone();
        let node = start(
            runtime.handle(),
            clock,
            loopback(),
            Echo::default(),
            Some(sink),
            "node",
        )
        .expect("starts");
        node.inbox()
            .command(NodeCommand::Tokens(Vec::new()))
            .expect("there is room");
        let (mut event, mut snapshot) = (false, false);
        wait_for("an event and a snapshot", || {
            match person.next(&clock, clock.at() + Duration::from_millis(10), true) {
                Some(crate::net::inbox::PersonInput::Event(PersonEvent::SpurUp { .. })) => {
                    event = true
                }
                Some(crate::net::inbox::PersonInput::Network(info)) => snapshot = info.online,
                _ => {}
            }
            event && snapshot
        });
    }

    #[test]
    fn a_stopped_node_sends_what_it_had_sealed_and_leaves_its_port() {
        let runtime = runtime();
        let clock = Clock::start();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        stranger
            .set_read_timeout(Some(PATIENCE))
            .expect("a duration");
        let machine = Echo {
            to: stranger.local_addr().ok(),
            next: Some(Moment(0)),
            ..Echo::default()
        };
        let node =
            start(runtime.handle(), clock, loopback(), machine, None, "node").expect("starts");
        let port = node.local();
        stranger
            .recv_from(&mut [0; DATAGRAM])
            .expect("its first cell");
        drop(node);
        for _ in 0..2 {
            stranger
                .recv_from(&mut [0; DATAGRAM])
                .expect("a cell sealed before the end");
        }
        wait_for("the port to be free", || socket::bind(port).is_ok());
    }
}
