//! What keys do in the boxes over the main screen.

use crate::crypto::pairing::PairCode;
use crate::messenger::text;
use crate::messenger::view::{ContactState, Policy};

use super::add_contact::AddContact;
use super::event::Command;
use super::field::{Edit, Field};
use super::first_run::NAME_BYTES;
use super::keymap::{Action, Context, key_of};
use super::{App, Deed, Overlay};

/// Rows of a page in boxes that scroll.
const PAGE: usize = 10;

impl App {
    pub(super) fn overlay_key(&mut self, action: Action, out: &mut Vec<Command>) {
        let Some(overlay) = self.overlay.take() else {
            return;
        };
        if action == Action::Back {
            return;
        }
        match overlay {
            Overlay::Contacts { filter, cursor } => self.contacts_key(filter, cursor, action, out),
            Overlay::Add(add) => self.add_key(add, action, out),
            Overlay::Requests { cursor } => self.requests_key(cursor, action, out),
            Overlay::Details { number, scroll } => {
                let scroll = match action {
                    Action::Up => scroll.saturating_sub(PAGE),
                    Action::Down => scroll.saturating_add(PAGE),
                    _ => scroll,
                };
                self.overlay = Some(Overlay::Details { number, scroll });
                match action {
                    Action::SelectUp | Action::SelectDown => {
                        self.select(action == Action::SelectUp, out)
                    }
                    Action::Copy => self.copy_selected(out),
                    _ => {}
                }
            }
            Overlay::Network { scroll } => {
                self.overlay = Some(Overlay::Network {
                    scroll: scrolled(scroll, action),
                })
            }
            Overlay::MyId { copied } => {
                let mut copied = copied;
                if action == Action::Copy
                    && let Some(me) = &self.me
                {
                    out.push(Command::Copy(me.id.to_string()));
                    copied = true;
                }
                self.overlay = Some(Overlay::MyId { copied });
            }
            Overlay::Compare { id, code, scroll } => {
                if action == Action::Copy {
                    out.push(Command::Copy(id.to_string()));
                    self.say("the AccountID was handed to the terminal's clipboard");
                }
                let scroll = scrolled(scroll, action);
                self.overlay = Some(Overlay::Compare { id, code, scroll });
            }
            Overlay::Help { mut filter, scroll } => {
                let mut scroll = scrolled(scroll, action);
                if let Action::Edit(edit) = action
                    && filter.edit(edit)
                {
                    scroll = 0;
                }
                self.overlay = Some(Overlay::Help { filter, scroll });
            }
            Overlay::Rename { id, mut name } => match action {
                Action::Confirm => {
                    let new = text::clean_line(name.text());
                    if new.is_empty() {
                        self.say("a name cannot be empty");
                        self.overlay = Some(Overlay::Rename { id, name });
                    } else {
                        out.push(Command::Rename { id, name: new });
                    }
                }
                _ => {
                    if let Action::Edit(edit) = action {
                        name.edit(edit);
                    }
                    self.overlay = Some(Overlay::Rename { id, name });
                }
            },
            Overlay::Sure { id, deed } => match (action, deed) {
                (Action::Confirm, Deed::Remove) => out.push(Command::Remove(id)),
                (Action::Confirm, Deed::Block) => out.push(Command::Block(id)),
                _ => self.overlay = Some(Overlay::Sure { id, deed }),
            },
            Overlay::Question => match (action, self.questions.pop_front()) {
                (Action::SendWithout | Action::KeepWaiting, Some(q)) => {
                    out.push(Command::Answer {
                        contact: q.contact,
                        number: q.number,
                        send: action == Action::SendWithout,
                    });
                    if !self.questions.is_empty() {
                        self.overlay = Some(Overlay::Question);
                    }
                }
                (_, Some(q)) => {
                    self.questions.push_front(q);
                    self.overlay = Some(Overlay::Question);
                }
                (_, None) => {}
            },
            Overlay::Quit { waiting } => match action {
                Action::Confirm => out.push(Command::Quit),
                _ => self.overlay = Some(Overlay::Quit { waiting }),
            },
        }
    }

    fn contacts_key(
        &mut self,
        mut filter: Field,
        cursor: usize,
        action: Action,
        out: &mut Vec<Command>,
    ) {
        let chosen = self
            .filtered(filter.text())
            .get(cursor)
            .map(|c| (c.id, c.name.clone(), c.policy, c.state));
        let count = self.filtered(filter.text()).len();
        let mut cursor = cursor;
        match (action, chosen) {
            (Action::Up, _) => cursor = cursor.saturating_sub(1),
            (Action::Down, _) => cursor = (cursor + 1).min(count.saturating_sub(1)),
            (Action::Confirm, Some((id, ..))) => {
                self.open(id, out);
                return;
            }
            (Action::Compare, Some((id, ..))) => {
                let code = self.me.as_ref().map(|me| PairCode::of(&me.id, &id));
                self.overlay = Some(Overlay::Compare {
                    id,
                    code,
                    scroll: 0,
                });
                return;
            }
            (Action::Rename, Some((id, name, ..))) => {
                let mut field = Field::new(NAME_BYTES);
                field.insert(&name);
                self.overlay = Some(Overlay::Rename { id, name: field });
                return;
            }
            (Action::Remove, Some((id, ..))) => {
                let deed = Deed::Remove;
                self.overlay = Some(Overlay::Sure { id, deed });
                return;
            }
            (Action::Block, Some((id, name, _, state))) => {
                if state == ContactState::Blocked {
                    self.say(&format!(
                        "{name} is blocked already; {} takes them back",
                        key_of(Context::Contacts, Action::Accept)
                    ));
                } else {
                    let deed = Deed::Block;
                    self.overlay = Some(Overlay::Sure { id, deed });
                    return;
                }
            }
            (Action::Accept, Some((id, name, _, state))) => match state {
                ContactState::Blocked | ContactState::Declined => out.push(Command::Accept(id)),
                _ => self.say(&format!("{name} is neither blocked nor declined")),
            },
            (Action::Policy, Some((id, _, policy, _))) => {
                let policy = match policy {
                    Policy::Ask => Policy::Wait,
                    Policy::Wait => Policy::ForwardSecretOnly,
                    Policy::ForwardSecretOnly => Policy::Ask,
                };
                out.push(Command::Policy { id, policy });
            }
            (Action::Edit(edit), _)
                if filter.edit(edit) && !matches!(edit, Edit::Left | Edit::Right) =>
            {
                cursor = 0
            }
            _ => {}
        }
        self.overlay = Some(Overlay::Contacts { filter, cursor });
    }

    fn add_key(&mut self, mut add: AddContact, action: Action, out: &mut Vec<Command>) {
        match action {
            Action::NextField => add.step(true),
            Action::PreviousField => add.step(false),
            Action::Edit(edit) => add.edit(edit, |id| self.known(id)),
            Action::Confirm => {
                if let Some(command) = add.confirm(|| self.tag()) {
                    if let Command::Add { tag, id, .. } = &command {
                        self.adding = Some((*tag, add));
                        if self.current.is_none() {
                            self.opening = Some(*id);
                        }
                    }
                    out.push(command);
                    return;
                }
            }
            _ => {}
        }
        self.overlay = Some(Overlay::Add(add));
    }

    fn requests_key(&mut self, cursor: usize, action: Action, out: &mut Vec<Command>) {
        let requests = self.requests();
        let count = requests.len();
        let chosen = requests
            .get(cursor.min(count.saturating_sub(1)))
            .map(|c| c.id);
        let mut cursor = cursor.min(count.saturating_sub(1));
        match (action, chosen) {
            (Action::Up, _) => cursor = cursor.saturating_sub(1),
            (Action::Down, _) => cursor = (cursor + 1).min(count.saturating_sub(1)),
            (Action::Accept, Some(id)) => {
                out.push(Command::Accept(id));
                self.opening = Some(id);
                if count == 1 {
                    return;
                }
            }
            (Action::Decline, Some(id)) => out.push(Command::Decline(id)),
            (Action::Block, Some(id)) => out.push(Command::Block(id)),
            _ => {}
        }
        self.overlay = Some(Overlay::Requests { cursor });
    }
}

fn scrolled(scroll: usize, action: Action) -> usize {
    match action {
        Action::Up => scroll.saturating_sub(1),
        Action::Down => scroll.saturating_add(1),
        Action::PageUp => scroll.saturating_sub(PAGE),
        Action::PageDown => scroll.saturating_add(PAGE),
        _ => scroll,
    }
}
