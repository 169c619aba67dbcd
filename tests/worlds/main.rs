//! Promises shown in simulated worlds: whole networks in virtual time, the same run for the same seed.

mod broken_circuits;
mod chatting;
mod quick_start;
mod recovery;
mod simulated_delivery;
mod twin_worlds;
