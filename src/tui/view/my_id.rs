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
    let text = me.id.to_string();
    let all = groups(&text);
    let mut y = inner.y;
    for row in all.chunks(8) {
        pen.text(inner.x, y, columns, &row.join(" "), Role::Heading);
        y += 1;
    }
    let room = Area::new(
        inner.x,
        y,
        inner.width,
        (inner.y + inner.height).saturating_sub(y + 1),
    );
    let drawn = if pen.theme.glyphs == Glyphs::Unicode {
        qr(&me.id.qr_text(), room, pen)
    } else {
        0
    };
    let beside = inner.x + drawn + if drawn > 0 { 3 } else { 0 };
    let words = if drawn > 0 && columns < 60 {
        String::new()
    } else if drawn > 0 {
        "Whoever has it can ask to talk to you. It says nothing about where you are. Give it away on paper or in person where you can: who \
         sends it to you first could send a false one."
            .to_owned()
    } else {
        "Whoever has it can ask to talk to you. It says nothing about where you are. (The QR code needs Unicode and 18 rows.)".to_owned()
    };
    let wide = columns.saturating_sub(usize::from(beside - inner.x));
    for (row, line) in (room.y + 1..room.y + room.height).zip(crate::app::wrap::wrap(&words, wide))
    {
        pen.text(beside, row, wide, &line, Role::Text);
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

/// Draws the code in half blocks, two modules to a cell, dark on light where colours may be used. Gives its width, 0 if there
/// is no room.
fn qr(text: &str, room: Area, pen: &mut Pen<'_>) -> u16 {
    let Ok(code) = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L) else {
        return 0;
    };
    let modules = i32::try_from(code.width()).unwrap_or(0);
    let side = modules + 2 * MARGIN;
    let (columns, rows) = (
        u16::try_from(side).unwrap_or(u16::MAX),
        u16::try_from((side + 1) / 2).unwrap_or(u16::MAX),
    );
    if room.width < columns || room.height < rows {
        return 0;
    }
    let colours = code.to_colors();
    let light = |x: i32, y: i32| {
        let (x, y) = (x - MARGIN, y - MARGIN);
        if x < 0 || y < 0 || x >= modules || y >= modules {
            return true;
        }
        let at = usize::try_from(y * modules + x).unwrap_or(0);
        colours.get(at) != Some(&Color::Dark)
    };
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = (i32::from(column), i32::from(row) * 2);
            let symbol = match (light(x, y), light(x, y + 1)) {
                (true, true) => "█",
                (true, false) => "▀",
                (false, true) => "▄",
                (false, false) => " ",
            };
            let at = (room.x + column, room.y + row);
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
    columns
}
