//! The input box of the composer: undo, soft wrapping and cursor movement come from `tui-textarea`; the text itself belongs to `App`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use crate::app::Event;
use crate::app::composer::Composer;
use crate::app::field::Edit;

/// Steps of undo: an hour of writing; they are gone when the message is sent.
const UNDO_STEPS: usize = 500;

pub struct ComposerBox {
    area: TextArea<'static>,
    /// What `App` was last told or told us.
    known: Composer,
}

impl Default for ComposerBox {
    fn default() -> ComposerBox {
        ComposerBox {
            area: fresh(Vec::new()),
            known: Composer::default(),
        }
    }
}

fn fresh(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_max_histories(UNDO_STEPS);
    area.set_cursor_line_style(Style::new());
    area.set_cursor_style(Style::new().add_modifier(Modifier::REVERSED));
    area
}

impl ComposerBox {
    /// Takes over what `update` changed: a sent text leaves nothing behind to undo, anything else can be undone.
    pub fn follow(&mut self, composer: &Composer) {
        if self.known == *composer {
            return;
        }
        if composer.text() != self.text() {
            if composer.is_empty() {
                self.area = fresh(Vec::new());
            } else {
                self.area.select_all();
                self.area.insert_str(composer.text());
            }
        }
        let (row, column) = composer.cursor();
        let bounded = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.area
            .move_cursor(CursorMove::Jump(bounded(row), bounded(column)));
        self.known = composer.clone();
    }

    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    pub fn insert(&mut self, letter: char) -> Event {
        self.area.insert_char(letter);
        self.report()
    }

    pub fn edit(&mut self, edit: Edit) -> Event {
        match edit {
            Edit::Left => self.area.move_cursor(CursorMove::Back),
            Edit::Right => self.area.move_cursor(CursorMove::Forward),
            Edit::WordLeft => self.area.move_cursor(CursorMove::WordBack),
            Edit::WordRight => self.area.move_cursor(CursorMove::WordForward),
            Edit::Up => self.area.move_cursor(CursorMove::Up),
            Edit::Down => self.area.move_cursor(CursorMove::Down),
            Edit::Head => self.area.move_cursor(CursorMove::Head),
            Edit::End => self.area.move_cursor(CursorMove::End),
            Edit::Backspace => drop(self.area.delete_char()),
            Edit::Delete => drop(self.area.delete_next_char()),
            Edit::DeleteWord => drop(self.area.delete_word()),
            Edit::DeleteToHead => drop(self.area.delete_line_by_head()),
            Edit::DeleteToEnd => drop(self.area.delete_line_by_end()),
            Edit::Undo => drop(self.area.undo()),
            Edit::Redo => drop(self.area.redo()),
        }
        self.area.cancel_selection();
        self.report()
    }

    /// What the box holds now, for `update`.
    fn report(&mut self) -> Event {
        let cursor = self.area.cursor();
        let (text, row, column) = (self.text(), cursor.0, cursor.1);
        // known before update confirms it: nothing to follow if it does, and everything if it refuses
        let mut known = Composer::default();
        known.take(text.clone(), row, column);
        self.known = known;
        Event::Composed { text, row, column }
    }

    /// Draws the box and says where its cursor stands on the screen.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> Option<(u16, u16)> {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return None;
        }
        (&self.area).render(area, buf);
        let (cursor, (top, left)) = (self.area.screen_cursor(), self.area.scroll_offset());
        let inside = |at: usize, from: u16, size: u16| {
            let at = at.checked_sub(usize::from(from))?;
            // behind a full row the cursor has no cell of its own
            Some(u16::try_from(at).unwrap_or(u16::MAX).min(size - 1))
        };
        let row = inside(cursor.row, top, area.height)?;
        let column = inside(cursor.col, left, area.width)?;
        Some((area.x + column, area.y + row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_undo_and_sending_keep_box_and_app_together() {
        let mut boxed = ComposerBox::default();
        let mut last = None;
        for letter in "hé 漢".chars() {
            last = Some(boxed.insert(letter));
        }
        assert_eq!(
            last,
            Some(Event::Composed {
                text: "hé 漢".into(),
                row: 0,
                column: 4
            })
        );
        assert!(
            matches!(boxed.edit(Edit::Undo), Event::Composed { text, .. } if text.len() < "hé 漢".len())
        );
        let mut composer = Composer::default();
        composer.set("two\nrows");
        boxed.follow(&composer);
        assert_eq!(boxed.text(), "two\nrows");
        boxed.follow(&Composer::default());
        assert_eq!(boxed.text(), "");
        assert!(
            matches!(boxed.edit(Edit::Undo), Event::Composed { text, .. } if text.is_empty()),
            "a sent text cannot be undone into view"
        );
    }
}
