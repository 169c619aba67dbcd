//! The sans-IO state machines of the network.

pub mod circuit;
pub mod link;
pub mod person;
