//! The one table of keys. Help, hint bars and the meaning of a key press all come from it, so they cannot differ.
//!
//! Not here: what an action does (`update`), and how a terminal reports keys (`tui::keys`).

use super::field::Edit;

/// A key, as far as terminals can tell keys apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Esc,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// A key with its modifiers. Shift is part of a character already and counts only for the other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    pub key: Key,
    pub ctrl: bool,
    pub alt: bool,
    pub shift: bool,
}

pub const fn plain(key: Key) -> Chord {
    Chord {
        key,
        ctrl: false,
        alt: false,
        shift: false,
    }
}

pub const fn ctrl(key: Key) -> Chord {
    Chord {
        key,
        ctrl: true,
        alt: false,
        shift: false,
    }
}

pub const fn alt(key: Key) -> Chord {
    Chord {
        key,
        ctrl: false,
        alt: true,
        shift: false,
    }
}

pub const fn shift(key: Key) -> Chord {
    Chord {
        key,
        ctrl: false,
        alt: false,
        shift: true,
    }
}

impl Chord {
    /// As help and hints write it.
    pub fn name(self) -> String {
        let mut out = String::new();
        if self.ctrl {
            out.push_str("Ctrl+");
        }
        if self.alt {
            out.push_str("Alt+");
        }
        if self.shift {
            out.push_str("Shift+");
        }
        match self.key {
            Key::Char(c) if self.ctrl => out.push(c.to_ascii_uppercase()),
            Key::Char(' ') => out.push_str("Space"),
            Key::Char(c) if self.alt => out.push(c.to_ascii_uppercase()),
            Key::Char(c) => out.push(c),
            Key::Enter => out.push_str("Enter"),
            Key::Tab => out.push_str("Tab"),
            Key::BackTab => out.push_str("Shift+Tab"),
            Key::Backspace => out.push_str("Backspace"),
            Key::Delete => out.push_str("Del"),
            Key::Esc => out.push_str("Esc"),
            Key::Left => out.push_str("Left"),
            Key::Right => out.push_str("Right"),
            Key::Up => out.push_str("Up"),
            Key::Down => out.push_str("Down"),
            Key::Home => out.push_str("Home"),
            Key::End => out.push_str("End"),
            Key::PageUp => out.push_str("PgUp"),
            Key::PageDown => out.push_str("PgDn"),
            Key::F(n) => out.push_str(&format!("F{n}")),
        }
        out
    }
}

/// Everything a key can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    // everywhere
    Quit,
    ClearOrQuit,
    Suspend,
    Help,
    Contacts,
    Details,
    Network,
    MyId,
    Requests,
    AddContact,
    Back,
    // main screen
    Send,
    NewLine,
    PageUp,
    PageDown,
    Newest,
    Oldest,
    SelectUp,
    SelectDown,
    NextUnread,
    /// The contact with this place in the list, from 1.
    Switch(u8),
    Decide,
    // a selected message
    Copy,
    SendAgain,
    // lists and boxes
    Up,
    Down,
    Confirm,
    NextField,
    PreviousField,
    Reveal,
    Accept,
    Decline,
    Block,
    Rename,
    Remove,
    Policy,
    Compare,
    SendWithout,
    KeepWaiting,
    // text inputs
    Edit(Edit),
}

/// Where a key counts. Several hold at once, the most special first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Every screen once a profile is open.
    Anywhere,
    Main,
    /// The main screen while the composer is empty.
    Idle,
    /// A message is selected.
    Selected,
    Contacts,
    Add,
    Requests,
    Details,
    Network,
    MyId,
    Compare,
    Help,
    Rename,
    /// Once more before something that cannot be undone.
    Sure,
    Question,
    Quit,
    FirstRun,
    Unlock,
    /// Whenever a text input has the cursor.
    Text,
    /// Truly everywhere, also before a profile is open.
    Program,
}

impl Context {
    pub const ALL: [Context; 20] = [
        Context::Main,
        Context::Idle,
        Context::Selected,
        Context::Anywhere,
        Context::Contacts,
        Context::Add,
        Context::Requests,
        Context::Details,
        Context::Network,
        Context::MyId,
        Context::Compare,
        Context::Rename,
        Context::Sure,
        Context::Question,
        Context::Quit,
        Context::Help,
        Context::FirstRun,
        Context::Unlock,
        Context::Text,
        Context::Program,
    ];

    /// Heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Context::Anywhere => "Look",
            Context::Main => "Write and read",
            Context::Idle => "While nothing is written",
            Context::Selected => "Selected message",
            Context::Contacts => "Contacts",
            Context::Add => "Add a contact",
            Context::Requests => "Requests",
            Context::Details => "Message details",
            Context::Network => "Network",
            Context::MyId => "My AccountID",
            Context::Compare => "AccountID of a contact",
            Context::Help => "Help",
            Context::Rename => "Rename a contact",
            Context::Sure => "Remove or block?",
            Context::Question => "Without forward secrecy?",
            Context::Quit => "Quit with something unsent?",
            Context::FirstRun => "First start",
            Context::Unlock => "Unlock",
            Context::Text => "Edit text",
            Context::Program => "Program",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub context: Context,
    pub chord: Chord,
    pub action: Action,
    /// What the help says. Empty: a second key for the row above.
    pub help: &'static str,
    /// What the hint bar says, if it says anything.
    pub hint: &'static str,
}

const fn bind(
    context: Context,
    chord: Chord,
    action: Action,
    help: &'static str,
    hint: &'static str,
) -> Binding {
    Binding {
        context,
        chord,
        action,
        help,
        hint,
    }
}

use Action as A;
use Context as C;
use Key as K;

/// Never on Ctrl+H, Ctrl+I, Ctrl+M, Ctrl+[: the same bytes as Backspace, Tab, Enter, Esc.
#[rustfmt::skip] // a table reads best as one
pub const KEYS: &[Binding] = &[
    bind(C::Main, plain(K::Enter), A::Send, "send", "send"),
    bind(C::Main, alt(K::Enter), A::NewLine, "new line", "new line"),
    bind(C::Main, ctrl(K::Char('j')), A::NewLine, "", ""),
    bind(C::Main, shift(K::Enter), A::NewLine, "", ""),
    bind(C::Main, plain(K::PageUp), A::PageUp, "a page up", ""),
    bind(C::Main, plain(K::PageDown), A::PageDown, "a page down", ""),
    bind(C::Main, plain(K::End), A::Newest, "newest message (at the newest: end of the line)", ""),
    bind(C::Main, ctrl(K::End), A::Newest, "", ""),
    bind(C::Main, ctrl(K::Home), A::Oldest, "oldest message loaded", ""),
    bind(C::Main, alt(K::Up), A::SelectUp, "select a message", ""),
    bind(C::Main, alt(K::Down), A::SelectDown, "select the next message", ""),
    bind(C::Main, alt(K::Char('u')), A::NextUnread, "next contact with new messages", ""),
    bind(C::Main, ctrl(K::Char('g')), A::Decide, "decide on a message that could leave without forward secrecy (none does in this version)", ""),
    bind(C::Main, alt(K::Char('1')), A::Switch(1), "contact 1 of the list, and so on to 9", ""),
    bind(C::Main, alt(K::Char('2')), A::Switch(2), "", ""),
    bind(C::Main, alt(K::Char('3')), A::Switch(3), "", ""),
    bind(C::Main, alt(K::Char('4')), A::Switch(4), "", ""),
    bind(C::Main, alt(K::Char('5')), A::Switch(5), "", ""),
    bind(C::Main, alt(K::Char('6')), A::Switch(6), "", ""),
    bind(C::Main, alt(K::Char('7')), A::Switch(7), "", ""),
    bind(C::Main, alt(K::Char('8')), A::Switch(8), "", ""),
    bind(C::Main, alt(K::Char('9')), A::Switch(9), "", ""),
    bind(C::Idle, plain(K::Up), A::Up, "a row up (so does the wheel in most terminals)", ""),
    bind(C::Idle, plain(K::Down), A::Down, "a row down", ""),
    bind(C::Selected, plain(K::Up), A::SelectUp, "message above", ""),
    bind(C::Selected, plain(K::Down), A::SelectDown, "message below", ""),
    bind(C::Selected, plain(K::Enter), A::Details, "details: what protects it", "details"),
    bind(C::Selected, plain(K::Char('c')), A::Copy, "copy its text", "copy"),
    bind(C::Selected, plain(K::Char('r')), A::SendAgain, "write a failed message again", "write again"),
    bind(C::Selected, plain(K::Esc), A::Back, "back to writing", "back"),
    bind(C::Anywhere, plain(K::F(1)), A::Help, "this help", "help"),
    bind(C::Anywhere, plain(K::F(2)), A::Contacts, "contacts: find, compare, rename, remove, block", ""),
    bind(C::Anywhere, ctrl(K::Char('k')), A::Contacts, "", "switch"),
    bind(C::Anywhere, plain(K::F(3)), A::Details, "details of a message", "details"),
    bind(C::Anywhere, plain(K::F(4)), A::Network, "network", "network"),
    bind(C::Anywhere, plain(K::F(5)), A::MyId, "my AccountID and its QR code", "my id"),
    bind(C::Anywhere, plain(K::F(6)), A::Requests, "requests of strangers", ""),
    bind(C::Anywhere, plain(K::F(7)), A::AddContact, "add a contact", "add"),
    bind(C::Anywhere, ctrl(K::Char('n')), A::AddContact, "", ""),
    bind(C::Anywhere, plain(K::Esc), A::Back, "back, close", ""),
    bind(C::Contacts, plain(K::Up), A::Up, "up", ""),
    bind(C::Contacts, plain(K::Down), A::Down, "down", ""),
    bind(C::Contacts, plain(K::Enter), A::Confirm, "open the conversation", "open"),
    bind(C::Contacts, alt(K::Char('i')), A::Compare, "AccountID, and numbers to compare", "id"),
    bind(C::Contacts, alt(K::Char('r')), A::Rename, "rename", "rename"),
    bind(C::Contacts, alt(K::Char('d')), A::Remove, "remove with all messages", "remove"),
    bind(C::Contacts, alt(K::Char('b')), A::Block, "block", "block"),
    bind(C::Contacts, alt(K::Char('a')), A::Accept, "take a blocked or declined contact back", ""),
    bind(C::Contacts, alt(K::Char('p')), A::Policy, "where there is no forward secrecy: ask, wait or never (this version always waits)", ""),
    bind(C::Contacts, plain(K::Esc), A::Back, "close", "close"),
    bind(C::Add, plain(K::Tab), A::NextField, "next field", "next"),
    bind(C::Add, plain(K::Down), A::NextField, "", ""),
    bind(C::Add, plain(K::BackTab), A::PreviousField, "field before", ""),
    bind(C::Add, plain(K::Up), A::PreviousField, "", ""),
    bind(C::Add, plain(K::Enter), A::Confirm, "next field; on Add: add", ""),
    bind(C::Add, plain(K::Esc), A::Back, "cancel", "cancel"),
    bind(C::Requests, plain(K::Up), A::Up, "up", ""),
    bind(C::Requests, plain(K::Down), A::Down, "down", ""),
    bind(C::Requests, plain(K::Char('a')), A::Accept, "accept: both can write", "accept"),
    bind(C::Requests, plain(K::Char('d')), A::Decline, "decline: the other side is told nothing", "decline"),
    bind(C::Requests, plain(K::Char('b')), A::Block, "block: later requests are dropped too", "block"),
    bind(C::Requests, plain(K::Esc), A::Back, "close", "close"),
    bind(C::Details, plain(K::Up), A::SelectUp, "message above", "above"),
    bind(C::Details, plain(K::Down), A::SelectDown, "message below", "below"),
    bind(C::Details, plain(K::PageUp), A::Up, "scroll up", ""),
    bind(C::Details, plain(K::PageDown), A::Down, "scroll down", ""),
    bind(C::Details, plain(K::Char('c')), A::Copy, "copy the text", "copy"),
    bind(C::Details, plain(K::Esc), A::Back, "close", "close"),
    bind(C::Network, plain(K::Up), A::Up, "scroll up", ""),
    bind(C::Network, plain(K::Down), A::Down, "scroll down", ""),
    bind(C::Network, plain(K::PageUp), A::PageUp, "a page up", ""),
    bind(C::Network, plain(K::PageDown), A::PageDown, "a page down", ""),
    bind(C::Network, plain(K::Esc), A::Back, "close", "back"),
    bind(C::MyId, plain(K::Char('c')), A::Copy, "copy it to the clipboard", "copy"),
    bind(C::MyId, plain(K::Esc), A::Back, "close", "close"),
    bind(C::Compare, plain(K::Char('c')), A::Copy, "copy it to the clipboard", "copy"),
    bind(C::Compare, plain(K::Up), A::Up, "scroll up", ""),
    bind(C::Compare, plain(K::Down), A::Down, "scroll down", ""),
    bind(C::Compare, plain(K::Esc), A::Back, "close", "close"),
    bind(C::Rename, plain(K::Enter), A::Confirm, "keep the new name", "rename"),
    bind(C::Rename, plain(K::Esc), A::Back, "cancel", "cancel"),
    bind(C::Sure, plain(K::Char('y')), A::Confirm, "yes", "yes"),
    bind(C::Sure, plain(K::Char('n')), A::Back, "no", "no"),
    bind(C::Sure, plain(K::Esc), A::Back, "", ""),
    bind(C::Question, plain(K::Char('s')), A::SendWithout, "send without forward secrecy", "send without forward secrecy"),
    bind(C::Question, plain(K::Char('w')), A::KeepWaiting, "keep waiting", "keep waiting"),
    bind(C::Question, plain(K::Esc), A::Back, "decide later", "later"),
    bind(C::Quit, plain(K::Char('q')), A::Confirm, "quit now", "quit now"),
    bind(C::Quit, plain(K::Esc), A::Back, "stay", "stay"),
    bind(C::Help, plain(K::Up), A::Up, "scroll up", ""),
    bind(C::Help, plain(K::Down), A::Down, "scroll down", ""),
    bind(C::Help, plain(K::PageUp), A::PageUp, "a page up", ""),
    bind(C::Help, plain(K::PageDown), A::PageDown, "a page down", ""),
    bind(C::Help, plain(K::Esc), A::Back, "close", "close"),
    bind(C::FirstRun, plain(K::Tab), A::NextField, "next field", "next"),
    bind(C::FirstRun, plain(K::Down), A::NextField, "", ""),
    bind(C::FirstRun, plain(K::BackTab), A::PreviousField, "field before", ""),
    bind(C::FirstRun, plain(K::Up), A::PreviousField, "", ""),
    bind(C::FirstRun, plain(K::Enter), A::Confirm, "next field; on Start: start", ""),
    bind(C::FirstRun, ctrl(K::Char('r')), A::Reveal, "show or hide the passphrase", "show passphrase"),
    bind(C::FirstRun, plain(K::Esc), A::Quit, "quit; nothing was made", "quit"),
    bind(C::Unlock, plain(K::Enter), A::Confirm, "unlock", "unlock"),
    bind(C::Unlock, ctrl(K::Char('r')), A::Reveal, "show or hide the passphrase", "show"),
    bind(C::Unlock, plain(K::Esc), A::Quit, "quit", "quit"),
    bind(C::Text, plain(K::Left), A::Edit(Edit::Left), "left", ""),
    bind(C::Text, plain(K::Right), A::Edit(Edit::Right), "right", ""),
    bind(C::Text, plain(K::Up), A::Edit(Edit::Up), "row above", ""),
    bind(C::Text, plain(K::Down), A::Edit(Edit::Down), "row below", ""),
    bind(C::Text, alt(K::Char('b')), A::Edit(Edit::WordLeft), "word left", ""),
    bind(C::Text, ctrl(K::Left), A::Edit(Edit::WordLeft), "", ""),
    bind(C::Text, alt(K::Char('f')), A::Edit(Edit::WordRight), "word right", ""),
    bind(C::Text, ctrl(K::Right), A::Edit(Edit::WordRight), "", ""),
    bind(C::Text, ctrl(K::Char('a')), A::Edit(Edit::Head), "start of the line", ""),
    bind(C::Text, plain(K::Home), A::Edit(Edit::Head), "", ""),
    bind(C::Text, ctrl(K::Char('e')), A::Edit(Edit::End), "end of the line", ""),
    bind(C::Text, plain(K::End), A::Edit(Edit::End), "", ""),
    bind(C::Text, plain(K::Backspace), A::Edit(Edit::Backspace), "delete the letter before", ""),
    bind(C::Text, plain(K::Delete), A::Edit(Edit::Delete), "delete the letter after", ""),
    bind(C::Text, ctrl(K::Char('w')), A::Edit(Edit::DeleteWord), "delete the word before", ""),
    bind(C::Text, alt(K::Backspace), A::Edit(Edit::DeleteWord), "", ""),
    bind(C::Text, ctrl(K::Char('u')), A::Edit(Edit::DeleteToHead), "delete to the start of the line", ""),
    bind(C::Text, alt(K::Char('k')), A::Edit(Edit::DeleteToEnd), "delete to the end of the line", ""),
    bind(C::Text, alt(K::Char('z')), A::Edit(Edit::Undo), "undo (while writing a message)", ""),
    bind(C::Text, alt(K::Char('y')), A::Edit(Edit::Redo), "redo (while writing a message)", ""),
    bind(C::Program, ctrl(K::Char('q')), A::Quit, "quit", ""),
    bind(C::Program, ctrl(K::Char('c')), A::ClearOrQuit, "clear the text; twice: quit", ""),
    bind(C::Program, ctrl(K::Char('z')), A::Suspend, "back to the shell (stops the node until fg)", ""),
];

/// What a key means where these contexts hold, the most special first.
pub fn lookup(contexts: &[Context], chord: Chord) -> Option<Action> {
    contexts
        .iter()
        .find_map(|context| {
            KEYS.iter()
                .find(|b| b.context == *context && b.chord == chord)
        })
        .map(|b| b.action)
}

/// Keys and words for the hint bar of a context, in the table's order.
pub fn hints(context: Context) -> impl Iterator<Item = (String, &'static str)> {
    KEYS.iter()
        .filter(move |b| b.context == context && !b.hint.is_empty())
        .map(|b| (b.chord.name(), b.hint))
}

/// The first key of an action, for hints inside sentences. Empty if it has none there.
pub fn key_of(context: Context, action: Action) -> String {
    KEYS.iter()
        .find(|b| b.context == context && b.action == action)
        .map_or_else(String::new, |b| b.chord.name())
}

/// One line of help: all keys of an action in a context, and what it does.
pub struct HelpLine {
    pub context: Context,
    pub keys: String,
    pub help: &'static str,
}

/// The whole help, from the table.
pub fn help_lines() -> Vec<HelpLine> {
    let mut out: Vec<HelpLine> = Vec::new();
    for context in Context::ALL {
        for binding in KEYS.iter().filter(|b| b.context == context) {
            if !binding.help.is_empty() {
                out.push(HelpLine {
                    context,
                    keys: binding.chord.name(),
                    help: binding.help,
                });
            } else if let Some(line) = out.last_mut()
                && !matches!(binding.action, Action::Switch(_))
            {
                line.keys.push_str(", ");
                line.keys.push_str(&binding.chord.name());
            }
        }
    }
    out
}
