//! Secrecy and delivery are never shown by a symbol alone, a word alone or a colour alone.

use paratox::app::Event;
use paratox::app::keymap::{Key, alt, plain};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::scene::{ERASE_DAY, Person, boris, message, rows};

const THEMES: [Theme; 3] = [Theme::COLOUR, Theme::MONO, Theme::ASCII];
const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (48, 20)];

fn only(width: u16, height: u16, secrecy: Secrecy, delivery: Delivery) -> Person {
    let mut p = Person::open(width, height);
    p.press(alt(Key::Char('1')));
    p.event(Event::History {
        contact: boris(),
        messages: vec![message(1, true, 1, secrecy, delivery, "the text")],
        older: false,
    });
    p
}

/// The row that holds the marks of the only message.
fn marks_row(picture: &Buffer) -> String {
    rows(picture)
        .into_iter()
        .find(|row| row.contains(" you "))
        .expect("the message is in sight")
}

fn position(picture: &Buffer, wanted: &str) -> (u16, u16) {
    for (y, row) in rows(picture).iter().enumerate() {
        if row.contains(" you ")
            && let Some(at) = row.find(wanted)
        {
            let column = paratox::app::wrap::width(&row[..at]);
            return (
                u16::try_from(column).expect("small"),
                u16::try_from(y).expect("small"),
            );
        }
    }
    panic!("{wanted:?} is not in sight");
}

#[test]
fn every_secrecy_level_has_symbol_and_word_at_every_size() {
    let levels = [
        (Secrecy::Sealed, "∅ NO-FS", "! NO-FS"),
        (
            Secrecy::EpochPrekey {
                erase_day: ERASE_DAY,
            },
            "⧗ erase due 8 Dec",
            "~ erase due 8 Dec",
        ),
        (Secrecy::OnceOpened, "⧗ once opened", "~ once opened"),
        (Secrecy::ForwardSecret, "⬢ fs", "F fs"),
    ];
    for (width, height) in SIZES {
        for theme in THEMES {
            for (level, unicode, ascii) in levels {
                let picture = only(width, height, level, Delivery::Delivered).picture(theme);
                let wanted = if theme == Theme::ASCII {
                    ascii
                } else {
                    unicode
                };
                assert!(
                    marks_row(&picture).contains(wanted),
                    "{wanted} at {width}: {}",
                    marks_row(&picture)
                );
            }
        }
    }
}

#[test]
fn every_delivery_state_has_symbol_and_word_wherever_both_fit() {
    let states = [
        (Delivery::Queued, "◌ queued", ". queued"),
        (Delivery::Sent, "› sent", "> sent"),
        (Delivery::Delivered, "✓ delivered", "+ delivered"),
        (Delivery::Failed, "✗ FAILED", "x FAILED"),
        (Delivery::Expired, "✗ EXPIRED", "x EXPIRED"),
    ];
    for (width, height) in SIZES {
        for theme in THEMES {
            for (state, unicode, ascii) in states {
                let mut p = only(width, height, Secrecy::Sealed, state);
                let picture = p.picture(theme);
                let wanted = if theme == Theme::ASCII {
                    ascii
                } else {
                    unicode
                };
                let symbol = &wanted[..wanted.find(' ').expect("two words")];
                if width == 80 {
                    // the symbol beside the message; the word of the newest below
                    assert!(
                        marks_row(&picture).contains(&format!(" {symbol} ")),
                        "{}",
                        marks_row(&picture)
                    );
                    assert!(p.screen(theme).contains(&format!("last: {wanted}")));
                } else {
                    assert!(marks_row(&picture).contains(wanted), "{wanted} at {width}");
                }
            }
        }
    }
}

#[test]
fn at_120_columns_an_own_message_shows_both_words_on_its_first_row() {
    let picture = only(120, 36, Secrecy::OnceOpened, Delivery::Sent).picture(Theme::COLOUR);
    let row = marks_row(&picture);
    assert!(
        row.contains("⧗ once opened › sent") && row.contains("the text"),
        "{row}"
    );
}

#[test]
fn weights_are_quiet_bold_and_reversed_in_every_theme() {
    for theme in THEMES {
        for (level, word, weight) in [
            (Secrecy::ForwardSecret, " fs ", Modifier::DIM),
            (Secrecy::OnceOpened, "once opened", Modifier::BOLD),
            (
                Secrecy::EpochPrekey {
                    erase_day: ERASE_DAY,
                },
                "erase due",
                Modifier::BOLD,
            ),
            (
                Secrecy::Sealed,
                "NO-FS",
                Modifier::BOLD | Modifier::REVERSED,
            ),
        ] {
            let picture = only(120, 36, level, Delivery::Sent).picture(theme);
            let (x, y) = position(&picture, word.trim_end());
            assert_eq!(picture[(x + 1, y)].modifier, weight, "{word} in {theme:?}");
        }
    }
}

#[test]
fn without_colour_no_cell_has_any() {
    for scene in [Key::F(1), Key::F(4), Key::F(5), Key::F(7)] {
        let mut p = Person::chatting(120, 36);
        p.press(plain(scene));
        let picture = p.picture(Theme::MONO);
        assert!(
            picture
                .content
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
    }
}

#[test]
fn ascii_screens_hold_ascii_only_even_if_people_do_not() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::Chat(ChatEvent::Message(message(
        50,
        false,
        0,
        Secrecy::Sealed,
        Delivery::Delivered,
        "漢字 é 👍",
    ))));
    p.type_letters("größer");
    for key in [None, Some(Key::F(1)), Some(Key::F(3)), Some(Key::F(5))] {
        if let Some(key) = key {
            p.press(plain(key));
        }
        assert!(
            p.screen(Theme::ASCII).is_ascii(),
            "{}",
            p.screen(Theme::ASCII)
        );
    }
}

#[test]
fn words_in_a_rule_are_as_bright_as_their_meaning() {
    let picture = Person::chatting(120, 36).picture(Theme::COLOUR);
    for words in ["2 new", "1 message is missing here"] {
        let (y, row) = rows(&picture)
            .into_iter()
            .enumerate()
            .find(|(_, row)| row.contains(&format!("─ {words} ─")))
            .expect("in sight");
        let before = row.split(words).next().expect("a beginning");
        let x = paratox::app::wrap::width(before);
        let cell = &picture[(
            u16::try_from(x).expect("small"),
            u16::try_from(y).expect("small"),
        )];
        assert_eq!(cell.modifier, Modifier::BOLD, "{words}");
    }
}
