//! The sans-IO state machines of the network.

pub mod dht;
pub mod link;
pub mod person;
