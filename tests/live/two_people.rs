//! Alice and Bob, in processes of their own, over real sockets, through relays in processes of their own.

use std::time::Duration;

use crate::program::{Person, Place, World, files};
use serde_json::{Value, json};

/// Relays besides the nodes of the two: enough for circuits of several hops.
const RELAYS: usize = 8;
const MESSAGES: usize = 20;

/// What goes with Alice's request, and stands first in the conversation.
const REQUEST: &str = "It is me, Alice";

/// Texts of the history that the other side wrote, the request's aside.
fn theirs(history: &[Value], from: &str) -> Vec<String> {
    let texts = history
        .iter()
        .filter(|message| message["from"] == from && message["text"] != REQUEST);
    texts
        .map(|message| message["text"].as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn two_people_find_each_other_and_no_message_is_lost_or_doubled_whatever_happens_to_their_processes()
 {
    let world = World::start(RELAYS);
    let (alices, bobs) = (Place::new(), Place::new());
    let mut alice = Person::start(&alices, "Alice", &world.entries());
    let mut bob = Person::start(&bobs, "Bob", &world.entries());
    alice.wait_online();
    bob.wait_online();

    // Alice knows Bob's AccountID and nothing else.
    let (alice_id, bob_id) = (alice.id.clone(), bob.id.clone());
    alice.must(json!({"cmd": "add", "id": bob_id, "name": "Bob", "text": REQUEST}));
    let request = bob.wait("the request", |event| event["event"] == "request");
    assert_eq!(request["id"], alice_id);
    assert_eq!(request["text"], REQUEST);
    bob.must(json!({"cmd": "accept", "id": alice_id}));
    let id = bob_id.clone();
    alice.wait("the acceptance", |event| {
        event["event"] == "contact" && event["id"] == id && event["state"] == "accepted"
    });

    // Twenty messages each way, all at once.
    let from_alice: Vec<String> = (0..MESSAGES)
        .map(|n| format!("from Alice {n} zephyrous"))
        .collect();
    let from_bob: Vec<String> = (0..MESSAGES)
        .map(|n| format!("from Bob {n} zephyrous"))
        .collect();
    let alices_numbers: Vec<u64> = from_alice
        .iter()
        .map(|text| alice.say(&bob_id, text))
        .collect();
    let bobs_numbers: Vec<u64> = from_bob
        .iter()
        .map(|text| bob.say(&alice_id, text))
        .collect();
    for text in &from_alice {
        bob.wait_message(text);
    }
    for text in &from_bob {
        alice.wait_message(text);
    }
    for number in alices_numbers {
        assert_eq!(
            alice.wait_delivered(number)["secrecy"],
            3,
            "opened once, its keys erased"
        );
    }
    for number in bobs_numbers {
        assert_eq!(
            bob.wait_delivered(number)["secrecy"],
            3,
            "opened once, its keys erased"
        );
    }
    assert_eq!(
        theirs(&bob.history(&alice_id), &alice_id),
        from_alice,
        "each once, in the order they were written"
    );
    assert_eq!(
        theirs(&alice.history(&bob_id), &bob_id),
        from_bob,
        "each once, in the order they were written"
    );

    // A device that stands still has confirmed nothing, whatever the network did with the parcel.
    bob.process.signal("STOP");
    let number = alice.say(&bob_id, "while Bob stands still");
    let early = alice.within(Duration::from_secs(8), |event| {
        event["event"] == "delivery" && event["msg"] == number
    });
    assert!(
        early.iter().all(|event| event["delivery"] != "delivered"),
        "{early:?}"
    );
    bob.process.signal("CONT");
    bob.wait_message("while Bob stands still");
    alice.wait_delivered(number);

    // What got a reply is on disk, also if the process is killed in the same moment.
    let number = alice.say(&bob_id, "the last words of a process");
    alice.process.signal("KILL");
    assert_eq!(alice.process.code(), None);
    let mut alice = Person::start(&alices, "Alice", &[]);
    assert_eq!(
        alice.id, alice_id,
        "the same account; entry nodes are remembered"
    );
    let kept = alice.history(&bob_id);
    assert!(
        kept.iter()
            .any(|message| message["msg"] == number
                && message["text"] == "the last words of a process"),
        "{kept:?}"
    );
    bob.wait_message("the last words of a process");
    // The receipt may have come before the restart was ready to tell it.
    if kept
        .iter()
        .all(|message| message["msg"] != number || message["delivery"] != "delivered")
    {
        alice.wait_delivered(number);
    }

    // And back, after the other side was killed.
    bob.process.signal("KILL");
    assert_eq!(bob.process.code(), None);
    let mut bob = Person::start(&bobs, "Bob", &[]);
    let number = bob.say(&alice_id, "I am back");
    alice.wait_message("I am back");
    bob.wait_delivered(number);

    let mut expected = from_alice;
    expected.extend([
        "while Bob stands still".to_owned(),
        "the last words of a process".to_owned(),
    ]);
    assert_eq!(
        theirs(&bob.history(&alice_id), &alice_id),
        expected,
        "each once, in order, after all of that"
    );
    let mut expected = from_bob;
    expected.push("I am back".to_owned());
    assert_eq!(
        theirs(&alice.history(&bob_id), &bob_id),
        expected,
        "each once, in order, after all of that"
    );
    alice.quit();
    bob.quit();

    // Nothing of it can be read on the disks.
    for (path, bytes) in files(&alices.data()).into_iter().chain(files(&bobs.data())) {
        for word in ["zephyrous", "stands still", "Alice", &alice_id, &bob_id] {
            let found = bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes());
            assert!(!found, "{word} stands in {}", path.display());
        }
    }
}
