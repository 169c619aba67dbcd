//! Events of the network, the messenger and the clock. What keys do is in `keys`.

use crate::crypto::id::AccountId;
use crate::messenger::text;
use crate::messenger::view::{ChatEvent, ContactState, ContactView, MessageView};
use crate::node::person::NetworkInfo;
use crate::wire::time::{Moment, Now};

use super::composer::Composer;
use super::conversation::Conversation;
use super::event::{Command, Event};
use super::keys::{AGAIN, CLEARED};
use super::{
    App, CONVERSATIONS_MAX, CTRL_C_SECONDS, NETWORK_SECONDS, Overlay, Pending, QUESTIONS_MAX,
    Question, READ_SECONDS, Stage, clock,
};

pub(super) const REQUEST_CAME: &str = "a request came in: F6 to read it";

/// Takes one event in and says what has to be done. All behaviour of the chat is here.
pub fn update(app: &mut App, event: Event, now: Now) -> Vec<Command> {
    let before = app.now;
    app.now = now;
    let mut out = Vec::new();
    let quiet = matches!(event, Event::Tick | Event::Network(_));
    if !quiet {
        app.changed = true;
    }
    match event {
        Event::Key(action) => app.key(action, &mut out),
        Event::Text(typed) => {
            app.ctrl_c = None;
            app.type_text(&typed);
        }
        Event::Composed { text, row, column } => {
            app.ctrl_c = None;
            if !app.composer.take(text, row, column) {
                app.say("that is too much text at once; the composer was not changed");
            }
            app.drop_selection();
        }
        Event::Paste(pasted) => {
            app.ctrl_c = None;
            app.paste(&pasted);
        }
        Event::Resize { width, height } => {
            app.width = width;
            app.height = height;
        }
        Event::Focus(focused) => app.focused = focused,
        Event::Tick => app.tick(before),
        Event::Chat(event) => app.chat(event, &mut out),
        Event::Network(info) => app.network(*info),
        Event::Entries(entries) => app.entries = Some(entries),
        Event::Contacts(contacts) => {
            app.contacts = contacts.into_iter().map(cleaned_contact).collect();
            app.sort_contacts();
            // whoever has one contact has come for that one
            let listed: Vec<AccountId> = app.listed().map(|c| c.id).take(2).collect();
            if std::mem::take(&mut app.fresh)
                && app.current.is_none()
                && let [only] = listed[..]
            {
                app.open(only, &mut out);
            }
        }
        Event::History {
            contact,
            messages,
            older,
        } => app.history(contact, messages, older),
        Event::HistoryFailed { contact } => {
            if let Some(conversation) = app.conversations.get_mut(&contact) {
                conversation.loading = false;
            }
            app.say("the history could not be read now");
        }
        Event::Identity { id, name } => {
            app.me = Some(super::Identity {
                id,
                name: text::clean_line(&name),
            })
        }
        Event::Opened => {
            if app.stage != Stage::Chat {
                app.stage = Stage::Chat;
                app.overlay = None;
                app.opened = now.at;
            }
        }
        Event::WrongPassphrase => {
            if let Stage::Unlock(unlock) = &mut app.stage {
                unlock.wrong();
            }
        }
        Event::NotOpened(why) => match &mut app.stage {
            Stage::Unlock(unlock) => {
                unlock.working = false;
                unlock.problem = Some(text::clean(&why));
            }
            Stage::FirstRun(first) => {
                first.working = false;
                first.problem = Some(text::clean(&why));
            }
            Stage::Chat => app.say(&why),
        },
        Event::Saved { tag } => app.saved(tag),
        Event::CommandFailed {
            tag,
            text,
            position,
        } => app.failed(tag, &text, position),
    }
    app.settle(&mut out);
    out
}

/// Text of others is clean when it comes; a second time costs nothing and holds whatever came.
fn cleaned_contact(mut contact: ContactView) -> ContactView {
    contact.name = text::clean_line(&contact.name);
    if contact.name.is_empty() {
        contact.name = super::add_contact::short_id(&contact.id);
    }
    contact.request_text = text::clean(&contact.request_text);
    contact
}

fn cleaned_message(mut message: MessageView) -> MessageView {
    message.text = text::clean(&message.text);
    message
}

impl App {
    /// Answers what the person just did.
    pub(super) fn say(&mut self, sentence: &str) {
        let sentence = text::clean(sentence).replace('\n', " ");
        self.notices.answer(sentence, self.now.at);
        self.changed = true;
    }

    /// Says what happened by itself.
    fn tell(&mut self, sentence: &str) {
        let sentence = text::clean(sentence).replace('\n', " ");
        self.notices.tell(sentence, self.now.at);
        self.changed = true;
    }

    fn tick(&mut self, before: Now) {
        self.changed |= self.notices.pass(self.now.at);
        let over = |at: &mut Moment| at.after_seconds(CTRL_C_SECONDS) < self.now.at;
        if self.ctrl_c.take_if(over).is_some() {
            for sentence in [CLEARED, AGAIN] {
                self.notices.take_back(sentence, self.now.at);
            }
            self.changed = true;
        }
        self.changed |= self.being_saved() > 0;
        self.changed |= !self.linked && self.network.links.is_empty();
        if clock::minute(before.unix, &self.zone) != clock::minute(self.now.unix, &self.zone) {
            self.changed = true;
        }
        if self.network_waits {
            self.network_drawn = Some(self.now.at);
            self.network_waits = false;
            self.changed = true;
        }
    }

    fn network(&mut self, mut info: NetworkInfo) {
        // the sum of no rates is -0.0, and a screen would show the sign
        info.rate += 0.0;
        info.steady_rate += 0.0;
        if info.online && !self.network.online {
            self.online_since = Some(self.now.unix);
        } else if !info.online {
            self.online_since = None;
        }
        let state = self.network_state();
        self.linked |= !info.links.is_empty();
        let same = info == self.network;
        self.network = info;
        if same {
            return;
        }
        let due = self
            .network_drawn
            .is_none_or(|at| at.after_seconds(NETWORK_SECONDS) <= self.now.at);
        if due || state != self.network_state() {
            self.network_drawn = Some(self.now.at);
            self.network_waits = false;
            self.changed = true;
        } else {
            self.network_waits = true;
        }
    }

    fn chat(&mut self, event: ChatEvent, out: &mut Vec<Command>) {
        match event {
            ChatEvent::Contact(contact) => {
                let id = contact.id;
                let decided = contact.state != ContactState::Asking;
                self.put_contact(contact);
                if decided && self.opening.take_if(|opening| *opening == id).is_some() {
                    let overlay = self.overlay.take();
                    self.open(id, out);
                    self.overlay = overlay;
                }
            }
            ChatEvent::Request(contact) => {
                let contact = cleaned_contact(contact);
                let asks = contact.state == ContactState::Asking;
                self.put_contact(contact);
                if asks {
                    self.tell(REQUEST_CAME);
                    out.push(Command::Bell);
                }
            }
            ChatEvent::ContactGone(id) => {
                self.contacts.retain(|c| c.id != id);
                self.conversations.remove(&id);
                self.visits.retain(|v| *v != id);
                self.drafts.remove(&id);
                self.questions.retain(|q| q.contact != id);
                if self.current == Some(id) {
                    self.current = None;
                    self.composer.clear();
                }
            }
            ChatEvent::Message(message) => self.message(cleaned_message(message), out),
            ChatEvent::Delivery {
                number,
                contact,
                delivery,
                secrecy,
            } => {
                if let Some(conversation) = self.conversations.get_mut(&contact) {
                    conversation.update_message(number, |m| {
                        m.delivery = delivery;
                        m.secrecy = secrecy;
                    });
                }
                if delivery != crate::messenger::view::Delivery::Queued {
                    self.questions
                        .retain(|q| (q.contact, q.number) != (contact, number));
                }
            }
            ChatEvent::Question {
                number,
                contact,
                reason,
            } => {
                let asked = self
                    .questions
                    .iter()
                    .any(|q| (q.contact, q.number) == (contact, number));
                if !asked && self.questions.len() < QUESTIONS_MAX {
                    self.questions.push_back(Question {
                        number,
                        contact,
                        reason: text::clean(&reason).replace('\n', " "),
                    });
                    out.push(Command::Bell);
                }
            }
            ChatEvent::Notice(sentence) => self.tell(&sentence),
            ChatEvent::Trouble(why) => self.trouble(why),
        }
    }

    /// Stands below the composer until it is over; a box that covers that place may be open when it begins.
    fn trouble(&mut self, why: Option<String>) {
        if let Some(old) = self.trouble.take() {
            self.notices.take_back(&old, self.now.at);
        }
        self.trouble = why.map(|why| text::clean(&why).replace('\n', " "));
        if let Some(why) = self.trouble.clone().filter(|_| !self.composing()) {
            self.tell(&why);
        }
    }

    fn put_contact(&mut self, contact: ContactView) {
        let contact = cleaned_contact(contact);
        match self.contacts.iter_mut().find(|c| c.id == contact.id) {
            Some(place) => *place = contact,
            None => self.contacts.push(contact),
        }
        self.sort_contacts();
    }

    fn sort_contacts(&mut self) {
        self.contacts
            .sort_by_cached_key(|c| (c.name.to_lowercase(), c.id));
    }

    fn message(&mut self, message: MessageView, out: &mut Vec<Command>) {
        let (id, number, mine) = (message.contact, message.number, message.mine);
        let open = self.current == Some(id);
        let in_sight = open && self.in_sight();
        if mine
            && let Some(at) = self
                .pending
                .iter()
                .position(|p| p.to == id && p.text == message.text)
        {
            self.pending.remove(at); // it is on disk, or it would not be shown
        }
        let Some(conversation) = self.conversations.get_mut(&id) else {
            if !mine {
                out.push(Command::Bell);
            }
            return;
        };
        if !conversation.put(message) {
            return;
        }
        if mine {
            if open {
                conversation.to_newest();
                conversation.unread_from = None;
            }
            return;
        }
        if !conversation.at_newest() {
            conversation.below += 1;
        }
        if !in_sight {
            if conversation.unread_from.is_none() {
                conversation.unread_from = Some(number);
            }
            out.push(Command::Bell);
        }
    }

    fn history(&mut self, contact: AccountId, messages: Vec<MessageView>, older: bool) {
        let unread = self.contact(&contact).map_or(0, |c| c.unread as usize);
        let Some(conversation) = self.conversations.get_mut(&contact) else {
            return;
        };
        let first_page = !conversation.loaded;
        for message in messages {
            if message.contact == contact {
                conversation.put(cleaned_message(message));
            }
        }
        conversation.loaded = true;
        conversation.loading = false;
        conversation.older = older;
        if first_page {
            conversation.mark_unread(unread);
        }
    }

    fn saved(&mut self, tag: u64) {
        self.pending.retain(|p| p.tag != tag);
        if self.adding.take_if(|(of, _)| *of == tag).is_some() {
            self.say("added; what you write waits until it can leave");
        }
    }

    fn failed(&mut self, tag: Option<u64>, sentence: &str, position: Option<usize>) {
        if let Some(at) = tag.and_then(|tag| self.pending.iter().position(|p| p.tag == tag))
            && let Some(Pending { to, text, .. }) = self.pending.remove(at)
        {
            self.give_back(to, &text);
            self.say(&format!(
                "not saved, not sent: {sentence}. The text is back in the composer."
            ));
            return;
        }
        if let Some((_, mut form)) = self.adding.take_if(|(of, _)| Some(*of) == tag) {
            form.failed(text::clean(sentence), position);
            self.opening = None;
            self.overlay = Some(Overlay::Add(form));
            return;
        }
        match &mut self.overlay {
            Some(Overlay::Add(add)) => add.failed(text::clean(sentence), position),
            _ => self.say(sentence),
        }
    }

    /// A text that could not be saved stands in the composer again, before whatever was written since.
    fn give_back(&mut self, to: AccountId, text: &str) {
        let composer = if self.current == Some(to) {
            &mut self.composer
        } else {
            self.drafts.entry(to).or_default()
        };
        let joined = if composer.is_empty() {
            text.to_owned()
        } else {
            format!("{text}\n{}", composer.text())
        };
        composer.set(&joined);
    }

    /// Is the newest message of the open conversation before a reader's eyes?
    fn in_sight(&self) -> bool {
        self.focused
            && self.composing()
            && self
                .conversation()
                .is_some_and(|c| c.loaded && c.at_newest())
    }

    /// After every event: what was read, and the title.
    fn settle(&mut self, out: &mut Vec<Command>) {
        // a program may start on a conversation before its contact is known
        if let Some(id) = self.current
            && !self.conversations.contains_key(&id)
            && self.contact(&id).is_some()
        {
            self.current = None;
            let overlay = self.overlay.take();
            self.open(id, out);
            self.overlay = overlay;
        }
        if self.in_sight() {
            let since = *self.seen_since.get_or_insert(self.now.at);
            let unread = self.current_contact().is_some_and(|c| c.unread > 0);
            if unread && since.after_seconds(READ_SECONDS) <= self.now.at {
                self.mark_read(out);
            }
        } else {
            self.seen_since = None;
        }
        let title = match self.unread() {
            0 => "paratox".to_owned(),
            n => format!("({n}) paratox"),
        };
        if self.stage == Stage::Chat && title != self.title {
            self.title.clone_from(&title);
            out.push(Command::Title(title));
        }
    }

    fn mark_read(&mut self, out: &mut Vec<Command>) {
        let Some(id) = self.current else { return };
        let newest = self
            .conversation()
            .and_then(|c| c.messages().last())
            .map(|m| m.number);
        if let Some(number) = newest {
            out.push(Command::MarkRead {
                contact: id,
                number,
            });
        }
        if let Some(contact) = self.contacts.iter_mut().find(|c| c.id == id) {
            contact.unread = 0;
        }
        self.changed = true;
    }

    /// Opens a conversation: its draft into the composer, its newest messages into sight.
    pub(super) fn open(&mut self, id: AccountId, out: &mut Vec<Command>) {
        if self.contact(&id).is_none() {
            return;
        }
        self.overlay = None;
        if self.current == Some(id) {
            return;
        }
        if let Some(old) = self.current {
            let draft = std::mem::take(&mut self.composer);
            if draft.is_empty() {
                self.drafts.remove(&old);
            } else {
                self.drafts.insert(old, draft);
            }
            if let Some(conversation) = self.conversations.get_mut(&old) {
                conversation.selected = None;
                conversation.unread_from = None;
            }
        }
        // what was written before anybody was chosen is not lost
        let loose = match self.current {
            None => std::mem::take(&mut self.composer),
            Some(_) => Composer::default(),
        };
        self.current = Some(id);
        self.composer = self.drafts.remove(&id).unwrap_or_default();
        if !loose.is_empty() {
            self.give_back(id, loose.text());
        }
        self.seen_since = None;
        self.visits.retain(|v| *v != id);
        self.visits.push(id);
        if self.visits.len() > CONVERSATIONS_MAX {
            let gone = self.visits.remove(0);
            self.conversations.remove(&gone);
        }
        let unread = self.contact(&id).map_or(0, |c| c.unread as usize);
        let conversation: &mut Conversation = self.conversations.entry(id).or_default();
        if conversation.loaded {
            conversation.mark_unread(unread);
        } else if !conversation.loading {
            conversation.loading = true;
            out.push(Command::LoadHistory {
                contact: id,
                before: None,
            });
        }
    }

    pub(super) fn drop_selection(&mut self) {
        if let Some(conversation) = self.conversation_mut() {
            conversation.selected = None;
        }
    }
}
