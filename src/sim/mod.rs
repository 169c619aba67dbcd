//! Many nodes in one thread, in virtual time, and Eve who sees every datagram between them.
//!
//! The very same node and messenger code as in the program, driven without a socket: a world of nodes with delay, jitter and loss, where the
//! same seed gives the same run bit for bit. Not here: what the tests look for in it.

pub mod diary;
pub mod eve;
pub mod replay;
pub mod talk;
pub mod wires;
pub mod world;
