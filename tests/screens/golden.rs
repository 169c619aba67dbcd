//! Every screen at three sizes, in Unicode and ASCII, as text files. `INSTA_UPDATE=always` writes them anew; look at the difference.

use paratox::app::first_run::{FirstRun, Unlock};
use paratox::app::keymap::{Action, Key, alt, plain};
use paratox::app::{Event, Stage};
use paratox::messenger::view::ChatEvent;
use paratox::tui::theme::Theme;
use paratox::wire::class::Class;

use crate::scene::{Person, account, boris};

const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (48, 20)];

/// Marks both ends of each row, so that its width can be seen.
fn framed(screen: &str) -> String {
    screen
        .lines()
        .map(|row| format!("|{row}|"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn golden(name: &str, make: impl Fn(u16, u16) -> Person) {
    for (width, height) in SIZES {
        for (style, theme) in [("unicode", Theme::MONO), ("ascii", Theme::ASCII)] {
            let mut person = make(width, height);
            let screen = framed(&person.screen(theme));
            insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}-{width}x{height}-{style}"), screen);
            });
        }
    }
}

#[test]
fn first_start() {
    golden("first-start", |w, h| {
        let mut p = Person::at(Stage::FirstRun(FirstRun::new("", Class::Normal, 2)), w, h);
        p.type_letters("a sentence nobody has said");
        p.press(plain(Key::Tab));
        p.type_letters("a sentence nobody has");
        p.press(plain(Key::Tab));
        p.type_letters("anna");
        p
    });
}

#[test]
fn unlock() {
    golden("unlock", |w, h| {
        let mut p = Person::at(Stage::Unlock(Unlock::default()), w, h);
        for _ in 0..2 {
            p.type_letters("wrong");
            p.press(plain(Key::Enter));
            p.event(Event::WrongPassphrase);
        }
        p.type_letters("third");
        p
    });
}

#[test]
fn nothing_chosen() {
    golden("welcome", Person::open);
}

#[test]
fn conversation() {
    golden("conversation", |w, h| {
        let mut p = Person::chatting(w, h);
        p.type_letters("I will be there at");
        p
    });
}

#[test]
fn selected_message() {
    golden("selected", |w, h| {
        let mut p = Person::chatting(w, h);
        for _ in 0..3 {
            p.press(alt(Key::Up));
        }
        p
    });
}

#[test]
fn reader_above_the_newest() {
    golden("scrolled", |w, h| {
        let mut p = Person::chatting(w, h);
        for n in 20..60 {
            let m = crate::scene::message(
                n,
                n % 3 == 0,
                0,
                paratox::crypto::secrecy::Secrecy::ForwardSecret,
                paratox::messenger::view::Delivery::Delivered,
                &format!("line {n}"),
            );
            p.event(Event::Chat(ChatEvent::Message(m)));
        }
        p.press(plain(Key::PageUp));
        for n in 60..62 {
            let m = crate::scene::message(
                n,
                false,
                0,
                paratox::crypto::secrecy::Secrecy::ForwardSecret,
                paratox::messenger::view::Delivery::Delivered,
                "news",
            );
            p.event(Event::Chat(ChatEvent::Message(m)));
        }
        p
    });
}

#[test]
fn details_of_a_sealed_message() {
    golden("details-sealed", |w, h| {
        let mut p = Person::chatting(w, h);
        for _ in 0..7 {
            p.press(alt(Key::Up));
        }
        p.press(plain(Key::Enter));
        p
    });
}

#[test]
fn details_of_a_forward_secret_message() {
    golden("details-forward-secret", |w, h| {
        let mut p = Person::chatting(w, h);
        for _ in 0..8 {
            p.press(alt(Key::Up));
        }
        p.press(plain(Key::F(3)));
        p
    });
}

#[test]
fn adding_a_contact_with_a_typo() {
    golden("add-typo", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(7)));
        let mut id: Vec<char> = account(9).to_string().chars().collect();
        id[45] = if id[45] == 'q' { 'p' } else { 'q' };
        p.event(Event::Paste(id.into_iter().collect()));
        p
    });
}

#[test]
fn adding_a_contact() {
    golden("add-valid", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(7)));
        p.event(Event::Paste(format!("paratox:{}\n", account(9))));
        p.press(plain(Key::Tab));
        p.type_letters("clara's brother");
        p.press(plain(Key::Tab));
        p.type_letters("It is me, from the library.");
        p.press(plain(Key::Tab));
        p
    });
}

#[test]
fn requests() {
    golden("requests", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(6)));
        p
    });
}

#[test]
fn contacts() {
    golden("contacts", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(2)));
        p.press(plain(Key::Down));
        p
    });
}

#[test]
fn comparing_account_ids() {
    golden("compare", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(2)));
        p.press(alt(Key::Char('i')));
        p
    });
}

#[test]
fn network() {
    golden("network", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(4)));
        p
    });
}

#[test]
fn my_id() {
    golden("my-id", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(5)));
        p
    });
}

#[test]
fn help() {
    golden("help", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press(plain(Key::F(1)));
        p
    });
}

#[test]
fn why() {
    golden("why", |w, h| {
        let mut p = Person::chatting(w, h);
        p.type_letters("/why");
        p.press(plain(Key::Enter));
        p
    });
}

#[test]
fn question_before_sending_without_forward_secrecy() {
    golden("question", |w, h| {
        let mut p = Person::chatting(w, h);
        let reason = "boris has been away for more than 15 days and no prekey of his can be found"
            .to_owned();
        p.event(Event::Chat(ChatEvent::Question {
            number: 8,
            contact: boris(),
            reason,
        }));
        p.press_action(Action::Decide);
        p
    });
}

#[test]
fn quitting_with_queued_messages() {
    golden("quit", |w, h| {
        let mut p = Person::chatting(w, h);
        p.press_action(Action::Quit);
        p
    });
}
