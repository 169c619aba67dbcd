//! What the screens promise: golden pictures as text, marks that are always a symbol and a word, sizes that never panic, keys that are all
//! documented, and peers that cannot reach the terminal.

mod behaviour;
mod explained;
mod golden;
mod hostile;
mod keys;
mod marks;
mod monkey;
mod people;
mod scene;
mod shot;
mod sizes;
mod start;
mod status;
mod tape;
