//! The profile keeps what it promises, on the disk and in the simulator alike.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use paratox::crypto::random::Stream;
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::{
    AccountBytes, Batch, Change, ContactRow, IncomingPart, MAX_TEXT, MessageRow, MetaKey,
    OutgoingRow, Persistence, ProfileRow, SecretBytes, SessionRow, StoreError,
};
use paratox::messenger::view::{ContactState, Delivery, Policy};
use paratox::store::{Cost, OpenError, Profile};
use paratox::wire::time::UnixMs;

const BOB: AccountBytes = [2; 33];
const CAROL: AccountBytes = [3; 33];
const PASSPHRASE: &[u8] = b"several words";
/// A word of a message, a name and a passphrase that must be in no file.
const WORDS: [&str; 3] = ["rendezvous", "Roberta", "several words"];

fn random() -> Stream {
    Stream::from_seed([1; 32])
}

fn create(path: &Path) -> Profile {
    Profile::create(path, PASSPHRASE, Cost::LEAST, &mut random()).unwrap()
}

fn open_error(path: &Path, passphrase: &[u8]) -> OpenError {
    match Profile::open(path, passphrase) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn contact(account: AccountBytes) -> ContactRow {
    ContactRow {
        account,
        name: "Roberta".into(),
        state: ContactState::Accepted,
        policy: Policy::Wait,
        added: UnixMs(1_700_000_000_000),
        request_text: "shall we rendezvous?".into(),
        read_up_to: 0,
        sent: 7,
        sent_hash: [1; 8],
        peer_has: 5,
        received: 3,
        received_hash: [2; 8],
    }
}

fn message(number: u64, contact: AccountBytes, mine: bool) -> MessageRow {
    MessageRow {
        number,
        contact,
        mine,
        sequence: number as u32,
        previous: [9; 8],
        text: format!("rendezvous number {number}"),
        secrecy: Secrecy::EpochPrekey { erase_day: 20_000 },
        delivery: Delivery::Queued,
        time: UnixMs(u64::MAX),
        gap_before: 1,
        unreadable: false,
    }
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::from_slice(text.as_bytes())
}

fn outgoing(contact: AccountBytes, sequence: u32) -> OutgoingRow {
    OutgoingRow {
        contact,
        sequence,
        message: Some(1),
        kind: 4,
        body: secret("body"),
        parcel: secret(""),
        secrecy: Secrecy::OnceOpened,
        tries: 2,
        last_try: UnixMs(5),
    }
}

fn part(contact: AccountBytes, sequence: u32) -> IncomingPart {
    IncomingPart {
        contact,
        sequence,
        body: secret("part"),
        secrecy: Secrecy::ForwardSecret,
        arrived: UnixMs(6),
    }
}

fn batch(changes: Vec<Change>) -> Batch {
    Batch {
        changes,
        erase: false,
    }
}

/// One of everything, for two contacts.
fn everything() -> Batch {
    let mut changes = vec![Change::PutProfile(ProfileRow {
        account_key: secret("account key"),
        name: "Alice".into(),
        created: UnixMs(3),
    })];
    for account in [CAROL, BOB] {
        changes.push(Change::PutContact(contact(account)));
        for slot in [2, 0] {
            changes.push(Change::PutSession(SessionRow {
                contact: account,
                slot,
                state: secret("state"),
            }));
        }
        for sequence in [9, 8, 10] {
            changes.push(Change::PutOutgoing(outgoing(account, sequence)));
            changes.push(Change::PutIncomingPart(part(account, sequence)));
        }
        changes.push(Change::PutMeta {
            key: MetaKey::of(account, "intro"),
            value: secret("intro"),
        });
    }
    for number in 1..=10 {
        let account = if number <= 6 { BOB } else { CAROL };
        changes.push(Change::PutMessage(message(
            number,
            account,
            number % 2 == 0,
        )));
    }
    changes.push(Change::PutMeta {
        key: MetaKey::own("anchors"),
        value: secret("anchors"),
    });
    changes.push(Change::PutSeen {
        id: [7; 16],
        day: 100,
    });
    changes.push(Change::PutSeen {
        id: [6; 16],
        day: 99,
    });
    batch(changes)
}

/// A whole store as text: two stores that say the same hold the same. The words of secrets are shown here on purpose.
fn told(store: &mut impl Persistence) -> String {
    let text = |bytes: &SecretBytes| String::from_utf8_lossy(bytes.as_slice()).into_owned();
    let all = store.load().unwrap();
    let mut out = String::new();
    if let Some(row) = &all.profile {
        out += &format!("{row:?} {}\n", text(&row.account_key));
    }
    for row in &all.contacts {
        out += &format!("{row:?}\n");
        for row in store.messages(&row.account, None, 100).unwrap() {
            out += &format!("  {row:?}\n");
        }
    }
    for row in &all.sessions {
        out += &format!("{row:?} {}\n", text(&row.state));
    }
    for row in &all.outgoing {
        out += &format!("{row:?} {} {}\n", text(&row.body), text(&row.parcel));
    }
    for row in &all.incoming {
        out += &format!("{row:?} {}\n", text(&row.body));
    }
    for (key, value) in &all.meta {
        out += &format!("{key:?} {}\n", text(value));
    }
    out + &format!("{:?} {:?} {}", all.unread, all.seen, all.next_number)
}

/// Batches that touch every change, each with what must be true after it.
fn script() -> Vec<Batch> {
    let mut read = contact(BOB);
    read.read_up_to = 3;
    read.name = "Bob".into();
    let mut sealed = outgoing(BOB, 9);
    (sealed.body, sealed.parcel, sealed.tries) = (secret(""), secret("parcel"), 3);
    vec![
        everything(),
        batch(vec![
            Change::PutContact(read),
            Change::PutSession(SessionRow {
                contact: BOB,
                slot: 2,
                state: secret("a longer state"),
            }),
            Change::RemoveSession {
                contact: BOB,
                slot: 0,
            },
            Change::PutOutgoing(sealed),
            Change::RemoveOutgoing {
                contact: BOB,
                sequence: 8,
            },
            Change::RemoveIncomingParts {
                contact: BOB,
                from: 9,
                to: 10,
            },
            Change::SetDelivery {
                number: 2,
                delivery: Delivery::Delivered,
            },
            Change::SetSecrecy {
                number: 2,
                secrecy: Secrecy::ForwardSecret,
            },
            Change::PutMeta {
                key: MetaKey::own("anchors"),
                value: secret("other"),
            },
            Change::ForgetSeen { before_day: 100 },
        ]),
        // Rows that are not there, and ranges the wrong way round, do nothing.
        batch(vec![
            Change::RemoveContact([9; 33]),
            Change::RemoveSession {
                contact: [9; 33],
                slot: 0,
            },
            Change::RemoveOutgoing {
                contact: BOB,
                sequence: 1000,
            },
            Change::RemoveIncomingParts {
                contact: CAROL,
                from: 10,
                to: 9,
            },
            Change::RemoveMeta(MetaKey::of([9; 33], "intro")),
            Change::RemoveMessage { number: 999 },
            Change::SetDelivery {
                number: 999,
                delivery: Delivery::Failed,
            },
        ]),
        Batch {
            changes: vec![Change::RemoveMessage { number: 10 }],
            erase: true,
        },
        Batch {
            changes: vec![
                Change::RemoveContact(CAROL),
                Change::PutContact(contact(CAROL)),
                Change::PutMessage(message(11, CAROL, false)),
                Change::RemoveMeta(MetaKey::own("anchors")),
            ],
            erase: true,
        },
        Batch::erasing(),
    ]
}

#[test]
fn the_simulated_store_and_the_real_one_tell_the_same() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let mut profile = create(&path);
    let mut memory = Memory::new();
    for (step, changes) in script().into_iter().zip(script()).enumerate() {
        let (for_profile, for_memory) = changes;
        profile.commit(for_profile).unwrap();
        memory.commit(for_memory).unwrap();
        assert_eq!(told(&mut profile), told(&mut memory), "step {step}");
        // A restart of both.
        drop(profile);
        profile = Profile::open(&path, PASSPHRASE).unwrap();
        memory = memory.crash(false);
        assert_eq!(
            told(&mut profile),
            told(&mut memory),
            "step {step}, after a restart"
        );
    }
}

#[test]
fn what_was_written_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let mut profile = create(&place.path().join("p"));
    profile.commit(everything()).unwrap();
    let all = profile.load().unwrap();
    assert_eq!(all.profile.unwrap().account_key.as_slice(), b"account key");
    assert_eq!(all.contacts, [contact(BOB), contact(CAROL)]);
    assert_eq!(all.unread, [(BOB, 3), (CAROL, 2)]);
    assert_eq!(all.next_number, 11);
    assert_eq!(all.seen, [([6; 16], 99), ([7; 16], 100)]);
    assert_eq!(
        all.sessions
            .iter()
            .map(|row| (row.contact, row.slot))
            .collect::<Vec<_>>(),
        [(BOB, 0), (BOB, 2), (CAROL, 0), (CAROL, 2)]
    );
    assert_eq!(profile.message(4).unwrap(), Some(message(4, BOB, true)));
    let numbers = |profile: &mut Profile, before, limit| -> Vec<u64> {
        profile
            .messages(&BOB, before, limit)
            .unwrap()
            .iter()
            .map(|row| row.number)
            .collect()
    };
    assert_eq!(numbers(&mut profile, None, 3), [4, 5, 6]);
    assert_eq!(numbers(&mut profile, Some(4), 2), [2, 3]);
    assert!(numbers(&mut profile, Some(1), 2).is_empty());
}

#[test]
fn a_batch_with_one_change_that_does_not_fit_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut profile = create(&place.path().join("p"));
    let mut memory = Memory::new();
    let mut long = message(1, BOB, true);
    long.text = "x".repeat(MAX_TEXT + 1);
    let bad: [fn(MessageRow) -> Change; 4] = [
        |_| {
            Change::PutSession(SessionRow {
                contact: [9; 33],
                slot: 0,
                state: secret("state"),
            })
        },
        |_| Change::PutMessage(message(u64::MAX, BOB, true)),
        |_| Change::PutMeta {
            key: MetaKey::of([9; 33], "x"),
            value: secret("x"),
        },
        Change::PutMessage,
    ];
    for change in bad {
        for store in [&mut profile as &mut dyn Persistence, &mut memory] {
            let result = store.commit(batch(vec![
                Change::PutContact(contact(BOB)),
                change(long.clone()),
            ]));
            assert!(matches!(result, Err(StoreError::Refused(_))), "{result:?}");
            assert!(store.load().unwrap().contacts.is_empty());
        }
    }
    let mut fits = long;
    fits.text.pop();
    profile
        .commit(batch(vec![
            Change::PutContact(contact(BOB)),
            Change::PutMessage(fits.clone()),
        ]))
        .unwrap();
    assert_eq!(profile.message(1).unwrap(), Some(fits));
}

/// Content and time of change of every file below a directory, and of the directory.
fn state(path: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut state = BTreeMap::new();
    state.insert(
        path.to_path_buf(),
        (Vec::new(), fs::metadata(path).unwrap().modified().unwrap()),
    );
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let modified = entry.metadata().unwrap().modified().unwrap();
        state.insert(entry.path(), (fs::read(entry.path()).unwrap(), modified));
    }
    state
}

/// A closed profile with one of everything in it.
fn filled(path: &Path) {
    create(path).commit(everything()).unwrap();
}

#[test]
fn a_wrong_passphrase_changes_no_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    filled(&path);
    let before = state(&path);
    for wrong in [&b"several word"[..], b"Several words", b"x", b""] {
        let error = open_error(&path, wrong);
        assert!(matches!(error, OpenError::WrongPassphrase));
        assert_eq!(error.exit_code(), 3);
        assert!(state(&path) == before, "a file was changed");
    }
    let mut profile = Profile::open(&path, PASSPHRASE).unwrap();
    assert!(matches!(
        profile.check_passphrase(b"wrong"),
        Err(OpenError::WrongPassphrase)
    ));
    profile.check_passphrase(PASSPHRASE).unwrap();
    assert_eq!(profile.load().unwrap().contacts.len(), 2);
}

#[test]
fn a_plain_database_is_refused_and_not_touched() {
    let place = tempfile::tempdir().unwrap();
    let mut plain = b"SQLite format 3\0".to_vec();
    plain.resize(8192, 0);
    for with_keys in [false, true] {
        let path = place.path().join(with_keys.to_string());
        if with_keys {
            filled(&path);
        } else {
            fs::create_dir(&path).unwrap();
        }
        fs::write(path.join("paratox.db"), &plain).unwrap();
        let error = open_error(&path, PASSPHRASE);
        assert!(matches!(error, OpenError::PlainSqlite(_)), "{error}");
        assert_eq!(error.exit_code(), 5);
        assert_eq!(fs::read(path.join("paratox.db")).unwrap(), plain);
        let error = Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random())
            .err()
            .unwrap();
        assert!(matches!(error, OpenError::Exists(_)), "{error}");
        assert_eq!(fs::read(path.join("paratox.db")).unwrap(), plain);
    }
}

#[test]
fn damage_anywhere_is_told_and_nothing_is_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    filled(&path);
    let database = path.join("paratox.db");
    let good = fs::read(&database).unwrap();
    let is_damage = |bytes: &[u8], what: String| {
        fs::write(&database, bytes).unwrap();
        let error = open_error(&path, PASSPHRASE);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{what}: {error}"
        );
        assert_eq!(error.exit_code(), 5);
        assert!(
            fs::read(&database).unwrap() == bytes,
            "{what}: the file was changed"
        );
    };
    for at in (0..good.len()).step_by(1777) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        is_damage(&bad, format!("a flipped bit at {at}"));
    }
    for length in [
        0,
        1,
        100,
        4095,
        4096,
        4097,
        good.len() / 2,
        good.len() - 4096,
        good.len() - 1,
    ] {
        is_damage(&good[..length], format!("cut to {length}"));
    }
    fs::remove_file(&database).unwrap();
    assert_eq!(open_error(&path, PASSPHRASE).exit_code(), 5);
    fs::write(&database, &good).unwrap();
    fs::rename(path.join("keys"), path.join("elsewhere")).unwrap();
    assert_eq!(open_error(&path, PASSPHRASE).exit_code(), 5);
    fs::rename(path.join("elsewhere"), path.join("keys")).unwrap();
    assert_eq!(
        Profile::open(&path, PASSPHRASE)
            .unwrap()
            .load()
            .unwrap()
            .contacts
            .len(),
        2
    );
}

#[test]
fn no_profile_an_existing_one_and_no_passphrase_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let none = open_error(&path, PASSPHRASE);
    assert!(matches!(none, OpenError::NoProfile(_)));
    assert!(!path.exists(), "looking makes nothing");
    let empty = Profile::create(&path, b"", Cost::LEAST, &mut random())
        .err()
        .unwrap();
    assert!(matches!(empty, OpenError::EmptyPassphrase));
    assert!(!path.exists());
    filled(&path);
    let exists = Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random())
        .err()
        .unwrap();
    assert!(matches!(exists, OpenError::Exists(_)));
    assert_eq!(
        (none.exit_code(), empty.exit_code(), exists.exit_code()),
        (1, 2, 1)
    );
    for error in [none, empty, exists] {
        let sentence = error.to_string();
        assert!(
            !sentence.contains('\n') && sentence.contains(": "),
            "one sentence with a way out: {sentence}"
        );
    }
}

#[test]
fn no_file_holds_a_word_or_the_mark_of_a_database() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let mut profile = create(&path);
    profile.commit(everything()).unwrap();
    let clean = |when: &str| {
        let mut names = Vec::new();
        for (file, (bytes, _)) in state(&path) {
            for word in
                WORDS
                    .iter()
                    .copied()
                    .chain(["SQLite format", "CREATE TABLE", "account key"])
            {
                let found = bytes
                    .windows(word.len())
                    .any(|window| window == word.as_bytes());
                assert!(!found, "{when}: {} holds {word:?}", file.display());
            }
            names.push(file.file_name().unwrap().to_str().unwrap().to_owned());
        }
        names
    };
    assert!(
        clean("with a full log").contains(&"paratox.db-wal".to_owned()),
        "the log is looked at too"
    );
    profile.commit(Batch::erasing()).unwrap();
    clean("after the log was emptied");
    drop(profile);
    assert_eq!(clean("closed"), ["p", "keys", "lock", "paratox.db"]);
}

#[test]
fn a_directory_has_one_holder_who_is_named() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    let profile = create(&path);
    for error in [
        open_error(&path, PASSPHRASE),
        Profile::create(&path, PASSPHRASE, Cost::LEAST, &mut random())
            .err()
            .unwrap(),
    ] {
        assert!(
            matches!(error, OpenError::InUse { pid: Some(pid) } if pid == std::process::id()),
            "{error}"
        );
        assert_eq!(error.exit_code(), 4);
    }
    drop(profile);
    // What a killed program leaves is no obstacle.
    fs::write(path.join("lock"), "4194304999").unwrap();
    Profile::open(&path, PASSPHRASE).unwrap();
}

#[test]
fn making_a_profile_that_was_cut_short_starts_again_or_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    filled(&path);
    let (database, unfinished) = (path.join("paratox.db"), path.join("paratox.db.new"));
    // Cut between the key file and the database's name.
    fs::rename(&database, &unfinished).unwrap();
    assert!(matches!(
        open_error(&path, b"wrong"),
        OpenError::WrongPassphrase
    ));
    assert!(unfinished.exists());
    assert_eq!(
        Profile::open(&path, PASSPHRASE)
            .unwrap()
            .load()
            .unwrap()
            .contacts
            .len(),
        2
    );
    // Cut before the key file.
    fs::rename(&database, &unfinished).unwrap();
    fs::remove_file(path.join("keys")).unwrap();
    assert!(matches!(
        open_error(&path, PASSPHRASE),
        OpenError::NoProfile(_)
    ));
    assert!(create(&path).load().unwrap().contacts.is_empty());
}

#[test]
fn a_throw_away_profile_works_and_leaves_nothing() {
    let mut profile = Profile::throw_away(&mut random()).unwrap();
    let path = profile.directory().to_path_buf();
    profile.commit(everything()).unwrap();
    assert_eq!(profile.load().unwrap().contacts.len(), 2);
    assert!(path.join("paratox.db").exists());
    drop(profile);
    assert!(!path.exists());
}

/// What the children below do, each in a process of its own; without the variable, nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var("PARATOX_STORE_CHILD") else {
        return;
    };
    let path = PathBuf::from(std::env::var_os("PARATOX_STORE_PATH").unwrap());
    paratox::platform::harden().unwrap();
    match role.as_str() {
        "open umask" => {
            rustix::process::umask(rustix::fs::Mode::empty());
            let mut profile = create(&path);
            profile.commit(everything()).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                for file in state(&path).keys() {
                    let mode = fs::metadata(file).unwrap().permissions().mode() & 0o7777;
                    println!("{mode:o} {}", file.file_name().unwrap().to_str().unwrap());
                }
            }
        }
        "noise" => {
            let database = path.join("paratox.db");
            filled(&path);
            let good = fs::read(&database).unwrap();
            let _ = Profile::open(&path, b"wrong");
            for at in [20, 5000, good.len() - 100] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&database, bad).unwrap();
                let _ = Profile::open(&path, PASSPHRASE);
            }
            fs::write(&database, &good).unwrap();
            let mut profile = Profile::open(&path, PASSPHRASE).unwrap();
            // Damage under the feet of an open database.
            fs::write(&database, vec![0; good.len()]).unwrap();
            let failed = profile.load().is_err()
                | profile.commit(everything()).is_err()
                | profile.commit(Batch::erasing()).is_err();
            println!("noticed {failed}");
        }
        "core" => {
            println!(
                "core limit {:?}",
                rustix::process::getrlimit(rustix::process::Resource::Core).current
            );
            #[cfg(target_os = "linux")]
            println!("{:?}", rustix::process::dumpable_behavior().unwrap());
        }
        "hold" => {
            let _profile = Profile::open(&path, PASSPHRASE).unwrap();
            println!("held");
            std::io::stdout().flush().unwrap();
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        other => panic!("no such role: {other}"),
    }
}

fn child_command(role: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command
        .env("PARATOX_STORE_CHILD", role)
        .env("PARATOX_STORE_PATH", path);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_child(role: &str) -> (String, String) {
    let place = tempfile::tempdir().unwrap();
    let output = child_command(role, &place.path().join("p"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}{err}");
    (out, err)
}

#[cfg(unix)]
#[test]
fn directory_and_files_are_private_whatever_the_umask() {
    let (out, _) = run_child("open umask");
    for line in [
        "700 p",
        "600 keys",
        "600 lock",
        "600 paratox.db",
        "600 paratox.db-wal",
    ] {
        assert!(
            out.lines().any(|l| l.ends_with(line)),
            "{line} is not in\n{out}"
        );
    }
}

#[cfg(unix)]
#[test]
fn modes_that_became_too_wide_are_narrowed_when_the_profile_opens() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    filled(&path);
    let modes = || -> Vec<u32> {
        state(&path)
            .keys()
            .map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777)
            .collect()
    };
    for file in state(&path).keys() {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    drop(Profile::open(&path, PASSPHRASE).unwrap());
    assert_eq!(modes(), [0o700, 0o600, 0o600, 0o600]);
}

#[test]
fn nothing_is_ever_written_to_stderr() {
    let (out, err) = run_child("noise");
    assert!(out.contains("noticed true"), "{out}");
    assert_eq!(err, "");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_leaves_no_core_dump() {
    let (out, _) = run_child("core");
    assert!(
        out.contains("core limit Some(0)") && out.contains("NotDumpable"),
        "{out}"
    );
}

#[test]
fn a_second_process_is_told_who_holds_the_directory_and_a_killed_holder_frees_it() {
    use std::io::{BufRead, BufReader};
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("p");
    filled(&path);
    let mut holder = child_command("hold", &path).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("held")));
    let error = open_error(&path, PASSPHRASE);
    assert!(
        matches!(error, OpenError::InUse { pid: Some(pid) } if pid == holder.id()),
        "{error}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    Profile::open(&path, PASSPHRASE).unwrap();
}
