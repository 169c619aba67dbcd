//! Whatever ends or stops the program, the terminal is as it was found. In a real pseudo-terminal, read by a real terminal's parser.
//!
//! The program under test is this test binary itself, started again with a variable that says what shall happen to it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use paratox::app::{App, Command, Event, Stage};
use paratox::net::clock::Clock;
use paratox::tui::terminal::Screen;
use paratox::tui::theme::Theme;
use paratox::tui::{ExitReason, run};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const FATE: &str = "PARATOX_TEST_FATE";
/// Only keeps a broken program from hanging the test; nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(60);
const TITLE: &str = "no conversation open";

/// What the child does. Without the variable it is an empty test.
#[test]
fn child() {
    let Ok(fate) = std::env::var(FATE) else {
        return;
    };
    let clock = Clock::start();
    let app = App::new(Stage::Chat, "~", TimeZone::UTC, clock.now());
    let (commands, mut asked) = tokio::sync::mpsc::channel::<Command>(8);
    let (_events, events) = tokio::sync::mpsc::channel::<Event>(8);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    if fate == "panic" {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            panic!("a part of the program failed on purpose");
        });
    }
    let ended = runtime.block_on(run(
        Screen::stdout(),
        Theme::detect(|name| std::env::var(name).ok()),
        commands,
        events,
        app,
        || clock.now(),
    ));
    runtime.shutdown_background();
    println!(
        "ended: {:?}, asked to quit: {:?}",
        ended.as_ref().ok(),
        asked.try_recv().ok()
    );
    assert_eq!(ended.is_err(), fate == "panic");
    if fate == "quit" {
        assert_eq!(ended.expect("checked above"), ExitReason::Quit);
    }
}

struct Program {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    terminal: Arc<Mutex<vt100::Parser>>,
    /// Held open: closing it would reset the line settings that are looked at.
    _slave: Box<dyn portable_pty::SlavePty + Send>,
    line_settings: String,
}

impl Program {
    fn start(fate: &str) -> Program {
        Program::start_with(fate, &[])
    }

    fn start_with(fate: &str, variables: &[(&str, &str)]) -> Program {
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this test"));
        command.args([
            "--exact",
            "terminal::child",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(FATE, fate);
        command.env_remove("NO_COLOR");
        for (name, value) in variables {
            command.env(name, value);
        }
        let program = Program::spawn(command);
        program.until("the chat is drawn", |screen| {
            screen.alternate_screen() && screen.contents().contains(TITLE)
        });
        assert!(program.bracketed_paste() && settings(&*program.master) != program.line_settings);
        program
    }

    /// A line for the shell of the real program; `$P` is the program, `$D` a data directory.
    fn shell(line: &str, data: &std::path::Path) -> Program {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", line]);
        command.env("P", env!("CARGO_BIN_EXE_paratox"));
        command.env("D", data);
        Program::spawn(command)
    }

    fn spawn(mut command: CommandBuilder) -> Program {
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: 24,
                cols: 80,
                pixel_width: 0,
                pixel_height: 0,
            })
            .expect("a pseudo-terminal");
        let line_settings = settings(&*pair.master);
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        let child = pair
            .slave
            .spawn_command(command)
            .expect("this test starts again");
        let mut bytes = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let size = |n: u16| n.try_into().expect("not empty");
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(size(24), size(80), 0)));
        let shown = Arc::clone(&terminal);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = bytes.read(&mut chunk) {
                shown.lock().expect("no reader panics").process(&chunk[..n]);
            }
        });
        Program {
            child,
            master: pair.master,
            keys,
            terminal,
            _slave: pair.slave,
            line_settings,
        }
    }

    fn until(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let begun = Instant::now();
        loop {
            {
                let terminal = self.terminal.lock().expect("no reader panics");
                if holds(terminal.screen()) {
                    return;
                }
                assert!(
                    begun.elapsed() < PATIENCE,
                    "{what}:\n{}",
                    terminal.screen().contents()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn bracketed_paste(&self) -> bool {
        self.terminal
            .lock()
            .expect("no reader panics")
            .screen()
            .bracketed_paste()
    }

    fn pid(&self) -> Pid {
        let id = self.child.process_id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("a process id")).expect("not zero")
    }

    /// Waits for a question, and until the terminal no longer shows what is typed.
    fn is_asked(&self, question: &str) {
        self.until(question, |screen| screen.contents().contains(question));
        assert_ne!(settings(&*self.master), self.line_settings);
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("the program reads");
    }

    /// All modes off, and the line settings of before.
    fn is_restored(&self) {
        self.until("the terminal is restored", |screen| {
            !screen.alternate_screen()
                && !screen.bracketed_paste()
                && !screen.hide_cursor()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        let begun = Instant::now();
        while settings(&*self.master) != self.line_settings {
            assert!(
                begun.elapsed() < PATIENCE,
                "the line settings are not those of before"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ends(mut self) -> u32 {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child may be asked") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        self.is_restored();
        status.exit_code()
    }
}

fn settings(master: &dyn MasterPty) -> String {
    let termios = master.get_termios().expect("line settings");
    format!(
        "{:?} {:?} {:?} {:?}",
        termios.input_flags, termios.output_flags, termios.control_flags, termios.local_flags
    )
}

#[test]
fn quitting_restores_the_terminal() {
    let mut program = Program::start("quit");
    program.press(b"\x11"); // Ctrl+Q
    assert_eq!(program.ends(), 0);
}

#[test]
fn a_panic_in_any_thread_restores_the_terminal_and_can_be_read() {
    let program = Program::start("panic");
    program.until("the message is on the main screen", |screen| {
        !screen.alternate_screen() && screen.contents().contains("failed on purpose")
    });
    program.ends();
}

#[test]
fn a_termination_signal_restores_the_terminal() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let program = Program::start("signal");
        kill_process(program.pid(), signal).expect("it runs");
        assert_eq!(program.ends(), 0, "{signal:?}");
    }
}

#[test]
fn stopping_gives_the_terminal_to_the_shell_and_continuing_takes_it_back() {
    for by_key in [true, false] {
        let mut program = Program::start("quit");
        for letter in b"kept" {
            program.press(&[*letter]);
        }
        program.until("the text is in the composer", |screen| {
            screen.contents().contains("kept")
        });
        if by_key {
            program.press(b"\x1a"); // Ctrl+Z
        } else {
            kill_process(program.pid(), Signal::TSTP).expect("it runs");
        }
        program.until("it says what stopping means", |screen| {
            screen
                .contents()
                .contains("nothing is sent, received or relayed")
        });
        program.is_restored();
        kill_process(program.pid(), Signal::CONT).expect("it is only stopped");
        program.until("the chat is back with its text", |screen| {
            screen.alternate_screen()
                && screen.contents().contains("kept")
                && screen.contents().contains(TITLE)
        });
        program.press(b"\x11");
        program.until("it asks before the text is lost", |screen| {
            screen.contents().contains("not sent is kept nowhere")
        });
        program.press(b"q");
        assert_eq!(program.ends(), 0);
    }
}

/// crossterm 0.29 answers NO_COLOR with a command that also ends bold and reverse, which are all that is left to warn with.
#[test]
fn without_colour_bold_and_reverse_reach_the_terminal() {
    for (variables, coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut program = Program::start_with("quit", variables);
        program.until("the cursor is reversed", |screen| {
            (0..24).any(|y| (0..80).any(|x| screen.cell(y, x).is_some_and(vt100::Cell::inverse)))
        });
        {
            let terminal = program.terminal.lock().expect("no reader panics");
            let screen = terminal.screen();
            let cells = || (0..24).flat_map(|y| (0..80).filter_map(move |x| screen.cell(y, x)));
            assert!(
                screen.cell(0, 0).is_some_and(vt100::Cell::bold),
                "the heading is bold"
            );
            let any = cells().any(|cell| {
                cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
            });
            assert_eq!(any, coloured);
        }
        program.press(b"\x11");
        assert_eq!(program.ends(), 0);
    }
}

/// JSON lines come through the pipe meanwhile; the question goes to the person.
#[test]
fn a_passphrase_is_asked_for_at_the_terminal_and_never_shown() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let data = place.path().join("data");
    let shown = |program: &Program| {
        let terminal = program.terminal.lock().expect("no reader panics");
        terminal.screen().contents()
    };

    let make = "echo '{\"cmd\":\"quit\"}' | \"$P\" headless --name Anna --data-dir \"$D\" --listen 127.0.0.1:0; echo \"code $?\"";
    let mut program = Program::shell(make, &data);
    program.is_asked("New passphrase for");
    program.press(b"two hidden words\n");
    program.is_asked("The same again");
    program.press(b"two hidden word\n");
    program.until("a slip is found", |screen| {
        screen.contents().contains("do not match") && screen.contents().contains("code 2")
    });
    program.ends();
    assert!(!data.exists(), "nothing was made");

    let mut program = Program::shell(make, &data);
    program.is_asked("New passphrase for");
    // As far as the terminal lets a line be edited: Ctrl+U takes all of it back.
    program.press(b"something else\x15two hidden words\n");
    program.is_asked("The same again");
    program.press(b"two hidden words\n");
    program.until("it ran to its end", |screen| {
        screen.contents().contains("\"ready\"") && screen.contents().contains("code 0")
    });
    assert!(!shown(&program).contains("hidden"));
    program.ends();

    for (typed, code, words) in [
        (&b"two hidden words\n"[..], "code 0", "px1"),
        (b"two hidden worms\n", "code 3", "passphrase"),
        (b"\n", "code 2", "no passphrase was given"),
        (b"two hid\x03", "code 1", "no passphrase was given"),
        (b"\x04", "code 1", "no passphrase was given"),
    ] {
        let line = "\"$P\" id --data-dir \"$D\" 2>&1; echo \"code $?\"";
        let mut program = Program::shell(line, &data);
        program.is_asked("Passphrase of");
        program.press(typed);
        program.until(code, |screen| screen.contents().contains(code));
        let contents = shown(&program);
        assert!(
            contents.contains(words) && !contents.contains("hid"),
            "{contents}"
        );
        program.ends();
    }
}
