//! What keys, letters and pasted text do on the main screen and the first ones. The boxes over it are in `boxes`.

use crate::crypto::id::AccountId;
use crate::messenger::text;
use crate::messenger::view::{ContactState, Delivery};

use super::add_contact::{AddContact, Known};
use super::composer::{COMPOSER_MAX, MESSAGE_MAX};
use super::event::Command;
use super::field::Field;
use super::keymap::Action;
use super::update::REQUEST_CAME;
use super::{App, CTRL_C_SECONDS, Overlay, PENDING_MAX, Pending, Stage};

/// Bytes of a filter.
const FILTER_BYTES: usize = 64;

/// True as long as a second Ctrl+C counts as one.
pub(super) const CLEARED: &str = "cleared; Ctrl+C again quits";
pub(super) const AGAIN: &str = "Ctrl+C again quits";

impl App {
    pub(super) fn key(&mut self, action: Action, out: &mut Vec<Command>) {
        if action != Action::ClearOrQuit {
            self.ctrl_c = None;
        }
        match action {
            Action::Quit => self.quit(out),
            Action::ClearOrQuit => self.clear_or_quit(out),
            Action::Suspend => out.push(Command::Suspend),
            _ => match self.stage {
                Stage::FirstRun(_) => self.first_run_key(action, out),
                Stage::Unlock(_) => self.unlock_key(action, out),
                Stage::Chat => self.chat_key(action, out),
            },
        }
    }

    fn quit(&mut self, out: &mut Vec<Command>) {
        let waiting = if self.stage == Stage::Chat {
            self.waiting()
        } else {
            0
        };
        let unsent = self.stage == Stage::Chat && self.unsent() > 0;
        if (waiting > 0 || unsent) && !matches!(self.overlay, Some(Overlay::Quit { .. })) {
            self.overlay = Some(Overlay::Quit { waiting });
        } else {
            out.push(Command::Quit);
        }
    }

    fn clear_or_quit(&mut self, out: &mut Vec<Command>) {
        let again = self
            .ctrl_c
            .is_some_and(|at| self.now.at <= at.after_seconds(CTRL_C_SECONDS));
        if again {
            self.quit(out);
            return;
        }
        let cleared = match (&mut self.stage, &mut self.overlay) {
            (Stage::FirstRun(first), _) => first.clear(),
            (Stage::Unlock(unlock), _) => {
                let had = !unlock.passphrase.is_empty();
                unlock.passphrase.clear();
                had
            }
            (Stage::Chat, Some(Overlay::Add(add))) => add.clear(),
            (
                Stage::Chat,
                Some(Overlay::Contacts { filter, .. } | Overlay::Help { filter, .. }),
            ) => {
                let had = !filter.is_empty();
                filter.clear();
                had
            }
            (Stage::Chat, _) => {
                let had = !self.composer.is_empty();
                self.composer.clear();
                had
            }
        };
        self.ctrl_c = Some(self.now.at);
        self.say(if cleared { CLEARED } else { AGAIN });
    }

    fn first_run_key(&mut self, action: Action, out: &mut Vec<Command>) {
        let Stage::FirstRun(first) = &mut self.stage else {
            return;
        };
        match action {
            Action::NextField => first.step(true),
            Action::PreviousField => first.step(false),
            Action::Reveal => first.revealed = !first.revealed,
            Action::Confirm => out.extend(first.confirm()),
            Action::Edit(edit) => first.edit(edit),
            _ => {}
        }
    }

    fn unlock_key(&mut self, action: Action, out: &mut Vec<Command>) {
        let Stage::Unlock(unlock) = &mut self.stage else {
            return;
        };
        match action {
            Action::Reveal => unlock.revealed = !unlock.revealed,
            Action::Confirm => out.extend(unlock.confirm()),
            Action::Edit(edit) => {
                unlock.passphrase.edit(edit);
            }
            _ => {}
        }
    }

    fn chat_key(&mut self, action: Action, out: &mut Vec<Command>) {
        match action {
            Action::Help => self.toggle(Overlay::Help {
                filter: Field::new(FILTER_BYTES),
                scroll: 0,
            }),
            Action::Contacts => self.toggle(Overlay::Contacts {
                filter: Field::new(FILTER_BYTES),
                cursor: 0,
            }),
            Action::Network => self.toggle(Overlay::Network { scroll: 0 }),
            Action::MyId => self.toggle(Overlay::MyId { copied: false }),
            Action::Requests => {
                self.notices.take_back(REQUEST_CAME, self.now.at);
                self.toggle(Overlay::Requests { cursor: 0 });
            }
            Action::AddContact => self.toggle(Overlay::Add(AddContact::default())),
            Action::Details => self.open_details(),
            _ if self.overlay.is_some() => self.overlay_key(action, out),
            _ => self.main_key(action, out),
        }
    }

    /// Opens a box, or closes it if it is the open one.
    fn toggle(&mut self, overlay: Overlay) {
        let same = self
            .overlay
            .as_ref()
            .is_some_and(|open| std::mem::discriminant(open) == std::mem::discriminant(&overlay));
        self.overlay = if same { None } else { Some(overlay) };
    }

    fn open_details(&mut self) {
        if matches!(self.overlay, Some(Overlay::Details { .. })) {
            self.overlay = None;
            return;
        }
        let number = self.selected().or_else(|| {
            self.conversation()
                .and_then(|c| c.messages().last())
                .map(|m| m.number)
        });
        match number {
            Some(number) => {
                if let Some(conversation) = self.conversation_mut() {
                    conversation.selected = Some(number);
                }
                self.overlay = Some(Overlay::Details { number, scroll: 0 });
            }
            None => self.say("there is no message here yet"),
        }
    }

    fn main_key(&mut self, action: Action, out: &mut Vec<Command>) {
        let (measure, today, zone) = (self.measure(), self.now.unix, self.zone.clone());
        match action {
            Action::Send => self.send(out),
            Action::NewLine => {
                self.drop_selection();
                self.insert_composed("\n");
            }
            Action::PageUp | Action::Up => {
                let page = match action {
                    Action::Up => 1,
                    _ => measure.height.saturating_sub(2).max(1),
                };
                let top = self
                    .conversation_mut()
                    .is_some_and(|c| c.scroll_up(page, measure, today, &zone));
                if top {
                    self.load_older(out);
                }
            }
            Action::PageDown | Action::Down => {
                let page = match action {
                    Action::Down => 1,
                    _ => measure.height.saturating_sub(2).max(1),
                };
                if let Some(c) = self.conversation_mut() {
                    c.scroll_down(page, measure, today, &zone);
                }
            }
            Action::Newest => match self.conversation_mut() {
                Some(c) if !c.at_newest() => c.to_newest(),
                _ => self.composer.to_line_end(),
            },
            Action::Oldest => {
                if let Some(c) = self.conversation_mut() {
                    c.to_oldest();
                }
                self.load_older(out);
            }
            Action::SelectUp | Action::SelectDown => self.select(action == Action::SelectUp, out),
            Action::NextUnread => {
                let order: Vec<_> = self.listed().map(|c| (c.id, c.unread)).collect();
                let at = order
                    .iter()
                    .position(|(id, _)| Some(*id) == self.current)
                    .map_or(0, |i| i + 1);
                let next = order
                    .iter()
                    .cycle()
                    .skip(at)
                    .take(order.len())
                    .find(|(id, unread)| *unread > 0 && Some(*id) != self.current);
                match next {
                    Some((id, _)) => self.open(*id, out),
                    None => self.say("no new messages elsewhere"),
                }
            }
            Action::Switch(place) => {
                let id = self
                    .listed()
                    .nth(usize::from(place).saturating_sub(1))
                    .map(|c| c.id);
                if let Some(id) = id {
                    self.open(id, out);
                }
            }
            Action::Decide => {
                if self.questions.is_empty() {
                    self.say("no message waits for a decision");
                } else {
                    self.overlay = Some(Overlay::Question);
                }
            }
            Action::Copy => self.copy_selected(out),
            Action::SendAgain => self.send_again(),
            Action::Back => {
                if self.selected().is_some() {
                    self.drop_selection();
                } else {
                    self.notices.dismiss(self.now.at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn select(&mut self, up: bool, out: &mut Vec<Command>) {
        let (measure, today, zone) = (self.measure(), self.now.unix, self.zone.clone());
        let Some(conversation) = self.conversation_mut() else {
            return;
        };
        conversation.select(up, measure, today, &zone);
        let at_first = conversation.selected.is_some()
            && conversation.selected == conversation.messages().first().map(|m| m.number);
        if at_first {
            self.load_older(out);
        }
        if let Some(Overlay::Details { .. }) = self.overlay {
            self.overlay = self
                .selected()
                .map(|number| Overlay::Details { number, scroll: 0 });
        }
    }

    fn load_older(&mut self, out: &mut Vec<Command>) {
        let Some(contact) = self.current else { return };
        let Some(c) = self.conversation_mut() else {
            return;
        };
        if c.older && !c.loading {
            c.loading = true;
            out.push(Command::LoadHistory {
                contact,
                before: c.messages().first().map(|m| m.number),
            });
        }
    }

    pub(super) fn copy_selected(&mut self, out: &mut Vec<Command>) {
        let text = self
            .selected()
            .and_then(|n| self.conversation().and_then(|c| c.message(n)))
            .map(|m| m.text.clone());
        if let Some(text) = text {
            out.push(Command::Copy(text));
            self.say("the text was handed to the terminal's clipboard");
        }
    }

    fn send_again(&mut self) {
        let failed = self
            .selected()
            .and_then(|n| self.conversation().and_then(|c| c.message(n)))
            .filter(|m| m.mine && matches!(m.delivery, Delivery::Failed | Delivery::Expired))
            .map(|m| m.text.clone());
        match failed {
            Some(text) if self.composer.is_empty() => {
                self.composer.set(&text);
                self.drop_selection();
            }
            Some(_) => self.say("the composer holds another text; send or clear it first"),
            None => self.say("only a message that failed can be written again"),
        }
    }

    fn send(&mut self, out: &mut Vec<Command>) {
        match self.composer.text().trim() {
            "" => return,
            "/why" => {
                let mut filter = Field::new(FILTER_BYTES);
                filter.insert("not protect");
                self.composer.clear();
                self.overlay = Some(Overlay::Help { filter, scroll: 0 });
                return;
            }
            _ => {}
        }
        let bytes = self.composer.text().len();
        let refusal = match self.current_contact() {
            None => Some("no conversation is open: F7 adds, F2 lists".to_owned()),
            Some(c) if c.state == ContactState::Blocked => {
                Some(format!("{} is blocked; nothing was sent", c.name))
            }
            Some(c) if c.state == ContactState::Declined => {
                Some(format!("{} was declined; nothing was sent", c.name))
            }
            Some(_) if bytes > MESSAGE_MAX => Some(format!(
                "too long: {bytes} of {MESSAGE_MAX} bytes; shorten it or send it in two, nothing was sent"
            )),
            Some(_) if self.pending.len() >= PENDING_MAX => {
                Some("the disk is behind; wait a moment, nothing was sent".to_owned())
            }
            Some(_) => None,
        };
        if let Some(why) = refusal {
            self.say(&why);
            return;
        }
        let Some(to) = self.current else { return };
        let text = text::clean(self.composer.text());
        let tag = self.tag();
        self.pending.push_back(Pending {
            tag,
            to,
            text: text.clone(),
            since: self.now.at,
        });
        self.composer.clear();
        if let Some(c) = self.conversation_mut() {
            c.to_newest();
            c.selected = None;
        }
        out.push(Command::Send { tag, to, text });
    }

    /// For a command whose answer is waited for.
    pub(super) fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag - 1
    }

    /// Letters for the input that has the cursor.
    pub(super) fn type_text(&mut self, typed: &str) {
        match &mut self.stage {
            Stage::FirstRun(first) => first.insert(typed),
            Stage::Unlock(unlock) => unlock.insert(typed),
            Stage::Chat => match self.overlay.take() {
                None => {
                    self.drop_selection();
                    self.insert_composed(&text::clean(typed));
                }
                Some(mut overlay) => {
                    match &mut overlay {
                        Overlay::Contacts { filter, cursor } => {
                            filter.take(typed);
                            *cursor = 0;
                        }
                        Overlay::Help { filter, scroll } => {
                            filter.take(typed);
                            *scroll = 0;
                        }
                        Overlay::Rename { name, .. } => {
                            name.take(typed);
                        }
                        Overlay::Add(add) => add.insert(typed, |id| self.known(id)),
                        _ => {}
                    }
                    self.overlay = Some(overlay);
                }
            },
        }
    }

    /// Who an id in the form to add somebody belongs to.
    pub(super) fn known(&self, id: &AccountId) -> Known {
        if self.me.as_ref().is_some_and(|me| me.id == *id) {
            return Known::Own;
        }
        match self.contact(id) {
            None => Known::Nobody,
            Some(c) if c.state == ContactState::Asking => Known::Asking(c.name.clone()),
            Some(c) => Known::Contact(c.name.clone()),
        }
    }

    fn insert_composed(&mut self, text: &str) {
        if !self.composer.insert(text) {
            self.say(&format!(
                "that does not fit: the composer holds {} KiB",
                COMPOSER_MAX / 1024
            ));
        }
    }

    /// Pasted text is inserted, whatever is in it; only keys send. Where no input takes it, an AccountID opens the form to add it.
    pub(super) fn paste(&mut self, pasted: &str) {
        // a name or an id needs little; cleaning a megabyte for them would only cost time
        let pasted = if pasted.len() > COMPOSER_MAX {
            self.say(&format!(
                "only the first {} KiB of what was pasted were taken",
                COMPOSER_MAX / 1024
            ));
            &pasted[..pasted.floor_char_boundary(COMPOSER_MAX)]
        } else {
            pasted
        };
        let opens_form = match &self.overlay {
            _ if self.stage != Stage::Chat => false,
            None => self.current.is_none() && self.composer.is_empty(),
            Some(Overlay::Contacts { .. }) => super::add_contact::normalise(pasted)
                .parse::<AccountId>()
                .is_ok(),
            Some(_) => !self.takes_text(),
        };
        if opens_form {
            self.overlay = Some(Overlay::Add(AddContact::default()));
        }
        self.type_text(pasted);
    }
}
