//! From a key to the finished frame: what a key means, what it changes, the cells drawn, and the bytes for the terminal.
//!
//! `cargo bench --bench screen` prints the times of single keys in a conversation of ten thousand messages beside one of a hundred, and their
//! ratio: what is off the screen must cost nothing. Goal: under 16 ms. The terminal's own time is not in it.

#[path = "../screens/scene.rs"]
#[allow(dead_code)]
mod scene;
#[path = "../screens/tape.rs"]
mod tape;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use paratox::app::Event;
use paratox::app::keymap::{Chord, Key, alt, plain};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, Delivery, MessageView};
use paratox::tui::terminal::Screen;
use paratox::tui::theme::Theme;
use paratox::tui::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use scene::{Person, boris, message};
use tape::{NoMode, Tape};

const MANY: u64 = 10_000;
const FEW: u64 = 100;
/// Keys timed one by one for the figures that are printed.
const KEYS: usize = 2000;
const GOAL: Duration = Duration::from_millis(16);
/// The larger of the sizes that screens are drawn for.
const SIZE: (u16, u16) = (120, 36);

/// A person before a screen.
struct Seat {
    person: Person,
    screen: Screen<Tape, NoMode>,
    tape: Tape,
    /// Bytes written so far.
    bytes: usize,
}

/// Texts of all lengths, with wide letters in some.
fn talk(count: u64) -> Vec<MessageView> {
    (1..=count)
        .map(|n| {
            let words = "so it was said, and so it was written down ";
            let text = match n % 5 {
                0 => "漢字 and 👍 in between. ".repeat(6),
                1 => "yes".to_owned(),
                _ => words.repeat(1 + (n % 7) as usize),
            };
            let mine = n % 3 == 0;
            message(
                n,
                mine,
                2 * (count - n),
                Secrecy::ForwardSecret,
                Delivery::Delivered,
                &text,
            )
        })
        .collect()
}

impl Seat {
    fn take(count: u64) -> Seat {
        let mut person = Person::open(SIZE.0, SIZE.1);
        person.press(alt(Key::Char('1')));
        person.event(Event::History {
            contact: boris(),
            messages: talk(count),
            older: false,
        });
        let tape = Tape::default();
        Seat {
            person,
            screen: Screen::new(tape.clone(), NoMode),
            tape,
            bytes: 0,
        }
    }

    fn frame(&mut self) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        let cursor = view::draw(
            &self.person.app,
            &mut self.person.composer,
            Theme::COLOUR,
            &mut buffer,
        );
        self.screen
            .show(buffer, cursor)
            .expect("memory takes everything");
        self.person.asked.clear();
        let mut tape = self.tape.0.borrow_mut();
        self.bytes += tape.len();
        tape.clear();
    }

    fn key(&mut self, chord: Chord) {
        self.person.press(black_box(chord));
        self.frame();
    }

    /// The first frame, or the one after `fg`: every cell is written.
    fn cold(&mut self) {
        self.screen.forget().expect("memory takes everything");
        self.frame();
    }
}

/// What is done over and over, and puts things back as they were every second time.
type Deed = fn(&mut Seat, usize);

const DEEDS: [(&str, Deed); 6] = [
    ("a letter", |seat, n| {
        seat.key(plain(if n % 2 == 0 {
            Key::Char('x')
        } else {
            Key::Backspace
        }))
    }),
    ("a page up, and down", |seat, n| {
        seat.key(plain(if n % 2 == 0 {
            Key::PageUp
        } else {
            Key::PageDown
        }))
    }),
    ("a message selected, and left", |seat, n| {
        seat.key(if n % 2 == 0 {
            alt(Key::Up)
        } else {
            plain(Key::Esc)
        })
    }),
    ("details opened, and closed", |seat, n| {
        seat.key(if n % 2 == 0 {
            plain(Key::F(3))
        } else {
            plain(Key::Esc)
        })
    }),
    ("a message arrives", |seat, n| {
        let number = 1_000_000 + n as u64;
        let new = message(
            number,
            false,
            0,
            Secrecy::ForwardSecret,
            Delivery::Delivered,
            "news",
        );
        seat.person.event(Event::Chat(ChatEvent::Message(new)));
        seat.frame();
    }),
    ("the whole screen anew", |seat, _| seat.cold()),
];

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Times of single deeds, sorted; and the bytes of a frame in the mean.
fn times(seat: &mut Seat, deed: Deed) -> (Vec<Duration>, usize) {
    let mut times = Vec::with_capacity(KEYS);
    let before = seat.bytes;
    for n in 0..KEYS {
        let begun = Instant::now();
        deed(seat, n);
        times.push(begun.elapsed());
    }
    let bytes = (seat.bytes - before) / KEYS;
    times.sort();
    (times, bytes)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One line a deed: what a person waits for, and what ten thousand messages cost against a hundred.
fn table() {
    println!("key to finished frame at {}x{}", SIZE.0, SIZE.1);
    println!(
        "{:<30} {:>8} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "", "messages", "first", "p50", "p99", "longest", "bytes", "ratio"
    );
    let mut slowest = Duration::ZERO;
    for (name, deed) in DEEDS {
        let mut few = Duration::ZERO;
        for count in [FEW, MANY] {
            let mut seat = Seat::take(count);
            let begun = Instant::now();
            seat.frame();
            let first = begun.elapsed();
            let (times, bytes) = times(&mut seat, deed);
            let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
            let ratio = if count == FEW {
                few = p50;
                String::new()
            } else {
                format!("{:.2}", p50.as_secs_f64() / few.as_secs_f64())
            };
            slowest = slowest.max(p99);
            println!(
                "{name:<30} {count:>8} {:>6.2} ms {:>6.2} ms {:>6.2} ms {:>6.2} ms {bytes:>7} {ratio:>7}",
                milliseconds(first),
                milliseconds(p50),
                milliseconds(p99),
                milliseconds(percentile(&times, 1.0)),
            );
        }
    }
    println!(
        "slowest p99 {:.2} ms, goal {} ms: {}",
        milliseconds(slowest),
        GOAL.as_millis(),
        if slowest < GOAL { "reached" } else { "MISSED" }
    );
}

/// A composer as full as it gets, which is laid out anew at every key.
fn full_composer(count: u64) -> Seat {
    let mut seat = Seat::take(count);
    let text = "not yet sent ".repeat(paratox::app::composer::COMPOSER_MAX / 13 - 8);
    seat.person.event(Event::Paste(text));
    seat.frame();
    seat
}

fn screen(c: &mut Criterion) {
    let mut group = c.benchmark_group("key to frame");
    for count in [FEW, MANY] {
        for (name, deed) in DEEDS {
            // arriving messages would fill memory for as long as criterion measures
            if name == "a message arrives" {
                continue;
            }
            let mut seat = Seat::take(count);
            seat.frame();
            let mut n = 0;
            group.bench_function(format!("{name}, {count} messages"), |b| {
                b.iter(|| {
                    deed(&mut seat, n);
                    n += 1;
                })
            });
        }
    }
    let mut seat = full_composer(MANY);
    let mut n = 0;
    group.bench_function("a letter into a full composer", |b| {
        b.iter(|| {
            DEEDS[0].1(&mut seat, n);
            n += 1;
        })
    });
    group.finish();
}

criterion_group!(benches, screen);

fn main() {
    table();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
