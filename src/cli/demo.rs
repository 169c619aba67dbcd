//! `paratox demo`: a whole network in this process, and two contacts that answer. Nothing of it is simulated.
//!
//! Every node has a socket of its own on loopback, and everything goes through these sockets. Each of the three people (the user, Echo and
//! Watcher) has a node, an encrypted throw-away profile and a descriptor in the network's store; the user adds the contacts by AccountID with
//! the command that everybody uses, and their side accepts. What is short-cut: nobody types the AccountIDs, and the throw-away profiles have a
//! passphrase that nobody knows.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};

use super::account::{self, Person};
use super::exit::Failure;
use super::headless;
use super::signals::Signals;
use super::watcher::Watch;
use crate::crypto::id::AccountId;
use crate::crypto::keys::EntryKey;
use crate::messenger::Messenger;
use crate::messenger::view::{ChatEvent, MessageView};
use crate::messenger::{Command, Reply};
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::counters::Counters;
use crate::net::driver::{self, Machine, Output, Running};
use crate::net::front::FrontEvent;
use crate::net::{seed, socket};
use crate::node::person::{NetworkInfo, NodeCommand, PersonEvent};
use crate::node::{Node, NodeConfig, Shaping};
use crate::store::Profile;
use crate::wire::class::Class;
use crate::wire::ticket::{EntrySecret, Ticket};
use crate::wire::time::{Moment, Now};

/// Relays besides the nodes of the three people. Above 16 all rules of path and replica choice apply; 24 leave a computer of two cores at ease.
pub const RELAYS: usize = 24;
/// How many of them take newcomers: as many as the program asks for tickets.
const ENTRIES: usize = 3;
/// Between the starts of two relays, so that they do not all run their handshakes at the same moment.
pub const STAGGER: Duration = Duration::from_millis(20);
/// What the contacts say first, once the request of the user has been accepted.
const ECHO_GREETING: &str =
    "I am Echo. Write me something, and I send it back through the same network.";
const WATCHER_GREETING: &str = "I am Watcher. I sit where Eve sits: I count the packets of your socket. Write to Echo for a while, then write to me, and I tell what she saw.";

/// How long the start waits for the contacts to be found. On a busy computer it goes on without; then the first contact takes longer.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

/// How long the end waits for the contacts to remove their profiles.
const FAREWELL: Duration = Duration::from_secs(2);

/// The network and its people. Dropping it ends all of them and removes what they kept.
pub struct Demo {
    pub user: Arc<Client<Person>>,
    pub entries: Vec<Ticket>,
    /// The contacts in the order they were added.
    pub contacts: [AccountId; 2],
    clock: Clock,
    _relays: Vec<Running>,
    runtime: Runtime,
}

pub fn run(headless: bool) -> Result<(), Failure> {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(
            std::io::stderr(),
            "Starting a network of {} nodes on this computer. Echo and Watcher publish where they can be reached ...",
            RELAYS + 3
        );
    }
    let Some(demo) = Demo::start()? else {
        return Ok(());
    };
    let result = if headless {
        demo.runtime
            .block_on(headless::serve(&demo.user, &demo.entries))
    } else {
        super::chat::demo(&demo, demo.clock)
    };
    let Demo {
        user,
        _relays,
        runtime,
        ..
    } = demo;
    drop(user);
    // Ends the contacts too: their tasks hold them.
    runtime.shutdown_timeout(FAREWELL);
    result
}

/// What one contact does with a message of the user.
enum Habit {
    Echo,
    Watch(Arc<Watch>),
}

impl Habit {
    fn greeting(&self) -> &'static str {
        match self {
            Habit::Echo => ECHO_GREETING,
            Habit::Watch(_) => WATCHER_GREETING,
        }
    }

    fn answer(&self, message: &MessageView) -> String {
        match self {
            Habit::Echo => message.text.clone(),
            Habit::Watch(watch) => watch.report(),
        }
    }
}

impl Demo {
    /// Starts all of it and waits until the contacts can be found. `None`: the program was told to end before that.
    pub fn start() -> Result<Option<Demo>, Failure> {
        let runtime = super::runtime()?;
        // Before anything is made that must be removed at the end.
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()
                .map_err(|error| Failure::failed(format!("signals cannot be watched ({error})")))?
        };
        let clock = Clock::start();
        let mut entries = Vec::new();
        let mut relays: Vec<Running> = Vec::new();
        for number in 0..RELAYS {
            relays.push(relay(runtime.handle(), clock, number, &mut entries)?);
            std::thread::sleep(STAGGER);
        }
        let person = |name: &str| person(runtime.handle(), clock, name, &entries);
        let (echo, echo_id, echo_published) = person("Echo")?;
        let (watcher, watcher_id, watcher_published) = person("Watcher")?;
        let (user, _, _) = person("You")?;
        let others: Vec<Arc<Counters>> = relays
            .iter()
            .chain([echo.node(), watcher.node()])
            .map(Running::counters)
            .collect();
        let watch = Arc::new(Watch::new(user.node().counters(), others));
        runtime.spawn(watch.clone().sample());
        runtime.spawn(live(echo, Habit::Echo));
        runtime.spawn(live(watcher, Habit::Watch(watch)));
        // Adding somebody who cannot be found yet works, but the search is made again only after a while.
        let contacts = [echo_published, watcher_published];
        let go_on = runtime.block_on(async {
            tokio::select! {
                () = found(&contacts) => true,
                () = signals.wait() => false,
            }
        });
        if !go_on {
            drop((user, relays));
            runtime.shutdown_timeout(FAREWELL);
            return Ok(None);
        }
        for (id, name) in [(echo_id, "Echo"), (watcher_id, "Watcher")] {
            let add = Command::Add {
                id: id.to_string(),
                name: name.to_owned(),
                text: String::new(),
            };
            ask(&user, add)?;
        }
        Ok(Some(Demo {
            user: Arc::new(user),
            entries,
            contacts: [echo_id, watcher_id],
            clock,
            _relays: relays,
            runtime,
        }))
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// A socket of its own on loopback, and its address.
pub fn loopback() -> Result<(socket::Bound, SocketAddr), Failure> {
    let opened = socket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    opened
        .and_then(|socket| socket.local_addr().map(|address| (socket, address)))
        .map_err(|error| {
            Failure::failed(format!(
                "the demo cannot open its sockets on 127.0.0.1 ({error}); allow UDP on loopback"
            ))
        })
}

/// What a node of the demo's network is told.
pub fn config(address: SocketAddr, entries: &[Ticket], entry_key: Option<EntryKey>) -> NodeConfig {
    NodeConfig {
        class: Class::Fast,
        lan: true,
        address: Some(address),
        entries: entries.to_vec(),
        entry_key: entry_key.map(|key| (key, EntrySecret::NONE)),
        shaping: Shaping::On,
    }
}

fn fresh_seed() -> Result<[u8; 32], Failure> {
    seed::fresh().map_err(|error| Failure::failed(error.to_string()))
}

fn cannot_start(error: std::io::Error) -> Failure {
    Failure::failed(format!(
        "no threads can be started ({error}); end other programs and try again"
    ))
}

/// One relay; the first few become entries for all that follow.
pub fn relay(
    runtime: &Handle,
    clock: Clock,
    number: usize,
    entries: &mut Vec<Ticket>,
) -> Result<Running, Failure> {
    let (socket, address) = loopback()?;
    let key = match number < ENTRIES {
        true => Some(EntryKey::generate(&mut account::random("entry key")?)),
        false => None,
    };
    let ticket = key
        .as_ref()
        .and_then(|key| Ticket::new(key.id(), EntrySecret::NONE, vec![address]));
    let node = Node::new(config(address, entries, key), fresh_seed()?, clock.now());
    entries.extend(ticket);
    driver::start(
        runtime,
        clock,
        socket,
        node,
        None,
        &format!("relay {number}"),
    )
    .map_err(cannot_start)
}

/// A node that notices when its person can be found: when the descriptor lies at the first nodes of the network.
struct Announced {
    node: Node,
    published: Arc<AtomicBool>,
}

impl Machine for Announced {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.node.handle_datagram(now, from, bytes);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.node.handle_timeout(now);
    }

    fn command(&mut self, now: Now, command: NodeCommand) {
        self.node.command(now, command);
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = Machine::poll_output(&mut self.node);
        if let Some(Output::Person(PersonEvent::Published { copies: 1.., .. })) = output {
            self.published.store(true, Ordering::Relaxed);
        }
        output
    }

    fn next_timeout(&self) -> Moment {
        self.node.next_timeout()
    }

    fn info(&self, now: Now) -> NetworkInfo {
        self.node.info(now)
    }
}

/// One person with a node and a throw-away profile.
pub fn person(
    runtime: &Handle,
    clock: Clock,
    name: &str,
    entries: &[Ticket],
) -> Result<(Client<Person>, AccountId, Arc<AtomicBool>), Failure> {
    let (socket, address) = loopback()?;
    let profile = Profile::throw_away(&mut account::random("profile")?)?;
    let published = Arc::new(AtomicBool::new(false));
    let node = Announced {
        node: Node::new(config(address, entries, None), fresh_seed()?, clock.now()),
        published: published.clone(),
    };
    let messenger = Messenger::create(profile, name, account::random("account")?, clock.now())?;
    let id = messenger.id();
    let client =
        Client::start(runtime, clock, socket, node, messenger, name).map_err(cannot_start)?;
    Ok((client, id, published))
}

/// Waits until all of them are published, or long enough.
async fn found(published: &[Arc<AtomicBool>]) {
    let all = async {
        while !published.iter().all(|one| one.load(Ordering::Relaxed)) {
            tokio::time::sleep(STAGGER).await;
        }
    };
    let _ = tokio::time::timeout(PUBLISHED_WITHIN, all).await;
}

/// Asks from outside the runtime.
pub fn ask(client: &Client<Person>, command: Command) -> Result<Reply, Failure> {
    let answer = client
        .command(command)
        .map_err(|full| Failure::failed(full.to_string()))?;
    let answer = answer
        .blocking_recv()
        .map_err(|_| Failure::failed(super::DEFECT))?;
    answer.map_err(|refused| Failure::failed(refused.text))
}

/// The life of a contact: accept whoever asks, greet, answer.
async fn live(client: Client<Person>, habit: Habit) {
    loop {
        let commands = match client.front().next().await {
            FrontEvent::Ended => return,
            FrontEvent::Chat(ChatEvent::Request(view)) => {
                let id = view.id.to_string();
                let greeting = Command::Send {
                    to: id.clone(),
                    text: habit.greeting().to_owned(),
                    allow_no_fs: false,
                };
                vec![Command::Accept { id }, greeting]
            }
            FrontEvent::Chat(ChatEvent::Message(view)) if !view.mine => {
                vec![Command::Send {
                    to: view.contact.to_string(),
                    text: habit.answer(&view),
                    allow_no_fs: false,
                }]
            }
            _ => continue,
        };
        for command in commands {
            // A contact that cannot answer stays silent, as people do.
            if let Ok(answer) = client.command(command) {
                let _ = answer.await;
            }
        }
    }
}
