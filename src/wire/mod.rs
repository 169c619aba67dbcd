//! Cells and records as bytes, and back. Parsing never panics; an error says what was being read.
//!
//! It uses the key types of `crypto` and nothing else. Not here: what a cell makes the node do.

pub mod class;
pub mod size;
pub mod time;
