//! The sans-IO state machines of the network.

pub mod link;
pub mod dht;
pub mod person;
