//! What the switch does with the wishes of a messenger: spurs, parcels, look-ups, publications.

use std::collections::BTreeMap;

use paratox::crypto::id::NodeId;
use paratox::messenger::persistence::Persistence;
use paratox::messenger::{Messenger, MessengerOutput};
use paratox::node::person::{NodeCommand, PersonEvent, Way};
use paratox::wire::circuit::registered;

use super::{Spur, World};

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
                    let contact = target.contact;
                    let mut spur = spurs.remove(&contact).unwrap_or(Spur {
                        target,
                        up: None,
                        next: None,
                        awaited: false,
                        dead: false,
                    });
                    if spur.up.is_none() || spur.target.node == target.node {
                        spur.target = target;
                        spur.next = None;
                    } else {
                        spur.next = Some(target);
                    }
                    let waits = spur.up.is_none() || spur.next.is_some();
                    let born = waits && !std::mem::replace(&mut spur.awaited, waits);
                    kept.insert(contact, spur);
                    if born {
                        self.await_birth(person, contact);
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
                if spur.dead || self.people[person].mute_spurs {
                    self.record(person, parcel);
                    return;
                }
                let credential = spur.target.credential;
                let cookie = self.people[owner].intro.cookie;
                let mut tokens = self.people[owner].tokens.iter();
                let known = credential == cookie
                    || tokens.any(|token| registered(token, &cookie) == credential);
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
                        .find(|(_, spur)| spur.up == Some((person, handle)) && !spur.dead)
                        .map(|(tag, _)| (i, *tag))
                });
                match back {
                    Some((other, contact)) if !self.people[person].mute_handles => self.carry(
                        person,
                        other,
                        |parcel| PersonEvent::FromSpur { contact, parcel },
                        parcel,
                    ),
                    _ => self.record(person, parcel),
                }
            }
            NodeCommand::Approach { .. } => {}
            NodeCommand::Fetch { id, key } => {
                self.fetches.push(key);
                let lost = self.lost_fetches > 0.0 && self.random.unit() < self.lost_fetches;
                let value = self.values.get(&key).filter(|_| !lost).cloned();
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
