//! Promises that only real time can show: real sockets, processes and terminals. Most of such a test is waiting, so they wait side by side
//! (`.cargo/config.toml` says how many).

#[cfg(unix)]
mod demo;
mod junk;
#[path = "../loopback/mod.rs"]
mod loopback;
mod processes;
#[path = "../program/mod.rs"]
mod program;
#[cfg(target_os = "linux")]
#[path = "../tap/mod.rs"]
mod tap;
mod terminal;
mod two_people;
mod wire_sizes;
