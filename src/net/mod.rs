//! The thin driver between the machines and the world: one UDP socket, two clocks, three threads of work.
//!
//! ```text
//!              datagrams                  parcels, snapshots                 events
//!  wire task ------------> node thread ---------------------> person thread --------> screen or JSON lines
//!  (socket)  <------------ (Node)      <--------------------- (Messenger)   <--------
//!            sealed cells               node commands          and its disk  commands
//! ```
//!
//! They are apart because Eve reads times. The wire task does nothing but wait for the moments of sealed cells, so a tick
//! is never late because of a signature; the node thread never waits for a disk, for Argon2 or for a screen, so a tick is
//! never late because a person does something. Every arrow is a bounded queue and says what happens when it is full.
//!
//! Nothing here decides anything: what to send, to whom and when is the machines' work. Not here either: arguments, exit
//! codes and JSON lines (`cli`).

pub mod client;
pub mod clock;
pub mod counters;
pub mod driver;
pub mod front;
pub mod inbox;
pub mod person;
pub mod seed;
pub mod socket;
pub mod wire_task;
