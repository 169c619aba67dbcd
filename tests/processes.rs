//! What the program promises to the system around it: exit codes, files, pipes, signals.

mod program;

use program::{Person, Place, files, run};
use serde_json::{Value, json};

/// Runs a command on this place to its end.
fn run_in(place: &Place, args: &[&str], input: &str) -> program::Ended {
    let options = place.options();
    let mut all: Vec<&str> = args.to_vec();
    all.extend(options.iter().map(String::as_str));
    all.extend(["--listen", "127.0.0.1:0"]);
    run(&all, input)
}

fn made(name: &str) -> (Place, String) {
    let place = Place::new();
    let person = Person::start(&place, name, &[]);
    let id = person.id.clone();
    person.quit();
    (place, id)
}

#[test]
fn one_directory_is_one_process() {
    let place = Place::new();
    let first = Person::start(&place, "Alice", &[]);
    let second = run_in(&place, &["headless"], "");
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    assert!(
        second.stderr.contains(&first.process.0.id().to_string()),
        "it says by whom: {}",
        second.stderr
    );
    assert_eq!(second.stdout, "");
    // The lock dies with the process, however it dies.
    first.process.signal("KILL");
    drop(first);
    assert_eq!(run_in(&place, &["headless"], "").code, Some(0));
}

#[test]
fn a_wrong_passphrase_changes_no_file() {
    let (place, id) = made("Alice");
    let before = files(&place.data());
    let other = place.other_passphrase();
    let data = place.data();
    let wrong = [
        "--passphrase-file",
        other.to_str().expect("UTF-8"),
        "--data-dir",
        data.to_str().expect("UTF-8"),
    ];
    for command in ["headless", "id"] {
        let mut args = vec![command];
        args.extend(wrong);
        let refused = run(&args, "");
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
        assert_eq!(
            refused.stderr.lines().count(),
            1,
            "one sentence: {}",
            refused.stderr
        );
        assert!(!refused.stderr.contains(&id));
    }
    assert!(
        files(&place.data()) == before,
        "a file was changed, made or removed"
    );
}

#[test]
fn wrong_usage_ends_with_two_and_opens_nothing() {
    let place = Place::new();
    let data = place.data();
    let data = data.to_str().expect("UTF-8");
    let cases: &[&[&str]] = &[
        &["dance"],
        &["--no-such-option"],
        &["headless", "--data-dir", data],
        &[
            "headless",
            "--data-dir",
            data,
            "--passphrase-file",
            "/nonexistent/file",
        ],
        &[
            "node",
            "--entry",
            "pxe1wrong@127.0.0.1:1",
            "--data-dir",
            data,
        ],
        &["node", "--listen", "nowhere", "--data-dir", data],
        &["node", "--class", "turbo", "--data-dir", data],
    ];
    for case in cases {
        let ended = run(case, "");
        assert_eq!(ended.code, Some(2), "{case:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{case:?}");
        assert!(!ended.stderr.is_empty(), "{case:?}");
    }
    assert!(!place.data().exists());
}

#[test]
fn a_damaged_file_is_told_from_a_wrong_passphrase() {
    let (place, _) = made("Alice");
    let plain = place.data().join("paratox.db");
    std::fs::write(&plain, b"SQLite format 3\0 and whatever follows").expect("written");
    let ended = run_in(&place, &["headless"], "");
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
}

#[test]
fn the_end_of_input_and_the_signals_are_clean_ends() {
    let (place, id) = made("Alice");
    let ended = run_in(&place, &["headless"], "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for signal in ["INT", "TERM"] {
        let mut person = Person::start(&place, "Alice", &[]);
        assert_eq!(person.id, id);
        person.process.signal(signal);
        assert_eq!(person.process.code(), Some(0), "{signal}");
    }
}

#[test]
fn id_prints_the_account_and_nothing_else_into_a_pipe() {
    let (place, id) = made("Alice");
    let ended = run_in(&place, &["id"], "");
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{id}\n")));
}

#[test]
fn a_changed_letter_is_refused_with_its_place() {
    let (_, id) = made("Bob");
    let place = Place::new();
    let mut alice = Person::start(&place, "Alice", &[]);
    for position in [10, 33, 61] {
        let mut letters: Vec<char> = id.chars().collect();
        letters[position] = if letters[position] == 'q' { 'p' } else { 'q' };
        let wrong: String = letters.iter().collect();
        let error = alice.ask(json!({"cmd": "add", "id": wrong, "name": "Bob", "text": "hi"}));
        assert_eq!(
            (&error["event"], &error["code"]),
            (&json!("error"), &json!("bad-id")),
            "{error}"
        );
        assert_eq!(error["position"], position, "{error}");
    }
    let own = alice.id.clone();
    assert_eq!(
        alice.ask(json!({"cmd": "add", "id": own, "name": "Me"}))["event"],
        "error"
    );
    assert_eq!(alice.must(json!({"cmd": "list"}))["contacts"], json!([]));
    alice.quit();
}

#[test]
fn whatever_comes_in_gets_one_answer_and_stdout_stays_json() {
    let place = Place::new();
    let mut alice = Person::start(&place, "Alice", &[]);
    let errors = |event: &Value| event["event"] == "error";
    for (line, code) in [
        ("", "bad-json"),
        ("not json", "bad-json"),
        ("[]", "bad-json"),
        (r#"{"cmd":"dance"}"#, "unknown-command"),
        (r#"{"cmd":"send"}"#, "bad-field"),
        (&"x".repeat(70_000), "too-long"),
    ] {
        alice.write(line);
        assert_eq!(alice.wait("an error", errors)["code"], code);
    }
    assert_eq!(
        alice.ask(json!({"cmd": "dance", "tag": 0}))["code"],
        "unknown-command",
        "the tag comes back"
    );
    alice.quit();
}

#[test]
fn what_got_a_reply_survives_a_kill() {
    let (_, bob) = made("Bob");
    let place = Place::new();
    let mut alice = Person::start(&place, "Alice", &[]);
    alice.must(json!({"cmd": "add", "id": bob, "name": "Bob", "text": "hi"}));
    alice.process.signal("KILL");
    assert_eq!(alice.process.code(), None);
    let mut alice = Person::start(&place, "Alice", &[]);
    let contacts = alice.must(json!({"cmd": "list"}))["contacts"].clone();
    assert_eq!(
        (&contacts[0]["id"], &contacts[0]["name"]),
        (&json!(bob), &json!("Bob")),
        "{contacts}"
    );
    alice.quit();
}

#[cfg(unix)]
#[test]
fn what_lies_on_the_disk_is_for_its_owner_alone_and_says_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let (_, bob) = made("Bob");
    let place = Place::new();
    let mut alice = Person::start(&place, "Alice", &[]);
    alice.must(json!({"cmd": "add", "id": bob, "name": "Zephyrine", "text": "a telltale word"}));
    // While it runs, with its log, and after it has ended.
    for running in [true, false] {
        let mode = |path: &std::path::Path| {
            std::fs::metadata(path).expect("there").permissions().mode() & 0o777
        };
        assert_eq!(mode(&place.data()), 0o700);
        let found = files(&place.data());
        assert!(found.len() >= 2, "a key file and a database");
        for (path, bytes) in &found {
            assert_eq!(mode(path), 0o600, "{}", path.display());
            for word in [
                "SQLite format 3",
                "CREATE TABLE",
                "Zephyrine",
                "telltale",
                "Alice",
                &bob,
                &alice.id,
            ] {
                let stands = bytes
                    .windows(word.len())
                    .any(|window| window == word.as_bytes());
                assert!(
                    !stands,
                    "{word} stands in {}, running: {running}",
                    path.display()
                );
            }
        }
        if running {
            alice.write(r#"{"cmd":"quit"}"#);
            assert_eq!(alice.process.code(), Some(0));
        }
    }
}

#[test]
fn a_relay_keeps_its_ticket_and_ends_cleanly() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let mut command = program::paratox();
        command
            .args(["node", "--lan", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(place.path());
        let child = command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut relay = program::Guarded(child);
        let mut line = String::new();
        let stdout = relay.0.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)
            .expect("a line");
        let (key, address) = line.trim().split_once('@').expect("a ticket");
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        tickets.push(key.to_owned());
        relay.signal("TERM");
        assert_eq!(relay.code(), Some(0));
    }
    assert_eq!(tickets[0], tickets[1]);
}
