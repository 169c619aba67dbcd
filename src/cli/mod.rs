//! Arguments and wiring: what `main` calls.
//!
//! The only room that prints lines (`tui` draws). Not here: anything that decides.

pub mod account;
pub mod args;
pub mod chat;
pub mod demo;
pub mod exit;
pub mod headless;
pub mod id;
pub mod json;
pub mod node;
pub mod pipes;
pub mod place;
pub mod sim;
pub mod watcher;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::Failure;

use crate::platform::signals::{self, Signals};

/// Threads that carry sockets, timers and pipes. Two, so that one that is held up by the system does not hold up the sockets.
const WORKERS: usize = 2;

/// What is said when a thread of the program has ended by itself.
const DEFECT: &str = "a part of the program stopped because of a defect; please report what was printed above, and start again: nothing saved is lost";

/// The whole program.
pub fn main() -> ExitCode {
    if let Err(error) = crate::platform::harden() {
        return end(Err(Failure::failed(format!(
            "the process cannot be protected ({error}); nothing was opened"
        ))));
    }
    end(match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(said) => args::not_a_command(&said),
    })
}

fn run(Arguments { command, options }: Arguments) -> Result<(), Failure> {
    options.check()?;
    match command {
        Some(Command::Node) => node::run(&options),
        Some(Command::Headless { name }) => headless::run(&options, name.as_deref()),
        Some(Command::Id) => id::run(&options),
        Some(Command::Demo { headless }) => demo::run(headless),
        Some(Command::Sim(sim)) => sim::run(&options, &sim),
        None => chat::run(&options),
    }
}

/// Says why, and with which number.
fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If stderr has gone as well, the number still says it.
            let _ = writeln!(std::io::stderr(), "paratox: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// From here on the signals that end the program are heard. Inside a runtime.
fn watch_signals() -> Result<Signals, Failure> {
    Signals::new().map_err(|error| {
        Failure::failed(format!(
            "signals cannot be watched ({error}); end other programs and try again"
        ))
    })
}

/// The same from outside.
fn watch_signals_in(runtime: &tokio::runtime::Runtime) -> Result<Signals, Failure> {
    let _inside = runtime.enter();
    watch_signals()
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("wire")
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::failed(format!(
                "no threads can be started ({error}); end other programs and try again"
            ))
        })
}
