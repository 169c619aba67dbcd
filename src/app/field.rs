//! One-line inputs: names, AccountIDs, filters, passphrases. The composer has more rows and lives in `composer`.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;
use zeroize::Zeroizing;

use crate::messenger::text;

/// Editing keys that every input understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Left,
    Right,
    WordLeft,
    WordRight,
    Up,
    Down,
    Head,
    End,
    Backspace,
    Delete,
    DeleteWord,
    DeleteToHead,
    DeleteToEnd,
    Undo,
    Redo,
}

/// A passphrase on its way to the store. Wiped when dropped; printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: &str) -> Secret {
        Secret(Zeroizing::new(text.to_owned()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The stop of Tab after `at`, or the one before it; round the ends.
pub fn next_stop<S: Copy + PartialEq>(stops: &[S], at: S, forward: bool) -> S {
    let place = stops.iter().position(|stop| *stop == at).unwrap_or(0);
    let next = if forward {
        place + 1
    } else {
        place + stops.len() - 1
    };
    stops[next % stops.len()]
}

/// A line of text with a cursor. Its memory is wiped when dropped and never grows past `max`, so no copy stays behind in the heap.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    text: Zeroizing<String>,
    /// Byte offset, always at a grapheme boundary.
    cursor: usize,
    /// Bytes it takes at most; what does not fit is not inserted.
    max: usize,
    hidden: bool,
}

impl Field {
    pub fn new(max: usize) -> Field {
        Field {
            text: Zeroizing::new(String::with_capacity(max)),
            cursor: 0,
            max,
            hidden: false,
        }
    }

    /// For passphrases: debug output shows nothing.
    pub fn hidden(max: usize) -> Field {
        Field {
            hidden: true,
            ..Field::new(max)
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn secret(&self) -> Secret {
        Secret(self.text.clone())
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Graphemes before the cursor.
    pub fn cursor_graphemes(&self) -> usize {
        self.text[..self.cursor].graphemes(true).count()
    }

    /// The text before the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    pub fn clear(&mut self) {
        use zeroize::Zeroize;
        self.text.zeroize();
        self.cursor = 0;
    }

    pub fn set(&mut self, text: &str) {
        self.clear();
        self.insert(text);
    }

    /// Inserts at the cursor what fits. Returns whether that was all.
    pub fn insert(&mut self, text: &str) -> bool {
        for grapheme in text.graphemes(true) {
            if self.text.len() + grapheme.len() > self.max {
                self.settle();
                return false;
            }
            self.text.insert_str(self.cursor, grapheme);
            self.cursor += grapheme.len();
        }
        self.settle();
        true
    }

    /// Inserts what somebody typed or pasted: cleaned, and on one line. Breaks become spaces, but not in a passphrase. Returns whether
    /// all of it fitted.
    pub fn take(&mut self, typed: &str) -> bool {
        // a joiner that comes alone was typed between two letters: whoever uses the text cleans it as a whole
        if matches!(typed, "\u{200C}" | "\u{200D}") {
            let joins = self.before_cursor().chars().next_back();
            return joins.is_none_or(|c| c.is_ascii()) || self.insert(typed);
        }
        let line =
            Zeroizing::new(text::clean(typed).replace('\n', if self.hidden { "" } else { " " }));
        self.insert(&line)
    }

    /// The cursor before the character with this number.
    pub fn to_character(&mut self, number: usize) {
        self.cursor = self
            .text
            .char_indices()
            .nth(number)
            .map_or(self.text.len(), |(at, _)| at);
        self.settle();
    }

    /// True if anything changed.
    pub fn edit(&mut self, edit: Edit) -> bool {
        let before = (self.text.len(), self.cursor);
        match edit {
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Head => self.cursor = 0,
            Edit::End => self.cursor = self.text.len(),
            Edit::Backspace => self.remove(self.left(), self.cursor),
            Edit::Delete => self.remove(self.cursor, self.right()),
            Edit::DeleteWord => self.remove(self.word_left(), self.cursor),
            Edit::DeleteToHead => self.remove(0, self.cursor),
            Edit::DeleteToEnd => self.remove(self.cursor, self.text.len()),
            Edit::Up | Edit::Down | Edit::Undo | Edit::Redo => {}
        }
        before != (self.text.len(), self.cursor)
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
        self.settle();
    }

    /// An insertion or removal may join graphemes: the cursor moves behind the joined one.
    fn settle(&mut self) {
        let cursor = self.cursor;
        let settled = self.boundaries().find(|at| *at >= cursor);
        self.cursor = settled.unwrap_or(self.text.len());
    }

    fn boundaries(&self) -> impl Iterator<Item = usize> + '_ {
        self.text
            .grapheme_indices(true)
            .map(|(at, _)| at)
            .chain(std::iter::once(self.text.len()))
    }

    fn left(&self) -> usize {
        self.boundaries()
            .take_while(|at| *at < self.cursor)
            .last()
            .unwrap_or(0)
    }

    fn right(&self) -> usize {
        self.boundaries()
            .find(|at| *at > self.cursor)
            .unwrap_or(self.text.len())
    }

    fn word_left(&self) -> usize {
        self.text[..self.cursor]
            .unicode_word_indices()
            .map(|(at, _)| at)
            .next_back()
            .unwrap_or(0)
    }

    fn word_right(&self) -> usize {
        let rest = &self.text[self.cursor..];
        rest.unicode_word_indices()
            .map(|(at, word)| self.cursor + at + word.len())
            .next()
            .unwrap_or(self.text.len())
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.hidden {
            "[hidden]"
        } else {
            self.text.as_str()
        };
        f.debug_struct("Field")
            .field("text", &shown)
            .field("cursor", &self.cursor)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Field {
        let mut f = Field::new(64);
        f.insert(text);
        f
    }

    #[test]
    fn editing_works_by_what_the_eye_sees() {
        let mut f = field("e\u{301}漢👩\u{200D}👧");
        f.edit(Edit::Backspace);
        assert_eq!(f.text(), "e\u{301}漢");
        f.edit(Edit::Left);
        f.edit(Edit::Backspace);
        assert_eq!(f.text(), "漢");
        f.edit(Edit::Delete);
        assert!(f.is_empty());
    }

    #[test]
    fn words_and_ends_can_be_deleted() {
        let mut f = field("one two three");
        f.edit(Edit::DeleteWord);
        assert_eq!(f.text(), "one two ");
        f.edit(Edit::WordLeft);
        assert_eq!(f.before_cursor(), "one ");
        f.edit(Edit::DeleteToEnd);
        assert_eq!(f.text(), "one ");
        f.edit(Edit::DeleteToHead);
        assert!(f.is_empty());
    }

    #[test]
    fn a_text_is_the_same_typed_letter_by_letter_and_pasted() {
        for text in [
            "👨\u{200D}👩\u{200D}👧 ok",
            "می\u{200C}خواهم",
            "漢字 e\u{301}",
        ] {
            let (mut typed, mut pasted) = (Field::new(100), Field::new(100));
            for letter in text.chars() {
                typed.take(&letter.to_string());
            }
            pasted.take(text);
            assert_eq!(typed.text(), pasted.text());
            assert_eq!(typed.text(), text);
        }
        let mut field = Field::new(100);
        field.take("a");
        assert!(field.take("\u{200D}"), "nothing was cut");
        assert_eq!(field.text(), "a");
    }

    #[test]
    fn a_field_takes_no_more_than_it_holds() {
        let mut f = Field::new(5);
        f.insert("ab漢字");
        assert_eq!(f.text(), "ab漢");
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let mut f = Field::hidden(64);
        f.insert("correct horse");
        assert!(!format!("{f:?} {:?}", f.secret()).contains("horse"));
    }
}
