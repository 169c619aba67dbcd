//! The terminal: every escape sequence the program writes outside of cells is written here, and undone here.
//!
//! Whatever ends the program (a quit, a panic in any thread, SIGTERM, Ctrl+Z) leaves the terminal as it was found: line mode, main screen,
//! cursor, line wrap, no bracketed paste, no focus reports, no mouse, the old title.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::clipboard::CopyToClipboard;
use ratatui::crossterm::cursor::{Hide, MoveTo, Show};
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange,
};
use ratatui::crossterm::style::{Attribute, SetAttribute, force_color_output};
use ratatui::crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
    SetTitle,
};
use ratatui::crossterm::{execute, queue, terminal};
use ratatui::layout::Rect;

use crate::app::wrap::width;
use crate::messenger::text;

/// Keeps the title of the shell, and brings it back (xterm's title stack; others ignore it).
const PUSH_TITLE: &str = "\x1b[22;2t";
const POP_TITLE: &str = "\x1b[23;2t";
/// Bytes of a text that goes to the clipboard: terminals cut or drop longer ones.
pub const COPY_MAX: usize = 64 * 1024;

/// Is the terminal ours now? Read by the panic hook, which may run in any thread.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Switches line mode, which is not an escape sequence: a test's double records it instead.
pub trait LineMode {
    fn raw(&mut self, on: bool) -> io::Result<()>;
}

/// The controlling terminal.
pub struct Tty;

impl LineMode for Tty {
    fn raw(&mut self, on: bool) -> io::Result<()> {
        if on {
            terminal::enable_raw_mode()
        } else {
            terminal::disable_raw_mode()
        }
    }
}

/// A screen to draw on. Not entered when made; leaves when dropped.
pub struct Screen<W: Write, M: LineMode> {
    backend: CrosstermBackend<W>,
    mode: M,
    entered: bool,
    /// What stands on the terminal.
    shown: Buffer,
}

impl Screen<io::Stdout, Tty> {
    /// The program's own terminal.
    pub fn stdout() -> Screen<io::Stdout, Tty> {
        Screen::new(io::stdout(), Tty)
    }
}

impl<W: Write, M: LineMode> Screen<W, M> {
    pub fn new(out: W, mode: M) -> Screen<W, M> {
        // crossterm 0.29 answers NO_COLOR with an empty colour command that also ends bold and reverse; colours are `theme`'s business
        force_color_output(true);
        Screen {
            backend: CrosstermBackend::new(out),
            mode,
            entered: false,
            shown: Buffer::empty(Rect::ZERO),
        }
    }

    pub fn enter(&mut self) -> io::Result<()> {
        self.mode.raw(true)?;
        self.entered = true;
        ENTERED.store(true, Ordering::SeqCst);
        self.backend.write_all(PUSH_TITLE.as_bytes())?;
        execute!(
            self.backend,
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange,
            // a letter that is wider than expected stays in its row
            DisableLineWrap,
            Hide,
            Clear(ClearType::All)
        )?;
        self.shown = Buffer::empty(Rect::ZERO);
        Ok(())
    }

    /// Safe to call twice; tries every step even if one fails, and tells the first failure.
    pub fn leave(&mut self) -> io::Result<()> {
        if !self.entered {
            return Ok(());
        }
        self.entered = false;
        ENTERED.store(false, Ordering::SeqCst);
        let written = write_leave(&mut self.backend);
        let mode = self.mode.raw(false);
        written.and(mode)
    }

    /// False after a panic in some thread gave the terminal back.
    pub fn is_ours(&self) -> bool {
        self.entered && ENTERED.load(Ordering::SeqCst)
    }

    /// Leaves, says what stopping means, runs `stop` (which returns when the program continues), and enters again.
    pub fn suspend(&mut self, stop: impl FnOnce()) -> io::Result<()> {
        self.leave()?;
        writeln!(
            self.backend,
            "paratox is stopped: nothing is sent, received or relayed until you type fg."
        )?;
        Write::flush(&mut self.backend)?;
        stop();
        self.enter()
    }

    /// Everything has to be drawn again.
    pub fn forget(&mut self) -> io::Result<()> {
        self.shown = Buffer::empty(Rect::ZERO);
        queue!(
            self.backend,
            SetAttribute(Attribute::Reset),
            Clear(ClearType::All)
        )
    }

    /// Writes the cells that differ from what stands there, and leaves the hidden cursor where the next letter goes.
    pub fn show(&mut self, next: Buffer, cursor: Option<(u16, u16)>) -> io::Result<()> {
        if next.area != self.shown.area {
            self.forget()?;
            self.shown = Buffer::empty(next.area);
        }
        let changes = self.shown.diff(&next);
        let mut doubtful = BTreeSet::new();
        for &(_, y, _) in &changes {
            if !doubtful.contains(&y) && [&self.shown, &next].iter().any(|b| is_doubtful(b, y)) {
                doubtful.insert(y);
            }
        }
        let plain = changes
            .into_iter()
            .filter(|(_, y, _)| !doubtful.contains(y));
        let plain: Vec<_> = plain.collect();
        if !plain.is_empty() {
            self.backend.draw(plain.into_iter())?;
        }
        for y in doubtful {
            self.whole_row(&next, y)?;
        }
        if let Some(cursor) = cursor {
            self.backend.set_cursor_position(cursor)?;
        }
        Write::flush(&mut self.backend)?;
        self.shown = next;
        Ok(())
    }

    /// Writes a row anew, and says where to go on behind every letter whose width the terminal may see otherwise: neither does a
    /// remnant of what stood there stay, nor is what follows shifted.
    fn whole_row(&mut self, next: &Buffer, y: u16) -> io::Result<()> {
        queue!(
            self.backend,
            SetAttribute(Attribute::Reset),
            MoveTo(next.area.x, y),
            Clear(ClearType::CurrentLine)
        )?;
        let mut run: Vec<(u16, u16, &Cell)> = Vec::new();
        let mut x = next.area.left();
        while x < next.area.right() {
            let cell = &next[(x, y)];
            run.push((x, y, cell));
            if several(cell) {
                self.backend.draw(std::mem::take(&mut run).into_iter())?;
            }
            x = x.saturating_add(u16::try_from(width(cell.symbol()).max(1)).unwrap_or(1));
        }
        self.backend.draw(run.into_iter())
    }

    /// To the terminal's clipboard (OSC 52).
    pub fn copy(&mut self, copied: &str) -> io::Result<()> {
        let copied = text::clean(copied);
        if copied.len() > COPY_MAX {
            return Err(io::Error::other("too long for the clipboard"));
        }
        execute!(self.backend, CopyToClipboard::to_clipboard_from(copied))
    }

    pub fn title(&mut self, title: &str) -> io::Result<()> {
        execute!(self.backend, SetTitle(text::clean_line(title)))
    }

    pub fn bell(&mut self) -> io::Result<()> {
        self.backend.write_all(b"\x07")?;
        Write::flush(&mut self.backend)
    }
}

/// One letter of several code points (flags, families, Indic syllables): terminals disagree about how many columns it takes.
fn several(cell: &Cell) -> bool {
    cell.symbol().chars().nth(1).is_some()
}

fn is_doubtful(buffer: &Buffer, y: u16) -> bool {
    let area = buffer.area;
    (area.left()..area.right()).any(|x| several(&buffer[(x, y)]))
}

impl<W: Write, M: LineMode> Drop for Screen<W, M> {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

fn write_leave(out: &mut impl Write) -> io::Result<()> {
    out.write_all(POP_TITLE.as_bytes())?;
    execute!(
        out,
        SetAttribute(Attribute::Reset),
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        EnableLineWrap,
        LeaveAlternateScreen,
        Show
    )
}

/// Gives the terminal back if it is ours. Never panics and never fails: there is nobody left to tell.
pub fn restore() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let _ = write_leave(&mut io::stdout());
        let _ = terminal::disable_raw_mode();
    }
}

/// Lets a panic in any thread give the terminal back first, so that its message can be read. Once is enough.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorded(Vec<bool>);

    impl LineMode for Recorded {
        fn raw(&mut self, on: bool) -> io::Result<()> {
            self.0.push(on);
            Ok(())
        }
    }

    /// Keeps what was written where the test can read it.
    #[derive(Clone, Default)]
    struct Tape(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Tape {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.borrow()).into_owned()
        }
    }

    /// Each mode that entering switches on, and the sequence that switches it off.
    const UNDONE: [(&str, &str); 5] = [
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?2004h", "\x1b[?2004l"),
        ("\x1b[?1004h", "\x1b[?1004l"),
        ("\x1b[?7l", "\x1b[?7h"),
        ("\x1b[?25l", "\x1b[?25h"),
    ];

    #[test]
    fn leaving_undoes_everything_that_entering_did() {
        let tape = Tape::default();
        let mut screen = Screen::new(tape.clone(), Recorded::default());
        screen.enter().expect("a tape takes everything");
        screen.suspend(|| {}).expect("a tape takes everything");
        screen.leave().expect("a tape takes everything");
        screen.leave().expect("a tape takes everything");
        let bytes = tape.text();
        for (on, off) in UNDONE {
            assert_eq!(bytes.matches(on).count(), 2, "{on:?}");
            assert_eq!(bytes.matches(off).count(), 2, "{off:?}");
            assert!(bytes.rfind(off) > bytes.rfind(on));
        }
        assert!(bytes.contains("nothing is sent, received or relayed"));
        assert_eq!(screen.mode.0, [true, false, true, false]);
    }

    #[test]
    fn titles_and_copies_cannot_carry_sequences() {
        let tape = Tape::default();
        let mut screen = Screen::new(tape.clone(), Recorded::default());
        screen
            .title("a\x07\x1b]52;c;eA==\x07b")
            .expect("a tape takes everything");
        screen.copy("x\x1b[2Jy").expect("a tape takes everything");
        let bytes = tape.text();
        assert_eq!(bytes.matches('\x1b').count(), 3, "{bytes:?}"); // title, clipboard and its terminator
        assert!(bytes.contains("a]52;c;eA==b"));
        assert!(screen.copy(&"x".repeat(COPY_MAX + 1)).is_err());
    }
}
