//! Any size, any content: nothing panics and nothing is drawn outside.

use paratox::app::first_run::{FirstRun, Unlock};
use paratox::app::keymap::{Key, alt, plain};
use paratox::app::{Event, Stage};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::tui::theme::Theme;
use paratox::wire::class::Class;

use crate::scene::{Person, message, rows};

type Maker = fn(u16, u16) -> Person;

fn scenes() -> Vec<Maker> {
    fn with_key(w: u16, h: u16, key: Key) -> Person {
        let mut p = Person::chatting(w, h);
        p.press(plain(key));
        p
    }
    vec![
        |w, h| Person::at(Stage::FirstRun(FirstRun::new("anna", Class::Fast, 0)), w, h),
        |w, h| Person::at(Stage::Unlock(Unlock::default()), w, h),
        Person::open,
        |w, h| {
            let mut p = Person::chatting(w, h);
            p.type_letters(
                "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
            );
            p.press(alt(Key::Up));
            p
        },
        |w, h| with_key(w, h, Key::F(1)),
        |w, h| with_key(w, h, Key::F(2)),
        |w, h| with_key(w, h, Key::F(3)),
        |w, h| with_key(w, h, Key::F(4)),
        |w, h| with_key(w, h, Key::F(5)),
        |w, h| with_key(w, h, Key::F(6)),
        |w, h| with_key(w, h, Key::F(7)),
    ]
}

#[test]
fn every_size_draws_without_panic() {
    for scene in scenes() {
        let mut person = scene(80, 24);
        for width in 1..=130 {
            for height in 1..=45 {
                // dense where layouts change, sparse elsewhere
                if (width + height) % 3 != 0
                    && width > 3
                    && height > 3
                    && !(46..=50).contains(&width)
                {
                    continue;
                }
                person.event(Event::Resize { width, height });
                let picture = person.picture(Theme::COLOUR);
                assert_eq!((picture.area.width, picture.area.height), (width, height));
            }
        }
        person.event(Event::Resize {
            width: 0,
            height: 0,
        });
        person.picture(Theme::COLOUR);
        person.event(Event::Resize {
            width: 2000,
            height: 2,
        });
        person.picture(Theme::COLOUR);
    }
}

#[test]
fn below_the_smallest_size_it_says_what_it_needs_and_keys_still_work() {
    let mut p = Person::chatting(40, 10);
    assert!(
        p.screen(Theme::MONO)
            .contains("Terminal too small: 48x12 needed, 40x10")
    );
    p.type_letters("kept");
    p.event(Event::Resize {
        width: 80,
        height: 24,
    });
    assert!(p.screen(Theme::MONO).contains("kept"));
}

#[test]
fn columns_stay_straight_whatever_the_letters() {
    let long = "x".repeat(100_000);
    let texts = [
        "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
        "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 👩🏻‍❤️‍💋‍👨🏿",
        "e\u{301}\u{302}\u{303} ก็ น้ำ क्षि",
        "שלום עולם مرحبا بالعالم می‌خواهم",
        "a\tb\tc\td",
        "",
        "\n\n\n",
        long.as_str(),
    ];
    for (width, height) in [(120, 36), (80, 24), (72, 12), (48, 20)] {
        for (i, text) in texts.iter().enumerate() {
            let mut p = Person::chatting(width, height);
            for mine in [false, true] {
                let number = 100 + 2 * i as u64 + u64::from(mine);
                p.event(Event::Chat(ChatEvent::Message(message(
                    number,
                    mine,
                    0,
                    Secrecy::ForwardSecret,
                    Delivery::Sent,
                    text,
                ))));
            }
            let picture = p.picture(Theme::MONO);
            let border = if width >= 110 { 26 } else { 17 };
            for (y, row) in rows(&picture).iter().enumerate() {
                let columns: usize = paratox::app::wrap::width(row);
                assert_eq!(
                    columns,
                    usize::from(width),
                    "row {y} of {width}x{height} with {text:?}"
                );
                if width >= 72 && (4..6).contains(&y) {
                    assert_eq!(
                        picture[(border, u16::try_from(y).expect("small"))].symbol(),
                        "│"
                    );
                }
            }
        }
    }
}
