//! Anything at any moment: keys, letters, pastes, sizes and events in no order. Whatever happens, the program goes on, draws, and the box of the
//! composer holds what the state says it holds.

use paratox::app::keymap::{KEYS, Key, plain};
use paratox::app::{Command, Event};
use paratox::crypto::random::Stream;
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, contact, message, network};

const STEPS: u64 = 4000;
const SEEDS: u8 = 3;
const TEXTS: [&str; 8] = [
    "x",
    "漢字 👩\u{200D}👧 e\u{301}",
    "\u{1b}[2J\u{202E}\n\n",
    "two\nlines\n",
    "/why",
    " ",
    "px1",
    "a long line that has to be broken somewhere because no screen is as wide as all that, at least none that is drawn here",
];

fn some<T: Copy>(random: &mut Stream, things: &[T]) -> T {
    things[random.below(things.len() as u64) as usize]
}

fn chat_event(random: &mut Stream, number: u64) -> ChatEvent {
    let n = 2 + random.below(8) as u8;
    let id = account(n);
    let levels = [
        Secrecy::Sealed,
        Secrecy::EpochPrekey { erase_day: 20_000 },
        Secrecy::OnceOpened,
        Secrecy::ForwardSecret,
    ];
    let states = [
        Delivery::Queued,
        Delivery::Sent,
        Delivery::Delivered,
        Delivery::Failed,
    ];
    let (secrecy, delivery) = (some(random, &levels), some(random, &states));
    match random.below(10) {
        0..=2 => {
            let mut m = message(
                number,
                random.below(2) == 0,
                random.below(3000),
                secrecy,
                delivery,
                some(random, &TEXTS),
            );
            m.contact = id;
            m.damaged = random.below(20) == 0;
            ChatEvent::Message(m)
        }
        3 => ChatEvent::Delivery {
            number: random.below(number + 1),
            contact: id,
            delivery,
            secrecy,
        },
        4 | 5 => {
            let mut c = contact(n, some(random, &TEXTS));
            let all = [
                ContactState::Asked,
                ContactState::Asking,
                ContactState::Accepted,
                ContactState::Declined,
                ContactState::Blocked,
            ];
            (c.state, c.unread) = (some(random, &all), random.below(3) as u32);
            (c.session, c.reachable) = (random.below(2) == 0, random.below(2) == 0);
            if c.state == ContactState::Asking {
                ChatEvent::Request(c)
            } else {
                ChatEvent::Contact(c)
            }
        }
        6 => ChatEvent::ContactGone(id),
        7 => ChatEvent::Question {
            number,
            contact: id,
            reason: some(random, &TEXTS).to_owned(),
        },
        8 => ChatEvent::Trouble((random.below(2) == 0).then(|| some(random, &TEXTS).to_owned())),
        _ => ChatEvent::Notice(some(random, &TEXTS).to_owned()),
    }
}

/// The rest of the program, in as bad a mood as it may be.
fn answers(random: &mut Stream, command: Command) -> Option<Event> {
    let fails = random.below(3) == 0;
    let text = "it is not to be".to_owned();
    match command {
        Command::Send { tag, .. } | Command::Add { tag, .. } if fails => {
            Some(Event::CommandFailed {
                tag: Some(tag),
                text,
                position: Some(3),
            })
        }
        Command::Send { tag, .. } | Command::Add { tag, .. } => Some(Event::Saved { tag }),
        Command::LoadHistory { contact, .. } if fails => Some(Event::HistoryFailed { contact }),
        Command::LoadHistory { contact, before } => Some(Event::History {
            contact,
            messages: (0..5)
                .map(|i| {
                    let mut m = message(
                        before.unwrap_or(2_000_000).saturating_sub(5) + i,
                        i % 2 == 0,
                        9000,
                        Secrecy::ForwardSecret,
                        Delivery::Delivered,
                        "older",
                    );
                    m.contact = contact;
                    m
                })
                .collect(),
            older: random.below(2) == 0,
        }),
        _ if fails => Some(Event::CommandFailed {
            tag: None,
            text,
            position: None,
        }),
        _ => None,
    }
}

#[test]
fn nothing_that_happens_in_any_order_stops_the_program() {
    for seed in 1..=SEEDS {
        let mut random = Stream::from_seed([seed; 32]);
        let mut p = Person::open(80, 24);
        for step in 0..STEPS {
            match random.below(12) {
                0..=4 => {
                    let key = some(&mut random, KEYS).chord;
                    p.press(key);
                }
                5 | 6 => p.type_letters("a Ω"),
                7 => p.event(Event::Paste(some(&mut random, &TEXTS).to_owned())),
                8 => {
                    let sizes = [(120, 36), (80, 24), (48, 20), (48, 12), (3, 2), (200, 60)];
                    let (width, height) = some(&mut random, &sizes);
                    p.event(Event::Resize { width, height });
                }
                9 => {
                    let event = chat_event(&mut random, step);
                    p.event(Event::Chat(event));
                }
                10 => {
                    let mut info = network();
                    info.online = random.below(2) == 0;
                    info.links.truncate(random.below(6) as usize);
                    p.event(Event::Network(Box::new(info)));
                    p.event(Event::Focus(random.below(2) == 0));
                }
                _ => p.wait(1 + random.below(3)),
            }
            while let Some(command) = p.asked.pop_front() {
                if let Some(event) = answers(&mut random, command) {
                    p.event(event);
                }
            }
            if step % 3 == 0 {
                let theme = some(&mut random, &[Theme::COLOUR, Theme::ASCII]);
                p.picture(theme);
            }
            p.composer.follow(&p.app.composer);
            assert_eq!(
                p.composer.text(),
                p.app.composer.text(),
                "seed {seed}, step {step}"
            );
        }
        // and a person is still at home: a key still does what it says
        p.event(Event::Resize {
            width: 80,
            height: 24,
        });
        for _ in 0..9 {
            p.press(plain(Key::Esc));
            p.press(plain(Key::Char('w'))); // the one box that asks for more than Esc gives an answer to
        }
        p.press(plain(Key::F(1)));
        assert!(p.screen(Theme::MONO).contains("Type to filter"));
    }
}
