//! What people do and see, and what befalls their spurs.

use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::Persistence;
use paratox::messenger::view::{ContactState, ContactView, Delivery, MessageView};
use paratox::messenger::{Command, CommandError, Reply};
use paratox::node::person::{PersonEvent, ReplyHandle};

use super::World;

impl World {
    pub fn command(&mut self, person: usize, command: Command) -> Result<Reply, CommandError> {
        let now = self.now();
        let reply = self.people[person]
            .messenger
            .as_mut()
            .expect("alive")
            .command(now, command);
        self.drain(person);
        reply
    }

    pub fn id(&self, person: usize) -> String {
        self.people[person].id.to_string()
    }

    pub fn add(&mut self, person: usize, other: usize, text: &str) {
        let command = Command::Add {
            id: self.id(other),
            name: format!("friend {other}"),
            text: text.to_owned(),
        };
        self.command(person, command).expect("added");
    }

    pub fn accept(&mut self, person: usize, other: usize) {
        let id = self.id(other);
        self.command(person, Command::Accept { id })
            .expect("accepted");
    }

    pub fn send(&mut self, person: usize, other: usize, text: &str) -> u64 {
        let command = Command::Send {
            to: self.id(other),
            text: text.to_owned(),
            allow_no_fs: false,
        };
        match self.command(person, command) {
            Ok(Reply::Saved(number)) => number,
            other => panic!("not saved: {other:?}"),
        }
    }

    pub fn history(&mut self, person: usize, other: usize) -> Vec<MessageView> {
        let command = Command::Messages {
            with: self.id(other),
            before: None,
            limit: 1000,
        };
        match self.command(person, command) {
            Ok(Reply::Messages { messages, .. }) => messages,
            _ => Vec::new(),
        }
    }

    pub fn said(&mut self, person: usize, other: usize, mine: bool) -> Vec<String> {
        self.history(person, other)
            .into_iter()
            .filter(|m| m.mine == mine)
            .map(|m| m.text)
            .collect()
    }

    pub fn state(&mut self, person: usize, other: usize) -> Option<ContactState> {
        self.view(person, other).map(|view| view.state)
    }

    /// What the screen of `person` shows of `other`.
    pub fn view(&mut self, person: usize, other: usize) -> Option<ContactView> {
        let id = self.people[other].id;
        match self.command(person, Command::List) {
            Ok(Reply::Contacts(contacts)) => contacts.into_iter().find(|c| c.id == id),
            _ => None,
        }
    }

    /// Both know and have accepted each other; `a` asked.
    pub fn befriend(&mut self, a: usize, b: usize) {
        self.run(3.0);
        self.add(a, b, "");
        assert!(
            self.run_until(300.0, |w| w.state(b, a) == Some(ContactState::Asking)),
            "no request came"
        );
        self.accept(b, a);
        assert!(
            self.run_until(300.0, |w| w.state(a, b) == Some(ContactState::Accepted)),
            "no acceptance came"
        );
    }

    /// Whether every own message of `person` to `other` is delivered.
    pub fn all_delivered(&mut self, person: usize, other: usize) -> bool {
        self.history(person, other)
            .iter()
            .all(|m| !m.mine || m.delivery == Delivery::Delivered)
    }

    pub fn store(&mut self, person: usize) -> &mut Memory {
        self.people[person]
            .messenger
            .as_mut()
            .expect("alive")
            .store()
    }

    /// Whether the program of `person` runs: a store that died in a commit ends it.
    pub fn is_alive(&mut self, person: usize) -> bool {
        self.store(person).load().is_ok()
    }

    /// A parcel arrives at `person` along a spur of nobody.
    pub fn deliver(&mut self, person: usize, parcel: Box<[u8; 400]>) {
        let now = self.now();
        self.count += 1;
        let handle = ReplyHandle {
            circuit: 0,
            spur: self.count as u32,
        };
        if let Some(messenger) = &mut self.people[person].messenger {
            messenger.handle_node(now, PersonEvent::Arrived { handle, parcel });
        }
        self.drain(person);
    }
}
