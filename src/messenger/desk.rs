//! What every step of the messenger needs: the keys of the person, the store, and the way out.

use std::collections::VecDeque;

use super::contact::Contact;
use super::draft::Draft;
use super::persistence::{Batch, Change, Persistence, StoreError};
use super::view::ChatEvent;
use super::{MessengerOutput, view::ContactState};
use crate::crypto::id::AccountId;
use crate::crypto::keys::AccountKey;
use crate::crypto::random::Stream;
use crate::node::person::{NodeCommand, Way};
use crate::wire::size::PARCEL;

pub struct Desk<P> {
    pub store: P,
    pub key: AccountKey,
    pub id: AccountId,
    pub name: String,
    pub random: Stream,
    pub next_number: u64,
    outputs: VecDeque<MessengerOutput>,
    /// Why the store refuses at present, as the person was told.
    trouble: Option<StoreError>,
    /// Keys that were to be erased may still be on the disk.
    unerased: bool,
}

impl<P: Persistence> Desk<P> {
    pub fn new(
        store: P,
        key: AccountKey,
        name: String,
        next_number: u64,
        random: Stream,
    ) -> Desk<P> {
        Desk {
            store,
            id: key.id(),
            key,
            name,
            random,
            next_number,
            outputs: VecDeque::new(),
            trouble: None,
            unerased: false,
        }
    }

    pub fn poll(&mut self) -> Option<MessengerOutput> {
        self.outputs.pop_front()
    }

    pub fn event(&mut self, event: ChatEvent) {
        self.outputs.push_back(MessengerOutput::Event(event));
    }

    pub fn notice(&mut self, text: impl Into<String>) {
        self.event(ChatEvent::Notice(text.into()));
    }

    pub fn node(&mut self, command: NodeCommand) {
        self.outputs.push_back(MessengerOutput::Node(command));
    }

    pub fn send(&mut self, way: Way, parcel: Box<[u8; PARCEL]>) {
        self.node(match way {
            Way::Spur(contact) => NodeCommand::SendSpur { contact, parcel },
            Way::Handle(handle) => NodeCommand::SendReply { handle, parcel },
        });
    }

    /// One transaction. That the store refuses is told to the person when it begins, and when it is over.
    pub fn commit(&mut self, changes: Vec<Change>, erase: bool) -> Result<(), StoreError> {
        let result = match self.store.commit(Batch { changes, erase }) {
            // It is kept; what it removed is still to be erased, and until then nothing leaves.
            Err(StoreError::NotErased) => {
                self.unerased = true;
                self.complain(StoreError::NotErased);
                return Ok(());
            }
            result => result,
        };
        match &result {
            Ok(()) => {
                self.unerased &= !erase;
                if !self.unerased {
                    self.relax();
                }
            }
            Err(error) => self.complain(error.clone()),
        }
        result
    }

    fn complain(&mut self, error: StoreError) {
        if self.trouble.as_ref() != Some(&error) {
            let why = format!("Nothing is kept or acknowledged now: {error}.");
            self.event(ChatEvent::Trouble(Some(why)));
            self.trouble = Some(error);
        }
    }

    /// The store works again.
    fn relax(&mut self) {
        if self.trouble.take().is_some() {
            self.event(ChatEvent::Trouble(None));
            self.notice("What comes is kept and acknowledged again.");
        }
    }

    /// Whether every key that was to be erased is; tries again if not.
    pub fn all_erased(&mut self) -> bool {
        if self.unerased {
            self.unerased = self.store.commit(Batch::erasing()).is_err();
            if !self.unerased && self.trouble == Some(StoreError::NotErased) {
                self.relax();
            }
        }
        !self.unerased
    }

    /// Commits a step of a contact, with `more` after its own changes, and lets it take effect. A stranger's step stays in memory.
    pub fn save(
        &mut self,
        contact: &mut Contact,
        mut draft: Draft,
        more: Vec<Change>,
    ) -> Result<(), StoreError> {
        if contact.stored {
            let mut changes = draft.take_changes();
            changes.extend(more);
            self.commit(changes, draft.erase)?;
        }
        self.next_number += draft.numbers;
        let events = std::mem::take(&mut draft.events);
        let requested = draft.requested;
        contact.adopt(draft);
        for event in events {
            self.event(event);
        }
        contact.talk.stalled = Default::default();
        if requested && contact.face.state == ContactState::Asking {
            // The screen learns of it as a request.
            contact.shown = None;
        }
        Ok(())
    }
}
