//! The screens: functions from `App` to cells. They read no clock and change nothing.

mod add_contact;
mod chat;
mod compare;
mod details;
mod first_run;
mod help;
mod history;
mod lists;
mod my_id;
mod network;

use ratatui::buffer::Buffer;

use super::composer::ComposerBox;
use super::pen::{Pen, Piece};
use super::theme::{Role, Theme};
use crate::app::keymap::Action;
use crate::app::layout::{self, Area, Breadth};
use crate::app::wrap::{width, wrap};
use crate::app::{App, Overlay, Stage, keymap};

/// Draws the whole screen into `buf` and says where the next letter goes, if somewhere. Only the composer's box carries something beside
/// `App`: which of its rows were in sight last time.
pub fn draw(
    app: &App,
    composer: &mut ComposerBox,
    theme: Theme,
    buf: &mut Buffer,
) -> Option<(u16, u16)> {
    let mut pen = Pen {
        buf,
        theme,
        cursor: None,
    };
    let whole = pen.area();
    pen.clear(whole);
    if layout::too_small(whole.width, whole.height) {
        too_small(&mut pen, whole);
        return None;
    }
    match &app.stage {
        Stage::FirstRun(first) => first_run::draw(app, first, &mut pen),
        Stage::Unlock(unlock) => first_run::draw_unlock(app, unlock, &mut pen),
        Stage::Chat => match &app.overlay {
            Some(Overlay::Network { scroll }) => network::draw(app, *scroll, &mut pen),
            overlay => {
                chat::draw(app, composer, &mut pen);
                if let Some(overlay) = overlay {
                    if layout::breadth(whole.width) == Breadth::Narrow {
                        pen.clear(whole);
                    } else {
                        pen.dim();
                    }
                    pen.cursor = None;
                    boxed(app, overlay, &mut pen);
                }
            }
        },
    }
    if let Some(notice) = app.notices.shown() {
        said(app, notice, &mut pen);
    }
    pen.cursor
}

/// A notice, over whatever stands there: in the last row; a longer one in the rows that it needs, but never over what is being written.
fn said(app: &App, sentence: &str, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let columns = usize::from(whole.width);
    let mut lines = wrap(sentence, columns.saturating_sub(4));
    if let Some(rest) = lines.get(NOTICE_ROWS..).filter(|rest| !rest.is_empty()) {
        let rest = format!("{} {}", lines[NOTICE_ROWS - 1], rest.join(" "));
        lines.truncate(NOTICE_ROWS - 1);
        lines.push(rest);
    }
    let rows = u16::try_from(lines.len()).unwrap_or(1);
    let layout = app.layout();
    // the rule above the hints has room for one row more, where there is one
    let below = whole.height - layout.composer.y - layout.composer.height;
    let end = if app.composing() && rows > below {
        layout.promise.y
    } else {
        whole.height
    };
    for (i, (y, line)) in (end.saturating_sub(rows)..end).zip(&lines).enumerate() {
        let mark = if i == 0 { " ! " } else { "   " };
        pen.clear(Area::new(0, y, whole.width, 1));
        pen.line(0, y, columns, &[(mark, Role::Warn), (line, Role::Heading)]);
    }
}

/// Rows of a notice at most.
const NOTICE_ROWS: usize = 4;

fn boxed(app: &App, overlay: &Overlay, pen: &mut Pen<'_>) {
    match overlay {
        Overlay::Contacts { filter, cursor } => lists::contacts(app, filter, *cursor, pen),
        Overlay::Requests { cursor } => lists::requests(app, *cursor, pen),
        Overlay::Add(add) => add_contact::draw(add, pen),
        Overlay::Details { number, scroll } => details::draw(app, *number, *scroll, pen),
        Overlay::Compare { id, code, scroll } => {
            compare::draw(app, id, code.as_ref(), *scroll, pen)
        }
        Overlay::MyId { copied } => my_id::draw(app, *copied, pen),
        Overlay::Help { filter, scroll } => help::draw(filter, *scroll, pen),
        Overlay::Rename { id, name } => lists::rename(app, id, name, pen),
        Overlay::Sure { id, deed } => lists::sure(app, id, *deed, pen),
        Overlay::Question => lists::question(app, pen),
        Overlay::Quit { waiting } => lists::quit(app, *waiting, pen),
        Overlay::Network { .. } => {}
    }
}

fn too_small(pen: &mut Pen<'_>, whole: Area) {
    let sentence = format!(
        "Terminal too small: {}x{} needed, {}x{} now",
        layout::MIN_WIDTH,
        layout::MIN_HEIGHT,
        whole.width,
        whole.height
    );
    for (y, line) in (0..whole.height).zip(wrap(&sentence, usize::from(whole.width))) {
        pen.text(0, y, usize::from(whole.width), &line, Role::Text);
    }
}

/// `Enter send  Alt+Enter new line`, from the key table, as much as fits; the last one (how to leave) always does.
fn hint_text(contexts: &[keymap::Context], columns: usize) -> String {
    let mut hints: Vec<String> = contexts
        .iter()
        .flat_map(|c| keymap::hints(*c))
        .map(|(keys, word)| format!("{keys} {word}"))
        .collect();
    while hints.len() > 1 && hints.iter().map(|h| h.len() + 2).sum::<usize>() > columns + 2 {
        hints.remove(hints.len() - 2);
    }
    hints.join("  ")
}

/// The hint bar of a box, in its last row.
fn box_hints(pen: &mut Pen<'_>, inner: Area, context: keymap::Context) {
    box_hints_beside(pen, inner, context, "");
}

/// The same with a note at its end, which leaves it less room.
fn box_hints_beside(pen: &mut Pen<'_>, inner: Area, context: keymap::Context, note: &str) {
    if inner.height > 0 {
        let columns = usize::from(inner.width);
        let y = inner.y + inner.height - 1;
        let text = hint_text(&[context], columns.saturating_sub(width(note)));
        pen.text(inner.x, y, columns, &text, Role::Muted);
        pen.line_right(inner.x, y, columns, &[(note, Role::Heading)]);
    }
}

/// Lines of a box that scrolls: draws what fits from `scroll` on and says if there is more. The last row is left to the hints.
fn scrolled(
    pen: &mut Pen<'_>,
    inner: Area,
    lines: &[Vec<(String, Role)>],
    scroll: usize,
    context: keymap::Context,
) {
    let rows = usize::from(inner.height.saturating_sub(1));
    let scroll = scroll.min(lines.len().saturating_sub(rows));
    for (y, line) in (inner.y..).zip(lines.iter().skip(scroll).take(rows)) {
        let pieces: Vec<Piece<'_>> = line
            .iter()
            .map(|(text, role)| (text.as_str(), *role))
            .collect();
        pen.line(inner.x, y, usize::from(inner.width), &pieces);
    }
    let note = match lines.len().saturating_sub(scroll + rows) {
        0 => String::new(),
        below => format!(" {}: {below} more", keymap::key_of(context, Action::Down)),
    };
    box_hints_beside(pen, inner, context, &note);
}

/// `1 node`, `2 nodes`.
fn count(n: usize, thing: &str) -> String {
    if n == 1 {
        format!("1 {thing}")
    } else {
        format!("{n} {thing}s")
    }
}

/// A paragraph as lines of one role.
fn paragraph(text: &str, columns: usize, indent: &str, role: Role) -> Vec<Vec<(String, Role)>> {
    let room = columns.saturating_sub(indent.chars().count());
    wrap(text, room)
        .into_iter()
        .enumerate()
        .map(|(i, line)| {
            let lead = if i == 0 {
                indent.to_owned()
            } else {
                " ".repeat(indent.chars().count())
            };
            vec![(format!("{lead}{line}"), role)]
        })
        .collect()
}

/// A one-line input with its cursor shown as a reversed cell; the part around the cursor is in sight.
fn input(
    pen: &mut Pen<'_>,
    x: u16,
    y: u16,
    columns: usize,
    field: &crate::app::field::Field,
    masked: bool,
    active: bool,
) {
    use unicode_segmentation::UnicodeSegmentation;
    let mask = pen.theme.symbols().mask;
    let letters: Vec<String> = field
        .text()
        .graphemes(true)
        .map(|g| {
            if masked {
                mask.to_owned()
            } else if g == "\n" {
                " ".to_owned()
            } else {
                g.to_owned()
            }
        })
        .collect();
    let cursor = field.cursor_graphemes().min(letters.len());
    let room = columns.saturating_sub(1).max(1);
    let mut first = 0;
    let wide = |from: usize, to: usize| {
        letters[from..to]
            .iter()
            .map(|g| crate::app::wrap::grapheme_width(g))
            .sum::<usize>()
    };
    while first < cursor && wide(first, cursor) >= room {
        first += 1;
    }
    let mut last = first;
    while last < letters.len() && wide(first, last + 1) <= room {
        last += 1;
    }
    pen.text(x, y, columns, &letters[first..last].concat(), Role::Text);
    if active {
        let before = u16::try_from(wide(first, cursor.min(last))).unwrap_or(0);
        pen.select_row(x + before, y, 1);
        pen.cursor = Some((x + before, y));
    }
}
