//! What goes wrong: spurs that end or lead nowhere, intro points that are lost, programs that stand still.

use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::{Batch, Change, Persistence};
use paratox::node::person::{ContactTag, PersonEvent, ReplyHandle};

use super::{Due, World};

/// A damage of the rows of all sessions.
pub fn forget_sessions(store: &mut Memory) {
    let mut batch = Batch::new();
    for row in store.load().expect("readable").sessions {
        batch.push(Change::RemoveSession {
            contact: row.contact,
            slot: row.slot,
        });
    }
    store.commit(batch).expect("room");
}

impl World {
    /// A spur of `person` to a contact that wants one is born in a while, and needs a second to open.
    pub(super) fn await_birth(&mut self, person: usize, contact: ContactTag) {
        let wait = match self.births {
            mean if mean > 0.0 => self.random.exponential(mean),
            _ => 0.0,
        };
        let run = self.people[person].run;
        let due = Due::SpurUp {
            person,
            run,
            contact,
        };
        self.put(1.0 + wait, due);
    }

    /// Contacts of `person` with a spur that is up and fits, with its handle.
    fn up(
        &self,
        person: usize,
        fits: impl Fn(&super::Spur) -> bool,
    ) -> Vec<(ContactTag, ReplyHandle)> {
        let spurs = self.people[person].spurs.iter();
        spurs
            .filter(|(_, spur)| fits(spur))
            .filter_map(|(contact, spur)| Some((*contact, spur.up?.1)))
            .collect()
    }

    /// A spur that leads nowhere looks open for a while.
    pub(super) fn linger(&mut self, person: usize, contact: ContactTag, handle: ReplyHandle) {
        let life = self.lingering.unwrap_or(60.0);
        let life = self.random.exponential(life);
        let run = self.people[person].run;
        let due = Due::SpurOver {
            person,
            run,
            contact,
            handle,
        };
        self.put(life, due);
    }

    pub(super) fn spur_over(
        &mut self,
        person: usize,
        run: u64,
        contact: ContactTag,
        handle: ReplyHandle,
    ) {
        if self.people[person].run != run {
            return;
        }
        let Some(spur) = self.people[person].spurs.get_mut(&contact) else {
            return;
        };
        if spur.up.is_none_or(|(_, of)| of != handle) {
            return;
        }
        spur.up = None;
        spur.dead = false;
        let awaited = std::mem::replace(&mut spur.awaited, true);
        self.later(0.0, person, PersonEvent::SpurDown { contact });
        if !awaited {
            self.await_birth(person, contact);
        }
    }

    /// The intro point of `person` is gone, and what others hold to it leads nowhere.
    pub(super) fn abandon_intro(&mut self, person: usize) {
        let node = self.people[person].intro.node;
        if self.lingering.is_some() {
            self.abandoned.insert(node);
        }
        for other in 0..self.people.len() {
            for (contact, handle) in self.up(other, |spur| spur.target.node == node) {
                let linger = self.lingering.is_some();
                if let Some(spur) = self.people[other].spurs.get_mut(&contact) {
                    spur.dead = true;
                }
                if linger {
                    self.linger(other, contact, handle);
                } else {
                    let run = self.people[other].run;
                    let due = Due::SpurOver {
                        person: other,
                        run,
                        contact,
                        handle,
                    };
                    self.put(1.0, due);
                }
            }
        }
    }

    /// The circuit to the intro point of `person` is gone; after `seconds` there is another one and its descriptor.
    pub fn move_intro(&mut self, person: usize, seconds: f64) {
        self.abandon_intro(person);
        let intro = self.intro();
        self.people[person].intro = intro;
        let event = PersonEvent::Intro {
            points: vec![intro],
        };
        self.later(seconds, person, event);
    }

    /// Every spur of `person` ends and is open again at once.
    pub fn renew_spurs(&mut self, person: usize) {
        let now = self.now();
        let contacts = self.up(person, |_| true);
        let place = &mut self.people[person];
        for (contact, _) in contacts {
            if let Some(messenger) = &mut place.messenger {
                messenger.handle_node(now, PersonEvent::SpurDown { contact });
                messenger.handle_node(now, PersonEvent::SpurUp { contact });
            }
        }
        self.drain(person);
    }

    /// The spurs of `person` end and come back after `seconds`; nobody tells the other side that their handles are dead.
    pub fn end_spurs(&mut self, person: usize, seconds: f64) {
        let run = self.people[person].run;
        for (contact, _) in self.up(person, |_| true) {
            if let Some(spur) = self.people[person].spurs.get_mut(&contact) {
                spur.up = None;
                spur.awaited = true;
            }
            self.later(0.0, person, PersonEvent::SpurDown { contact });
            let due = Due::SpurUp {
                person,
                run,
                contact,
            };
            self.put(seconds, due);
        }
    }

    /// The spurs of `person` are replaced by others in the same moment, as a node does whose spurs overlap: the messenger hears nothing of
    /// it, and the other side's handles are dead.
    pub fn replace_spurs(&mut self, person: usize) {
        for (contact, _) in self.up(person, |spur| !spur.dead) {
            self.count += 1;
            let number = self.count as u32;
            let spur = self.people[person].spurs.get_mut(&contact);
            if let Some((_, handle)) = spur.and_then(|spur| spur.up.as_mut()) {
                handle.spur = number;
            }
        }
    }

    /// Handles of the spurs of `person` that are up, as their other ends know them.
    pub fn handles_of(&self, person: usize) -> Vec<ReplyHandle> {
        self.up(person, |_| true)
            .into_iter()
            .map(|(_, handle)| handle)
            .collect()
    }

    /// Whether all spurs of `person` show a contact's token and none a stranger's cookie.
    pub fn shows_tokens(&self, person: usize) -> bool {
        let mut spurs = self.people[person].spurs.values();
        spurs.all(|spur| spur.target.credential != spur.target.point)
    }

    /// The intro point of `person` says that a spur of somebody else has ended.
    pub fn handle_gone(&mut self, person: usize, handle: ReplyHandle) {
        self.later(0.0, person, PersonEvent::HandleGone { handle });
    }

    /// The program of `person` stands still for `seconds`: what comes for it waits.
    pub fn stand_still(&mut self, person: usize, seconds: f64) {
        self.people[person].stands_until = self.at.after_seconds(seconds);
    }

    pub fn stands_still(&self, person: usize) -> bool {
        self.people[person].stands_until > self.at
    }

    /// What leaves along the spurs of `person` vanishes, or what leaves along the handles of others' spurs.
    pub fn mute(&mut self, person: usize, spurs: bool, handles: bool) {
        self.people[person].mute_spurs = spurs;
        self.people[person].mute_handles = handles;
    }

    /// The program of `person` dies and comes back without its sessions, as after a damage of those rows.
    pub fn lose_sessions(&mut self, person: usize) {
        let mut store = self.kill(person).crash(false);
        forget_sessions(&mut store);
        self.start(person, store);
    }

    /// Everything works again from now on: no parcel is lost, and who has lost an intro point has another. Spurs that lead nowhere go on to
    /// their ends.
    pub fn heal(&mut self) {
        self.network = super::CALM;
        self.births = self.births.min(5.0);
        (self.lost_fetches, self.lose_next) = (0.0, 0);
        (self.refuse_credentials, self.full_spurs, self.dead_handles) = (false, false, false);
        for person in 0..self.people.len() {
            self.mute(person, false, false);
            if let Some(messenger) = &mut self.people[person].messenger {
                messenger.store().fail_next(0);
                self.announce(person);
            }
        }
    }
}
