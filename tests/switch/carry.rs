//! What the switch does with the wishes of a messenger: spurs, parcels, look-ups, publications.

use std::collections::BTreeMap;

use paratox::crypto::id::NodeId;
use paratox::messenger::persistence::Persistence;
use paratox::messenger::{Messenger, MessengerOutput};
use paratox::node::person::{NodeCommand, PersonEvent, Way};

use super::{Due, Spur, World};

impl World {
    pub(super) fn owner(&self, node: &NodeId) -> Option<usize> {
        self.people
            .iter()
            .position(|p| p.messenger.is_some() && p.intro.node == *node)
    }

    pub(super) fn carry(
        &mut self,
        from: usize,
        person: usize,
        event: impl Fn(Box<[u8; 400]>) -> PersonEvent,
        parcel: Box<[u8; 400]>,
    ) {
        self.record(from, parcel.clone());
        if self.watch_texts {
            let snapshot = self.store(from).load().expect("alive");
            let is_text = snapshot
                .outgoing
                .iter()
                .any(|row| row.parcel.as_slice() == &parcel[..]);
            if is_text && !self.texts.contains(&*parcel) {
                self.texts.push(*parcel);
            }
        }
        if self.lose_next > 0 {
            self.lose_next -= 1;
            return;
        }
        let copies = 1 + u32::from(self.random.unit() < self.network.copies);
        for _ in 0..copies {
            if self.random.unit() >= self.network.loss {
                let delay = self.network.delay.0 + self.random.exponential(self.network.delay.1);
                self.later(delay, person, event(parcel.clone()));
            }
        }
    }

    /// Carries out what the messenger of `person` wants.
    pub(super) fn drain(&mut self, person: usize) {
        while let Some(output) = self.people[person]
            .messenger
            .as_mut()
            .and_then(Messenger::poll_output)
        {
            match output {
                MessengerOutput::Event(event) => self.people[person].events.push(event),
                MessengerOutput::Node(command) => self.node(person, command),
            }
        }
    }

    pub(super) fn node(&mut self, person: usize, command: NodeCommand) {
        match command {
            NodeCommand::WantSpurs(targets) => {
                let mut spurs = std::mem::take(&mut self.people[person].spurs);
                let mut kept = BTreeMap::new();
                for target in targets.into_iter().take(4) {
                    match spurs.remove(&target.contact) {
                        Some(mut spur) if spur.target.node == target.node => {
                            spur.target = target;
                            kept.insert(target.contact, spur);
                        }
                        old => {
                            if old.is_some_and(|spur| spur.up.is_some()) {
                                self.later(
                                    0.1,
                                    person,
                                    PersonEvent::SpurDown {
                                        contact: target.contact,
                                    },
                                );
                            }
                            kept.insert(target.contact, Spur { target, up: None });
                            let run = self.people[person].run;
                            let contact = target.contact;
                            self.put(
                                1.0,
                                Due::SpurUp {
                                    person,
                                    run,
                                    contact,
                                },
                            );
                        }
                    }
                }
                for (contact, spur) in spurs {
                    if spur.up.is_some() {
                        self.later(0.1, person, PersonEvent::SpurDown { contact });
                    }
                }
                self.people[person].spurs = kept;
            }
            NodeCommand::SendSpur { contact, parcel } => {
                if self.full_spurs {
                    self.refuse(person, Way::Spur(contact), parcel);
                    return;
                }
                let Some(spur) = self.people[person].spurs.get(&contact) else {
                    self.refuse(person, Way::Spur(contact), parcel);
                    return;
                };
                let Some((owner, handle)) = spur.up else {
                    self.refuse(person, Way::Spur(contact), parcel);
                    return;
                };
                let credential = spur.target.credential;
                let known = credential == self.people[owner].intro.cookie
                    || self.people[owner].tokens.contains(&credential);
                if known && !self.refuse_credentials {
                    self.carry(
                        person,
                        owner,
                        |parcel| PersonEvent::Arrived { handle, parcel },
                        parcel,
                    );
                } else {
                    self.record(person, parcel);
                }
            }
            NodeCommand::SendReply { handle, parcel } => {
                if self.dead_handles {
                    self.refuse(person, Way::Handle(handle), parcel);
                    return;
                }
                let back = self.people.iter().enumerate().find_map(|(i, p)| {
                    p.spurs
                        .iter()
                        .find(|(_, spur)| spur.up == Some((person, handle)))
                        .map(|(tag, _)| (i, *tag))
                });
                match back {
                    Some((other, contact)) => self.carry(
                        person,
                        other,
                        |parcel| PersonEvent::FromSpur { contact, parcel },
                        parcel,
                    ),
                    None => self.record(person, parcel),
                }
            }
            NodeCommand::Fetch { id, key } => {
                self.fetches.push(key);
                let value = self.values.get(&key).cloned();
                self.later(2.0, person, PersonEvent::Fetched { id, value });
            }
            NodeCommand::Publish { id, key, value } => {
                self.values.insert(key, value);
                self.later(1.0, person, PersonEvent::Published { id, copies: 8 });
            }
            NodeCommand::Tokens(tokens) => self.people[person].tokens = tokens,
        }
    }
}
