//! The sans-IO state machine of the person.

pub mod text;
pub mod view;
