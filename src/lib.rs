//! paratox: a private chat for the terminal.
//!
//! Eve sees every datagram of the whole network. She must learn neither what two people say nor that they talk to each other.
//! There is no server: each running program is a node that relays and makes noise for the others.
//!
//! Rooms, each importing only from rooms above it:
//!
//! ```text
//!  crypto     keys, ECMQV, ratchet, onion cipher       bytes only: no time, no I/O
//!  wire       cells and records <-> types              parsing that never panics
//!  node       sans-IO state machines of the network    links, DHT, circuits, intro points
//!  messenger  sans-IO state machine of the person      contacts, sessions, outbox, forward secrecy
//!  store      SQLCipher file and key slots             the only place that names rusqlite
//!  net        UDP socket, clock, tasks                 the only place that names tokio::net
//!  app        chat state, update, key map              pure: (state, event) -> commands
//!  tui        views and terminal                       the only place that names ratatui and crossterm
//!  sim        many nodes, virtual time, Eve            drives node and messenger, needs no socket
//!  cli        arguments, wiring                        with main.rs
//! ```
//!
//! Read `PROTOCOL.md` first (here: [`protocol`]), then `node/mod.rs`.

pub mod app;
pub mod cli;
pub mod crypto;
pub mod messenger;
pub mod net;
pub mod node;
pub mod platform;
#[doc = include_str!("PROTOCOL.md")]
pub mod protocol {}
pub mod sim;
pub mod store;
pub mod tui;
pub mod wire;
