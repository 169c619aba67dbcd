//! The real program in processes of its own, driven through its pipes.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take on a computer that is busy with other things. A bound against hanging, not a promise.
pub const PATIENCE: Duration = Duration::from_secs(240);
pub const PASSPHRASE: &str = "correct horse battery staple";

pub fn paratox() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paratox"));
    // A home of this computer must not be touched by accident.
    command
        .env("HOME", "/nonexistent")
        .env_remove("XDG_DATA_HOME");
    command
}

/// Kills its process when dropped, so that a failed test leaves none behind.
pub struct Guarded(pub Child);

impl Guarded {
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status()
            .expect("kill exists");
        assert!(status.success(), "signal {name}");
    }

    /// Waits for the end; its exit code, or `None` if a signal ended it.
    pub fn code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process said until its end.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program to its end with this input.
pub fn run(args: &[&str], input: &str) -> Ended {
    let child = paratox()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut child = Guarded(child);
    let mut stdin = child.0.stdin.take().expect("piped");
    // The program may end without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let mut stdout = child.0.stdout.take().expect("piped");
    let mut stderr = child.0.stderr.take().expect("piped");
    let out = std::thread::spawn(move || read_all(&mut stdout));
    let err = std::thread::spawn(move || read_all(&mut stderr));
    let code = child.code();
    Ended {
        code,
        stdout: out.join().expect("reads"),
        stderr: err.join().expect("reads"),
    }
}

fn read_all(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("a pipe reads");
    String::from_utf8(bytes).expect("the program writes UTF-8")
}

/// A relay and entry node.
pub struct Relay {
    pub process: Guarded,
    pub ticket: String,
    place: TempDir,
}

impl Relay {
    pub fn start(entries: &[String]) -> Relay {
        let place = tempfile::tempdir().expect("a temporary directory");
        let mut command = paratox();
        command
            .args([
                "node",
                "--lan",
                "--class",
                "fast",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(place.path());
        for entry in entries {
            command.args(["--entry", entry]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut process = Guarded(child);
        let mut ticket = String::new();
        let mut stdout = BufReader::new(process.0.stdout.take().expect("piped"));
        stdout.read_line(&mut ticket).expect("a line");
        assert!(ticket.starts_with("pxe1"), "{ticket:?}");
        Relay {
            process,
            ticket: ticket.trim().to_owned(),
            place,
        }
    }
}

impl Relay {
    pub fn data(&self) -> &Path {
        self.place.path()
    }
}

/// So many relays that know each other, the first three as entries.
pub struct World {
    pub relays: Vec<Relay>,
}

impl World {
    pub fn start(relays: usize) -> World {
        let mut world = World { relays: Vec::new() };
        for _ in 0..relays {
            world.relays.push(Relay::start(&world.entries()));
        }
        world
    }

    pub fn entries(&self) -> Vec<String> {
        self.relays
            .iter()
            .take(3)
            .map(|relay| relay.ticket.clone())
            .collect()
    }
}

/// A data directory and the file with its passphrase.
pub struct Place {
    place: TempDir,
}

impl Place {
    pub fn new() -> Place {
        let place = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(place.path().join("passphrase"), PASSPHRASE).expect("written");
        Place { place }
    }

    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// A passphrase file with other words.
    pub fn other_passphrase(&self) -> PathBuf {
        let path = self.place.path().join("other");
        std::fs::write(&path, "something else\n").expect("written");
        path
    }

    pub fn passphrase(&self) -> PathBuf {
        self.place.path().join("passphrase")
    }

    /// Options that open this place, for [`run`].
    pub fn options(&self) -> [String; 4] {
        let text = |path: PathBuf| path.to_str().expect("temporary paths are UTF-8").to_owned();
        [
            "--data-dir".into(),
            text(self.data()),
            "--passphrase-file".into(),
            text(self.passphrase()),
        ]
    }
}

/// A chat without a screen.
pub struct Person {
    pub process: Guarded,
    pub id: String,
    stdin: ChildStdin,
    lines: mpsc::Receiver<Value>,
    /// Read and not yet asked for.
    unread: Vec<Value>,
    tags: u64,
}

impl Person {
    /// Starts it and waits until it is ready. `name` creates the account if there is none.
    pub fn start(place: &Place, name: &str, entries: &[String]) -> Person {
        let mut command = paratox();
        command.args([
            "headless",
            "--name",
            name,
            "--lan",
            "--class",
            "fast",
            "--listen",
            "127.0.0.1:0",
        ]);
        command.args(place.options());
        for entry in entries {
            command.args(["--entry", entry]);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut process = Guarded(child);
        let stdin = process.0.stdin.take().expect("piped");
        let stdout = BufReader::new(process.0.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|_| panic!("stdout carries only JSON, not {line:?}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut person = Person {
            process,
            id: String::new(),
            stdin,
            lines,
            unread: Vec::new(),
            tags: 0,
        };
        let ready = person.wait("ready", |event| event["event"] == "ready");
        person.id = ready["id"].as_str().expect("a text").to_owned();
        person
    }

    /// The first event, among those not asked for yet, for which `wanted` holds.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.unread.iter().position(&wanted) {
            return self.unread.remove(found);
        }
        let start = Instant::now();
        loop {
            let rest = PATIENCE.checked_sub(start.elapsed()).unwrap_or_default();
            match self.lines.recv_timeout(rest) {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => self.unread.push(event),
                Err(_) => panic!("{what} did not come; unread: {:#?}", self.unread),
            }
        }
    }

    /// Events that are there now, without waiting for more than this.
    pub fn within(&mut self, time: Duration, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let start = Instant::now();
        while let Ok(event) = self
            .lines
            .recv_timeout(time.saturating_sub(start.elapsed()))
        {
            self.unread.push(event);
        }
        let (found, rest) = self.unread.drain(..).partition(wanted);
        self.unread = rest;
        found
    }

    pub fn write(&mut self, line: &str) {
        self.write_bytes(line.as_bytes());
        self.write_bytes(b"\n");
    }

    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).expect("it reads");
        self.stdin.flush().expect("it reads");
    }

    /// The input ends here; what the program said until its end.
    pub fn end_input(self) -> Vec<Value> {
        let Person {
            stdin,
            lines,
            mut unread,
            mut process,
            ..
        } = self;
        drop(stdin);
        assert_eq!(process.code(), Some(0));
        unread.extend(lines);
        unread
    }

    /// Gives a command and returns its reply or error.
    pub fn ask(&mut self, mut command: Value) -> Value {
        self.tags += 1;
        let tag = self.tags;
        command["tag"] = json!(tag);
        self.write(&command.to_string());
        self.wait("the reply", |event| {
            (event["event"] == "reply" || event["event"] == "error") && event["tag"] == tag
        })
    }

    /// Gives a command that must succeed.
    pub fn must(&mut self, command: Value) -> Value {
        let reply = self.ask(command.clone());
        assert_eq!(reply["ok"], true, "{command} got {reply}");
        reply
    }

    pub fn wait_online(&mut self) {
        self.wait("online", |event| {
            event["event"] == "network" && event["state"] == "online"
        });
    }

    /// Sends a text and returns its number.
    pub fn say(&mut self, to: &str, text: &str) -> u64 {
        self.must(json!({"cmd": "send", "to": to, "text": text}))["msg"]
            .as_u64()
            .expect("a number")
    }

    pub fn wait_message(&mut self, text: &str) -> Value {
        let own = self.id.clone();
        self.wait(text, |event| {
            event["event"] == "message" && event["from"] != own && event["text"] == text
        })
    }

    pub fn wait_delivered(&mut self, msg: u64) -> Value {
        self.wait("delivery", |event| {
            event["event"] == "delivery" && event["msg"] == msg && event["delivery"] == "delivered"
        })
    }

    /// The whole history with somebody, oldest first.
    pub fn history(&mut self, with: &str) -> Vec<Value> {
        let reply = self.must(json!({"cmd": "messages", "with": with, "limit": 1000}));
        reply["messages"].as_array().expect("a list").clone()
    }

    pub fn quit(mut self) {
        self.write(r#"{"cmd":"quit"}"#);
        assert_eq!(self.process.code(), Some(0));
    }
}

/// Every file of a directory with its bytes.
pub fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}
