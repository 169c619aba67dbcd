//! The sans-IO state machine of the person.

pub mod memory;
pub mod persistence;
pub mod text;
pub mod view;
