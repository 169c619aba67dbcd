//! The person's commands: checked, committed, then done.

use super::command::{Command, CommandError, Reply, Status, refuse};
use super::contact::{Contact, Face};
use super::persistence::{Change, MAX_PAGE, MessageRow, Persistence};
use super::rows::message_view;
use super::session::{current_row, remove_all};
use super::view::{ChatEvent, ContactState, Delivery, Policy};
use super::{CONTACTS, MAX_TEXT, Messenger, OUTBOX, cut, text};
use crate::crypto::id::AccountId;
use crate::crypto::secrecy::Secrecy;
use crate::wire::parcel::{Kind, REQUEST_NAME, REQUEST_TEXT, Request, split};
use crate::wire::time::Now;

impl<P: Persistence> Messenger<P> {
    pub(super) fn act(&mut self, now: Now, command: Command) -> Result<Reply, CommandError> {
        match command {
            Command::Add { id, name, text } => self.add(now, &id, &name, &text),
            Command::Accept { id } => self.accept(now, &id),
            Command::Decline { id } => self.shut(&id, ContactState::Declined),
            Command::Block { id } => self.shut(&id, ContactState::Blocked),
            Command::Remove { id } => self.remove(&id),
            Command::Rename { id, name } => {
                let name = good_name(&name)?;
                self.change_face(&id, |face| face.name = name)
            }
            Command::Policy { id, policy } => self.change_face(&id, |face| face.policy = policy),
            Command::Send { to, text, .. } => self.send(now, &to, &text),
            Command::Messages {
                with,
                before,
                limit,
            } => self.messages(&with, before, limit),
            Command::Read { with, up_to } => self.read(&with, up_to),
            Command::List => Ok(Reply::Contacts(
                self.contacts
                    .values()
                    .filter(|c| c.is_visible())
                    .map(|c| c.view(now.at))
                    .collect(),
            )),
            Command::Status => Ok(Reply::Status(self.status(now))),
        }
    }

    fn status(&self, now: Now) -> Status {
        let visible: Vec<_> = self.contacts.values().filter(|c| c.is_visible()).collect();
        let requests = visible
            .iter()
            .filter(|c| c.face.state == ContactState::Asking)
            .count();
        Status {
            id: self.desk.id,
            name: self.desk.name.clone(),
            contacts: (visible.len() - requests) as u32,
            requests: requests as u32,
            queued: visible.iter().map(|c| c.view(now.at).queued).sum(),
            unread: visible.iter().map(|c| c.face.unread).sum(),
        }
    }

    fn account(&self, id: &str) -> Result<AccountId, CommandError> {
        id.parse()
            .map_err(|bad: crate::crypto::id::BadId| CommandError {
                code: "bad-id",
                text: bad.reason,
                position: bad.position,
            })
    }

    /// Parses an id and makes sure that the person knows it as a contact.
    fn known(&mut self, id: &str) -> Result<AccountId, CommandError> {
        let account = self.account(id)?;
        match self.contacts.get(&account) {
            Some(contact) if contact.is_visible() => {
                self.touched.insert(account);
                Ok(account)
            }
            _ => Err(unknown()),
        }
    }

    fn add(&mut self, now: Now, id: &str, name: &str, words: &str) -> Result<Reply, CommandError> {
        let account = self.account(id)?;
        if account == self.desk.id {
            return Err(refuse(
                "own-id",
                "this is your own id: give it to others, and add theirs here",
            ));
        }
        let name = good_name(name)?;
        let words = text::clean(words);
        if words.len() > REQUEST_TEXT {
            return Err(refuse(
                "too-long",
                format!(
                    "a request carries {REQUEST_TEXT} bytes of text and this has {}: shorten it, or write the rest as messages",
                    words.len()
                ),
            ));
        }
        if let Some(contact) = self.contacts.get(&account)
            && contact.stored
        {
            if contact.face.state == ContactState::Asking && contact.face.asked {
                return self.add_asking(now, account, name, &words);
            }
            return Err(refuse("known", "this person is in your contacts already"));
        }
        let contacts = self
            .contacts
            .values()
            .filter(|c| c.stored && c.face.state != ContactState::Asking)
            .count();
        if contacts >= CONTACTS {
            return Err(refuse(
                "too-many",
                format!("{CONTACTS} contacts is the most a profile holds: remove one first"),
            ));
        }
        let bytes = self.request_bytes(&words);
        self.room(1)?;
        // Somebody who is knocking at this moment becomes an ordinary contact, with whatever they have offered so far.
        if !self.contacts.contains_key(&account) {
            let face = Face {
                name: name.clone(),
                state: ContactState::Asked,
                policy: Policy::default(),
                added: now.unix,
                request_text: words.clone(),
                asked: false,
                read_up_to: 0,
                unread: 0,
            };
            let tag = self.new_tag(account);
            self.contacts.insert(
                account,
                Contact::new(account, tag, face, self.slowness, now.at),
            );
        }
        let Some(contact) = self.contacts.get_mut(&account) else {
            return Err(unknown());
        };
        let mut draft = contact.draft();
        draft.face.name = name;
        draft.face.state = ContactState::Asked;
        draft.face.added = now.unix;
        draft.face.request_text = words.clone();
        let number = self.desk.next_number;
        let message = (!words.is_empty()).then_some(number);
        let previous = draft.head.sent_link;
        draft.enqueue(Kind::Request, &[&bytes], message);
        if message.is_some() {
            draft.numbers = 1;
            let row = own_row(contact, number, words, now, (draft.head.sent, previous));
            draft
                .events
                .extend(message_view(&row).map(ChatEvent::Message));
            draft.changes.insert(0, Change::PutMessage(row));
        }
        contact.stored = true;
        let mut more = contact.sessions.offered_changes(contact.bytes());
        if let Some(current) = &contact.sessions.current {
            more.push(current_row(contact.bytes(), current.to_bytes()));
        }
        if let Err(error) = self.desk.save(contact, draft, more) {
            self.forget(&account);
            return Err(error.into());
        }
        self.touched.insert(account);
        Ok(message.map_or(Reply::Done, Reply::Saved))
    }

    fn request_bytes(&self, words: &str) -> Vec<u8> {
        let name = cut(self.desk.name.clone(), REQUEST_NAME);
        Request {
            name,
            text: words.to_owned(),
        }
        .encode()
        .unwrap_or_else(|| vec![0])
    }

    /// They asked already: to add them is to accept, and the text is the first message.
    fn add_asking(
        &mut self,
        now: Now,
        account: AccountId,
        name: String,
        words: &str,
    ) -> Result<Reply, CommandError> {
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        let mut draft = contact.draft();
        draft.face.name = name;
        draft.face.state = ContactState::Accepted;
        draft.enqueue(Kind::Accept, &[b""], None);
        self.desk.save(contact, draft, Vec::new())?;
        self.touched.insert(account);
        if words.is_empty() {
            return Ok(Reply::Done);
        }
        self.say(now, account, words.to_owned())
    }

    fn accept(&mut self, now: Now, id: &str) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        match contact.face.state {
            ContactState::Accepted => return Ok(Reply::Done),
            ContactState::Asked => {
                return Err(refuse(
                    "not-asked",
                    "you asked this person; it is theirs to accept",
                ));
            }
            ContactState::Asking | ContactState::Declined | ContactState::Blocked => {}
        }
        let mut draft = contact.draft();
        draft.face.state = ContactState::Accepted;
        draft.enqueue(Kind::Accept, &[b""], None);
        self.desk.save(contact, draft, Vec::new())?;
        contact.talk.heard = now.at;
        Ok(Reply::Done)
    }

    /// Declines or blocks: nothing more leaves for them, and all keys are gone.
    fn shut(&mut self, id: &str, state: ContactState) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        if state == ContactState::Declined && contact.face.state != ContactState::Asking {
            return Err(refuse(
                "not-asked",
                "only a request can be declined: block or remove this contact instead",
            ));
        }
        let bytes = contact.bytes();
        let mut draft = contact.draft();
        draft.face.state = state;
        draft.face.unread = 0;
        draft.erase = true;
        let mut more = remove_all(bytes);
        for item in contact.outbox.items() {
            more.push(Change::RemoveOutgoing {
                contact: bytes,
                sequence: item.sequence,
            });
            if let Some(number) = item.message.filter(|_| item.ends_message()) {
                more.push(Change::SetDelivery {
                    number,
                    delivery: Delivery::Failed,
                });
                draft.events.push(ChatEvent::Delivery {
                    number,
                    contact: account,
                    delivery: Delivery::Failed,
                    secrecy: item.secrecy,
                });
            }
        }
        more.push(Change::RemoveIncomingParts {
            contact: bytes,
            from: 0,
            to: u32::MAX,
        });
        // Numbers that were given and never acknowledged are given again: the chain goes on from what they have.
        draft.head.sent = draft.head.peer_has;
        draft.head.sent_link = draft.head.peer_has_link;
        self.desk.save(contact, draft, more)?;
        contact.outbox.drain();
        contact.inbox.forget_parts();
        let seen = std::mem::take(&mut contact.sessions.seen);
        contact.sessions.end();
        contact.sessions.seen = seen;
        Ok(Reply::Done)
    }

    fn remove(&mut self, id: &str) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        self.desk
            .commit(vec![Change::RemoveContact(*account.bytes())], true)?;
        self.forget(&account);
        self.desk.event(ChatEvent::ContactGone(account));
        Ok(Reply::Done)
    }

    fn change_face(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Face),
    ) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        let mut draft = contact.draft();
        change(&mut draft.face);
        self.desk.save(contact, draft, Vec::new())?;
        Ok(Reply::Done)
    }

    fn read(&mut self, id: &str, up_to: u64) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        if up_to <= contact.face.read_up_to {
            return Ok(Reply::Done);
        }
        let later = self
            .desk
            .store
            .messages(account.bytes(), None, MAX_PAGE)?
            .iter()
            .filter(|row| !row.mine && row.number > up_to)
            .count();
        let mut draft = contact.draft();
        draft.face.read_up_to = up_to;
        draft.face.unread = draft.face.unread.min(later as u32);
        self.desk.save(contact, draft, Vec::new())?;
        Ok(Reply::Done)
    }

    fn messages(
        &mut self,
        id: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let limit = limit.clamp(1, MAX_PAGE);
        let rows = self.desk.store.messages(account.bytes(), before, limit)?;
        Ok(Reply::Messages {
            older: rows.len() == limit,
            messages: rows.iter().filter_map(message_view).collect(),
        })
    }

    fn send(&mut self, now: Now, id: &str, words: &str) -> Result<Reply, CommandError> {
        let account = self.known(id)?;
        let contact = self.contacts.get(&account).ok_or_else(unknown)?;
        match contact.face.state {
            ContactState::Accepted | ContactState::Asked => {}
            ContactState::Asking => {
                return Err(refuse("not-accepted", "accept this person's request first"));
            }
            ContactState::Declined | ContactState::Blocked => {
                return Err(refuse(
                    "not-accepted",
                    "you have declined or blocked this person",
                ));
            }
        }
        let words = text::clean(words);
        if words.is_empty() {
            return Err(refuse("empty", "there is nothing to send in this text"));
        }
        if words.len() > MAX_TEXT {
            return Err(refuse(
                "too-long",
                format!(
                    "a message holds {MAX_TEXT} bytes and this has {}: split it",
                    words.len()
                ),
            ));
        }
        self.say(now, account, words)
    }

    /// Puts a clean text into the outbox and the history.
    fn say(&mut self, now: Now, account: AccountId, words: String) -> Result<Reply, CommandError> {
        let pieces: Vec<&[u8]> = split(&words).into_iter().map(str::as_bytes).collect();
        self.room(pieces.len())?;
        let contact = self.contacts.get_mut(&account).ok_or_else(unknown)?;
        let number = self.desk.next_number;
        let mut draft = contact.draft();
        let previous = draft.head.sent_link;
        draft.enqueue(Kind::Text, &pieces, Some(number));
        draft.numbers = 1;
        let row = own_row(
            contact,
            number,
            words.clone(),
            now,
            (draft.head.sent, previous),
        );
        draft
            .events
            .extend(message_view(&row).map(ChatEvent::Message));
        draft.changes.insert(0, Change::PutMessage(row));
        self.desk.save(contact, draft, Vec::new())?;
        Ok(Reply::Saved(number))
    }

    fn room(&self, parcels: usize) -> Result<(), CommandError> {
        let waiting: usize = self.contacts.values().map(|c| c.outbox.len()).sum();
        if waiting + parcels > OUTBOX {
            return Err(refuse(
                "queue-full",
                format!("{OUTBOX} parcels wait already: let some be delivered first"),
            ));
        }
        Ok(())
    }
}

fn unknown() -> CommandError {
    refuse(
        "unknown-contact",
        "this person is not in your contacts: add them first",
    )
}

fn good_name(name: &str) -> Result<String, CommandError> {
    let name = text::clean_line(name);
    if name.is_empty() {
        return Err(refuse(
            "bad-name",
            "a name needs at least one letter that can be seen",
        ));
    }
    if name.len() > super::persistence::MAX_NAME {
        return Err(refuse("bad-name", "this name is too long: shorten it"));
    }
    Ok(name)
}

/// A message of ours, as it is committed. It will leave under a ratchet key or not at all.
fn own_row(
    contact: &Contact,
    number: u64,
    words: String,
    now: Now,
    place: (u32, [u8; 8]),
) -> MessageRow {
    MessageRow {
        number,
        contact: contact.bytes(),
        mine: true,
        sequence: place.0,
        previous: place.1,
        text: words,
        secrecy: Secrecy::OnceOpened,
        delivery: Delivery::Queued,
        time: now.unix,
        gap_before: 0,
        unreadable: false,
    }
}
