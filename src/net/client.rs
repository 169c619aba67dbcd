//! One person: a node behind a socket, and a messenger with its disk on a thread of its own.
//!
//! The messenger's thread is the only one that touches the disk. It may wait for the node, the node never waits for it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::driver::{self, Machine, Running};
use super::front::Front;
use super::inbox::{Full, NodeInbox, PersonInbox, PersonInput, PersonSink};
use crate::messenger::view::ChatEvent;
use crate::node::person::{NodeCommand, PersonEvent};
use crate::wire::time::{Moment, Now};

/// How often a person thread whose screen does not read looks whether it does again.
const STALLED: Duration = Duration::from_millis(50);
/// How long the person thread rests before it offers the node a command again that found no room.
const OFFER_AGAIN: Duration = Duration::from_millis(1);

/// The sans-IO machine of a person: the messenger, and in the tests of this file something simpler.
pub trait PersonMachine: Send + 'static {
    type Command: Send + 'static;
    type Answer: Send + 'static;
    fn handle_node(&mut self, now: Now, event: PersonEvent);
    fn handle_timeout(&mut self, now: Now);
    fn command(&mut self, now: Now, command: Self::Command) -> Self::Answer;
    /// The next output, until there is none.
    fn poll_output(&mut self) -> Option<PersonOutput>;
    fn next_timeout(&self, now: Now) -> Moment;
}

/// What a person's machine asks of the world.
#[derive(Debug)]
pub enum PersonOutput {
    Node(NodeCommand),
    Event(ChatEvent),
}

/// A running person. Dropping it answers what was asked, closes the disk and stops the node, in this order.
pub struct Client<P: PersonMachine> {
    inbox: Arc<PersonInbox<P::Command, P::Answer>>,
    front: Arc<Front>,
    thread: Option<JoinHandle<()>>,
    node: Running,
}

impl<P: PersonMachine> Client<P> {
    /// Puts `node` behind `socket` and `person` behind `node`. Threads are named after `name`.
    pub fn start<M: Machine>(
        runtime: &Handle,
        clock: Clock,
        socket: std::net::UdpSocket,
        node: M,
        person: P,
        name: &str,
    ) -> io::Result<Client<P>> {
        let inbox = Arc::new(PersonInbox::default());
        let front = Arc::new(Front::default());
        let sink: Arc<dyn PersonSink> = inbox.clone();
        let node = driver::start(
            runtime,
            clock,
            socket,
            node,
            Some(sink),
            &format!("{name} node"),
        )?;
        let worker = Worker {
            person,
            clock,
            inbox: inbox.clone(),
            front: front.clone(),
            node: node.inbox(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{name} chat"))
            .spawn(move || worker.run())?;
        Ok(Client {
            inbox,
            front,
            thread: Some(thread),
            node,
        })
    }

    /// Asks the person's machine for something; the answer comes through the receiver, before any event that follows from it.
    pub fn command(&self, command: P::Command) -> Result<oneshot::Receiver<P::Answer>, Full> {
        self.inbox.command(command)
    }

    /// Where events come out. One reader.
    pub fn front(&self) -> &Front {
        &self.front
    }

    pub fn node(&self) -> &Running {
        &self.node
    }
}

impl<P: PersonMachine> Drop for Client<P> {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been printed by the hook already.
            let _ = thread.join();
        }
    }
}

struct Worker<P: PersonMachine> {
    person: P,
    clock: Clock,
    inbox: Arc<PersonInbox<P::Command, P::Answer>>,
    front: Arc<Front>,
    node: Arc<NodeInbox>,
}

impl<P: PersonMachine> Worker<P> {
    fn run(mut self) {
        self.drain();
        let mut due = self.person.next_timeout(self.clock.now());
        loop {
            let now = self.clock.now();
            if due <= now.at {
                self.person.handle_timeout(now);
                due = self.settled(now);
            }
            let room = self.front.has_room();
            let until = match room {
                true => due,
                false => due.min(now.at + STALLED),
            };
            match self.inbox.next(&self.clock, until, room) {
                None => {}
                Some(PersonInput::Stop | PersonInput::NodeEnded) => return,
                Some(PersonInput::Network(info)) => self.front.network(info),
                Some(PersonInput::Event(event)) => {
                    let now = self.clock.now();
                    self.person.handle_node(now, event);
                    due = self.settled(now);
                }
                Some(PersonInput::Command { command, reply }) => {
                    let now = self.clock.now();
                    let answer = self.person.command(now, command);
                    // Whoever asked may have left meanwhile; what was done is done.
                    let _ = reply.send(answer);
                    due = self.settled(now);
                }
            }
        }
    }

    /// Hands out what a step has brought, and says when the machine wants to be woken: as it stands after the step, because a machine that
    /// is asked later may count from then.
    fn settled(&mut self, now: Now) -> Moment {
        self.drain();
        self.person.next_timeout(now)
    }

    fn drain(&mut self) {
        while let Some(output) = self.person.poll_output() {
            match output {
                PersonOutput::Event(event) => self.front.chat(event),
                PersonOutput::Node(command) => self.offer(command),
            }
        }
    }

    /// Waits until the node takes the command. It takes hundreds at once and never waits for this thread, so this ends.
    fn offer(&self, mut command: NodeCommand) {
        while let Err(refused) = self.node.command(command) {
            command = refused;
            std::thread::sleep(OFFER_AGAIN);
        }
    }
}

impl<P: PersonMachine> Drop for Worker<P> {
    /// Also on a panic: whoever shows the events must learn that there will be no more.
    fn drop(&mut self) {
        self.front.end();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::net::SocketAddr;

    use super::*;
    use crate::net::driver::Output;
    use crate::net::front::FrontEvent;
    use crate::net::socket;
    use crate::node::person::NetworkInfo;

    /// Answers every command with an event.
    #[derive(Default)]
    struct Relay(VecDeque<Output>);

    impl Machine for Relay {
        fn handle_datagram(&mut self, _: Now, _: SocketAddr, _: &[u8]) {}
        fn handle_timeout(&mut self, _: Now) {}
        fn stood_still(&mut self, _: Now) {}
        fn command(&mut self, _: Now, command: NodeCommand) {
            assert!(
                !matches!(command, NodeCommand::WantSpurs(_)),
                "the node breaks on purpose"
            );
            self.0.push_back(Output::Person(PersonEvent::SpurUp {
                contact: crate::node::person::ContactTag(1),
            }));
        }
        fn poll_output(&mut self) -> Option<Output> {
            self.0.pop_front()
        }
        fn next_timeout(&self) -> Moment {
            Moment::NEVER
        }
        fn info(&self, _: Now) -> NetworkInfo {
            NetworkInfo::default()
        }
    }

    /// Passes numbers to the node and tells the screen when an event came back. Wants to be woken a while after whenever it is asked.
    #[derive(Default)]
    struct Person {
        out: VecDeque<PersonOutput>,
        told: u32,
        woken: u32,
    }

    enum Ask {
        /// So many commands to the node.
        Node(u32),
        Break,
        Told,
        Woken,
    }

    impl PersonMachine for Person {
        type Command = Ask;
        type Answer = u32;
        fn handle_node(&mut self, _: Now, event: PersonEvent) {
            assert!(matches!(event, PersonEvent::SpurUp { .. }));
            self.told += 1;
            self.out.push_back(PersonOutput::Event(ChatEvent::Notice(
                self.told.to_string(),
            )));
        }
        fn handle_timeout(&mut self, _: Now) {
            self.woken += 1;
        }
        fn command(&mut self, _: Now, ask: Ask) -> u32 {
            match ask {
                Ask::Node(count) => {
                    let command = || PersonOutput::Node(NodeCommand::Tokens(Vec::new()));
                    self.out.extend((0..count).map(|_| command()));
                }
                Ask::Break => self
                    .out
                    .push_back(PersonOutput::Node(NodeCommand::WantSpurs(Vec::new()))),
                Ask::Told => {}
                Ask::Woken => return self.woken,
            }
            self.told
        }
        fn poll_output(&mut self) -> Option<PersonOutput> {
            self.out.pop_front()
        }
        fn next_timeout(&self, now: Now) -> Moment {
            now.at + Duration::from_millis(5)
        }
    }

    fn client(runtime: &tokio::runtime::Runtime) -> Client<Person> {
        let socket = socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback");
        Client::start(
            runtime.handle(),
            Clock::start(),
            socket,
            Relay::default(),
            Person::default(),
            "test",
        )
        .expect("starts")
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("tests run on a system")
    }

    #[test]
    fn a_screen_that_stands_still_loses_nothing_and_still_gets_answers() {
        const EVENTS: u32 = 4000;
        let runtime = runtime();
        let client = client(&runtime);
        client
            .command(Ask::Node(EVENTS / 2))
            .expect("there is room")
            .blocking_recv()
            .expect("answered");
        client
            .command(Ask::Node(EVENTS / 2))
            .expect("there is room")
            .blocking_recv()
            .expect("answered");
        // Nobody reads; the answer comes all the same, and the person has stopped taking events somewhere.
        let told = client
            .command(Ask::Told)
            .expect("there is room")
            .blocking_recv()
            .expect("answered");
        assert!(told < EVENTS, "{told}");
        runtime.block_on(async {
            let mut expected = 1;
            while expected <= EVENTS {
                if let FrontEvent::Chat(event) = client.front().next().await {
                    assert_eq!(event, ChatEvent::Notice(expected.to_string()));
                    expected += 1;
                }
            }
        });
    }

    #[test]
    fn the_screen_learns_that_the_node_has_ended() {
        let runtime = runtime();
        let client = client(&runtime);
        client
            .command(Ask::Break)
            .expect("there is room")
            .blocking_recv()
            .expect("answered");
        runtime
            .block_on(async { while !matches!(client.front().next().await, FrontEvent::Ended) {} });
    }

    #[test]
    fn a_machine_that_counts_from_when_it_is_asked_is_woken_all_the_same() {
        let runtime = runtime();
        let client = client(&runtime);
        let start = std::time::Instant::now();
        while client
            .command(Ask::Woken)
            .expect("there is room")
            .blocking_recv()
            .expect("answered")
            < 3
        {
            assert!(start.elapsed() < Duration::from_secs(20), "it sleeps");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
