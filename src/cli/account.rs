//! From a directory and a passphrase to a running person: profile, account, remembered entry nodes, node and messenger.

use std::io::Write;
use std::path::Path;

use tokio::runtime::Handle;

use super::args::Options;
use super::exit::Failure;
use super::place;
use crate::crypto::random::Stream;
use crate::messenger::persistence::{Batch, Change, MetaKey, Persistence, SecretBytes, StoreError};
use crate::messenger::text;
use crate::messenger::view::ChatEvent;
use crate::messenger::{Messenger, OpenError as NotTakenUp};
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::seed;
use crate::node::{Node, NodeConfig, Shaping};
use crate::store::{Cost, OpenError, Profile};
use crate::wire::address::Reach;
use crate::wire::class::Class;
use crate::wire::parcel::REQUEST_NAME;
use crate::wire::ticket::Ticket;

/// The messenger of a real profile.
pub type Person = Messenger<Profile>;

/// Entry tickets a profile remembers; when full the oldest is forgotten. Three are asked for.
const REMEMBERED: usize = 16;
const TICKETS: &str = "entry tickets";
const CLASS: &str = "class";

/// A fresh random stream for one purpose.
pub fn random(label: &str) -> Result<Stream, Failure> {
    let seed = seed::fresh().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Stream::from_seed(*seed).fork(label, b""))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let sentence = error.to_string();
        match error {
            StoreError::Damaged => Failure::damaged(sentence),
            _ => Failure::failed(sentence),
        }
    }
}

impl From<NotTakenUp> for Failure {
    fn from(error: NotTakenUp) -> Failure {
        match error {
            NotTakenUp::Store(error) => error.into(),
            NotTakenUp::BadKey => Failure::damaged(error.to_string()),
            NotTakenUp::HasAccount => Failure::failed(error.to_string()),
            NotTakenUp::NoAccount => {
                Failure::failed(format!("{error}; start paratox to give it one"))
            }
        }
    }
}

/// Opens the profile of a directory, or makes it if there is none and a name for the account is given.
pub fn open(directory: &Path, passphrase: &[u8], name: Option<&str>) -> Result<Profile, Failure> {
    name.map(check_name).transpose()?;
    let mut profile = match (Profile::open(directory, passphrase), name) {
        (Err(OpenError::NoProfile(_)), Some(_)) => Profile::create(
            directory,
            passphrase,
            Cost::STANDARD,
            &mut random("profile")?,
        )?,
        (opened, _) => opened?,
    };
    // A profile without an account is what a crash between the two steps of the first start leaves.
    if profile.load()?.profile.is_none() {
        let name = name.ok_or_else(|| {
            Failure::failed("the profile has no account yet; give it a name with `paratox headless --name NAME`, or start paratox")
        })?;
        profile = create_account(profile, name)?;
    }
    Ok(profile)
}

/// Says on stderr that others had rights to a profile. It goes on all the same: what they could read is encrypted.
pub fn tell_rights(profile: &Profile) {
    if profile.was_open_to_others() {
        let _ = writeln!(
            std::io::stderr(),
            "paratox: other users of this computer could read the files in {} until now; their rights were taken away",
            profile.directory().display()
        );
    }
}

/// Puts a fresh account into a profile that has none.
pub fn create_account(profile: Profile, name: &str) -> Result<Profile, Failure> {
    Ok(Messenger::create(profile, name, random("account")?, Clock::start().now())?.into_store())
}

/// A name that an account can have.
fn check_name(name: &str) -> Result<(), Failure> {
    // What is longer would be cut.
    let seen = !text::clean_line(name).is_empty();
    if !seen || name.len() > REQUEST_NAME || name.chars().any(char::is_control) {
        return Err(Failure::usage(format!(
            "a name has 1 to {REQUEST_NAME} bytes that can be seen, on one line; choose another with --name"
        )));
    }
    Ok(())
}

/// What a profile remembers of the network between two runs.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Settings {
    pub class: Option<Class>,
    /// Oldest first.
    pub tickets: Vec<Ticket>,
}

impl Settings {
    pub fn load(profile: &mut Profile) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for (key, value) in profile.load()?.meta {
            if key == MetaKey::own(CLASS) {
                settings.class = value
                    .as_slice()
                    .first()
                    .and_then(|code| Class::from_code(*code));
            } else if key == MetaKey::own(TICKETS) {
                let text = String::from_utf8_lossy(value.as_slice()).into_owned();
                // What a newer version may have written and this one cannot read is left out.
                settings.tickets = text
                    .lines()
                    .filter_map(|line| line.parse().ok())
                    .take(REMEMBERED)
                    .collect();
            }
        }
        Ok(settings)
    }

    /// With the wishes of the command line, which win. Returns whether anything changed.
    pub fn merge(&mut self, options: &Options) -> bool {
        let before = self.clone();
        self.class = options.class.or(self.class);
        self.remember(options.entries.iter().cloned());
        *self != before
    }

    pub fn remember(&mut self, tickets: impl Iterator<Item = Ticket>) {
        for ticket in tickets {
            // The same entry under a new address replaces the old one.
            self.tickets.retain(|known| known.entry != ticket.entry);
            self.tickets.push(ticket);
        }
        let surplus = self.tickets.len().saturating_sub(REMEMBERED);
        self.tickets.drain(..surplus);
    }

    pub fn save(&self, profile: &mut Profile) -> Result<(), StoreError> {
        let text = self
            .tickets
            .iter()
            .map(|ticket| format!("{ticket}\n"))
            .collect::<String>();
        let mut batch = Batch::new();
        batch.push(Change::PutMeta {
            key: MetaKey::own(TICKETS),
            value: SecretBytes::new(text.into_bytes()),
        });
        if let Some(class) = self.class {
            batch.push(Change::PutMeta {
                key: MetaKey::own(CLASS),
                value: SecretBytes::from_slice(&[class.code()]),
            });
        }
        profile.commit(batch)
    }
}

/// Why a person with these tickets will stay alone. What can be read and written meanwhile goes on, so it is no error.
fn advice(tickets: &[Ticket], lan: bool) -> Option<&'static str> {
    let reach = Reach::of(lan);
    if tickets.is_empty() {
        return Some(
            "No entry node is known, so nobody can be reached: start again with --entry TICKET.",
        );
    }
    (tickets.iter().all(|ticket| ticket.address(reach).is_none())).then_some(
        "Every known entry node has a private address: start again with --lan, or with --entry and a public one.",
    )
}

/// A person that runs, and what it was told about the network.
pub struct Started {
    pub client: Client<Person>,
    pub entries: Vec<Ticket>,
    pub class: Class,
}

/// Starts node and messenger of an open profile.
pub fn start(
    runtime: &Handle,
    clock: Clock,
    mut profile: Profile,
    options: &Options,
) -> Result<Started, Failure> {
    let mut settings = Settings::load(&mut profile)?;
    if settings.merge(options) {
        match settings.save(&mut profile) {
            // Then they hold for this run only.
            Err(StoreError::Full) => {}
            saved => saved?,
        }
    }
    let socket = place::socket(options, None)?;
    let bound = socket
        .local_addr()
        .map_err(|error| Failure::failed(error.to_string()))?;
    let class = settings.class.unwrap_or(Class::Normal);
    let config = NodeConfig {
        class,
        lan: options.lan,
        // Behind "every address" stands one that only peers can see.
        address: (!bound.ip().is_unspecified()).then_some(bound),
        entries: settings.tickets.clone(),
        entry_key: None,
        shaping: Shaping::On,
    };
    let seed = seed::fresh().map_err(|error| Failure::failed(error.to_string()))?;
    let node = Node::new(config, &seed, clock.now());
    drop(seed);
    let person = Messenger::open(profile, random("messenger")?, clock.now())?;
    let client = Client::start(runtime, clock, socket, node, person, "own").map_err(|error| {
        Failure::failed(format!(
            "no threads can be started ({error}); end other programs and try again"
        ))
    })?;
    if let Some(advice) = advice(&settings.tickets, options.lan) {
        client.front().chat(ChatEvent::Notice(advice.to_owned()));
    }
    Ok(Started {
        client,
        entries: settings.tickets,
        class,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::EntryKey;
    use crate::wire::ticket::EntrySecret;

    fn ticket(number: u8, address: &str) -> Ticket {
        let key = EntryKey::generate(&mut Stream::from_seed([number; 32]));
        let address = address.parse().expect("written here");
        Ticket::new(key.id(), EntrySecret::NONE, vec![address]).expect("one address")
    }

    #[test]
    fn a_person_who_can_reach_no_entry_is_told_why() {
        let (home, public) = (ticket(1, "192.168.1.2:9"), ticket(2, "9.9.9.9:9"));
        assert!(advice(&[], true).is_some_and(|said| said.contains("--entry")));
        assert!(
            advice(std::slice::from_ref(&home), false).is_some_and(|said| said.contains("--lan"))
        );
        assert_eq!(advice(std::slice::from_ref(&home), true), None);
        assert_eq!(advice(&[home, public], false), None);
    }

    #[test]
    fn the_newest_tickets_are_kept_and_an_entry_that_moved_is_kept_once() {
        let mut settings = Settings::default();
        settings.remember((0..20).map(|number| ticket(number, "9.9.9.9:9")));
        assert_eq!(settings.tickets.len(), REMEMBERED);
        let moved = ticket(19, "8.8.8.8:8");
        settings.remember(std::iter::once(moved.clone()));
        assert_eq!(settings.tickets.len(), REMEMBERED);
        assert_eq!(settings.tickets.last(), Some(&moved));
        assert_eq!(settings.tickets.first(), Some(&ticket(4, "9.9.9.9:9")));
    }
}
