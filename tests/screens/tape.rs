//! What takes the place of a terminal where only the bytes for it count.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use paratox::tui::terminal::LineMode;

/// What the terminal would get.
#[derive(Clone, Default)]
pub struct Tape(pub Rc<RefCell<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct NoMode;

impl LineMode for NoMode {
    fn raw(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }
}
