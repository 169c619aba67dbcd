//! The text being written and its cursor, as plain data.
//!
//! The box on the screen (undo, soft wrapping, cursor movement) is the terminal's; each of its changes comes here as
//! `Event::Composed`, and what `update` changes here (a cleared box after sending, a draft that comes back) is taken over by it.

/// Bytes of one message; longer ones are refused before sending, because a train of parcels that long would take minutes.
pub const MESSAGE_MAX: usize = 4000;
/// Bytes the composer itself takes: enough to paste something too long and shorten it, little enough to stay quick at every key. The input
/// box counts columns in 16 bits.
pub const COMPOSER_MAX: usize = 16 * 1024;
const _: () = assert!(COMPOSER_MAX < u16::MAX as usize);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composer {
    text: String,
    row: usize,
    /// In characters (not bytes, not columns), as the input box counts.
    column: usize,
}

impl Composer {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Row and column (in characters) of the cursor.
    pub fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Composer::default();
    }

    /// Takes over what the input box holds. Returns false if it holds more than [`COMPOSER_MAX`]; then nothing changes.
    pub fn take(&mut self, text: String, row: usize, column: usize) -> bool {
        if text.len() > COMPOSER_MAX {
            return false;
        }
        self.text = text;
        self.row = row;
        self.column = column;
        self.clamp();
        true
    }

    /// Replaces the text; the cursor stands behind it.
    pub fn set(&mut self, text: &str) {
        self.clear();
        self.insert(text);
    }

    /// Inserts at the cursor. Returns false, and inserts nothing, if it does not fit.
    pub fn insert(&mut self, text: &str) -> bool {
        if self.text.len() + text.len() > COMPOSER_MAX {
            return false;
        }
        let at = self.offset();
        self.text.insert_str(at, text);
        let before = &self.text[..at + text.len()];
        self.row = before.matches('\n').count();
        self.column = before
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.chars().count());
        true
    }

    pub fn to_end(&mut self) {
        self.row = self.text.matches('\n').count();
        self.column = usize::MAX;
        self.clamp();
    }

    /// Behind the last character of the cursor's row.
    pub fn to_line_end(&mut self) {
        self.column = usize::MAX;
        self.clamp();
    }

    /// Byte offset of the cursor.
    fn offset(&self) -> usize {
        let mut at = 0;
        for (row, line) in self.text.split('\n').enumerate() {
            if row == self.row {
                return at
                    + line
                        .char_indices()
                        .nth(self.column)
                        .map_or(line.len(), |(i, _)| i);
            }
            at += line.len() + 1;
        }
        self.text.len()
    }

    fn clamp(&mut self) {
        self.row = self.row.min(self.text.matches('\n').count());
        let line = self.text.split('\n').nth(self.row).unwrap_or("");
        self.column = self.column.min(line.chars().count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_in_where_the_cursor_stands() {
        let mut c = Composer::default();
        assert!(c.take("ab\ncé".into(), 1, 1));
        assert!(c.insert("X\nY"));
        assert_eq!(c.text(), "ab\ncX\nYé");
        assert_eq!(c.cursor(), (2, 1));
    }

    #[test]
    fn a_cursor_from_outside_is_brought_back_into_the_text() {
        let mut c = Composer::default();
        assert!(c.take("ab".into(), 9, 9));
        assert_eq!(c.cursor(), (0, 2));
    }

    #[test]
    fn more_than_it_holds_is_refused_whole() {
        let mut c = Composer::default();
        c.set("kept");
        assert!(!c.insert(&"x".repeat(COMPOSER_MAX)));
        assert!(!c.take("x".repeat(COMPOSER_MAX + 1), 0, 0));
        assert_eq!(c.text(), "kept");
    }
}
