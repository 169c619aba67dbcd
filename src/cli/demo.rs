//! `paratox demo`: a whole network in this process, and two contacts that answer. Nothing of it is simulated.
//!
//! Every node has a socket of its own on loopback, and everything goes through these sockets. Each of the three people (the user, Echo and
//! Watcher) has a node, an encrypted throw-away profile and a descriptor in the network's store; to each other they are contacts who accepted
//! one another earlier, and everything from finding each other to the session happens anew. What is short-cut: nobody typed the AccountIDs,
//! and the throw-away profiles have a passphrase that nobody knows.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use zeroize::Zeroizing;

use super::account::{self, Person};
use super::exit::Failure;
use super::headless;
use super::signals::Signals;
use super::watcher::Watch;
use crate::crypto::id::AccountId;
use crate::crypto::keys::{AccountKey, EntryKey};
use crate::messenger::Messenger;
use crate::messenger::view::{ChatEvent, MessageView};
use crate::messenger::{Command, Reply};
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::counters::Counters;
use crate::net::driver::{self, Running};
use crate::net::front::FrontEvent;
use crate::net::{seed, socket};
use crate::node::{Node, NodeConfig, Shaping};
use crate::store::Profile;
use crate::wire::class::Class;
use crate::wire::ticket::{EntrySecret, Ticket};

/// Relays besides the nodes of the three people. Above 16 all rules of path and replica choice apply; 24 leave a computer of two cores at ease.
pub const RELAYS: usize = 24;
/// How many of them take newcomers: as many as the program asks for tickets.
const ENTRIES: usize = 3;
/// Between the starts of two relays, so that they do not all run their handshakes at the same moment.
pub const STAGGER: Duration = Duration::from_millis(20);
/// The pause after the entries, so that they stand when the others come, as in a network that was there before.
const HEAD_START: Duration = Duration::from_millis(300);
/// What the contacts say first.
const ECHO_GREETING: &str =
    "I am Echo. Write me something, and I send it back through the same network.";
const WATCHER_GREETING: &str = "I am Watcher. I sit where Eve sits: I count the packets of your socket. Write to Echo for a while, then write to me, and I tell what she saw.";

/// How long the end waits for the contacts to remove their profiles.
const FAREWELL: Duration = Duration::from_secs(2);

/// The keys of the people, drawn before anything runs: so the screen stands at once, with the conversation open and the composer ready,
/// while the network starts behind it.
pub struct Cast {
    echo: AccountKey,
    watcher: AccountKey,
    user: AccountKey,
}

impl Cast {
    pub fn draw() -> Result<Cast, Failure> {
        let mut keys = account::random("accounts")?;
        let [echo, watcher, user] = std::array::from_fn(|_| AccountKey::generate(&mut keys));
        Ok(Cast {
            echo,
            watcher,
            user,
        })
    }

    pub fn user(&self) -> (AccountId, &'static str) {
        (self.user.id(), "You")
    }

    /// The user's contacts in the order of the list.
    pub fn contacts(&self) -> [(AccountId, &'static str); 2] {
        [(self.echo.id(), "Echo"), (self.watcher.id(), "Watcher")]
    }
}

/// The network and its people. Dropping it ends all of them and removes what they kept.
pub struct Demo {
    pub user: Arc<Client<Person>>,
    pub entries: Vec<Ticket>,
    relays: Vec<Running>,
}

impl Drop for Demo {
    /// One after the other they would take as long as all of them together.
    fn drop(&mut self) {
        self.relays.iter().for_each(Running::stop);
    }
}

pub fn run(headless: bool) -> Result<(), Failure> {
    let runtime = super::runtime()?;
    let clock = Clock::start();
    let cast = Cast::draw()?;
    let result = if headless {
        in_lines(&runtime, clock, cast)
    } else {
        super::chat::demo(&runtime, clock, cast)
    };
    // Ends the contacts too: their tasks hold them.
    runtime.shutdown_timeout(FAREWELL);
    result
}

fn in_lines(runtime: &Runtime, clock: Clock, cast: Cast) -> Result<(), Failure> {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(
            std::io::stderr(),
            "Starting a network of {} nodes on this computer ...",
            RELAYS + 3
        );
    }
    // Before anything is made that must be removed at the end.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()
            .map_err(|error| Failure::failed(format!("signals cannot be watched ({error})")))?
    };
    let demo = Demo::start(runtime.handle(), clock, cast)?;
    runtime.block_on(async {
        tokio::select! {
            biased;
            // The program was told to end meanwhile.
            () = signals.wait() => Ok(()),
            served = headless::serve(&demo.user, &demo.entries) => served,
        }
    })
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
    /// Starts all of it, which takes a second.
    pub fn start(runtime: &Handle, clock: Clock, cast: Cast) -> Result<Demo, Failure> {
        let (of_user, contacts) = ([cast.user()], cast.contacts());
        let [(user_id, _)] = of_user;
        // Disks and relays need not wait for each other.
        let profiles = std::thread::spawn(move || {
            Ok::<_, Failure>([
                messenger(clock, "Echo", cast.echo, &of_user)?,
                messenger(clock, "Watcher", cast.watcher, &of_user)?,
                messenger(clock, "You", cast.user, &contacts)?,
            ])
        });
        let mut entries = Vec::new();
        let mut relays: Vec<Running> = Vec::new();
        for number in 0..RELAYS {
            relays.push(relay(runtime, clock, number, &mut entries)?);
            std::thread::sleep(if number + 1 == ENTRIES {
                HEAD_START
            } else {
                STAGGER
            });
        }
        let profiles = profiles.join();
        let [echo, watcher, user] = profiles.map_err(|_| Failure::failed(super::DEFECT))??;
        let on_a_node = |name: &str, person| settle(runtime, clock, name, person, &entries);
        let echo = on_a_node("Echo", echo)?;
        let watcher = on_a_node("Watcher", watcher)?;
        let user = on_a_node("You", user)?;
        let others: Vec<Arc<Counters>> = relays
            .iter()
            .chain([echo.node(), watcher.node()])
            .map(Running::counters)
            .collect();
        let watch = Arc::new(Watch::new(user.node().counters(), others));
        runtime.spawn(watch.clone().sample());
        runtime.spawn(live(echo, user_id, Habit::Echo));
        runtime.spawn(live(watcher, user_id, Habit::Watch(watch)));
        Ok(Demo {
            user: Arc::new(user),
            entries,
            relays,
        })
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

fn fresh_seed() -> Result<Zeroizing<[u8; 32]>, Failure> {
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
    let node = Node::new(config(address, entries, key), &*fresh_seed()?, clock.now());
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

/// One person with a node and a throw-away profile that already holds the contacts given.
pub fn person(
    runtime: &Handle,
    clock: Clock,
    name: &str,
    key: AccountKey,
    knows: &[(AccountId, &str)],
    entries: &[Ticket],
) -> Result<(Client<Person>, AccountId), Failure> {
    let person = messenger(clock, name, key, knows)?;
    let id = person.id();
    Ok((settle(runtime, clock, name, person, entries)?, id))
}

fn messenger(
    clock: Clock,
    name: &str,
    key: AccountKey,
    knows: &[(AccountId, &str)],
) -> Result<Person, Failure> {
    let profile = Profile::throw_away(&mut account::random("profile")?)?;
    let random = account::random("account")?;
    let now = clock.now();
    Ok(Messenger::create_knowing(
        profile, key, name, knows, random, now,
    )?)
}

/// Gives a person a node and a socket of their own.
fn settle(
    runtime: &Handle,
    clock: Clock,
    name: &str,
    person: Person,
    entries: &[Ticket],
) -> Result<Client<Person>, Failure> {
    let (socket, address) = loopback()?;
    let node = Node::new(config(address, entries, None), &*fresh_seed()?, clock.now());
    Client::start(runtime, clock, socket, node, person, name).map_err(cannot_start)
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

/// The life of a contact: greet the user, answer.
async fn live(client: Client<Person>, user: AccountId, habit: Habit) {
    let say = async |to: AccountId, text: String| {
        let said = client.command(Command::Send {
            to: to.to_string(),
            text,
            allow_no_fs: false,
        });
        // A contact that cannot answer stays silent, as people do.
        if let Ok(answer) = said {
            let _ = answer.await;
        }
    };
    say(user, habit.greeting().to_owned()).await;
    loop {
        match client.front().next().await {
            FrontEvent::Ended => return,
            FrontEvent::Chat(ChatEvent::Message(view)) if !view.mine => {
                say(view.contact, habit.answer(&view)).await
            }
            _ => {}
        }
    }
}
