//! What the people of a world say to each other.
//!
//! Not here: when they say it, and what a test makes of it.

use std::time::Duration;

use crate::messenger::view::{ChatEvent, ContactView, Delivery};
use crate::messenger::{Command, Reply};

use super::world::World;

/// Between two looks whether something has come.
const LOOK: Duration = Duration::from_secs(1);

impl World {
    /// `asker` adds `asked`, who accepts as soon as the request is there. Whether it came within `limit`.
    pub fn befriend(&mut self, asker: usize, asked: usize, limit: Duration) -> bool {
        let (from, to) = (self.account(asker), self.account(asked));
        let add = Command::Add {
            id: to.to_string(),
            name: "Contact".into(),
            text: "Hello, it is me".into(),
        };
        self.command(asker, add).expect("a valid id");
        let came = self.run_until(limit, LOOK, |world| {
            let events = world.events(asked);
            let mut requests = events.iter().filter_map(|event| match event {
                ChatEvent::Request(view) => Some(view),
                _ => None,
            });
            requests.any(|view| view.id == from && view.request_text == "Hello, it is me")
        });
        if came {
            let accept = Command::Accept {
                id: from.to_string(),
            };
            self.command(asked, accept).expect("a request waits");
        }
        came
    }

    /// One person writes to another; the number of the message. Panics if they are not contacts, or nothing more may wait.
    pub fn say(&mut self, from: usize, to: usize, text: &str) -> u64 {
        let send = Command::Send {
            to: self.account(to).to_string(),
            text: text.into(),
            allow_no_fs: false,
        };
        match self.command(from, send) {
            Ok(Reply::Saved(number)) => number,
            other => panic!("a message is saved, not {other:?}"),
        }
    }

    /// How a contact stands on this person's list at last; `None` before the first word of them.
    pub fn listed(&mut self, who: usize, contact: usize) -> Option<ContactView> {
        let id = self.account(contact);
        let events = self.events(who).into_iter().rev();
        events
            .filter_map(|event| match event {
                ChatEvent::Contact(view) | ChatEvent::Request(view) => Some(view),
                _ => None,
            })
            .find(|view| view.id == id)
    }

    /// The texts that others wrote to this person, in the order they were shown.
    pub fn heard(&mut self, who: usize) -> Vec<String> {
        let events = self.events(who).into_iter();
        events
            .filter_map(|event| match event {
                ChatEvent::Message(view) if !view.mine => Some(view.text),
                _ => None,
            })
            .collect()
    }

    /// The numbers of this person's messages that are marked delivered, each with its level of secrecy, in the order they were marked.
    pub fn delivered(&mut self, who: usize) -> Vec<(u64, u8)> {
        let events = self.events(who).into_iter();
        events
            .filter_map(|event| match event {
                ChatEvent::Delivery {
                    number,
                    delivery: Delivery::Delivered,
                    secrecy,
                    ..
                } => Some((number, secrecy.level())),
                _ => None,
            })
            .collect()
    }
}
