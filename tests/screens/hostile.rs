//! Text of strangers through the real screens onto a real terminal's parser: the bytes written are ours alone.

use paratox::app::keymap::{Action, Key, alt, ctrl, plain};
use paratox::app::{Command, Event};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use paratox::tui::terminal::Screen;
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, boris, contact, message, rows};
use crate::tape::{NoMode, Tape};

/// Every screen that shows something of other people, one after the other.
const VISITS: [fn(&mut Person); 10] = [
    |_| {},
    |p| p.press(plain(Key::F(3))), // details of the attack
    |p| p.press(plain(Key::F(6))), // the stranger's name and words
    |p| p.press(plain(Key::F(2))), // the contact's name
    |p| {
        p.type_letters(&account(30).to_string());
        p.press(alt(Key::Char('r'))); // it is in the question and in the field
    },
    |p| {
        p.press(plain(Key::Esc));
        p.press(plain(Key::F(2)));
        p.type_letters(&account(30).to_string());
        p.press(alt(Key::Char('d')));
    },
    |p| {
        p.press(plain(Key::Esc));
        p.press(plain(Key::F(7)));
        p.event(Event::Paste(account(30).to_string())); // known under this name
    },
    |p| {
        p.press(ctrl(Key::Char('u')));
        p.event(Event::Paste(account(31).to_string())); // asks under this name
    },
    |p| {
        p.press(plain(Key::Esc));
        p.press(ctrl(Key::Char('g'))); // the reason of a question
    },
    |p| {
        p.press(plain(Key::Esc));
        let of_30 = p.app.listed().position(|c| c.id == account(30));
        let place = 1 + of_30.expect("listed") as u8;
        p.press_action(Action::Switch(place)); // the name as heading, and where to write to
    },
];

const ATTACKS: [&str; 12] = [
    "\u{1b}[2J\u{1b}[H gone",
    "\u{1b}]0;owned\u{7} title",
    "\u{1b}]52;c;ZXZpbA==\u{7} clipboard",
    "\u{1b}]8;;http://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{9b}31m c1 \u{9d}0;x\u{9c}",
    "\u{1b}P1$r0m\u{1b}\\ \u{1b}_apc\u{1b}\\",
    "\u{1b}[6n\u{1b}[c\u{5} queries",
    "\u{202E}txet desrever\u{202C} \u{2066}isolated\u{2069}",
    "a\r\u{8}\u{8}\u{7f}overwrite",
    "\u{E0041}\u{E0042} tags \u{200B}\u{FEFF} \u{FFF9}x\u{FFFA}y\u{FFFB}",
    "\u{1b}[?1049l\u{1b}[?2004l leave",
    "\u{2028}line\u{2029}paragraph\u{0}",
];

#[test]
fn the_bytes_written_hold_only_our_own_sequences() {
    let tape = Tape::default();
    let mut screen = Screen::new(tape.clone(), NoMode);
    for (i, attack) in ATTACKS.iter().enumerate() {
        for (width, height) in [(120, 36), (48, 20)] {
            let mut p = Person::chatting(width, height);
            p.event(Event::Chat(ChatEvent::Message(message(
                100,
                false,
                0,
                Secrecy::Sealed,
                Delivery::Delivered,
                attack,
            ))));
            let mut named = contact(30, attack);
            named.unread = 3;
            p.event(Event::Chat(ChatEvent::Contact(named)));
            let mut stranger = contact(31, attack);
            stranger.state = ContactState::Asking;
            stranger.request_text = (*attack).to_owned();
            p.event(Event::Chat(ChatEvent::Request(stranger)));
            p.event(Event::Chat(ChatEvent::Notice((*attack).to_owned())));
            p.event(Event::Identity {
                id: crate::scene::account(1),
                name: (*attack).to_owned(),
            });
            p.event(Event::Chat(ChatEvent::Question {
                number: 100,
                contact: boris(),
                reason: (*attack).to_owned(),
            }));
            for visit in VISITS {
                visit(&mut p);
                let picture = p.picture(Theme::COLOUR);
                let shown = rows(&picture);
                let text: String = shown.concat();
                assert!(!text.chars().any(char::is_control), "attack {i}");
                assert!(!text.contains([
                    '\u{202E}',
                    '\u{2066}',
                    '\u{2069}',
                    '\u{200B}',
                    '\u{FEFF}',
                    '\u{E0041}',
                    '\u{2028}',
                    '\u{FFF9}'
                ]));
                screen.show(picture, None).expect("a tape takes everything");
                // a terminal that obeys what was written shows exactly what was drawn
                let mut terminal = vt100::Parser::new(size(height), size(width), 0);
                let fresh = Tape::default();
                let mut alone = Screen::new(fresh.clone(), NoMode);
                alone
                    .show(p.picture(Theme::COLOUR), None)
                    .expect("a tape takes everything");
                terminal.process(&fresh.0.borrow());
                for (y, row) in terminal.screen().rows(0, width).enumerate() {
                    assert_eq!(row.trim_end(), shown[y].trim_end(), "attack {i}, row {y}");
                }
            }
        }
    }
    for sequence in sequences(&tape.0.borrow()) {
        assert!(ours(&sequence), "{sequence:?}");
    }
}

fn trimmed(terminal: &vt100::Parser) -> Vec<String> {
    let rows = terminal.screen().rows(0, 80);
    rows.map(|row| row.trim_end().to_owned()).collect()
}

/// The parser counts the columns of letters of several code points one by one, which we and other terminals do not.
#[test]
fn letters_that_a_terminal_sees_wider_leave_nothing_behind_and_shift_nothing() {
    let mut p = Person::chatting(80, 24);
    for (n, text) in ["👨\u{200D}👩\u{200D}👧 🇩🇪 home", "नमस्ते 🇯🇵 and 👍🏽"]
        .iter()
        .enumerate()
    {
        p.event(Event::Chat(ChatEvent::Message(message(
            200 + n as u64,
            false,
            0,
            Secrecy::ForwardSecret,
            Delivery::Delivered,
            text,
        ))));
    }
    let tape = Tape::default();
    let mut screen = Screen::new(tape.clone(), NoMode);
    let mut terminal = vt100::Parser::new(size(24), size(80), 0);
    let anew = |p: &mut Person| {
        let fresh = Tape::default();
        let mut screen = Screen::new(fresh.clone(), NoMode);
        screen
            .show(p.picture(Theme::COLOUR), None)
            .expect("a tape takes everything");
        let mut terminal = vt100::Parser::new(size(24), size(80), 0);
        terminal.process(&fresh.0.borrow());
        trimmed(&terminal)
    };
    let keys = [2, 2, 5, 5, 6, 6, 1, 1, 4, 4];
    for step in 0..=keys.len() {
        if let Some(key) = step.checked_sub(1).map(|at| keys[at]) {
            p.press(plain(Key::F(key)));
        }
        screen
            .show(p.picture(Theme::COLOUR), None)
            .expect("a tape takes everything");
        terminal.process(&tape.0.take());
        let stands = trimmed(&terminal);
        assert_eq!(stands, anew(&mut p), "after {step} keys");
        if step == keys.len() {
            let text = stands.concat();
            assert!(text.contains("home") && text.contains("and"), "{text}");
        }
    }
}

/// Titles, the clipboard and the bell do not pass through cells.
#[test]
fn what_leaves_beside_the_cells_is_clean_too() {
    for attack in ATTACKS {
        let mut p = Person::chatting(120, 36);
        let number = 100;
        p.event(Event::Chat(ChatEvent::Message(message(
            number,
            false,
            0,
            Secrecy::ForwardSecret,
            Delivery::Delivered,
            attack,
        ))));
        let mut named = contact(30, attack);
        named.unread = 3;
        p.event(Event::Chat(ChatEvent::Contact(named)));
        p.press(alt(Key::Up));
        assert_eq!(p.app.selected(), Some(number));
        p.press(plain(Key::Char('c')));
        let tape = Tape::default();
        let mut screen = Screen::new(tape.clone(), NoMode);
        let (mut copies, mut titles) = (0, 0);
        for command in p.asked.drain(..) {
            match command {
                Command::Copy(text) => {
                    copies += 1;
                    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
                    screen.copy(&text).expect("short");
                }
                Command::Title(title) => {
                    titles += 1;
                    assert!(title.ends_with(") paratox"), "{title:?}");
                    screen.title(&title).expect("a tape takes everything");
                }
                _ => {}
            }
        }
        assert_eq!((copies, titles), (1, 1));
        // one sequence for the title, one for the clipboard with its terminator
        assert_eq!(
            tape.0.borrow().iter().filter(|b| **b == 0x1b).count(),
            3,
            "{attack:?}"
        );
    }
}

/// Everything between ESC and the end of its sequence, and every other control byte.
fn sequences(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("we write UTF-8");
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            let mut sequence = String::from(c);
            for next in chars.by_ref() {
                sequence.push(next);
                if next.is_ascii_alphabetic() {
                    break;
                }
            }
            out.push(sequence);
        } else if c.is_control() {
            out.push(c.to_string());
        }
    }
    out
}

/// Cursor moves, styles and clearing: all that drawing needs.
fn ours(sequence: &str) -> bool {
    let Some(body) = sequence.strip_prefix("\u{1b}[") else {
        return false;
    };
    let Some((end, numbers)) = body
        .chars()
        .next_back()
        .map(|end| (end, &body[..body.len() - 1]))
    else {
        return false;
    };
    matches!(end, 'H' | 'm' | 'J' | 'K') && numbers.chars().all(|c| c.is_ascii_digit() || c == ';')
}

fn size(n: u16) -> std::num::NonZero<u16> {
    n.try_into().expect("a screen is not empty")
}
