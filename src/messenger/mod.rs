//! The sans-IO state machine of the person.

pub mod persistence;
pub mod text;
pub mod view;
