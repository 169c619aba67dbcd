//! The demo in a real terminal: what a person sees who tries it for the first time, and how it leaves the terminal behind.
//!
//! The screen is read from what the program drew (a terminal emulator keeps it), never from what it meant to draw.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::room;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a computer that is busy with other things. A bound against hanging, not a promise.
const PATIENCE: Duration = Duration::from_secs(240);
const COLUMNS: u16 = 120;
const ROWS: u16 = 36;

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Every byte the program wrote.
    raw: Arc<Mutex<Vec<u8>>>,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Terminal {
    /// Runs a command line of the shell in a terminal of its own.
    fn run(line: &str) -> Terminal {
        let pair = native_pty_system()
            .openpty(size(ROWS, COLUMNS))
            .expect("a terminal");
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", line]);
        command.env("PARATOX", env!("CARGO_BIN_EXE_paratox"));
        command.env("HOME", "/nonexistent");
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("a shell");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a terminal reads");
        let rows = ROWS.try_into().expect("not zero");
        let columns = COLUMNS.try_into().expect("not zero");
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let (screen, written) = (parser.clone(), raw.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length) = reader.read(&mut chunk) {
                if length == 0 {
                    return;
                }
                screen
                    .lock()
                    .expect("no panic in between")
                    .process(&chunk[..length]);
                written
                    .lock()
                    .expect("no panic in between")
                    .extend_from_slice(&chunk[..length]);
            }
        });
        let keys = pair.master.take_writer().expect("a terminal writes");
        Terminal {
            master: pair.master,
            keys,
            child,
            parser,
            raw,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("the terminal takes it");
        self.keys.flush().expect("the terminal takes it");
    }

    fn rows(&self) -> Vec<String> {
        let parser = self.parser.lock().expect("no panic in between");
        let (_, columns) = parser.screen().size();
        parser.screen().rows(0, columns.into()).collect()
    }

    /// Waits until some row satisfies this, and returns it.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            if let Some(row) = self.rows().into_iter().find(|row| wanted(row)) {
                return row;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what} was not seen:\n{}",
                self.rows().join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn see(&self, text: &str) -> String {
        self.wait(text, |row| row.contains(text))
    }

    fn resize(&self, rows: u16, columns: u16) {
        let mut parser = self.parser.lock().expect("no panic in between");
        parser.screen_mut().set_size(
            rows.try_into().expect("not zero"),
            columns.try_into().expect("not zero"),
        );
        drop(parser);
        self.master
            .resize(size(rows, columns))
            .expect("a terminal resizes");
    }

    /// Waits for the end of the shell.
    fn end(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.exit_code();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it does not end:\n{}",
                self.rows().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Main screen, cursor shown, no bracketed paste, no mouse, and the last word about focus reports is "off".
    fn assert_given_back(&self) {
        let parser = self.parser.lock().expect("no panic in between");
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let raw = self.raw.lock().expect("no panic in between");
        let text = String::from_utf8_lossy(&raw);
        assert!(
            text.rfind("\x1b[?1004l") > text.rfind("\x1b[?1004h"),
            "focus reports are on"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The hang-up of its terminal ends the program behind the shell too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shell says how the terminal is set: `stty` sees raw mode, which no emulator does.
const SAY: &str = r#"code=$?; case $(stty -a) in *-icanon*|*" -echo "*) echo "line mode is off";; *) echo "line mode is on";; esac; echo "it ended with $code""#;

#[test]
fn a_person_who_tries_the_demo_talks_to_echo_and_gets_the_terminal_back() {
    let _room = room::shared();
    // A shell with job control, as a person has it.
    let mut terminal = Terminal::run(r#"PS1='ready> ' exec sh -i"#);
    terminal.see("ready>");
    terminal.press("\"$PARATOX\" demo\r");
    // The screen stands before the network: the composer has the cursor, and what is written now is kept and sent.
    terminal.see("To Echo");
    terminal.press("written before anything ran\r");
    terminal.see("Watcher");
    terminal.wait("online in the status line", |row| {
        row.contains("paratox") && row.contains("online")
    });
    // Both contacts are reached and greet through the network; the conversation with the first is open.
    terminal.see("session ready, way open");
    terminal.see("I am Echo.");
    terminal.wait("what was written first, delivered", |row| {
        row.contains("you") && row.contains("delivered") && row.contains("written before")
    });
    terminal.wait("its echo", |row| {
        row.contains("Echo") && row.contains("written before")
    });
    terminal.wait("Watcher's greeting as unread", |row| {
        row.contains("Watcher") && row.contains("new")
    });

    terminal.press("Are we still on for Monday?\r");
    let own = terminal.wait("the own message, delivered", |row| {
        row.contains("Are we still on") && row.contains("delivered")
    });
    assert!(
        own.contains("⬢ fs"),
        "forward secret stands beside delivered on its row: {own:?}"
    );
    let is_echo = |row: &str| row.contains("Echo") && row.contains("Are we still on");
    let echo = terminal.wait("the echo", is_echo);
    assert!(echo.contains("⬢ fs"), "{echo:?}");

    // What protects a message: the newest, then the own one above it.
    terminal.press("\x1bOR");
    terminal.wait("details of the echo", |row| {
        row.contains("Message details") && row.contains("Echo to")
    });
    terminal.press("\x1b[A");
    terminal.wait("details of the own message", |row| {
        row.contains("Message details") && row.contains("to Echo")
    });
    terminal.see("Which key, and why");
    terminal.see("✓ delivered");
    terminal.press("\x1b");
    terminal.wait("the conversation again", is_echo);

    // Network and help, and back.
    terminal.press("\x1bOS");
    terminal.wait("the own circuits", |row| {
        row.contains("outbound") && row.contains("ready")
    });
    terminal.press("\x1b");
    terminal.wait("the conversation again", is_echo);
    terminal.press("\x1bOP");
    terminal.see("Type to filter");
    terminal.press("quit");
    terminal.wait("the key that ends it", |row| {
        row.contains("Ctrl+Q") && row.contains("quit")
    });
    terminal.press("\x1b");
    terminal.wait("the conversation again", is_echo);

    // Any size is survived, and the conversation is there again afterwards.
    for (rows, columns) in [(24, 80), (10, 40), (1, 1), (60, 200), (ROWS, COLUMNS)] {
        terminal.resize(rows, columns);
        std::thread::sleep(Duration::from_millis(200));
    }
    terminal.wait("the conversation in the first size", is_echo);

    // Ctrl+Z gives the terminal to the shell, fg takes it back.
    terminal.press("\x1a");
    terminal.see("paratox is stopped");
    terminal.see("ready>");
    terminal.assert_given_back();
    terminal.press("fg\r");
    terminal.wait("the conversation after fg", is_echo);

    terminal.press("\x11");
    std::thread::sleep(Duration::from_millis(500));
    // A question about messages that wait is answered; an empty line of the shell does no harm.
    terminal.press("\r");
    terminal.wait("the shell", |row| row.starts_with("ready>"));
    terminal.press(&format!("{SAY}\r"));
    terminal.see("line mode is on");
    terminal.assert_given_back();
    terminal.press("exit\r");
    terminal.end();
}

#[test]
fn a_signal_ends_the_demo_cleanly() {
    let _room = room::shared();
    let mut terminal = Terminal::run(&format!(
        r#"sh -c 'echo "process $$ begins" > /dev/tty; read seen; exec "$PARATOX" demo'; {SAY}"#
    ));
    // Between two words: the first figures of a number are the number of another process.
    let number = |row: &str| -> Option<u32> {
        let number = row.trim().strip_prefix("process ")?;
        number.strip_suffix(" begins")?.parse().ok()
    };
    let shown = terminal.wait("its process id", |row| number(row).is_some());
    let process = number(&shown).expect("seen above").to_string();
    terminal.press("\r");
    // The screen stands at once, and the network behind it is still starting.
    terminal.see("To Echo");
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &process])
        .status();
    assert!(kill.expect("kill exists").success());
    assert_eq!(terminal.end(), 0);
    terminal.see("line mode is on");
    terminal.see("it ended with 0");
    terminal.assert_given_back();
}

#[test]
fn without_a_terminal_the_chat_says_what_to_use() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_paratox"))
        .args(["demo"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the program was built");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("paratox demo --headless"));
}
