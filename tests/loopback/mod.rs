//! A network of the demo's own making on real loopback sockets, and people whose every event is kept with its moment.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paratox::cli::account::{self, Person};
use paratox::cli::demo;
use paratox::crypto::id::AccountId;
use paratox::crypto::keys::AccountKey;
use paratox::crypto::random::Stream;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::messenger::{Command, Messenger, Reply};
use paratox::net::client::Client;
use paratox::net::clock::Clock;
use paratox::net::counters::{Counters, Counts};
use paratox::net::driver::{Machine, Running};
use paratox::net::front::FrontEvent;
use paratox::node::person::NetworkInfo;
use paratox::store::Profile;
use paratox::wire::ticket::Ticket;
use tokio::runtime::Runtime;

/// How long anything may take on a computer that is busy with other things. A bound against hanging, not a promise.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks for events.
const LOOK: Duration = Duration::from_millis(1);

/// Relays that run. Dropping it ends them.
pub struct Network {
    pub entries: Vec<Ticket>,
    pub relays: Vec<Running>,
    pub clock: Clock,
    pub runtime: Runtime,
}

impl Network {
    pub fn start(relays: usize) -> Network {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads");
        let mut network = Network {
            entries: Vec::new(),
            relays: Vec::new(),
            clock: Clock::start(),
            runtime,
        };
        for number in 0..relays {
            let relay = demo::relay(
                network.runtime.handle(),
                network.clock,
                number,
                &mut network.entries,
            );
            network.relays.push(relay.expect("a relay starts"));
            std::thread::sleep(demo::STAGGER);
        }
        network
    }

    /// Two people who are contacts of each other, as after a request that was accepted earlier.
    pub fn acquainted(&self, names: [&str; 2]) -> [Someone; 2] {
        let [first, second] = keys();
        let (one, other) = (first.id(), second.id());
        [
            self.person_knowing(names[0], first, &[(other, names[1])]),
            self.person_knowing(names[1], second, &[(one, names[0])]),
        ]
    }

    /// A person with this key, whose contacts these are already.
    pub fn person_knowing(
        &self,
        name: &str,
        key: AccountKey,
        knows: &[(AccountId, &str)],
    ) -> Someone {
        let runtime = self.runtime.handle();
        let made = demo::person(runtime, self.clock, name, key, knows, &self.entries);
        let (client, id) = made.expect("starts");
        Someone::new(client, id)
    }

    /// A person who knows nobody.
    pub fn person(&self, name: &str) -> Someone {
        let [key, _] = keys();
        self.person_knowing(name, key, &[])
    }

    /// A person whose node the test made.
    pub fn person_with<M: Machine>(
        &self,
        name: &str,
        key: AccountKey,
        knows: &[(AccountId, &str)],
        socket: UdpSocket,
        node: M,
    ) -> Someone {
        let profile = Profile::throw_away(&mut random("profile")).expect("a profile");
        let now = self.clock.now();
        let messenger =
            Messenger::create_knowing(profile, key, name, knows, random("account"), now)
                .expect("an empty profile takes an account");
        let id = messenger.id();
        let client = Client::start(
            self.runtime.handle(),
            self.clock,
            socket,
            node,
            messenger,
            name,
        );
        Someone::new(client.expect("threads"), id)
    }
}

fn random(label: &str) -> Stream {
    account::random(label).expect("the system gives randomness")
}

/// Keys for two accounts.
pub fn keys() -> [AccountKey; 2] {
    let mut random = random("keys");
    [0, 1].map(|_| AccountKey::generate(&mut random))
}

/// A person, and what she was told.
pub struct Someone {
    pub client: Client<Person>,
    pub id: AccountId,
    pub events: Vec<(Instant, ChatEvent)>,
    pub network: NetworkInfo,
}

impl Someone {
    fn new(client: Client<Person>, id: AccountId) -> Someone {
        Someone {
            client,
            id,
            events: Vec::new(),
            network: NetworkInfo::default(),
        }
    }

    pub fn counters(&self) -> Arc<Counters> {
        self.client.node().counters()
    }

    pub fn counts(&self) -> Counts {
        self.client.node().counts()
    }

    /// Takes what is there.
    pub fn listen(&mut self) {
        while let Some(event) = self.client.front().try_next() {
            match event {
                FrontEvent::Chat(event) => self.events.push((Instant::now(), event)),
                FrontEvent::Network(info) => self.network = *info,
                FrontEvent::Ended => panic!("the threads of a person ended by themselves"),
            }
        }
    }

    pub fn must(&self, command: Command) -> Reply {
        demo::ask(&self.client, command).expect("the command is taken")
    }

    /// Writes to somebody; the number of the message.
    pub fn say(&self, to: &AccountId, text: &str) -> u64 {
        let saved = self.must(Command::Send {
            to: to.to_string(),
            text: text.to_owned(),
            allow_no_fs: false,
        });
        match saved {
            Reply::Saved(number) => number,
            other => panic!("a message is saved, not {other:?}"),
        }
    }

    pub fn seen(&self, wanted: impl Fn(&ChatEvent) -> bool) -> Option<Instant> {
        let found = self.events.iter().find(|(_, event)| wanted(event));
        found.map(|(at, _)| *at)
    }

    /// When this text of somebody else was shown.
    pub fn heard(&self, text: &str) -> Option<Instant> {
        self.seen(
            |event| matches!(event, ChatEvent::Message(view) if !view.mine && view.text == text),
        )
    }

    /// When the own message was confirmed by the other's device.
    pub fn confirmed(&self, number: u64) -> Option<Instant> {
        self.seen(|event| {
            matches!(event, ChatEvent::Delivery { number: n, delivery: Delivery::Delivered, .. } if *n == number)
        })
    }
}

/// Lets two people listen until something has come of it.
pub fn wait<T>(
    what: &str,
    a: &mut Someone,
    b: &mut Someone,
    mut done: impl FnMut(&Someone, &Someone) -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        a.listen();
        b.listen();
        if let Some(result) = done(a, b) {
            return result;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(LOOK);
    }
}

/// Lets two people listen for a while.
pub fn pass(span: Duration, a: &mut Someone, b: &mut Someone) {
    let start = Instant::now();
    while start.elapsed() < span {
        a.listen();
        b.listen();
        std::thread::sleep(LOOK);
    }
}

/// Two contacts find each other; returns when a message each way has been confirmed.
pub fn meet(a: &mut Someone, b: &mut Someone) {
    let (ours, theirs) = (a.say(&b.id, "first"), b.say(&a.id, "first"));
    wait("the first messages", a, b, |a, b| {
        a.confirmed(ours).and(b.confirmed(theirs))
    });
}
