//! What the person may ask for, and the answers.

use super::persistence::StoreError;
use super::view::{ContactView, MessageView, Policy};
use crate::crypto::id::AccountId;

/// Ids are texts as the person typed or pasted them.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask somebody for a chat. `name` is what we call them; `text` goes with the request.
    Add {
        id: String,
        name: String,
        text: String,
    },
    Accept {
        id: String,
    },
    Decline {
        id: String,
    },
    Block {
        id: String,
    },
    /// With the whole conversation.
    Remove {
        id: String,
    },
    Rename {
        id: String,
        name: String,
    },
    /// `allow_no_fs`: the person agrees that this message leaves without forward secrecy if there is no other way. Today every message
    /// waits for a session, so that nothing leaves without.
    Send {
        to: String,
        text: String,
        allow_no_fs: bool,
    },
    /// The newest `limit` messages before number `before`.
    Messages {
        with: String,
        before: Option<u64>,
        limit: usize,
    },
    /// Everything up to this message was seen.
    Read {
        with: String,
        up_to: u64,
    },
    List,
    Status,
    Policy {
        id: String,
        policy: Policy,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done,
    /// The message is on disk; its number.
    Saved(u64),
    /// Oldest first. `older`: there may be more before them.
    Messages {
        messages: Vec<MessageView>,
        older: bool,
    },
    Contacts(Vec<ContactView>),
    Status(Status),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub id: AccountId,
    pub name: String,
    pub contacts: u32,
    pub requests: u32,
    /// Messages that nobody has acknowledged; they leave only while the program runs.
    pub queued: u32,
    pub unread: u32,
}

/// Why a command was not done. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CommandError {
    /// Stable: `bad-id`, `own-id`, `known`, `unknown-contact`, `not-accepted`, `not-asked`, `too-long`, `empty`, `bad-name`,
    /// `too-many`, `queue-full`, `store-full`, `store-failed`.
    pub code: &'static str,
    /// One sentence with a way out.
    pub text: String,
    /// Where in the text the mistake is, in characters from 0.
    pub position: Option<usize>,
}

pub fn refuse(code: &'static str, text: impl Into<String>) -> CommandError {
    CommandError {
        code,
        text: text.into(),
        position: None,
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        let code = match error {
            StoreError::Full => "store-full",
            _ => "store-failed",
        };
        refuse(code, error.to_string())
    }
}
