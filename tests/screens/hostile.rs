//! Text of strangers through the real screens onto a real terminal's parser: the bytes written are ours alone.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use paratox::app::Event;
use paratox::app::keymap::{Key, plain};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use paratox::tui::terminal::{LineMode, Screen};
use paratox::tui::theme::Theme;

use crate::scene::{Person, contact, message, rows};

#[derive(Clone, Default)]
struct Tape(Rc<RefCell<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct NoMode;

impl LineMode for NoMode {
    fn raw(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }
}

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
            for key in [None, Some(Key::F(3)), Some(Key::F(6)), Some(Key::F(2))] {
                if let Some(key) = key {
                    p.press(plain(key));
                }
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
                screen.show(picture).expect("a tape takes everything");
                // a terminal that obeys what was written shows exactly what was drawn
                let mut terminal = vt100::Parser::new(size(height), size(width), 0);
                let fresh = Tape::default();
                let mut alone = Screen::new(fresh.clone(), NoMode);
                alone
                    .show(p.picture(Theme::COLOUR))
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
    matches!(end, 'H' | 'm' | 'J') && numbers.chars().all(|c| c.is_ascii_digit() || c == ';')
}

fn size(n: u16) -> std::num::NonZero<u16> {
    n.try_into().expect("a screen is not empty")
}
