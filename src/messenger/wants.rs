//! What is asked of the node for all contacts together: tokens to accept, descriptors to look up, spurs to open.
//!
//! Not here: what one contact needs (`contact`), where it can be reached (`reach`).

use super::contact::Contact;
use super::persistence::Persistence;
use super::view::ContactState;
use super::{ACTIVE, FETCHES, Messenger, PREFETCHES, ROTATION, TARGETS, publish};
use crate::crypto::id::AccountId;
use crate::node::person::NodeCommand;
use crate::wire::circuit::TOKENS;
use crate::wire::introduction;
use crate::wire::size::VALUE;
use crate::wire::time::Now;

impl<P: Persistence> Messenger<P> {
    /// Tokens of all contacts for yesterday, today and tomorrow, those heard last first; whoever has no place in a registration uses the
    /// cookie. Also of those we asked: they show one as soon as they have accepted.
    pub(super) fn give_tokens(&mut self, now: Now) {
        let mut order: Vec<&Contact> = self
            .contacts
            .values()
            .filter(|c| matches!(c.face.state, ContactState::Accepted | ContactState::Asked))
            .filter(|c| !c.sessions.is_empty())
            .collect();
        order.sort_by_key(|c| (std::cmp::Reverse(c.talk.heard), c.account));
        let today = now.unix.day();
        let mut tokens = Vec::new();
        for contact in order {
            let sessions = contact.sessions.current.iter().chain(
                contact
                    .sessions
                    .offered
                    .iter()
                    .map(|offered| &offered.ratchet),
            );
            for ratchet in sessions {
                for day in [today, today.saturating_add(1), today.saturating_sub(1)] {
                    tokens.push(publish::token(ratchet, &self.desk.id, day));
                }
            }
        }
        tokens.truncate(TOKENS);
        if tokens != self.tokens {
            self.tokens = tokens.clone();
            self.desk.node(NodeCommand::Tokens(tokens));
        }
    }

    pub(super) fn fetch(&mut self, now: Now) {
        self.fetches.retain(|id, of| {
            self.contacts
                .get(of)
                .is_some_and(|contact| contact.reach.lookup.day(*id).is_some())
        });
        let mut working = Vec::new();
        let mut idle = Vec::new();
        for contact in self.contacts.values().filter(|c| c.is_open()) {
            if contact.wants_way() {
                working.push(contact.account);
            } else if contact.looks_ahead(now.at) {
                idle.push((std::cmp::Reverse(contact.talk.heard), contact.account));
            }
        }
        idle.sort();
        let idle: Vec<AccountId> = idle.into_iter().map(|(_, account)| account).collect();
        for (accounts, most) in [(working, FETCHES), (idle, PREFETCHES)] {
            for account in accounts {
                if self.fetches.len() >= most {
                    break;
                }
                let Some(contact) = self.contacts.get_mut(&account) else {
                    continue;
                };
                if contact.reach.wants_lookup(now.at) {
                    let id = self.next_id;
                    self.next_id += 1;
                    let day = contact.reach.lookup.begin(id, now.unix.day(), now.at);
                    self.fetches.insert(id, account);
                    let key = publish::place_of(&account, day);
                    self.desk.node(NodeCommand::Fetch { id, key });
                }
            }
        }
    }

    pub(super) fn fetched(&mut self, now: Now, id: u64, value: Option<Box<[u8; VALUE]>>) {
        let own = self.desk.id;
        if self.publisher.found(id, value.as_deref(), &own, now) {
            return;
        }
        let Some(account) = self.fetches.remove(&id) else {
            return;
        };
        let Some(contact) = self.contacts.get_mut(&account) else {
            return;
        };
        let Some(day) = contact.reach.lookup.day(id) else {
            return;
        };
        match value.map(|value| introduction::open(&account, day, &value)) {
            Some(Ok(introduction)) => contact.reach.found(&introduction, now.at),
            Some(Err(_)) | None => contact.reach.lookup.failed(now.at),
        }
        self.touched.insert(account);
    }

    /// The contacts that want a spur, those that talk first, then those that cannot be reached in turn, then the recent ones.
    pub(super) fn want_spurs(&mut self, now: Now) {
        let mut talking = Vec::new();
        let mut waiting = Vec::new();
        let mut recent = Vec::new();
        for contact in self.contacts.values() {
            if !contact.is_open() || !contact.stored || contact.face.state == ContactState::Asking {
                continue;
            }
            let silent = now.at.since(contact.talk.heard);
            if contact.wants_way() {
                let key = (silent, contact.account);
                if contact.reach.ways.is_spur_up() && silent < ACTIVE {
                    talking.push(key);
                } else {
                    waiting.push(key);
                }
            } else if contact.is_recent(now.at) {
                // After a start nobody has talked yet: the newest conversations come first, and whoever was told that we are here leaves the
                // spur to the next.
                let told = contact.talk.greeted.is_some() && !contact.talk.heard_in_session;
                let silent = now.at.since(contact.talk.talked);
                let newest = std::cmp::Reverse(contact.talk.newest);
                recent.push((told, silent, newest, contact.account));
            }
        }
        talking.sort();
        waiting.sort();
        recent.sort();
        if waiting.len() > 1 {
            let turn = (now.at.0 / ROTATION) as usize % waiting.len();
            waiting.rotate_left(turn);
        }
        let active = talking.len() + waiting.len();
        let at_rest = recent.into_iter().map(|(_, _, _, account)| account);
        let mut wanted = Vec::new();
        let order: Vec<AccountId> = talking
            .into_iter()
            .chain(waiting)
            .map(|(_, account)| account)
            .chain(at_rest)
            .collect();
        for (i, account) in order.into_iter().enumerate() {
            let Some(contact) = self.contacts.get_mut(&account) else {
                continue;
            };
            // Otherwise the cookie, which holds in any case.
            let settled = contact.sessions.is_settled();
            let token = match (&contact.sessions.current, contact.face.state) {
                (Some(ratchet), ContactState::Accepted) if settled => {
                    Some(publish::token(ratchet, &account, now.unix.day()))
                }
                _ => None,
            };
            let reach = &mut contact.reach;
            let before = reach.shows_cookie();
            wanted.extend(reach.target(contact.tag, token, i < active, self.leaves, now.at));
            if reach.shows_cookie() && !before {
                contact.hurry_start(now.at);
            }
        }
        wanted.truncate(TARGETS);
        if wanted != self.wanted {
            self.wanted = wanted.clone();
            self.desk.node(NodeCommand::WantSpurs(wanted));
        }
    }
}
