//! When a node and its person told each other what, contents left out: from it can be read what a start is made of.

use crate::node::person::{ContactTag, NodeCommand, PersonEvent};
use crate::wire::time::Moment;

/// Entries of a diary; what comes later is not written down.
const ENTRIES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// So many intro points are there.
    Points(usize),
    LookUp(u64),
    LookedUp {
        id: u64,
        found: bool,
    },
    Publication(u64),
    Published {
        id: u64,
        copies: u8,
    },
    /// Whether an outbound circuit serves.
    Outbound(bool),
    SpurUp(ContactTag),
    SpurDown(ContactTag),
    /// A parcel came to an intro point.
    Arrived,
    /// A parcel came back along a spur.
    Returned,
    /// A handle leads nowhere any more.
    Gone,
    NotSent,
}

#[derive(Default)]
pub struct Diary {
    entries: Vec<(Moment, Entry)>,
}

impl Diary {
    pub fn entries(&self) -> &[(Moment, Entry)] {
        &self.entries
    }

    fn write(&mut self, now: Moment, entry: Entry) {
        if self.entries.len() < ENTRIES {
            self.entries.push((now, entry));
        }
    }

    pub(super) fn event(&mut self, now: Moment, event: &PersonEvent) {
        let entry = match event {
            PersonEvent::Intro { points } => Entry::Points(points.len()),
            PersonEvent::Outbound { rate } => Entry::Outbound(*rate > 0.0),
            PersonEvent::SpurUp { contact } => Entry::SpurUp(*contact),
            PersonEvent::SpurDown { contact } => Entry::SpurDown(*contact),
            PersonEvent::FromSpur { .. } => Entry::Returned,
            PersonEvent::Arrived { .. } => Entry::Arrived,
            PersonEvent::HandleGone { .. } => Entry::Gone,
            PersonEvent::Fetched { id, value } => Entry::LookedUp {
                id: *id,
                found: value.is_some(),
            },
            PersonEvent::Published { id, copies } => Entry::Published {
                id: *id,
                copies: *copies,
            },
            PersonEvent::NotSent { .. } => Entry::NotSent,
        };
        self.write(now, entry);
    }

    pub(super) fn command(&mut self, now: Moment, command: &NodeCommand) {
        match command {
            NodeCommand::Fetch { id, .. } => self.write(now, Entry::LookUp(*id)),
            NodeCommand::Publish { id, .. } => self.write(now, Entry::Publication(*id)),
            NodeCommand::Approach { .. }
            | NodeCommand::WantSpurs(_)
            | NodeCommand::SendSpur { .. }
            | NodeCommand::SendReply { .. }
            | NodeCommand::Tokens(_) => {}
        }
    }
}
