//! What comes into the chat state and what it asks for.

use crate::crypto::id::AccountId;
use crate::messenger::view::{ChatEvent, ContactView, MessageView, Policy};
use crate::node::person::NetworkInfo;
use crate::wire::class::Class;
use crate::wire::ticket::Ticket;

use super::field::Secret;
use super::keymap::Action;

/// Everything that can happen to the chat state.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key, already translated by the key table.
    Key(Action),
    /// Letters typed into the input that has the cursor.
    Text(String),
    /// The composer's box changed: its text, and the cursor's row and column in characters.
    Composed {
        text: String,
        row: usize,
        column: usize,
    },
    /// Pasted text, as it came. It never sends anything by itself.
    Paste(String),
    /// The terminal's size in columns and rows.
    Resize {
        width: u16,
        height: u16,
    },
    /// The terminal window got or lost the focus.
    Focus(bool),
    /// About once a second; the only event without a cause.
    Tick,
    Chat(ChatEvent),
    /// A snapshot, as often as the sender likes; at most one a second is drawn.
    Network(Box<NetworkInfo>),
    /// The entry nodes that this run was started with.
    Entries(Vec<Ticket>),
    /// All contacts, at the start or after a change of many.
    Contacts(Vec<ContactView>),
    /// Messages of one conversation in any order. `older`: there are more before the first of them.
    History {
        contact: AccountId,
        messages: Vec<MessageView>,
        older: bool,
    },
    /// `Command::LoadHistory` could not be answered; scrolling asks again.
    HistoryFailed {
        contact: AccountId,
    },
    /// Whose profile this is. `name` is the profile's, shown in the header.
    Identity {
        id: AccountId,
        name: String,
    },
    /// The profile is open (after `Command::Unlock` or `Command::Create`).
    Opened,
    /// `Command::Unlock` failed because the passphrase is wrong. Nothing more is ever said about it.
    WrongPassphrase,
    /// `Command::Unlock` or `Command::Create` failed for another reason: one sentence with a way out.
    NotOpened(String),
    /// The message of `Command::Send`, or the contact of `Command::Add`, with this tag is on disk.
    Saved {
        tag: u64,
    },
    /// A command failed: one sentence, and the place in the text that is wrong, counted in characters. With the tag of a
    /// `Command::Send` its text goes back into the composer; with that of a `Command::Add` the form is there again.
    CommandFailed {
        tag: Option<u64>,
        text: String,
        position: Option<usize>,
    },
}

/// What the chat state asks the rest of the program to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Answered by `Event::Saved` or `Event::CommandFailed` with the same tag.
    Send {
        tag: u64,
        to: AccountId,
        text: String,
    },
    /// Answered like `Send`.
    Add {
        tag: u64,
        id: AccountId,
        name: String,
        text: String,
    },
    Accept(AccountId),
    Decline(AccountId),
    Block(AccountId),
    Remove(AccountId),
    Rename {
        id: AccountId,
        name: String,
    },
    Policy {
        id: AccountId,
        policy: Policy,
    },
    /// The person's answer to a `ChatEvent::Question`: send at level 0 (true) or keep waiting.
    Answer {
        contact: AccountId,
        number: u64,
        send: bool,
    },
    /// A page of messages before the message `before`, or the newest page. Answered by `Event::History`.
    LoadHistory {
        contact: AccountId,
        before: Option<u64>,
    },
    /// Everything up to this message was seen.
    MarkRead {
        contact: AccountId,
        number: u64,
    },
    Unlock(Secret),
    Create {
        passphrase: Secret,
        name: String,
        class: Class,
        tickets: Vec<String>,
    },
    /// To the clipboard of the terminal.
    Copy(String),
    Bell,
    /// Title of the terminal window; never a name or a text of anybody.
    Title(String),
    /// Give the terminal back to the shell until it continues the program.
    Suspend,
    Quit,
}

impl Command {
    /// Does the terminal itself carry it out?
    pub fn is_for_terminal(&self) -> bool {
        matches!(
            self,
            Command::Copy(_) | Command::Bell | Command::Title(_) | Command::Suspend
        )
    }
}
