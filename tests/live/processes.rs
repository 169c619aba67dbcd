//! What the program promises to the system around it: exit codes, files, pipes, signals.

use std::path::Path;

use crate::program::{self, Person, Place, Relay, files, run};
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
        assert_eq!(
            ended.stderr.lines().count(),
            1,
            "{case:?}: one sentence: {}",
            ended.stderr
        );
    }
    assert!(!place.data().exists());
}

#[test]
fn every_damage_has_a_sentence_of_its_own_and_nothing_is_overwritten() {
    let (place, _) = made("Alice");
    let whole = files(&place.data());
    let (keys, database) = (place.data().join("keys"), place.data().join("paratox.db"));
    let content = |path: &Path| std::fs::read(path).expect("there");
    let (good_keys, good_database) = (content(&keys), content(&database));
    let mut newer = good_keys.clone();
    newer[8] = 2;
    let content_end = newer.len() - 32;
    let checksum = paratox::crypto::aead::hash(&[&newer[..content_end]]);
    newer[content_end..].copy_from_slice(&checksum);
    let mut noise = good_database.clone();
    noise[5000] ^= 1;
    let cases: [(&str, &Path, Option<&[u8]>); 6] = [
        ("plain", &database, Some(b"SQLite format 3\0 and so on")),
        ("flipped", &database, Some(&noise)),
        ("no database", &database, None),
        ("cut keys", &keys, Some(&good_keys[..50])),
        ("newer keys", &keys, Some(&newer)),
        ("no keys", &keys, None),
    ];
    let mut sentences = Vec::new();
    for (what, path, bytes) in cases {
        match bytes {
            Some(bytes) => std::fs::write(path, bytes).expect("written"),
            None => std::fs::remove_file(path).expect("there"),
        }
        let before = files(&place.data());
        let ended = run_in(&place, &["headless"], "");
        assert_eq!(ended.code, Some(5), "{what}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{what}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{what}");
        assert!(files(&place.data()) == before, "{what}: a file was changed");
        sentences.push(ended.stderr);
        for (path, bytes) in &whole {
            std::fs::write(path, bytes).expect("written");
        }
    }
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), 6, "{sentences:#?}");
    assert_eq!(run_in(&place, &["headless"], "").code, Some(0));
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
        (&b""[..], "bad-json"),
        (b"not json", "bad-json"),
        (b"[]", "bad-json"),
        (b"{\"cmd\":\"li\xffst\"}", "bad-json"),
        (b"{\"cmd\":\"list\"} {\"cmd\":\"list\"}", "bad-json"),
        (br#"{"cmd":"dance"}"#, "unknown-command"),
        (br#"{"cmd":"send"}"#, "bad-field"),
        (&[b'x'; 70_000], "too-long"),
    ] {
        alice.write_bytes(line);
        alice.write_bytes(b"\n");
        assert_eq!(alice.wait("an error", errors)["code"], code);
    }
    for tag in [
        json!(null),
        json!(-1.5),
        json!("x"),
        json!([{"a": []}]),
        json!(true),
    ] {
        alice.write(&json!({"cmd": "list", "tag": tag}).to_string());
        let reply = alice.wait("the reply", |event| event["event"] == "reply");
        assert_eq!(reply.get("tag"), Some(&tag), "{reply}");
    }
    assert_eq!(
        alice.ask(json!({"cmd": "dance", "tag": 0}))["code"],
        "unknown-command",
        "the tag comes back"
    );
    // What stands there without a line break is a line.
    alice.write_bytes(br#"{"cmd":"list","tag":"last"}"#);
    let rest = alice.end_input();
    assert!(rest.iter().any(|event| event["tag"] == "last"), "{rest:?}");
}

#[test]
fn a_text_of_4000_bytes_is_taken_and_one_byte_more_is_not() {
    let (_, bob) = made("Bob");
    let place = Place::new();
    let mut alice = Person::start(&place, "Alice", &[]);
    let add = |text: String| json!({"cmd": "add", "id": bob, "name": "Bob", "text": text});
    assert_eq!(alice.ask(add("x".repeat(201)))["code"], "too-long");
    alice.must(add("x".repeat(200)));
    let long = "\u{e4}".repeat(2000);
    alice.say(&bob, &long);
    let more = json!({"cmd": "send", "to": bob, "text": format!("{long}x")});
    assert_eq!(alice.ask(more)["code"], "too-long");
    assert_eq!(alice.history(&bob).len(), 2);
    alice.quit();
}

#[test]
fn a_reader_who_has_gone_ends_the_program_cleanly() {
    let (place, _) = made("Alice");
    let mut command = program::paratox();
    command
        .args(["headless", "--listen", "127.0.0.1:0"])
        .args(place.options())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut alice = program::Guarded(command.spawn().expect("the program was built"));
    drop(alice.0.stdout.take());
    let mut stdin = alice.0.stdin.take().expect("piped");
    while std::io::Write::write_all(&mut stdin, b"{\"cmd\":\"status\"}\n").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(alice.code(), Some(0));
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

#[test]
fn a_relay_says_why_it_cannot_run() {
    let running = Relay::start(&[]);
    let address = running.ticket.split('@').nth(1).expect("a ticket has one");
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = |data: &Path, listen: &str| {
        let data = data.to_str().expect("UTF-8");
        run(
            &["node", "--lan", "--listen", listen, "--data-dir", data],
            "",
        )
    };
    let taken = node(place.path(), address);
    let twice = node(running.data(), "127.0.0.1:0");
    std::fs::write(place.path().join("entry.key"), b"short").expect("written");
    let damaged = node(place.path(), "127.0.0.1:0");
    let codes = [&taken, &twice, &damaged].map(|ended| ended.code);
    assert_eq!(codes, [Some(1), Some(4), Some(5)]);
    for (ended, says) in [
        (taken, "--listen"),
        (twice, "--data-dir"),
        (damaged, "entry.key"),
    ] {
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[cfg(unix)]
#[test]
fn rights_that_became_too_wide_are_taken_away_and_told() {
    use std::os::unix::fs::PermissionsExt;
    let (place, id) = made("Alice");
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    open(&place.data(), 0o755);
    for (path, _) in files(&place.data()) {
        open(&path, 0o644);
    }
    let first = run_in(&place, &["id"], "");
    assert_eq!((first.code, first.stdout), (Some(0), format!("{id}\n")));
    assert!(first.stderr.contains("other users"), "{}", first.stderr);
    assert_eq!(run_in(&place, &["id"], "").stderr, "", "told once");
}

#[test]
fn the_same_simulation_gives_the_same_report_and_eve_sees_cells_only() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let seen = place.path().join("eve.csv");
    let file = seen.to_str().expect("UTF-8");
    let line = [
        "sim",
        "--size",
        "5",
        "--minutes",
        "2",
        "--seed",
        "9",
        "--json",
    ];
    let plain = run(&line, "");
    let watched = run(&[&line[..], &["--observer", file]].concat(), "");
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    assert_eq!(plain.stdout, watched.stdout);
    let report: Value = serde_json::from_str(&plain.stdout).expect("one JSON object");
    assert_eq!((&report["seed"], &report["size"]), (&json!(9), &json!(5)));
    let seen = std::fs::read_to_string(seen).expect("written");
    let mut lines = seen.lines();
    assert_eq!(lines.next(), Some("microseconds,from,to,bytes"));
    let mut count = 0;
    for line in lines {
        assert!(line.ends_with(",512"), "{line}");
        count += 1;
    }
    assert!(count > 1000, "{count}");
    assert_eq!(report["datagrams"], count);
}
