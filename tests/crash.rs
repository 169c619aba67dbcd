//! Killed at any moment, a profile keeps every commit that returned, whole, and opens again.
//!
//! The test starts itself as a child that writes and says after each commit which it was, and kills it. `PARATOX_LONG=1` plays a
//! thousand kills instead of a few. A kill is not a power cut: that synced bytes are on the disk is the system's word.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use paratox::crypto::random::Stream;
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::persistence::{
    AccountBytes, Batch, Change, ContactRow, MessageRow, MetaKey, OutgoingRow, Persistence,
    SecretBytes, SessionRow, StoreError,
};
use paratox::messenger::view::{ContactState, Delivery, Policy};
use paratox::store::{Cost, OpenError, Profile};
use paratox::wire::time::UnixMs;

const BOB: AccountBytes = [2; 33];
const PASSPHRASE: &[u8] = b"several words";

fn rounds(few: u64) -> u64 {
    if std::env::var_os("PARATOX_LONG").is_some() {
        1000
    } else {
        few
    }
}

fn text(number: u64) -> String {
    format!("message {number} ").repeat(1 + (number % 40) as usize)
}

/// A state as long as a ratchet's, that says which commit it belongs to.
fn state(number: u64) -> Vec<u8> {
    number
        .to_be_bytes()
        .repeat(40 + (number % 7) as usize * 100)
}

/// What one step of the messenger writes: a message, the next state of the session, the parcel that waits; and the one before removed.
fn step(number: u64) -> Batch {
    let mut batch = Batch {
        changes: Vec::new(),
        erase: number.is_multiple_of(5),
    };
    batch.push(Change::PutMessage(MessageRow {
        number,
        contact: BOB,
        mine: true,
        sequence: number as u32,
        previous: [0; 8],
        text: text(number),
        secrecy: Secrecy::OnceOpened,
        delivery: Delivery::Queued,
        time: UnixMs(number),
        gap_before: 0,
        unreadable: false,
    }));
    batch.push(Change::PutSession(SessionRow {
        contact: BOB,
        slot: 0,
        state: SecretBytes::new(state(number)),
    }));
    batch.push(Change::PutOutgoing(OutgoingRow {
        contact: BOB,
        sequence: number as u32,
        message: Some(number),
        kind: 1,
        body: SecretBytes::new(Vec::new()),
        parcel: SecretBytes::new(vec![7; 400]),
        secrecy: Secrecy::OnceOpened,
        tries: 0,
        last_try: UnixMs(0),
    }));
    batch.push(Change::RemoveOutgoing {
        contact: BOB,
        sequence: (number - 1) as u32,
    });
    batch.push(Change::SetDelivery {
        number: number - 1,
        delivery: Delivery::Delivered,
    });
    batch.push(Change::PutMeta {
        key: MetaKey::own("step"),
        value: SecretBytes::new(number.to_be_bytes().to_vec()),
    });
    batch
}

fn bob() -> Batch {
    let mut batch = Batch::new();
    batch.push(Change::PutContact(ContactRow {
        account: BOB,
        name: "Bob".into(),
        state: ContactState::Accepted,
        policy: Policy::Ask,
        added: UnixMs(0),
        request_text: String::new(),
        read_up_to: 0,
        sent: 0,
        sent_hash: [0; 8],
        peer_has: 0,
        received: 0,
        received_hash: [0; 8],
    }));
    batch
}

/// The number of the last step, after every table was found to agree on it and every message to be there.
fn check(profile: &mut Profile) -> u64 {
    let all = profile.load().unwrap();
    let last = all.next_number - 1;
    if last == 0 {
        return 0;
    }
    assert_eq!(all.meta[0].1.as_slice(), last.to_be_bytes());
    assert_eq!(all.sessions[0].state.as_slice(), state(last));
    assert_eq!(
        all.outgoing
            .iter()
            .map(|row| u64::from(row.sequence))
            .collect::<Vec<_>>(),
        [last]
    );
    let mut expected = last;
    while expected > 0 {
        let page = profile.messages(&BOB, Some(expected + 1), 500).unwrap();
        for row in page.iter().rev() {
            let delivery = if row.number == last {
                Delivery::Queued
            } else {
                Delivery::Delivered
            };
            assert_eq!(
                (row.number, &row.text, row.delivery),
                (expected, &text(expected), delivery)
            );
            expected -= 1;
        }
        assert!(!page.is_empty(), "message {expected} is gone");
    }
    last
}

/// The child; without the variable, nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var("PARATOX_CRASH_CHILD") else {
        return;
    };
    let path = PathBuf::from(std::env::var_os("PARATOX_CRASH_PATH").unwrap());
    let say = |what: &str| {
        println!("{what}");
        std::io::stdout().flush().unwrap();
    };
    if role == "create" {
        say("here");
        // The same seed each time would make the same key: here that is welcome.
        let _profile = Profile::create(
            &path,
            PASSPHRASE,
            Cost::LEAST,
            &mut Stream::from_seed([1; 32]),
        )
        .unwrap();
        say("made");
        std::thread::sleep(Duration::from_secs(600));
    }
    let mut profile = Profile::open(&path, PASSPHRASE).unwrap();
    let mut number = profile.load().unwrap().next_number;
    say("here");
    loop {
        profile.commit(step(number)).unwrap();
        say(&format!("kept {number}"));
        number += 1;
    }
}

/// Starts a child and waits until it is at work.
fn start(role: &str, path: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("PARATOX_CRASH_CHILD", role)
        .env("PARATOX_CRASH_PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.trim_end().ends_with("here") {
        line.clear();
        assert!(
            out.read_line(&mut line).unwrap() > 0,
            "the child ended: {:?}",
            child.wait()
        );
    }
    (child, out)
}

/// The next so many lines; fewer if the child ended.
fn read_lines(out: &mut impl BufRead, count: u64) -> Vec<String> {
    out.lines()
        .take(count as usize)
        .map(Result::unwrap)
        .collect()
}

/// Kills the child (SIGKILL) and gives what it had said.
fn kill(mut child: Child, out: BufReader<std::process::ChildStdout>) -> Vec<String> {
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut short: only whole ones were said.
    let text = std::io::read_to_string(out).unwrap();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn every_commit_that_returned_survives_a_kill() {
    let mut random = Stream::from_seed([3; 32]);
    let mut round = 0;
    while round < rounds(20) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("p");
        let mut profile = Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random).unwrap();
        profile.commit(bob()).unwrap();
        drop(profile);
        let mut last = 0;
        // The same profile is killed again and again; a new one now and then, because all of its history is read each time.
        for _ in 0..20 {
            let (child, mut out) = start("write", &path);
            // It has done some work, and is somewhere in the next step.
            let mut said = read_lines(&mut out, 1 + random.below(12));
            std::thread::sleep(Duration::from_micros(random.below(8000)));
            said.extend(kill(child, out));
            let kept = said
                .iter()
                .filter_map(|line| line.strip_prefix("kept ")?.parse().ok())
                .max()
                .unwrap_or(last);
            let mut profile = Profile::open(&path, PASSPHRASE).unwrap();
            let found = check(&mut profile);
            assert!(
                found >= kept,
                "round {round}: {kept} was kept, {found} is there"
            );
            assert!(
                found <= kept + 1,
                "round {round}: at most the commit that was under way came on top"
            );
            last = found;
            round += 1;
        }
    }
}

#[test]
fn making_a_profile_survives_a_kill_at_any_moment() {
    let mut random = Stream::from_seed([4; 32]);
    for round in 0..rounds(20) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("p");
        let (child, out) = start("create", &path);
        // The first kills come as early as can be; making takes some 50 ms.
        let delay = if round < 5 { 0 } else { random.below(120_000) };
        std::thread::sleep(Duration::from_micros(delay));
        let made = kill(child, out).iter().any(|line| line == "made");
        let mut profile = match Profile::open(&path, PASSPHRASE) {
            Ok(profile) => profile,
            Err(OpenError::NoProfile(_)) if !made => {
                Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random).unwrap()
            }
            Err(error) => panic!("round {round}, made {made}: {error}"),
        };
        profile.commit(bob()).unwrap();
        profile.commit(step(1)).unwrap();
        assert_eq!(check(&mut profile), 1);
    }
}

/// A database cannot tell that the end of its log was lost (the hash chain of a conversation can). What it must not do is fail, or mix.
#[test]
fn a_damaged_log_costs_the_newest_commits_whole_or_is_called_damage() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let mut random = Stream::from_seed([5; 32]);
    let mut profile = Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random).unwrap();
    profile.commit(bob()).unwrap();
    drop(profile);
    let (child, mut out) = start("write", &path);
    let mut line = String::new();
    while line.trim_end() != "kept 14" {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    kill(child, out);
    let (database, log) = (path.join("paratox.db"), path.join("paratox.db-wal"));
    let (whole, whole_log) = (
        std::fs::read(&database).unwrap(),
        std::fs::read(&log).unwrap(),
    );
    let mut opened = 0;
    for round in 0..rounds(40) {
        let mut bad = whole_log.clone();
        let at = random.below(bad.len().max(1) as u64) as usize;
        match round % 3 {
            _ if bad.is_empty() => {}
            0 => bad.truncate(at),
            1 => bad[at] ^= 1 << random.below(8),
            _ => bad[at..].fill(0),
        }
        std::fs::write(&database, &whole).unwrap();
        std::fs::write(&log, &bad).unwrap();
        match Profile::open(&path, PASSPHRASE) {
            Ok(mut profile) => {
                let found = check(&mut profile);
                assert!((1..=60).contains(&found), "{found}");
                opened += 1;
                assert_eq!(profile.commit(step(found + 1)), Ok(()));
            }
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{error}"),
        }
    }
    assert!(opened > 0);
}

#[test]
fn a_file_that_is_damaged_while_open_is_an_error_and_never_a_wrong_answer() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let mut profile = Profile::create(
        &path,
        PASSPHRASE,
        Cost::LEAST,
        &mut Stream::from_seed([6; 32]),
    )
    .unwrap();
    profile.commit(bob()).unwrap();
    for number in 1..=50 {
        profile.commit(step(number)).unwrap();
    }
    profile.commit(Batch::erasing()).unwrap();
    let database = path.join("paratox.db");
    let good = std::fs::read(&database).unwrap();
    let mut bad = good.clone();
    for page in bad.chunks_mut(4096) {
        page[2000] ^= 1;
    }
    // The same file, as the open database sees it; its own memory of pages still helps it for a while.
    let overwrite = |bytes: &[u8]| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(&database)
            .unwrap();
        file.write_all(bytes).unwrap();
    };
    overwrite(&bad);
    match profile.load() {
        Ok(all) => assert_eq!(all.sessions[0].state.as_slice(), state(50)),
        Err(error) => assert_eq!(error, StoreError::Damaged),
    }
    drop(profile);
    overwrite(&bad);
    assert!(matches!(
        Profile::open(&path, PASSPHRASE),
        Err(OpenError::Damaged { .. })
    ));
}
