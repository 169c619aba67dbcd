//! The own AccountID: as text in groups, as QR code, to the clipboard.

use qrcode::{Color, EcLevel, QrCode};
use ratatui::style::{Color as Paint, Style};

use super::super::pen::Pen;
use super::super::theme::{Glyphs, Role};
use super::box_hints;
use crate::app::App;
use crate::app::add_contact::groups;
use crate::app::keymap::Context;
use crate::app::layout::{Area, BOX_MAX, centred};

/// Light modules around the code. The standard asks for four; two are read by every scanner tried and fit a small screen.
const MARGIN: i32 = 2;

pub fn draw(app: &App, copied: bool, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let area = centred(whole.width, whole.height, BOX_MAX, 24);
    let inner = pen.frame(area, "My AccountID");
    let columns = usize::from(inner.width);
    let Some(me) = &app.me else {
        pen.text(inner.x, inner.y, columns, "not known yet", Role::Muted);
        return;
    };
    let all = groups(&me.id.to_string());
    let code = if pen.theme.glyphs == Glyphs::Unicode {
        qr_code(&me.id.qr_text())
    } else {
        None
    };
    let rows = inner.height.saturating_sub(1);
    match code {
        // the text above, the code below, a word beside it
        Some(code) if rows >= code.rows() + 2 && inner.width >= code.columns() + 20 => {
            text_rows(&all, 8, inner, pen);
            code.draw(inner.x, inner.y + 2, pen);
            let left = code.columns() + 3;
            words(
                Area::new(inner.x + left, inner.y + 3, inner.width - left, rows - 3),
                WORDS,
                pen,
            );
        }
        // a small screen: the text in two columns of groups beside the code
        Some(code) if rows >= code.rows() && inner.width >= code.columns() + 11 => {
            code.draw(inner.x, inner.y, pen);
            let left = code.columns() + 2;
            let beside = Area::new(inner.x + left, inner.y, inner.width - left, rows);
            text_rows(&all, 2, beside, pen);
        }
        _ => {
            text_rows(&all, 8, inner, pen);
            let below = Area::new(inner.x, inner.y + 3, inner.width, rows.saturating_sub(3));
            words(
                below,
                &format!("{WORDS} (The QR code needs Unicode and a larger screen.)"),
                pen,
            );
        }
    }
    if copied && inner.height > 1 {
        let note = "handed to the terminal's clipboard";
        pen.line_right(
            inner.x,
            inner.y + inner.height - 1,
            columns,
            &[(note, Role::Good)],
        );
    }
    box_hints(pen, inner, Context::MyId);
}

/// What to know before giving it away.
const WORDS: &str = "Whoever has it can ask to talk to you. It says nothing about where you are. Give it away on paper or in person where \
                     you can: who sends it for you could send a false one.";

fn text_rows(all: &[String], in_row: usize, area: Area, pen: &mut Pen<'_>) {
    for (y, row) in (area.y..area.y + area.height).zip(all.chunks(in_row)) {
        pen.text(
            area.x,
            y,
            usize::from(area.width),
            &row.join(" "),
            Role::Heading,
        );
    }
}

fn words(area: Area, words: &str, pen: &mut Pen<'_>) {
    let columns = usize::from(area.width);
    for (y, line) in (area.y..area.y + area.height).zip(crate::app::wrap::wrap(words, columns)) {
        pen.text(area.x, y, columns, &line, Role::Text);
    }
}

/// A code with its margin, two modules to a cell in height.
struct Code {
    colours: Vec<Color>,
    modules: i32,
}

fn qr_code(text: &str) -> Option<Code> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
    let modules = i32::try_from(code.width()).ok()?;
    Some(Code {
        colours: code.to_colors(),
        modules,
    })
}

impl Code {
    fn columns(&self) -> u16 {
        u16::try_from(self.modules + 2 * MARGIN).unwrap_or(u16::MAX)
    }

    fn rows(&self) -> u16 {
        self.columns().div_ceil(2)
    }

    fn is_light(&self, x: u16, y: u16) -> bool {
        let (x, y) = (i32::from(x) - MARGIN, i32::from(y) - MARGIN);
        if x < 0 || y < 0 || x >= self.modules || y >= self.modules {
            return true;
        }
        let at = usize::try_from(y * self.modules + x).unwrap_or(0);
        self.colours.get(at) != Some(&Color::Dark)
    }

    /// Dark on light where colours may be used; light is the terminal's text colour otherwise.
    fn draw(&self, left: u16, top: u16, pen: &mut Pen<'_>) {
        for row in 0..self.rows() {
            for column in 0..self.columns() {
                let symbol = match (
                    self.is_light(column, row * 2),
                    self.is_light(column, row * 2 + 1),
                ) {
                    (true, true) => "█",
                    (true, false) => "▀",
                    (false, true) => "▄",
                    (false, false) => " ",
                };
                let at = (left + column, top + row);
                if pen.buf.area.contains(at.into()) {
                    let style = Style::new();
                    let style = if pen.theme.colour {
                        style.fg(Paint::White).bg(Paint::Black)
                    } else {
                        style
                    };
                    pen.buf[at].set_symbol(symbol).set_style(style);
                }
            }
        }
    }
}
