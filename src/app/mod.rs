//! The chat as plain data, and everything that can happen to it.
//!
//! `update(&mut App, Event, Now) -> Vec<Command>` is the only place where behaviour lives. It reads no clock, draws nothing and waits for
//! nothing, so a test says what a person presses and sees what happens. The views read `App`; nobody else changes it.
//!
//! Not here: drawing and the terminal (`tui`), and what a command does (`messenger`, `store`).

pub mod add_contact;
mod boxes;
pub mod clock;
pub mod composer;
pub mod conversation;
pub mod event;
pub mod explain;
pub mod field;
pub mod first_run;
pub mod keymap;
mod keys;
pub mod layout;
pub mod notices;
mod update;
pub mod words;
pub mod wrap;

use std::collections::{BTreeMap, VecDeque};

use jiff::tz::TimeZone;

use crate::crypto::id::AccountId;
use crate::crypto::pairing::PairCode;
use crate::messenger::view::{ContactState, ContactView, Delivery, Policy};
use crate::node::person::NetworkInfo;
use crate::wire::ticket::Ticket;
use crate::wire::time::{Moment, Now, UnixMs};

use add_contact::AddContact;
use composer::Composer;
use conversation::{Conversation, Measure};
use field::Field;
use first_run::{FirstRun, Unlock};
use keymap::Context;
use layout::Breadth;
use notices::Notices;
use words::Network;

pub use event::{Command, Event};
pub use update::update;

/// Conversations whose messages are kept in memory; the one visited longest ago leaves first and is loaded again when opened.
pub const CONVERSATIONS_MAX: usize = 16;
/// Messages handed over and not yet said to be on disk. Beyond it sending is refused and the text stays in the composer.
pub const PENDING_MAX: usize = 64;
/// Questions that wait for the person; further ones are dropped and asked again by the messenger after the next start.
pub const QUESTIONS_MAX: usize = 100;
/// How long messages must be in sight to count as read, in seconds.
pub const READ_SECONDS: f64 = 1.0;
/// A second Ctrl+C within so many seconds quits.
pub const CTRL_C_SECONDS: f64 = 2.0;
/// A message that is not on disk after so long is said to be on its way there, in seconds.
pub const SAVING_SECONDS: f64 = 0.5;
/// Without any link since the start the node is said to be joining for so long, in seconds: it may still be called back.
pub const PATIENCE_SECONDS: f64 = 20.0;
/// At most one network snapshot is drawn in so many seconds: chaff must not redraw the screen.
pub const NETWORK_SECONDS: f64 = 1.0;

#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    FirstRun(FirstRun),
    Unlock(Unlock),
    Chat,
}

/// A box over the main screen, or a screen in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    Contacts {
        filter: Field,
        cursor: usize,
    },
    Add(AddContact),
    Requests {
        cursor: usize,
    },
    Details {
        number: u64,
        scroll: usize,
    },
    Network {
        scroll: usize,
    },
    MyId {
        copied: bool,
    },
    /// A contact's AccountID, and what two people compare.
    Compare {
        id: AccountId,
        code: Option<PairCode>,
        scroll: usize,
    },
    Help {
        filter: Field,
        scroll: usize,
    },
    Rename {
        id: AccountId,
        name: Field,
    },
    Sure {
        id: AccountId,
        deed: Deed,
    },
    Question,
    Quit {
        waiting: usize,
    },
}

/// What a person is asked about once more, because it cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Remove,
    Block,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub id: AccountId,
    pub name: String,
}

/// A message that may not leave without the person's consent.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub number: u64,
    pub contact: AccountId,
    pub reason: String,
}

/// A message handed over, until it is on disk.
#[derive(Clone, Debug, PartialEq)]
struct Pending {
    tag: u64,
    to: AccountId,
    text: String,
    since: Moment,
}

#[derive(Clone, Debug, PartialEq)]
pub struct App {
    pub stage: Stage,
    pub overlay: Option<Overlay>,
    pub width: u16,
    pub height: u16,
    pub focused: bool,
    /// Where the profile lies, for the first screens.
    pub place: String,
    /// Nothing of this profile outlives the program (the demo).
    pub throw_away: bool,
    pub me: Option<Identity>,
    /// By name, then id; requests of strangers included.
    pub contacts: Vec<ContactView>,
    /// The open conversation. May be set before the first event; it opens when its contact is known.
    pub current: Option<AccountId>,
    conversations: BTreeMap<AccountId, Conversation>,
    /// Order of visits, the latest last.
    visits: Vec<AccountId>,
    pub composer: Composer,
    drafts: BTreeMap<AccountId, Composer>,
    /// Whom the person asked or accepted a moment ago: opened as soon as the contact is there.
    opening: Option<AccountId>,
    /// A form that was handed over and is not on disk yet; it comes back if it is refused.
    adding: Option<(u64, AddContact)>,
    pending: VecDeque<Pending>,
    next_tag: u64,
    pub questions: VecDeque<Question>,
    pub network: NetworkInfo,
    /// The entry nodes that this run was started with. `None`: not told yet.
    pub entries: Option<Vec<Ticket>>,
    pub online_since: Option<UnixMs>,
    /// The contacts are still to come for the first time.
    fresh: bool,
    /// There was a link in this run.
    linked: bool,
    /// Since when the node could have links.
    opened: Moment,
    network_drawn: Option<Moment>,
    network_waits: bool,
    pub notices: Notices,
    /// What keeps the messenger from its work, as long as it does. No key dismisses it.
    pub trouble: Option<String>,
    pub zone: TimeZone,
    pub now: Now,
    /// Since when the newest message of the open conversation is in sight of a focused reader.
    seen_since: Option<Moment>,
    ctrl_c: Option<Moment>,
    title: String,
    changed: bool,
}

impl App {
    pub fn new(stage: Stage, place: &str, zone: TimeZone, now: Now) -> App {
        App {
            stage,
            overlay: None,
            width: 80,
            height: 24,
            focused: true,
            place: crate::messenger::text::clean_line(place),
            throw_away: false,
            me: None,
            contacts: Vec::new(),
            current: None,
            conversations: BTreeMap::new(),
            visits: Vec::new(),
            composer: Composer::default(),
            drafts: BTreeMap::new(),
            opening: None,
            adding: None,
            pending: VecDeque::new(),
            next_tag: 1,
            questions: VecDeque::new(),
            network: NetworkInfo::default(),
            entries: None,
            online_since: None,
            fresh: true,
            linked: false,
            opened: now.at,
            network_drawn: None,
            network_waits: false,
            notices: Notices::default(),
            trouble: None,
            zone,
            now,
            seen_since: None,
            ctrl_c: None,
            title: String::new(),
            changed: true,
        }
    }

    /// The chat of the demo before its network stands: who takes part is known, and the first contact's conversation is open.
    pub fn of_demo(
        me: (AccountId, &str),
        contacts: &[(AccountId, &str)],
        zone: TimeZone,
        now: Now,
    ) -> App {
        let contact = |&(id, name): &(AccountId, &str)| ContactView {
            id,
            name: name.to_owned(),
            state: ContactState::Accepted,
            policy: Policy::default(),
            session: false,
            found: false,
            reachable: false,
            request_waits: false,
            unread: 0,
            queued: 0,
            added: now.unix,
            request_text: String::new(),
        };
        App {
            throw_away: true,
            me: Some(Identity {
                id: me.0,
                name: me.1.to_owned(),
            }),
            contacts: contacts.iter().map(contact).collect(),
            current: contacts.first().map(|(id, _)| *id),
            ..App::new(Stage::Chat, "demo", zone, now)
        }
    }

    /// Whether the screen may look different since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Where keys count now, the most special context first.
    pub fn contexts(&self) -> Vec<Context> {
        use Context as C;
        let mut out = match &self.stage {
            Stage::FirstRun(_) => vec![C::FirstRun, C::Text],
            Stage::Unlock(_) => vec![C::Unlock, C::Text],
            Stage::Chat => match &self.overlay {
                None if self.selected().is_some() => {
                    vec![C::Selected, C::Main, C::Anywhere, C::Text]
                }
                None if self.composer.is_empty() => vec![C::Idle, C::Main, C::Anywhere, C::Text],
                None => vec![C::Main, C::Anywhere, C::Text],
                Some(Overlay::Contacts { .. }) => vec![C::Contacts, C::Text, C::Anywhere],
                Some(Overlay::Add(_)) => vec![C::Add, C::Text, C::Anywhere],
                Some(Overlay::Rename { .. }) => vec![C::Rename, C::Text],
                Some(Overlay::Help { .. }) => vec![C::Help, C::Text, C::Anywhere],
                Some(Overlay::Requests { .. }) => vec![C::Requests, C::Anywhere],
                Some(Overlay::Details { .. }) => vec![C::Details, C::Anywhere],
                Some(Overlay::Network { .. }) => vec![C::Network, C::Anywhere],
                Some(Overlay::MyId { .. }) => vec![C::MyId, C::Anywhere],
                Some(Overlay::Compare { .. }) => vec![C::Compare, C::Anywhere],
                Some(Overlay::Sure { .. }) => vec![C::Sure],
                Some(Overlay::Question) => vec![C::Question],
                Some(Overlay::Quit { .. }) => vec![C::Quit],
            },
        };
        out.push(C::Program);
        out
    }

    /// Does the composer have the cursor?
    pub fn composing(&self) -> bool {
        self.stage == Stage::Chat && self.overlay.is_none()
    }

    /// Do typed letters go into some input?
    pub fn takes_text(&self) -> bool {
        self.contexts().contains(&Context::Text)
    }

    pub fn contact(&self, id: &AccountId) -> Option<&ContactView> {
        self.contacts.iter().find(|c| c.id == *id)
    }

    pub fn current_contact(&self) -> Option<&ContactView> {
        self.current.as_ref().and_then(|id| self.contact(id))
    }

    pub fn conversation(&self) -> Option<&Conversation> {
        self.current
            .as_ref()
            .and_then(|id| self.conversations.get(id))
    }

    fn conversation_mut(&mut self) -> Option<&mut Conversation> {
        self.current
            .as_ref()
            .and_then(|id| self.conversations.get_mut(id))
    }

    pub fn selected(&self) -> Option<u64> {
        self.conversation().and_then(|c| c.selected)
    }

    /// People one can write to or has written to: everyone but strangers who ask, and those sent away.
    pub fn listed(&self) -> impl Iterator<Item = &ContactView> {
        self.contacts
            .iter()
            .filter(|c| matches!(c.state, ContactState::Accepted | ContactState::Asked))
    }

    /// Strangers who ask, oldest first.
    pub fn requests(&self) -> Vec<&ContactView> {
        let mut out: Vec<&ContactView> = self
            .contacts
            .iter()
            .filter(|c| c.state == ContactState::Asking)
            .collect();
        out.sort_by_key(|c| (c.added, c.id));
        out
    }

    /// Contacts for the switcher, filtered by what was typed.
    pub fn filtered(&self, filter: &str) -> Vec<&ContactView> {
        let wanted = filter.to_lowercase();
        self.contacts
            .iter()
            .filter(|c| c.state != ContactState::Asking)
            .filter(|c| {
                c.name.to_lowercase().contains(&wanted)
                    || (wanted.len() > 3 && c.id.to_string().contains(&wanted))
            })
            .collect()
    }

    pub fn unread(&self) -> u32 {
        self.contacts
            .iter()
            .map(|c| c.unread)
            .fold(0, u32::saturating_add)
    }

    /// New messages outside the open conversation.
    pub fn unread_elsewhere(&self) -> u32 {
        self.contacts
            .iter()
            .filter(|c| Some(c.id) != self.current)
            .map(|c| c.unread)
            .fold(0, u32::saturating_add)
    }

    /// Messages that have not left, of all contacts.
    pub fn waiting(&self) -> usize {
        let known: usize = self
            .contacts
            .iter()
            .map(|c| {
                let counted = c.queued as usize;
                let seen = self
                    .conversations
                    .get(&c.id)
                    .map_or(0, Conversation::unfinished);
                counted.max(seen)
            })
            .sum();
        known + self.pending.len()
    }

    /// Texts that stand in a composer, the open one and those left for later: they are kept nowhere.
    pub fn unsent(&self) -> usize {
        usize::from(!self.composer.is_empty()) + self.drafts.len()
    }

    /// How far the own node is; its word stands in the status line.
    pub fn network_state(&self) -> Network {
        if self.network.online {
            Network::Online
        } else if self.network.node.is_none() {
            Network::Starting
        } else if !self.network.links.is_empty() {
            Network::Joining
        } else if self.linked || self.entries.as_ref().is_some_and(Vec::is_empty) {
            Network::Offline
        } else if self.now.at < self.opened.after_seconds(PATIENCE_SECONDS) {
            Network::Joining
        } else {
            Network::Offline
        }
    }

    /// Messages to the open contact that have been on their way to the disk for long enough to say so.
    pub fn being_saved(&self) -> usize {
        let late = |p: &&Pending| p.since.after_seconds(SAVING_SECONDS) <= self.now.at;
        self.pending
            .iter()
            .filter(|p| Some(p.to) == self.current)
            .filter(late)
            .count()
    }

    pub fn layout(&self) -> layout::MainLayout {
        let rows = wrap::wrap(
            self.composer.text(),
            usize::from(self.width.saturating_sub(4)).max(1),
        )
        .len();
        let extra = u16::from(self.composer.text().ends_with(' ') && rows > 1);
        layout::main(
            self.width,
            self.height,
            u16::try_from(rows)
                .unwrap_or(u16::MAX)
                .saturating_add(extra),
            u16::try_from(self.lasting().len()).unwrap_or(u16::MAX),
        )
    }

    /// The rows of what lasts, below the composer.
    pub fn lasting(&self) -> Vec<String> {
        let room = usize::from(self.width.saturating_sub(4)).max(1);
        let trouble = self.trouble.as_ref();
        trouble.map_or_else(Vec::new, |why| wrap::wrap(why, room))
    }

    /// Columns of the marks in front of a text, the gap behind them included.
    pub fn columns(&self) -> Columns {
        let dated = self.conversation().is_some_and(Conversation::has_dates);
        let secrecy = if dated {
            words::SECRECY_WIDTH_DATED
        } else {
            words::SECRECY_WIDTH
        };
        match layout::breadth(self.width) {
            Breadth::Wide => Columns {
                name: 10,
                secrecy,
                delivery: words::DELIVERY_WIDTH,
            },
            Breadth::Middle => Columns {
                name: 6,
                secrecy,
                delivery: 1,
            },
            Breadth::Narrow => Columns {
                name: 12,
                secrecy,
                delivery: words::DELIVERY_WIDTH,
            },
        }
    }

    pub fn measure(&self) -> Measure {
        let l = self.layout();
        let pane = usize::from(l.history.width);
        let away = self.conversation().is_some_and(|c| !c.at_newest());
        let rows = usize::from(l.history.height);
        let height = rows.saturating_sub(usize::from(away)).max(1);
        let of_pane = rows.max(1);
        if l.breadth == Breadth::Narrow {
            return Measure {
                body: pane.saturating_sub(3).max(1),
                marks_above: true,
                height,
                pane: of_pane,
            };
        }
        let left = self.columns().before_text();
        let body = pane
            .saturating_sub(left + 1)
            .clamp(1, usize::from(layout::BODY_MAX));
        Measure {
            body,
            marks_above: false,
            height,
            pane: of_pane,
        }
    }

    /// The rows of the history pane, as they stand now.
    pub fn rows(&self) -> Vec<conversation::Row> {
        self.conversation().map_or_else(Vec::new, |c| {
            c.rows(self.measure(), self.now.unix, &self.zone)
        })
    }

    /// The state of the newest own message, for screens that have no room for its word.
    pub fn newest_delivery(&self) -> Option<Delivery> {
        self.conversation()
            .and_then(Conversation::newest_own)
            .map(|m| m.delivery)
    }
}

/// Widths of the columns in front of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    pub name: usize,
    pub secrecy: usize,
    pub delivery: usize,
}

impl Columns {
    /// A margin, the time, and a gap after each column.
    pub fn before_text(self) -> usize {
        1 + 5 + 1 + self.name + 1 + self.secrecy + 1 + self.delivery + 1
    }
}
