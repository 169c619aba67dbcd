//! The first screens: a profile that is made, and one that is unlocked.

use paratox::app::first_run::{FirstRun, Stop, Unlock};
use paratox::app::keymap::{Key, ctrl, plain};
use paratox::app::{Command, Event, Stage};
use paratox::tui::theme::Theme;
use paratox::wire::class::Class;

use crate::scene::{Person, boris, contact, sentences};

#[test]
fn a_wrong_passphrase_is_wrong_and_nothing_more_is_said() {
    let mut p = Person::at(Stage::Unlock(Unlock::default()), 80, 24);
    p.type_letters("open sesame");
    assert!(!p.screen(Theme::MONO).contains("sesame"));
    p.press(plain(Key::Enter));
    match p.asked.pop_back() {
        Some(Command::Unlock(secret)) => assert_eq!(secret.reveal(), "open sesame"),
        other => panic!("{other:?}"),
    }
    p.event(Event::WrongPassphrase);
    assert!(p.screen(Theme::MONO).contains("! wrong passphrase "));
    p.event(Event::Opened);
    assert_eq!(p.app.stage, Stage::Chat);
}

#[test]
fn a_first_start_from_the_first_key_to_start() {
    let mut p = Person::at(Stage::FirstRun(FirstRun::new("", Class::Normal, 0)), 80, 24);
    p.type_letters("no one said this before");
    p.press(plain(Key::Enter));
    p.type_letters("no one said this before");
    p.press(plain(Key::Enter));
    p.type_letters("anna");
    p.press(plain(Key::Enter));
    p.type_letters(" ");
    p.press(plain(Key::Enter));
    p.event(Event::Paste(
        "pxe1qqqq@192.0.2.1:4000\npxe1qqqq@192.0.2.2:4000\n".into(),
    ));
    p.press(plain(Key::Enter));
    match &p.app.stage {
        Stage::FirstRun(first) => assert_eq!(first.stop, Stop::Start),
        other => panic!("{other:?}"),
    }
    p.press(plain(Key::Enter));
    // a ticket with a typo is named before anything is made
    match &p.app.stage {
        Stage::FirstRun(first) => assert!(
            first
                .problem
                .as_ref()
                .is_some_and(|why| why.starts_with("ticket 1: ")),
            "{first:?}"
        ),
        other => panic!("{other:?}"),
    }
    assert!(p.asked.is_empty());
    // the cursor stands where the typo is
    match &p.app.stage {
        Stage::FirstRun(first) => assert!(
            first.tickets.before_cursor().chars().count() < 30,
            "{first:?}"
        ),
        other => panic!("{other:?}"),
    }
    p.press(plain(Key::End));
    p.press(ctrl(Key::Char('u')));
    p.press(plain(Key::Enter));
    p.press(plain(Key::Enter));
    match p.asked.pop_back() {
        Some(Command::Create {
            name,
            class,
            tickets,
            ..
        }) => assert_eq!(
            (name.as_str(), class, tickets.len()),
            ("anna", Class::Fast, 0)
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_with_a_ticket_is_said_to_its_end_at_every_size() {
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::at(
            Stage::FirstRun(FirstRun::new("anna", Class::Normal, 0)),
            width,
            height,
        );
        p.type_letters("no one said this before");
        p.press(plain(Key::Tab));
        p.type_letters("no one said this before");
        for _ in 0..3 {
            p.press(plain(Key::Tab));
        }
        p.event(Event::Paste("pxe1qqqqq@192.0.2.1:4000".into()));
        p.press(plain(Key::Enter));
        p.press(plain(Key::Enter));
        let problem = match &p.app.stage {
            Stage::FirstRun(first) => first.problem.clone().expect("refused"),
            other => panic!("{other:?}"),
        };
        let screen = p.screen(Theme::MONO);
        assert!(
            sentences(&screen).contains(&sentences(&problem)),
            "{problem}\n{screen}"
        );
    }
}

#[test]
fn few_entry_nodes_mean_what_is_said_and_no_check_is_promised() {
    for (known, said) in [
        (0, "Without one you stay offline"),
        (2, "does not cross-check them"),
    ] {
        let first = FirstRun::new("", Class::Normal, known);
        let mut p = Person::at(Stage::FirstRun(first), 80, 24);
        let screen = p.screen(Theme::MONO);
        assert!(screen.contains(said), "{screen}");
        assert!(!screen.contains("checked against each other"));
    }
}

#[test]
fn ctrl_c_says_what_it_did_before_a_profile_is_open_too() {
    for stage in [
        Stage::FirstRun(FirstRun::new("", Class::Normal, 3)),
        Stage::Unlock(Unlock::default()),
    ] {
        for (width, height) in [(80, 24), (48, 20)] {
            let mut p = Person::at(stage.clone(), width, height);
            p.type_letters("x");
            p.press(ctrl(Key::Char('c')));
            assert!(p.screen(Theme::MONO).contains("Ctrl+C again quits"));
        }
    }
}

/// Cut in silence it would be another passphrase than the one that was meant.
#[test]
fn a_passphrase_that_is_too_long_is_not_cut_in_silence() {
    for stage in [
        Stage::FirstRun(FirstRun::new("", Class::Normal, 3)),
        Stage::Unlock(Unlock::default()),
    ] {
        for (width, height) in [(80, 24), (48, 20)] {
            let mut p = Person::at(stage.clone(), width, height);
            p.event(Event::Paste("a".repeat(500)));
            assert!(!p.screen(Theme::MONO).contains("too long"));
            p.event(Event::Paste("b".repeat(20)));
            let screen = sentences(&p.screen(Theme::MONO));
            assert!(screen.contains("only its beginning was taken"), "{screen}");
        }
    }
}

#[test]
fn the_place_of_a_typo_in_a_ticket_is_said_once() {
    let good = paratox::crypto::keys::EntryKey::from_bytes(&[3; 32])
        .expect("small numbers are keys")
        .id()
        .to_string();
    let mut typo: Vec<char> = good.chars().collect();
    typo[20] = if typo[20] == 'q' { 'p' } else { 'q' };
    let typo: String = typo.into_iter().collect();
    let mut first = FirstRun::new("anna", Class::Normal, 0);
    first.insert("no one said this before");
    first.again.set("no one said this before");
    first.stop = Stop::Tickets;
    first.insert(&format!("{good}@192.0.2.1:4000 {typo}@192.0.2.2:4000"));
    first.stop = Stop::Start;
    assert_eq!(first.confirm(), None);
    let problem = first.problem.clone().expect("refused");
    assert_eq!(problem, "ticket 2: there is a typo at character 21");
    assert!(first.tickets.before_cursor().ends_with(&typo[..20]));
}

#[test]
fn whoever_has_one_contact_has_come_for_that_one() {
    let mut p = Person::at(Stage::Unlock(Unlock::default()), 80, 24);
    p.event(Event::Opened);
    p.event(Event::Contacts(vec![contact(2, "boris")]));
    assert_eq!(p.app.current, Some(boris()));
    // only at the start: later somebody may have left the conversation on purpose
    let mut p = Person::at(Stage::Unlock(Unlock::default()), 80, 24);
    p.event(Event::Opened);
    p.event(Event::Contacts(Vec::new()));
    p.event(Event::Contacts(vec![contact(2, "boris")]));
    assert_eq!(p.app.current, None);
}
