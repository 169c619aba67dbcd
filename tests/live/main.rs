//! Promises that only real time can show: real sockets, processes and terminals.
//!
//! Most of such a test is waiting. In binaries of their own they would wait one after the other; here they wait side by side, as many as the
//! computer has cores. `room` keeps away from each other what must not meet. They begin in the order of their names: the one that bears no network
//! beside it (`packet_sizes`) after those with networks and before those without, so that no core is idle meanwhile.

// The longest, so it begins first.
#[path = "two_people.rs"]
mod at_first_two_people;
#[cfg(unix)]
mod demo;
mod junk;
#[path = "../loopback/mod.rs"]
mod loopback;
mod packet_sizes;
mod processes;
#[path = "../program/mod.rs"]
mod program;
mod room;
#[cfg(target_os = "linux")]
#[path = "../tap/mod.rs"]
mod tap;
mod terminal;
