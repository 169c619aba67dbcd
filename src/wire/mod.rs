//! Cells and records as bytes, and back. Parsing never panics; an error says what was being read.
//!
//! It uses the key types of `crypto` and nothing else. Not here: what a cell makes the node do.

pub mod address;
pub mod cell;
pub mod certificate;
pub mod circuit;
pub mod class;
pub mod codec;
pub mod descriptor;
pub mod dht;
pub mod introduction;
pub mod parcel;
pub mod peer;
pub mod position;
pub mod query;
pub mod record;
pub mod size;
pub mod ticket;
pub mod time;
