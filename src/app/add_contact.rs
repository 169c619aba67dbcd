//! Adding a contact: the AccountID is checked while it is pasted or typed, and a mistake is named with its place.
//! Nothing is looked up and nothing is sent before Add.

use crate::crypto::id::AccountId;
use crate::messenger::text;

use super::event::Command;
use super::field::{Edit, Field, next_stop};
use super::first_run::NAME_BYTES;

/// How an AccountID begins.
const ID_PREFIX: &str = "px1";
/// Characters of an AccountID.
pub const ID_CHARACTERS: usize = 62;
/// Bytes of the id field: a pasted text that is far too long is shown to be too long and cut there.
pub const ID_BYTES: usize = 256;
/// Bytes of the first message: it travels with the request.
pub const REQUEST_MAX: usize = 200;
/// Characters of a group when an id is shown.
pub const GROUP: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Id,
    Name,
    Message,
    Add,
}

const STOPS: [Stop; 4] = [Stop::Id, Stop::Name, Stop::Message, Stop::Add];

/// What the text in the id field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    Empty,
    /// Nothing wrong so far; more has to come.
    Short,
    /// One sentence, and the character that is probably wrong.
    Bad {
        reason: String,
        position: Option<usize>,
    },
    Own,
    Known(String),
    /// Somebody who has asked: to add is to accept.
    Asking(AccountId, String),
    Good(AccountId),
}

/// Who an AccountID belongs to, as far as the person knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    Nobody,
    Own,
    Contact(String),
    Asking(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AddContact {
    pub stop: Stop,
    /// Without spaces, breaks, invisible characters and "paratox:", in lower case.
    pub id: Field,
    pub name: Field,
    pub message: Field,
    pub check: Check,
    pub problem: Option<String>,
}

/// What is typed or pasted, without what does not matter. Of a text with a whole AccountID in it that AccountID.
pub fn normalise(typed: &str) -> String {
    let bare: String = text::clean(typed)
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\u{200C}' | '\u{200D}'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let whole = |(at, _)| bare.get(at..at + ID_CHARACTERS);
    let mut inside = bare.match_indices(ID_PREFIX).filter_map(whole);
    if let Some(id) = inside.find(|id| id.parse::<AccountId>().is_ok()) {
        return id.to_owned();
    }
    let bare = bare.trim_matches(['"', '\'', '<', '>', '`']);
    match bare.strip_prefix("paratox:") {
        Some(rest) => rest.trim_start_matches('/').to_owned(),
        None => bare.to_owned(),
    }
}

impl Default for AddContact {
    fn default() -> AddContact {
        AddContact {
            stop: Stop::Id,
            id: Field::new(ID_BYTES),
            name: Field::new(NAME_BYTES),
            message: Field::new(REQUEST_MAX),
            check: Check::Empty,
            problem: None,
        }
    }
}

impl AddContact {
    pub fn step(&mut self, forward: bool) {
        self.stop = next_stop(&STOPS, self.stop, forward);
    }

    fn field(&mut self) -> Option<&mut Field> {
        match self.stop {
            Stop::Id => Some(&mut self.id),
            Stop::Name => Some(&mut self.name),
            Stop::Message => Some(&mut self.message),
            Stop::Add => None,
        }
    }

    /// `known` says who an id belongs to.
    pub fn insert(&mut self, typed: &str, known: impl Fn(&AccountId) -> Known) {
        self.problem = None;
        match self.stop {
            Stop::Id => {
                self.id.insert(&normalise(typed));
                self.recheck(known);
            }
            Stop::Name | Stop::Message => {
                if let Some(field) = self.field()
                    && !field.take(typed)
                {
                    self.problem = Some("not all of it fits; the rest was left out".into());
                }
            }
            Stop::Add => {}
        }
    }

    pub fn edit(&mut self, edit: Edit, known: impl Fn(&AccountId) -> Known) {
        self.problem = None;
        if let Some(field) = self.field()
            && field.edit(edit)
            && self.stop == Stop::Id
        {
            self.recheck(known);
        }
    }

    pub fn clear(&mut self) -> bool {
        match self.field() {
            Some(field) if !field.is_empty() => {
                field.clear();
                if self.stop == Stop::Id {
                    self.check = Check::Empty;
                }
                true
            }
            _ => false,
        }
    }

    pub fn recheck(&mut self, known: impl Fn(&AccountId) -> Known) {
        let text = self.id.text();
        let count = text.chars().count();
        self.check = if count == 0 {
            Check::Empty
        } else {
            match text.parse::<AccountId>() {
                Ok(id) => match known(&id) {
                    Known::Nobody => Check::Good(id),
                    Known::Own => Check::Own,
                    Known::Contact(name) => Check::Known(name),
                    Known::Asking(name) => Check::Asking(id, name),
                },
                // while it grows, only what no further character can repair is an error
                Err(_) if count < ID_CHARACTERS && may_still_grow(text) => Check::Short,
                Err(bad) => Check::Bad {
                    reason: bad.reason,
                    position: bad.position,
                },
            }
        };
    }

    /// The command refused by the messenger comes back as a problem, at its place if it has one.
    pub fn failed(&mut self, text: String, position: Option<usize>) {
        match position {
            Some(_) => {
                self.check = Check::Bad {
                    reason: text,
                    position,
                }
            }
            None => self.problem = Some(text),
        }
    }

    /// Enter: the next field, or Add. `tag` is the command's.
    pub fn confirm(&mut self, tag: impl FnOnce() -> u64) -> Option<Command> {
        if self.stop != Stop::Add {
            self.step(true);
            return None;
        }
        match &self.check {
            Check::Good(id) | Check::Asking(id, _) => {
                let name = text::clean_line(self.name.text());
                let name = match (&self.check, name.is_empty()) {
                    (_, false) => name,
                    (Check::Asking(_, theirs), true) => theirs.clone(),
                    (_, true) => short_id(id),
                };
                Some(Command::Add {
                    tag: tag(),
                    id: *id,
                    name,
                    text: text::clean(self.message.text()).trim().to_owned(),
                })
            }
            _ => {
                self.stop = Stop::Id;
                self.problem = Some("a valid AccountID is needed first".into());
                None
            }
        }
    }
}

/// Could more characters still make an AccountID of this?
fn may_still_grow(text: &str) -> bool {
    const CHARACTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    match text.strip_prefix(ID_PREFIX) {
        Some(data) => data.chars().all(|c| CHARACTERS.contains(c)),
        None => ID_PREFIX.starts_with(text),
    }
}

/// The beginning of an id, enough to tell it from others on a screen and never to identify anyone by.
pub fn short_id(id: &AccountId) -> String {
    id.to_string().chars().take(8).collect()
}

/// In groups of four, to compare and to read aloud.
pub fn groups(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(GROUP)
        .map(|c| c.iter().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        assert_eq!(
            normalise(" paratox:px1q\u{200B}qq \r\n q\u{feff} "),
            "px1qqqq"
        );
        assert_eq!(normalise("\"PX1QQ\""), "px1qq");
        // a keyboard that begins sentences with a capital letter
        assert_eq!(normalise("Px1qq"), "px1qq");
        assert_eq!(normalise("PARATOX://px1"), "px1");
    }

    #[test]
    fn an_id_among_other_words_is_found() {
        let key = crate::crypto::keys::AccountKey::from_bytes(&[7; 32]).expect("a key");
        let id = key.id().to_string();
        for text in [
            format!("Hello, my id is {id} , see you"),
            format!("px1 is how it begins:\n{}", groups(&id).join(" ")),
            format!("paratox:{}!", id.to_ascii_uppercase()),
        ] {
            assert_eq!(normalise(&text), id, "{text}");
        }
    }

    #[test]
    fn only_what_cannot_be_repaired_is_called_wrong_while_typing() {
        for text in ["p", "px", "px1", "px1qpzry9"] {
            assert!(may_still_grow(text), "{text}");
        }
        for text in ["q", "px1b", "pxn1q", "px1q!"] {
            assert!(!may_still_grow(text), "{text}");
        }
    }

    #[test]
    fn ids_are_read_in_groups_of_four() {
        assert_eq!(groups("px1qabcdx"), ["px1q", "abcd", "x"]);
    }
}
