//! The first start (passphrase, name, class, entry tickets) and the unlocking of a profile.

use crate::messenger::text;
use crate::wire::class::Class;
use crate::wire::parcel::REQUEST_NAME;
use crate::wire::ticket::Ticket;

use super::event::Command;
use super::field::{Edit, Field, Secret, next_stop};

/// Bytes of a passphrase: a long sentence in any script.
pub const PASSPHRASE_MAX: usize = 512;
/// Bytes of a contact's name as typed.
pub const NAME_BYTES: usize = 200;
/// Bytes of the own name: it has to fit into a request.
pub const OWN_NAME_BYTES: usize = REQUEST_NAME;
/// Bytes of pasted tickets: some thirty of them.
pub const TICKETS_BYTES: usize = 4096;
/// Entry nodes asked for, so that no single one decides whom a newcomer meets.
pub const TICKETS_WANTED: usize = 3;

/// A field took less than was typed or pasted. For a passphrase this must not go unnoticed: it would be another one.
const NOT_ALL: &str = "that is too long: only its beginning was taken";

/// What the cursor is on, in the order of Tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Passphrase,
    Again,
    Name,
    Class,
    Tickets,
    Start,
}

const STOPS: [Stop; 6] = [
    Stop::Passphrase,
    Stop::Again,
    Stop::Name,
    Stop::Class,
    Stop::Tickets,
    Stop::Start,
];

#[derive(Clone, Debug, PartialEq)]
pub struct FirstRun {
    pub stop: Stop,
    pub passphrase: Field,
    pub again: Field,
    pub name: Field,
    pub class: Class,
    pub tickets: Field,
    /// Entry nodes that are known without typing any: from the command line or shipped.
    pub known_tickets: usize,
    pub revealed: bool,
    /// Start was pressed and the answer has not come.
    pub working: bool,
    pub problem: Option<String>,
}

impl FirstRun {
    pub fn new(name: &str, class: Class, known_tickets: usize) -> FirstRun {
        let mut field = Field::new(OWN_NAME_BYTES);
        field.insert(&text::clean_line(name));
        FirstRun {
            stop: Stop::Passphrase,
            passphrase: Field::hidden(PASSPHRASE_MAX),
            again: Field::hidden(PASSPHRASE_MAX),
            name: field,
            class,
            tickets: Field::new(TICKETS_BYTES),
            known_tickets,
            revealed: false,
            working: false,
            problem: None,
        }
    }

    pub fn step(&mut self, forward: bool) {
        self.stop = next_stop(&STOPS, self.stop, forward);
    }

    fn field(&mut self) -> Option<&mut Field> {
        match self.stop {
            Stop::Passphrase => Some(&mut self.passphrase),
            Stop::Again => Some(&mut self.again),
            Stop::Name => Some(&mut self.name),
            Stop::Tickets => Some(&mut self.tickets),
            Stop::Class | Stop::Start => None,
        }
    }

    pub fn insert(&mut self, typed: &str) {
        self.problem = None;
        if self.stop == Stop::Class {
            if typed.contains([' ', '+', '-']) {
                self.other_class();
            }
            return;
        }
        if let Some(field) = self.field()
            && !field.take(typed)
        {
            self.problem = Some(NOT_ALL.to_owned());
        }
    }

    pub fn edit(&mut self, edit: Edit) {
        self.problem = None;
        if self.stop == Stop::Class && matches!(edit, Edit::Left | Edit::Right) {
            self.other_class();
        } else if let Some(field) = self.field() {
            field.edit(edit);
        }
    }

    pub fn clear(&mut self) -> bool {
        match self.field() {
            Some(field) if !field.is_empty() => {
                field.clear();
                true
            }
            _ => false,
        }
    }

    fn other_class(&mut self) {
        self.class = match self.class {
            Class::Normal => Class::Fast,
            Class::Fast => Class::Normal,
        };
    }

    pub fn ticket_list(&self) -> Vec<String> {
        self.tickets
            .text()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Enter: the next field, or the start.
    pub fn confirm(&mut self) -> Option<Command> {
        if self.stop != Stop::Start {
            self.step(true);
            return None;
        }
        if self.working {
            return None;
        }
        if self.passphrase.is_empty() {
            return self.refuse(
                Stop::Passphrase,
                "choose a passphrase first: it encrypts your keys and your history",
            );
        }
        if self.passphrase.text() != self.again.text() {
            return self.refuse(Stop::Again, "the two passphrases do not match");
        }
        let name = text::clean_line(self.name.text());
        if name.is_empty() {
            return self.refuse(
                Stop::Name,
                "choose a name: contacts see it in your requests",
            );
        }
        let mut from = 0;
        for (i, ticket) in self.ticket_list().iter().enumerate() {
            let at = self.tickets.text()[from..].find(ticket.as_str());
            let start = from + at.unwrap_or(0);
            from = start + ticket.len();
            if let Err(bad) = ticket.parse::<Ticket>() {
                if let Some(position) = bad.position {
                    let before = self.tickets.text()[..start].chars().count();
                    self.tickets.to_character(before + position);
                }
                let place = match bad.position {
                    Some(at) if !bad.reason.contains("at character") => {
                        format!(" (character {})", at + 1)
                    }
                    _ => String::new(),
                };
                return self.refuse(
                    Stop::Tickets,
                    &format!("ticket {}: {}{place}", i + 1, bad.reason),
                );
            }
        }
        self.problem = None;
        self.working = true;
        Some(Command::Create {
            passphrase: self.passphrase.secret(),
            name,
            class: self.class,
            tickets: self.ticket_list(),
        })
    }

    fn refuse(&mut self, stop: Stop, why: &str) -> Option<Command> {
        self.stop = stop;
        self.problem = Some(why.to_owned());
        None
    }

    /// What to say about the two passphrases while they are typed.
    pub fn matching(&self) -> Option<bool> {
        (!self.again.is_empty()).then(|| self.passphrase.text() == self.again.text())
    }
}

/// Words for how long guessing a passphrase would take, from its length and the kinds of characters in it. A hint, not a promise:
/// a famous quotation is long and weak.
pub fn strength(passphrase: &str) -> (&'static str, u32) {
    let kinds: f64 = [
        (26.0, passphrase.chars().any(|c| c.is_ascii_lowercase())),
        (26.0, passphrase.chars().any(|c| c.is_ascii_uppercase())),
        (10.0, passphrase.chars().any(|c| c.is_ascii_digit())),
        (
            33.0,
            passphrase
                .chars()
                .any(|c| c.is_ascii_punctuation() || c == ' '),
        ),
        (100.0, !passphrase.is_ascii()),
    ]
    .iter()
    .filter(|(_, present)| *present)
    .map(|(count, _)| *count)
    .sum();
    // words of a sentence carry some 2 bits a letter, whatever the alphabet allows; repeated letters carry none
    let mut letters: Vec<char> = passphrase.chars().collect();
    letters.dedup();
    let distinct = letters
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len() as f64;
    let per_letter = if kinds > 0.0 {
        kinds.log2().min(distinct.log2().max(0.0)) * 0.6
    } else {
        0.0
    };
    let bits = (letters.len() as f64 * per_letter) as u32;
    let word = match bits {
        0..=34 => "weak",
        35..=54 => "fair",
        55..=79 => "good",
        _ => "strong",
    };
    (word, bits)
}

#[derive(Clone, Debug, PartialEq)]
pub struct Unlock {
    pub passphrase: Field,
    pub revealed: bool,
    pub working: bool,
    pub tries: u32,
    pub problem: Option<String>,
}

impl Default for Unlock {
    fn default() -> Unlock {
        Unlock {
            passphrase: Field::hidden(PASSPHRASE_MAX),
            revealed: false,
            working: false,
            tries: 0,
            problem: None,
        }
    }
}

impl Unlock {
    pub fn insert(&mut self, typed: &str) {
        if !self.passphrase.take(typed) {
            self.problem = Some(NOT_ALL.to_owned());
        }
    }

    pub fn confirm(&mut self) -> Option<Command> {
        if self.working || self.passphrase.is_empty() {
            return None;
        }
        self.working = true;
        self.problem = None;
        let secret: Secret = self.passphrase.secret();
        self.passphrase.clear();
        Some(Command::Unlock(secret))
    }

    pub fn wrong(&mut self) {
        self.working = false;
        self.tries += 1;
        self.problem = Some(match self.tries {
            1 => "wrong passphrase".to_owned(),
            n => format!("wrong passphrase (try {n})"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::EntryKey;

    fn typed(f: &mut FirstRun, text: &str) {
        f.insert(text);
        f.step(true);
    }

    #[test]
    fn nothing_is_made_before_the_passphrases_match_and_a_name_is_there() {
        let mut f = FirstRun::new("", Class::Normal, 3);
        typed(&mut f, "a long sentence");
        typed(&mut f, "a long sentense");
        f.stop = Stop::Start;
        assert_eq!(f.confirm(), None);
        assert_eq!(f.stop, Stop::Again);
        f.again.set("a long sentence");
        f.stop = Stop::Start;
        assert_eq!(f.confirm(), None);
        assert_eq!(f.stop, Stop::Name);
        f.insert("anna");
        f.stop = Stop::Tickets;
        let entry = |n: u8| {
            EntryKey::from_bytes(&[n; 32])
                .expect("small numbers are keys")
                .id()
        };
        f.insert(&format!("{}@1.2.3.4:5\n{}@1.2.3.5:5 ", entry(1), entry(2)));
        f.stop = Stop::Start;
        match f.confirm() {
            Some(Command::Create {
                name,
                class: Class::Normal,
                tickets,
                passphrase,
            }) => {
                assert_eq!(
                    (name.as_str(), tickets.len(), passphrase.reveal()),
                    ("anna", 2, "a long sentence")
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(f.confirm(), None, "a second Enter starts nothing twice");
    }

    #[test]
    fn strength_grows_with_length_and_not_with_repetition() {
        assert_eq!(strength("").0, "weak");
        assert_eq!(strength("aaaaaaaaaaaaaaaaaaaaaaaaaaaa").0, "weak");
        assert_eq!(strength("password").0, "weak");
        assert_eq!(
            strength("seven purple boats sing at noon in Riga 41").0,
            "strong"
        );
    }
}
