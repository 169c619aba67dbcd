//! Views and terminal: the only room that names `ratatui` and `crossterm`.
//!
//! `view` draws `App` into cells, `keys` translates what the terminal reports, `terminal` owns every escape sequence, `run` is the loop
//! between them. Not here: what a key or an event does (`app::update`).

pub mod composer;
pub mod keys;
mod pen;
pub mod run;
pub mod terminal;
pub mod theme;
pub mod view;

pub use run::{ExitReason, run};
