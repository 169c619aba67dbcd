//! Promises shown in simulated worlds: whole networks in virtual time, the same run for the same seed.
//!
//! One binary, so that every core has a world to compute until the last one is over. No world knows of another, and no figure depends on how
//! busy the computer is.

mod broken_circuits;
mod chatting;
mod circuits;
mod hostile_peer;
mod normal;
mod quick_start;
mod recovery;
mod simulated_delivery;
mod standstill;
mod twin_worlds;
