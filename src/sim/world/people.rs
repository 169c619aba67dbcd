//! The people of a world: who is behind which node, what they type and what they are shown.

use super::{Person, World};
use crate::crypto::id::AccountId;
use crate::crypto::keys::AccountKey;
use crate::crypto::random::Stream;
use crate::messenger::memory::Memory;
use crate::messenger::view::ChatEvent;
use crate::messenger::{Command, CommandError, Messenger, Reply};
use crate::sim::diary::Entry;
use crate::wire::time::Moment;

impl World {
    /// Puts a person with a fresh account behind a node, in every world of this seed the same one.
    pub fn add_person(&mut self, index: usize, name: &str) {
        let now = self.now();
        let random = self.root.fork("person", &(index as u32).to_be_bytes());
        let messenger = Messenger::create(Memory::new(), name, random, now)
            .expect("an empty store takes an account");
        self.inhabitants[index].person = Some(Person::new(messenger));
    }

    /// Puts people behind nodes who are all contacts of each other, as if they had accepted one another earlier.
    pub fn add_acquainted(&mut self, people: &[(usize, &str)]) {
        let now = self.now();
        let streams: Vec<Stream> = people
            .iter()
            .map(|(index, _)| self.root.fork("person", &(*index as u32).to_be_bytes()))
            .collect();
        let keys: Vec<AccountKey> = streams
            .iter()
            .map(|random| AccountKey::generate(&mut random.fork("key", b"")))
            .collect();
        let known: Vec<(AccountId, &str)> = keys
            .iter()
            .zip(people)
            .map(|(key, (_, name))| (key.id(), *name))
            .collect();
        for (((index, name), random), key) in people.iter().zip(streams).zip(keys) {
            let messenger =
                Messenger::create_knowing(Memory::new(), key, name, &known, random, now)
                    .expect("an empty store takes an account");
            self.inhabitants[*index].person = Some(Person::new(messenger));
        }
    }

    fn person(&mut self, index: usize) -> &mut Person {
        self.inhabitants[index]
            .person
            .as_mut()
            .expect("the test put a person here")
    }

    fn messenger(&mut self, index: usize) -> &mut Messenger<Memory> {
        let messenger = self.person(index).messenger.as_mut();
        messenger.expect("the test did not kill this program")
    }

    pub fn account(&mut self, index: usize) -> AccountId {
        self.person(index).id
    }

    /// What the person types.
    pub fn command(&mut self, index: usize, command: Command) -> Result<Reply, CommandError> {
        let now = self.now_at(index);
        let reply = self.messenger(index).command(now, command);
        self.settle(index as u32);
        reply
    }

    /// Everything the person was shown so far.
    pub fn events(&mut self, index: usize) -> Vec<ChatEvent> {
        self.person(index).events.iter().cloned().collect()
    }

    /// The same, and forgotten: the next call gives what came since.
    pub fn take_events(&mut self, index: usize) -> Vec<ChatEvent> {
        self.person(index).events.drain(..).collect()
    }

    /// What the person's node and messenger told each other so far.
    pub fn diary(&mut self, index: usize) -> Vec<(Moment, Entry)> {
        self.person(index).diary.entries().to_vec()
    }
}
