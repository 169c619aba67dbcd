//! Promises that only real time can show: real sockets, processes and terminals.
//!
//! Most of such a test is waiting. In binaries of their own they would wait one after the other; here they wait side by side, as many as the
//! computer has cores. `room` keeps away from each other what must not meet.

#[cfg(unix)]
mod demo;
mod junk;
#[path = "../loopback/mod.rs"]
mod loopback;
mod processes;
#[path = "../program/mod.rs"]
mod program;
mod room;
#[cfg(target_os = "linux")]
#[path = "../tap/mod.rs"]
mod tap;
mod terminal;
mod two_people;
mod wire_sizes;
