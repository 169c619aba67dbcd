//! What the screens say about the network, the way to a contact, and what has happened: why nothing goes yet, and never more than is so.

use paratox::app::keymap::{Key, plain};
use paratox::app::words::{Network, standing};
use paratox::app::{App, Command, Event, Stage};
use paratox::messenger::view::{ChatEvent, ContactState};
use paratox::node::person::{CircuitFailure, NetworkInfo, WhyFailed};
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, contact, network, node, sentences};

#[test]
fn network_snapshots_are_drawn_once_a_second_at_most() {
    let mut p = Person::chatting(80, 24);
    p.wait(3);
    p.app.take_changed();
    let mut drawn = 0;
    for n in 0..20 {
        let mut info = network();
        info.cells_out += n;
        p.event(Event::Network(Box::new(info)));
        drawn += u32::from(p.app.take_changed());
    }
    assert!(drawn <= 1, "{drawn}");
    p.wait(1);
    assert!(
        p.app.take_changed(),
        "the last one is drawn with the next tick"
    );
    p.wait(1);
    assert!(!p.app.take_changed(), "nothing changed, nothing is drawn");
    // the word in the header is drawn at once
    p.event(Event::Network(Box::new(NetworkInfo {
        node: Some(node(40)),
        ..NetworkInfo::default()
    })));
    assert!(p.app.take_changed());
    assert!(p.screen(Theme::MONO).contains("offline"));
}

#[test]
fn a_long_notice_is_read_to_its_end() {
    let notice = "The disk is full, so nothing that arrives can be acknowledged: make room on it, and everything that waits comes again.";
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::chatting(width, height);
        p.type_letters("half a thought");
        p.event(Event::Chat(ChatEvent::Notice(notice.into())));
        let screen = sentences(&p.screen(Theme::MONO));
        assert!(screen.contains(notice), "{screen}");
        assert!(screen.contains("> half a thought"), "{screen}");
    }
}

#[test]
fn what_lasts_stays_in_sight_until_it_is_over_and_hides_nothing() {
    let why =
        "Nothing is kept or acknowledged now: the disk is full: free some space and try again.";
    for (width, height) in [(120, 36), (80, 24), (48, 20), (48, 12), (72, 12)] {
        let mut p = Person::chatting(width, height);
        p.type_letters("half a thought");
        p.event(Event::Chat(ChatEvent::Trouble(Some(why.into()))));
        let lasts = |p: &mut Person| {
            let screen = sentences(&p.screen(Theme::MONO));
            assert!(screen.contains(why), "{width}x{height}: {screen}");
            assert!(screen.contains("> half a thought"), "{screen}");
            assert!(screen.contains("This one went nowhere."), "{screen}");
        };
        lasts(&mut p);
        p.wait(600);
        p.press(plain(Key::Esc));
        lasts(&mut p);
        p.press(plain(Key::F(4)));
        assert!(sentences(&p.screen(Theme::MONO)).contains(why));
        p.press(plain(Key::Esc));
        p.event(Event::Chat(ChatEvent::Trouble(None)));
        assert!(!sentences(&p.screen(Theme::MONO)).contains("the disk is full"));
    }
}

#[test]
fn trouble_that_begins_behind_a_box_is_said_over_it() {
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::chatting(width, height);
        p.press(plain(Key::F(5)));
        let why = ChatEvent::Trouble(Some("The disk is full.".into()));
        p.event(Event::Chat(why));
        assert!(p.screen(Theme::MONO).contains("The disk is full."));
        p.event(Event::Chat(ChatEvent::Trouble(None)));
        assert!(!p.screen(Theme::MONO).contains("The disk is full."));
    }
}

#[test]
fn a_notice_stands_over_boxes_and_screens_too() {
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        for key in [2, 4, 5, 6, 7] {
            let mut p = Person::chatting(width, height);
            p.press(plain(Key::F(key)));
            p.event(Event::Chat(ChatEvent::Notice("The disk is full.".into())));
            assert!(
                p.screen(Theme::MONO).contains("The disk is full."),
                "F{key}"
            );
        }
    }
}

#[test]
fn a_node_without_links_sends_nothing_and_not_less() {
    for (width, height) in [(120, 36), (80, 24)] {
        let mut p = Person::chatting(width, height);
        let mut info = network();
        info.links.clear();
        // A sum of nothing.
        (info.rate, info.steady_rate) = (-0.0, -0.0);
        p.event(Event::Network(Box::new(info)));
        p.wait(2);
        assert!(!p.screen(Theme::MONO).contains("-0"));
        p.press(plain(Key::F(4)));
        assert!(!p.screen(Theme::MONO).contains("-0"));
    }
}

#[test]
fn a_day_is_not_reckoned_from_the_quick_start_of_links() {
    let mut p = Person::chatting(120, 36);
    p.press(plain(Key::F(4)));
    let mut say = |rate| {
        let steady = NetworkInfo {
            rate,
            steady_rate: 56.0,
            ..network()
        };
        p.event(Event::Network(Box::new(steady)));
        p.wait(2);
        sentences(&p.screen(Theme::MONO))
    };
    let quick = say(280.0);
    assert!(quick.contains("280.0 cells/s"), "{quick}");
    assert!(
        quick.contains("about 2.7 GB a day each way, once the links' first 20 s are over"),
        "{quick}"
    );
    // A young spur is no start.
    let later = say(58.0);
    assert!(
        later.contains("about 2.7 GB a day each way since the start"),
        "{later}"
    );
}

#[test]
fn the_last_failure_of_a_circuit_says_which_when_and_how() {
    let mut p = Person::chatting(120, 36);
    p.press(plain(Key::F(4)));
    let mut say = |why: Option<WhyFailed>| {
        let failure = why.map(|why| CircuitFailure {
            role: "standby",
            why,
            seconds_ago: 200,
        });
        p.event(Event::Network(Box::new(NetworkInfo {
            failure,
            ..network()
        })));
        p.wait(2);
        sentences(&p.screen(Theme::MONO))
    };
    assert!(!say(None).contains("failure"));
    for (why, words) in [
        (WhyFailed::LinkDown, "the link to its first hop ended"),
        (WhyFailed::GuardSilent, "its first hop was silent"),
        (WhyFailed::Hop(2), "hop 2 could not be had"),
        (WhyFailed::Silent, "nothing came from its end any more"),
        (WhyFailed::Closed, "a hop closed it"),
        (WhyFailed::Spent, "its keys were used up"),
    ] {
        let said = say(Some(why));
        let wanted = format!("Last failure 3 min ago: standby, {words}.");
        assert!(said.contains(&wanted), "{said}");
    }
}

#[test]
fn entry_nodes_are_shown_as_unknown_and_their_lack_is_told() {
    let mut p = Person::chatting(120, 36);
    p.press(plain(Key::F(4)));
    let screen = p.screen(Theme::MONO);
    assert_eq!(screen.matches(" unknown ").count(), 2, "{screen}");
    assert!(screen.contains("not cross-checked in this version"));
    p.event(Event::Entries(Vec::new()));
    assert!(p.screen(Theme::MONO).contains("--entry TICKET"));
    let mut p = Person::open(80, 24);
    p.event(Event::Entries(Vec::new()));
    p.event(Event::Network(Box::new(NetworkInfo {
        node: Some(node(40)),
        ..NetworkInfo::default()
    })));
    assert!(sentences(&p.screen(Theme::MONO)).contains("start paratox with --entry TICKET"));
}

#[test]
fn two_notices_that_come_at_once_are_both_read() {
    let mut p = Person::chatting(80, 24);
    p.type_letters("kept");
    p.press(plain(Key::Enter));
    p.event(Event::CommandFailed {
        tag: Some(1),
        text: "the disk is full".into(),
        position: None,
    });
    p.event(Event::Chat(ChatEvent::Notice(
        "Nothing is kept now.".into(),
    )));
    assert!(sentences(&p.screen(Theme::MONO)).contains("The text is back in the composer"));
    p.wait(5);
    assert!(p.screen(Theme::MONO).contains("Nothing is kept now."));
    p.press(plain(Key::Esc));
    assert!(!p.screen(Theme::MONO).contains("Nothing is kept now."));
}

#[test]
fn every_step_on_the_way_to_a_contact_has_its_own_words() {
    use Network as N;
    let mut seen = std::collections::BTreeSet::new();
    let mut say = |state, session, found, reachable, queued, request_waits, network| {
        let mut c = contact(2, "boris");
        (c.state, c.session, c.found, c.reachable) = (state, session, found, reachable);
        (c.queued, c.request_waits) = (queued, request_waits);
        let said = standing(&c, network);
        // the longest stand beside a name, at 120 and at 80 columns
        assert!(said.long.len() <= 60 && said.short.len() <= 18, "{said:?}");
        seen.insert(said.long);
        said.long
    };
    use ContactState::{Accepted, Asked};
    for network in [N::Starting, N::Offline, N::Joining] {
        let words = say(Accepted, false, false, false, 0, false, network);
        assert_eq!(
            words,
            say(Asked, false, true, false, 1, true, network),
            "the own network comes first"
        );
    }
    assert!(say(Accepted, false, false, false, 0, false, N::Online).contains("looking"));
    assert!(say(Accepted, false, true, false, 0, false, N::Online).contains("waiting for a way"));
    assert!(say(Accepted, false, true, true, 0, false, N::Online).contains("agreeing on keys"));
    assert!(say(Accepted, true, true, true, 0, false, N::Online).contains("way open"));
    // no way and nothing that waits says nothing about the person at the other end
    let idle = say(Accepted, true, true, false, 0, false, N::Online);
    assert!(!idle.contains("offline"), "{idle}");
    assert!(say(Accepted, true, true, false, 2, false, N::Online).contains("waiting for a way"));
    assert!(say(Asked, true, true, true, 0, false, N::Online).contains("no answer yet"));
    assert_eq!(seen.len(), 9, "{seen:?}");
}

#[test]
fn an_empty_conversation_says_what_it_waits_for_at_every_size() {
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::open(width, height);
        let mut clara = contact(3, "clara");
        (clara.session, clara.found, clara.reachable) = (false, false, false);
        p.event(Event::Contacts(vec![clara]));
        p.press_action(paratox::app::keymap::Action::Switch(1));
        let screen = sentences(&p.screen(Theme::MONO));
        assert!(screen.contains("looking for a way to them"), "{screen}");
        assert!(screen.contains("is kept and sent by itself"), "{screen}");
    }
}

#[test]
fn the_screen_says_of_a_way_what_the_messenger_says() {
    let mut p = Person::chatting(120, 36);
    assert!(p.screen(Theme::MONO).contains("session ready, way open"));
    let mut boris = contact(2, "boris");
    (boris.reachable, boris.queued) = (false, 1);
    p.event(Event::Chat(ChatEvent::Contact(boris)));
    let screen = p.screen(Theme::MONO);
    assert!(screen.contains("waiting for a way to them"), "{screen}");
    assert!(screen.contains("1 waiting"), "{screen}");
    p.event(Event::Chat(ChatEvent::Contact(contact(2, "boris"))));
    assert!(p.screen(Theme::MONO).contains("session ready, way open"));
}

/// The demo's screen stands before its network does.
#[test]
fn what_is_written_before_anything_runs_is_kept_and_sent() {
    let people = [(account(20), "Echo"), (account(21), "Watcher")];
    let mut p = Person::at(Stage::Chat, 120, 36);
    p.app = App::of_demo((account(1), "You"), &people, p.app.zone.clone(), p.now);
    p.event(Event::Resize {
        width: 120,
        height: 36,
    });
    let screen = p.screen(Theme::MONO);
    for words in ["Echo", "Watcher", "starting", "To Echo", "This is the demo"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    p.type_letters("first words");
    p.press(plain(Key::Enter));
    assert!(p.asked.contains(&Command::Send {
        tag: 1,
        to: account(20),
        text: "first words".into()
    }));
    p.type_letters("second");
    // help is open when the profile is: it stays, and nothing written is lost
    p.press(plain(Key::F(1)));
    p.event(Event::Opened);
    p.event(Event::Contacts(vec![
        contact(20, "Echo"),
        contact(21, "Watcher"),
    ]));
    assert!(p.screen(Theme::MONO).contains("Type to filter"));
    p.press(plain(Key::Esc));
    assert_eq!(p.app.current, Some(account(20)));
    assert_eq!(p.app.composer.text(), "second");
    assert_eq!(p.app.waiting(), 1);
    p.press_action(paratox::app::keymap::Action::Quit);
    let screen = sentences(&p.screen(Theme::MONO));
    assert!(screen.contains("it keeps nothing"), "{screen}");
    assert!(!screen.contains("They stay saved"), "{screen}");
}

#[test]
fn the_network_screen_says_what_is_missing_until_it_is_online() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(4)));
    let mut say = |info: NetworkInfo| {
        p.event(Event::Network(Box::new(info)));
        p.wait(2);
        sentences(&p.screen(Theme::MONO))
    };
    assert!(say(NetworkInfo::default()).contains("The own node is starting."));
    let without = NetworkInfo {
        node: Some(node(40)),
        ..NetworkInfo::default()
    };
    let offline = say(without.clone());
    assert!(
        offline.contains("the entry nodes do not answer"),
        "{offline}"
    );
    let joining = say(NetworkInfo {
        online: false,
        ..network()
    });
    assert!(joining.contains("Joining: first links"), "{joining}");
    assert!(!say(network()).contains("Joining"));
    // at the start the lack of links is no news; after a while it is
    let mut p = Person::at(Stage::Chat, 80, 24);
    assert!(p.screen(Theme::MONO).contains("starting"));
    p.event(Event::Network(Box::new(without)));
    p.event(Event::Entries(crate::scene::entries()));
    assert!(p.screen(Theme::MONO).contains("joining"));
    p.wait(19);
    assert!(p.screen(Theme::MONO).contains("joining"));
    p.app.take_changed();
    p.wait(2);
    assert!(p.app.take_changed());
    assert!(p.screen(Theme::MONO).contains("offline"));
}
