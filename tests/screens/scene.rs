//! A small invented world to draw: Anna, her contacts, and a Sunday afternoon.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use paratox::app::keymap::{Action, Chord, Key, lookup};
use paratox::app::{App, Command, Event, Stage, update};
use paratox::crypto::id::{AccountId, NodeId};
use paratox::crypto::keys::{AccountKey, EntryKey, NodeKey};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ContactState, ContactView, Delivery, MessageView, Policy};
use paratox::node::person::{CircuitFailure, CircuitRow, LinkRow, NetworkInfo, WhyFailed};
use paratox::tui::composer::ComposerBox;
use paratox::tui::theme::Theme;
use paratox::tui::view;
use paratox::wire::class::Class;
use paratox::wire::ticket::{EntrySecret, Ticket};
use paratox::wire::time::{Moment, Now, UnixMs};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Sunday 22 November 2026, 16:57 UTC.
pub const NOON: u64 = 1_795_366_620_000;
const MINUTE: u64 = 60_000;

/// A day on which a prekey is due to be erased: 8 December 2026.
pub const ERASE_DAY: u32 = 20_795;

pub fn account(n: u8) -> AccountId {
    AccountKey::from_bytes(&[n; 32])
        .expect("small numbers are keys")
        .id()
}

pub fn node(n: u8) -> NodeId {
    NodeKey::from_bytes(&[n; 32])
        .expect("small numbers are keys")
        .id()
}

pub fn boris() -> AccountId {
    account(2)
}

pub fn contact(n: u8, name: &str) -> ContactView {
    ContactView {
        id: account(n),
        name: name.into(),
        state: ContactState::Accepted,
        policy: Policy::Ask,
        session: true,
        found: true,
        reachable: true,
        request_waits: false,
        unread: 0,
        queued: 0,
        added: UnixMs(NOON - 1_000 * MINUTE),
        request_text: String::new(),
    }
}

fn contacts() -> Vec<ContactView> {
    let mut boris = contact(2, "boris");
    boris.unread = 2;
    let mut clara = contact(3, "clara");
    clara.session = false;
    let dima = contact(4, "dima");
    let mut eva = contact(5, "eva");
    eva.state = ContactState::Asked;
    eva.session = false;
    let mut grigori = contact(6, "grigori");
    grigori.reachable = false;
    let mut stranger = contact(7, "Maria from the library");
    stranger.state = ContactState::Asking;
    stranger.request_text = "We met on Friday. May I write to you here?".into();
    vec![boris, clara, dima, eva, grigori, stranger]
}

pub fn message(
    number: u64,
    mine: bool,
    minutes_ago: u64,
    secrecy: Secrecy,
    delivery: Delivery,
    text: &str,
) -> MessageView {
    MessageView {
        number,
        contact: boris(),
        mine,
        text: text.into(),
        secrecy,
        delivery,
        time: UnixMs(NOON - minutes_ago * MINUTE),
        gap_before: 0,
        damaged: false,
    }
}

pub fn talk() -> Vec<MessageView> {
    use Delivery as D;
    use Secrecy as S;
    let day = 24 * 60;
    let mut talk = vec![
        message(
            1,
            false,
            day - 301,
            S::ForwardSecret,
            D::Delivered,
            "Are we still on for Monday?",
        ),
        message(
            2,
            true,
            day - 306,
            S::ForwardSecret,
            D::Delivered,
            "Yes. Bring the papers.",
        ),
        message(
            3,
            true,
            day - 313,
            S::Sealed,
            D::Sent,
            "If you read this late, take the side door. The front is watched after ten.",
        ),
        message(
            4,
            false,
            496,
            S::Sealed,
            D::Delivered,
            "Read it just now, thanks.",
        ),
        message(
            5,
            false,
            7,
            S::ForwardSecret,
            D::Delivered,
            "Platform 4, not 7. Please tell Clara as well.",
        ),
        message(
            6,
            false,
            5,
            S::OnceOpened,
            D::Delivered,
            "漢字 and 👍 keep the columns straight.",
        ),
        message(7, true, 3, S::OnceOpened, D::Sent, "Telling her."),
        message(
            8,
            true,
            2,
            S::OnceOpened,
            D::Queued,
            "Clara's new number is 4711.",
        ),
        message(
            9,
            true,
            1,
            S::OnceOpened,
            D::Failed,
            "This one went nowhere.",
        ),
    ];
    talk[3].gap_before = 1;
    talk
}

pub fn network() -> NetworkInfo {
    let link = |n: u8, purpose, state, seconds, loss, rtt_ms| LinkRow {
        node: Some(node(n)),
        purpose,
        state,
        seconds,
        rate: 6.0,
        rate_in: if state == "dialling" { 0.0 } else { 5.9 },
        loss,
        rtt_ms,
    };
    let circuit = |role, state, hops, seconds, rebuilt| CircuitRow {
        role,
        state,
        hops,
        seconds,
        seconds_left: (state == "ready").then_some(6_720),
        rebuilt,
    };
    NetworkInfo {
        online: true,
        class: Some(Class::Normal),
        node: Some(node(40)),
        address: Some("203.0.113.7:40123".parse().expect("an address")),
        links: vec![
            link(41, "link", "up", 2040, 0.004, 41),
            link(42, "link", "up", 1860, 0.0, 88),
            link(43, "link", "up", 2041, 0.011, 120),
            link(44, "link", "dialling", 4, 0.0, 0),
            link(45, "spur", "up", 300, 0.0, 63),
            link(46, "spur", "draining", 700, 0.0, 70),
            link(47, "spur", "draining", 650, 0.0, 59),
        ],
        circuits: vec![
            circuit("outbound", "ready", 3, 480, 0),
            circuit("inbound", "ready", 3, 480, 1),
            circuit("standby", "building", 2, 3, 0),
            circuit("utility", "ready", 3, 480, 0),
        ],
        known_nodes: 31,
        estimated_nodes: 40,
        pool_records: 118,
        stored_values: 6,
        contact_sessions: 12,
        cells_out: 36_720,
        cells_in: 36_688,
        chaff_out: 31_000,
        rate: 18.0,
        steady_rate: 18.0,
        failure: Some(CircuitFailure {
            role: "inbound",
            why: WhyFailed::Silent,
            seconds_ago: 500,
        }),
        dropped: 3,
    }
}

/// Two entry nodes that nobody vouches for.
pub fn entries() -> Vec<Ticket> {
    [(51, "203.0.113.9:40123"), (52, "[2001:db8::7]:40123")]
        .map(|(n, address)| {
            let entry = EntryKey::from_bytes(&[n; 32])
                .expect("small numbers are keys")
                .id();
            let address = address.parse().expect("an address");
            Ticket::new(entry, EntrySecret::NONE, vec![address]).expect("there is one address")
        })
        .into()
}

/// A person at the program: presses keys, waits, looks.
pub struct Person {
    pub app: App,
    pub composer: ComposerBox,
    pub now: Now,
    /// Everything that was asked for and not looked at yet.
    pub asked: VecDeque<Command>,
}

impl Person {
    pub fn at(stage: Stage, width: u16, height: u16) -> Person {
        let now = Now {
            at: Moment(0),
            unix: UnixMs(NOON),
        };
        let app = App::new(stage, "~/.local/share/paratox", TimeZone::UTC, now);
        let mut person = Person {
            app,
            composer: ComposerBox::default(),
            now,
            asked: VecDeque::new(),
        };
        person.event(Event::Resize { width, height });
        person
    }

    /// Anna's profile is open; nobody is chosen.
    pub fn open(width: u16, height: u16) -> Person {
        let mut person = Person::at(Stage::Chat, width, height);
        person.event(Event::Identity {
            id: account(1),
            name: "anna".into(),
        });
        person.event(Event::Contacts(contacts()));
        person.event(Event::Entries(entries()));
        person.event(Event::Network(Box::new(network())));
        person
    }

    /// And boris's conversation is open.
    pub fn chatting(width: u16, height: u16) -> Person {
        let mut person = Person::open(width, height);
        person.press_action(Action::Switch(1));
        person.event(Event::History {
            contact: boris(),
            messages: talk(),
            older: false,
        });
        person.asked.clear();
        person
    }

    pub fn event(&mut self, event: Event) {
        let commands = update(&mut self.app, event, self.now);
        self.asked.extend(commands);
    }

    pub fn press_action(&mut self, action: Action) {
        self.event(Event::Key(action));
    }

    /// As the terminal loop does it: the table first, then the input that has the cursor.
    pub fn press(&mut self, chord: Chord) {
        self.composer.follow(&self.app.composer);
        match lookup(&self.app.contexts(), chord) {
            Some(Action::Edit(edit)) if self.app.composing() => {
                let event = self.composer.edit(edit);
                self.event(event);
            }
            Some(action) => self.event(Event::Key(action)),
            None => match chord.key {
                Key::Char(letter) if self.app.composing() => {
                    let event = self.composer.insert(letter);
                    self.event(event);
                }
                Key::Char(letter) => self.event(Event::Text(letter.to_string())),
                _ => {}
            },
        }
    }

    pub fn type_letters(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(paratox::app::keymap::plain(Key::Char(letter)));
        }
    }

    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.at = self.now.at.after_seconds(1.0);
            self.now.unix = UnixMs(self.now.unix.0 + 1000);
            self.event(Event::Tick);
        }
    }

    pub fn picture(&mut self, theme: Theme) -> Buffer {
        self.picture_and_cursor(theme).0
    }

    pub fn picture_and_cursor(&mut self, theme: Theme) -> (Buffer, Option<(u16, u16)>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.app.width, self.app.height));
        let cursor = view::draw(&self.app, &mut self.composer, theme, &mut buffer);
        (buffer, cursor)
    }

    /// The rows of the screen as text.
    pub fn screen(&mut self, theme: Theme) -> String {
        rows(&self.picture(theme)).join("\n")
    }
}

/// The sentences of a screen without its frames and line breaks.
pub fn sentences(screen: &str) -> String {
    let bare: String = screen
        .chars()
        .map(|c| if ('─'..='╿').contains(&c) { ' ' } else { c })
        .collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rows of a buffer; the second column of a wide letter is not repeated.
pub fn rows(buffer: &Buffer) -> Vec<String> {
    use unicode_width::UnicodeWidthStr;
    let mut out = Vec::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).expect("a letter is narrow");
        }
        out.push(row);
    }
    out
}
