//! Writing into a buffer: by columns, clipped to its area, never outside.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;

use super::theme::{Role, Theme};
use crate::app::layout::Area;
use crate::app::wrap::{cut, fit, grapheme_width, width};

/// A piece of a line and what it means.
pub type Piece<'a> = (&'a str, Role);

pub struct Pen<'a> {
    pub buf: &'a mut Buffer,
    pub theme: Theme,
    /// Where the next letter goes. The terminal's own cursor stays hidden, but input methods open their windows where it stands.
    pub cursor: Option<(u16, u16)>,
}

impl Pen<'_> {
    pub fn area(&self) -> Area {
        let r = self.buf.area;
        Area::new(r.x, r.y, r.width, r.height)
    }

    /// Writes at most `columns` columns; returns how many were written.
    pub fn text(&mut self, x: u16, y: u16, columns: usize, text: &str, role: Role) -> usize {
        let style = self.theme.style(role);
        self.styled(x, y, columns, text, style)
    }

    fn styled(&mut self, x: u16, y: u16, columns: usize, text: &str, style: Style) -> usize {
        let area = self.buf.area;
        if y < area.top() || y >= area.bottom() || x < area.left() {
            return 0;
        }
        let room = columns.min(usize::from(area.right().saturating_sub(x)));
        let text = cut(text, room, self.theme.symbols().more);
        let mut used = 0;
        for grapheme in text.graphemes(true) {
            // text was cleaned at the door; a cell is the last place where a control character could still pass
            let foreign = self.theme.ascii_only && !grapheme.is_ascii();
            let shown = if foreign || grapheme.chars().any(char::is_control) {
                "?"
            } else {
                grapheme
            };
            let wide = grapheme_width(shown);
            if wide == 0 || used + wide > room {
                continue;
            }
            let at = x + u16::try_from(used).unwrap_or(u16::MAX);
            // nothing of what was drawn here before shines through
            self.buf[(at, y)].reset();
            self.buf[(at, y)].set_symbol(shown).set_style(style);
            for hidden in 1..wide {
                let next = at + u16::try_from(hidden).unwrap_or(u16::MAX);
                if next < area.right() {
                    self.buf[(next, y)].reset();
                    self.buf[(next, y)].set_style(style);
                }
            }
            used += wide;
        }
        used
    }

    /// Pieces one behind another.
    pub fn line(&mut self, x: u16, y: u16, columns: usize, pieces: &[Piece<'_>]) -> usize {
        let mut used = 0;
        for (text, role) in pieces {
            let at = x.saturating_add(u16::try_from(used).unwrap_or(u16::MAX));
            used += self.text(at, y, columns.saturating_sub(used), text, *role);
        }
        used
    }

    /// Pieces that end at the right margin; gives their width.
    pub fn line_right(&mut self, x: u16, y: u16, columns: usize, pieces: &[Piece<'_>]) -> usize {
        let wide: usize = pieces.iter().map(|(text, _)| width(text)).sum();
        let wide = wide.min(columns);
        let at = x + u16::try_from(columns - wide).unwrap_or(0);
        self.line(at, y, wide, pieces)
    }

    /// Left pieces, right pieces; where both do not fit the left ones are cut.
    pub fn ends(
        &mut self,
        x: u16,
        y: u16,
        columns: usize,
        left: &[Piece<'_>],
        right: &[Piece<'_>],
    ) {
        let wide: usize = right.iter().map(|(text, _)| width(text)).sum();
        let taken = if wide + 1 < columns {
            self.line_right(x, y, columns, right) + 1
        } else {
            0
        };
        self.line(x, y, columns.saturating_sub(taken), left);
    }

    pub fn rule(&mut self, x: u16, y: u16, columns: u16) {
        let line = self.theme.symbols().horizontal.repeat(usize::from(columns));
        self.text(x, y, usize::from(columns), &line, Role::Muted);
    }

    /// A rule with words in it: `─ 2 new ─────`.
    pub fn titled_rule(
        &mut self,
        x: u16,
        y: u16,
        columns: u16,
        title: &str,
        centred: bool,
        role: Role,
    ) {
        self.rule(x, y, columns);
        let title = cut(
            &format!(" {title} "),
            usize::from(columns.saturating_sub(2)),
            self.theme.symbols().more,
        );
        let wide = u16::try_from(width(&title)).unwrap_or(columns);
        let at = if centred {
            x + columns.saturating_sub(wide) / 2
        } else {
            x + 1
        };
        self.text(at, y, usize::from(wide), &title, role);
    }

    pub fn clear(&mut self, area: Area) {
        let rect = Rect::new(area.x, area.y, area.width, area.height).intersection(self.buf.area);
        for y in rect.top()..rect.bottom() {
            for x in rect.left()..rect.right() {
                self.buf[(x, y)].reset();
            }
        }
    }

    /// Everything drawn so far becomes quiet, for a box over it.
    pub fn dim(&mut self) {
        for cell in &mut self.buf.content {
            cell.modifier = (cell.modifier - Modifier::REVERSED - Modifier::BOLD) | Modifier::DIM;
        }
    }

    /// A frame with a title; gives the area inside, with a column of air at each side.
    pub fn frame(&mut self, area: Area, title: &str) -> Area {
        self.clear(area);
        if area.width < 4 || area.height < 3 {
            return Area::new(area.x, area.y, 0, 0);
        }
        let s = self.theme.symbols();
        let (right, bottom) = (area.x + area.width - 1, area.y + area.height - 1);
        let across = s.horizontal.repeat(usize::from(area.width - 2));
        let all = usize::from(area.width);
        self.text(
            area.x,
            area.y,
            all,
            &format!("{}{across}{}", s.corners[0], s.corners[1]),
            Role::Muted,
        );
        self.text(
            area.x,
            bottom,
            all,
            &format!("{}{across}{}", s.corners[2], s.corners[3]),
            Role::Muted,
        );
        for y in area.y + 1..bottom {
            self.text(area.x, y, 1, s.vertical, Role::Muted);
            self.text(right, y, 1, s.vertical, Role::Muted);
        }
        let title = fit(
            &format!(" {title} "),
            width(title).saturating_add(2).min(all.saturating_sub(4)),
            s.more,
        );
        self.text(area.x + 1, area.y, all - 2, &title, Role::Heading);
        Area::new(area.x + 2, area.y + 1, area.width - 4, area.height - 2)
    }

    /// Reversed video for a row. What was reversed already stands out the other way round.
    pub fn select_row(&mut self, x: u16, y: u16, columns: u16) {
        let rect = Rect::new(x, y, columns, 1).intersection(self.buf.area);
        for x in rect.left()..rect.right() {
            self.buf[(x, y)].modifier.toggle(Modifier::REVERSED);
        }
    }
}
