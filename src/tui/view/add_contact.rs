//! The form for a new contact, with what is wrong about the AccountID and where.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{box_hints, input};
use crate::app::add_contact::{
    AddContact, Check, GROUP, ID_BYTES, ID_CHARACTERS, REQUEST_MAX, Stop,
};
use crate::app::keymap::Context;
use crate::app::layout::{BOX_MAX, centred};
use crate::app::wrap::wrap;

/// Groups in a row of the id: eight of four fill a narrow box.
const GROUPS_IN_ROW: usize = 8;

pub fn draw(add: &AddContact, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let area = centred(whole.width, whole.height, BOX_MAX, 19);
    let inner = pen.frame(area, "Add a contact");
    let columns = usize::from(inner.width);
    let narrow = columns < 60;
    let last = inner.y + inner.height.saturating_sub(1);
    let mut y = inner.y;
    let title = if narrow {
        "AccountID (spaces and case do not matter)"
    } else {
        "Paste or type the AccountID (spaces, line breaks and case do not matter)"
    };
    pen.text(inner.x, y, columns, title, Role::Text);
    y += 1;
    y = id_rows(add, pen, inner.x, y, columns, last);
    for (line, role) in verdict(add, pen, columns) {
        if y + 5 < last {
            pen.text(inner.x, y, columns, &line, role);
            y += 1;
        }
    }
    y += 1;
    let (name, message) = if narrow {
        ("Name     ", "Message  ")
    } else {
        (
            "Name, only on this computer    ",
            "First message, if you like     ",
        )
    };
    let label = crate::app::wrap::width(if narrow { message } else { name })
        .max(crate::app::wrap::width(message));
    for (title, field, stop) in [
        (name, &add.name, Stop::Name),
        (message, &add.message, Stop::Message),
    ] {
        if y < last {
            let active = add.stop == stop;
            pen.text(
                inner.x,
                y,
                label,
                title,
                if active { Role::Heading } else { Role::Text },
            );
            // the request carries little: what is left is shown when it gets scarce
            let bytes = field.text().len();
            let counter = if stop == Stop::Message && 4 * bytes >= 3 * REQUEST_MAX {
                format!(" {bytes}/{REQUEST_MAX}")
            } else {
                String::new()
            };
            pen.line_right(inner.x, y, columns, &[(&counter, Role::Muted)]);
            input(
                pen,
                inner.x + u16::try_from(label).unwrap_or(0),
                y,
                columns.saturating_sub(label + counter.len()),
                field,
                false,
                active,
            );
            y += 1;
        }
    }
    if y + 1 < last {
        y += 1;
    }
    if y < last {
        let ready = matches!(add.check, Check::Good(_) | Check::Asking(..));
        let role = match (add.stop == Stop::Add, ready) {
            (true, _) => Role::Selection,
            (false, true) => Role::Heading,
            (false, false) => Role::Muted,
        };
        let mark = if add.stop == Stop::Add {
            "> [ Add ]"
        } else {
            "  [ Add ]"
        };
        let used = pen.text(inner.x, y, columns, mark, role);
        let note = match &add.problem {
            Some(problem) => problem.as_str(),
            None if !ready => "needs a valid AccountID",
            None if narrow => "Enter asks; nothing sent before",
            None => "Enter asks this person; nothing is sent before",
        };
        let at = inner.x + u16::try_from(used + 2).unwrap_or(0);
        pen.text(
            at,
            y,
            columns.saturating_sub(used + 2),
            note,
            if add.problem.is_some() {
                Role::Warn
            } else {
                Role::Muted
            },
        );
    }
    box_hints(pen, inner, Context::Add);
}

/// The id in groups, the marked place under it, the counter at its end.
fn id_rows(add: &AddContact, pen: &mut Pen<'_>, x: u16, y: u16, columns: usize, last: u16) -> u16 {
    let letters: Vec<char> = add.id.text().chars().collect();
    let active = add.stop == Stop::Id;
    let cursor = add.id.before_cursor().chars().count();
    let wrong = match &add.check {
        Check::Bad { position, .. } => *position,
        _ => None,
    };
    let in_row = GROUPS_IN_ROW * GROUP;
    let count = letters.len();
    // two rows for a whole id, and one more to show that there is too much
    let rows = (count.max(cursor + 1)).div_ceil(in_row).clamp(2, 3);
    let mut y = y;
    for row in 0..rows {
        if y >= last {
            return y;
        }
        let column = |i: usize| u16::try_from(2 + i + i / GROUP).unwrap_or(0);
        for (i, letter) in letters.iter().skip(row * in_row).take(in_row).enumerate() {
            let role = if wrong == Some(row * in_row + i) {
                Role::Danger
            } else {
                Role::Text
            };
            pen.text(x + column(i), y, 1, &letter.to_string(), role);
        }
        if active && cursor / in_row == row {
            let at = x + column(cursor % in_row);
            pen.select_row(at, y, 1);
            pen.cursor = Some((at, y));
        }
        let count_word = if count >= ID_BYTES {
            format!("{count} or more")
        } else {
            count.to_string()
        };
        let counter = if columns < 60 {
            format!("{count_word}/{ID_CHARACTERS}")
        } else {
            format!("{count_word} of {ID_CHARACTERS} characters")
        };
        let marked = wrong
            .filter(|at| at / in_row == row)
            .map(|at| column(at % in_row));
        if row == rows - 1 && columns >= 60 {
            pen.line_right(x, y, columns, &[(&counter, counter_role(add, count))]);
        }
        y += 1;
        if let Some(at) = marked
            && y < last
        {
            pen.text(x + at, y, 1, "^", Role::Danger);
        }
        if row == rows - 1 && columns < 60 && y < last {
            pen.line_right(x, y, columns, &[(&counter, counter_role(add, count))]);
        }
        if marked.is_some() || row == rows - 1 {
            y += 1;
        }
    }
    y
}

fn counter_role(add: &AddContact, count: usize) -> Role {
    match add.check {
        Check::Good(_) | Check::Asking(..) => Role::Good,
        _ if count > ID_CHARACTERS => Role::Warn,
        _ => Role::Muted,
    }
}

fn verdict(add: &AddContact, pen: &Pen<'_>, columns: usize) -> Vec<(String, Role)> {
    let s = pen.theme.symbols();
    let lines = |text: String, role: Role| {
        wrap(&text, columns)
            .into_iter()
            .map(move |l| (l, role))
            .collect::<Vec<_>>()
    };
    match &add.check {
        Check::Empty => lines(
            "Ask the person for it (F5 on the other screen), best by paper or in person.".into(),
            Role::Muted,
        ),
        Check::Short => lines(
            "Nothing wrong so far; the AccountID goes on.".into(),
            Role::Muted,
        ),
        Check::Own => lines(
            format!("{} This is your own AccountID.", s.wrong),
            Role::Warn,
        ),
        Check::Known(name) => lines(
            format!("{} You have this contact already: {name}.", s.wrong),
            Role::Warn,
        ),
        Check::Good(_) => lines(format!("{} A valid AccountID.", s.right), Role::Good),
        Check::Asking(_, name) => lines(
            format!(
                "{} {name} has asked to talk to you: to add is to accept.",
                s.right
            ),
            Role::Good,
        ),
        Check::Bad { reason, position } => {
            let mut out = lines(
                format!(
                    "{} Not a valid AccountID: {}.",
                    s.wrong,
                    reason.trim_end_matches('.')
                ),
                Role::Warn,
            );
            if let Some(at) = position {
                let place = format!(
                    "  The likely place is marked (group {}); compare with the original.",
                    at / GROUP + 1
                );
                out.extend(lines(place, Role::Text));
            }
            out.extend(lines(
                "  Nothing was looked up and nothing was sent.".into(),
                Role::Muted,
            ));
            out
        }
    }
}
