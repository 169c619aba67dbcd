//! Boxes with contacts and requests, and the small questions about them.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{box_hints, input};
use crate::app::field::Field;
use crate::app::keymap::{Action, Context, key_of};
use crate::app::layout::{Area, BOX_MAX, centred};
use crate::app::wrap::{cut, wrap};
use crate::app::{App, Deed, add_contact, words};
use crate::crypto::id::AccountId;
use crate::messenger::view::ContactState;

/// Groups of an AccountID in a row: what fits the narrowest box.
const GROUPS_IN_ROW: usize = 8;

pub fn contacts(app: &App, filter: &Field, cursor: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let found = app.filtered(filter.text());
    let height = u16::try_from(found.len())
        .unwrap_or(u16::MAX)
        .saturating_add(8)
        .max(12);
    let area = centred(
        whole.width,
        whole.height.saturating_sub(2).max(3),
        76,
        height,
    );
    let inner = pen.frame(area, "Contacts");
    let columns = usize::from(inner.width);
    if inner.height < 5 {
        return;
    }
    pen.text(inner.x, inner.y, columns, "Find  ", Role::Muted);
    input(
        pen,
        inner.x + 6,
        inner.y,
        columns.saturating_sub(6),
        filter,
        false,
        true,
    );
    let rows = usize::from(inner.height) - 5;
    let cursor = cursor.min(found.len().saturating_sub(1));
    let first = (cursor + 1).saturating_sub(rows.max(1));
    for (y, (i, contact)) in (inner.y + 2..).zip(found.iter().enumerate().skip(first).take(rows)) {
        let mark = if i == cursor { "> " } else { "  " };
        let mut right = String::new();
        if contact.unread > 0 {
            right.push_str(&format!("{} new  ", contact.unread));
        }
        if contact.queued > 0 {
            right.push_str(&format!("{} waiting  ", contact.queued));
        }
        right.push_str(words::standing(contact, app.network_state()).short);
        pen.ends(
            inner.x,
            y,
            columns,
            &[(mark, Role::Accent), (&contact.name, Role::Text)],
            &[(&right, Role::Muted)],
        );
        if i == cursor {
            pen.select_row(inner.x, y, inner.width);
        }
    }
    if found.is_empty() {
        let words = if filter.is_empty() {
            "nobody yet: F7 adds a contact"
        } else {
            "nobody of that name"
        };
        pen.text(inner.x, inner.y + 2, columns, words, Role::Muted);
    }
    if let Some(contact) = found.get(cursor) {
        let line = match contact.state {
            ContactState::Blocked | ContactState::Declined => format!(
                "{} takes this contact back",
                key_of(Context::Contacts, Action::Accept)
            ),
            _ => {
                let policy = words::policy(contact.policy, columns < 60);
                format!("{}: {policy}", key_of(Context::Contacts, Action::Policy))
            }
        };
        pen.text(
            inner.x,
            inner.y + inner.height - 2,
            columns,
            &line,
            Role::Muted,
        );
    }
    box_hints(pen, inner, Context::Contacts);
}

pub fn requests(app: &App, cursor: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let requests = app.requests();
    let area = centred(
        whole.width,
        whole.height.saturating_sub(2).max(3),
        BOX_MAX,
        if requests.is_empty() { 8 } else { 20 },
    );
    let inner = pen.frame(area, &format!("Requests ({})", requests.len()));
    let columns = usize::from(inner.width);
    if inner.height < 6 {
        return;
    }
    let bottom = inner.y + inner.height - 1;
    if requests.is_empty() {
        let words = "Nobody asks. Whoever has your AccountID can ask to talk to you.";
        for (y, line) in (inner.y..bottom).zip(wrap(words, columns)) {
            pen.text(inner.x, y, columns, &line, Role::Muted);
        }
        let close = format!("{} close", key_of(Context::Requests, Action::Back));
        pen.text(inner.x, bottom, columns, &close, Role::Muted);
        return;
    }
    box_hints(pen, inner, Context::Requests);
    let cursor = cursor.min(requests.len() - 1);
    let rows = requests.len().min(usize::from(inner.height / 3).max(1));
    let first = (cursor + 1).saturating_sub(rows);
    for (y, (i, request)) in (inner.y..).zip(requests.iter().enumerate().skip(first).take(rows)) {
        let mark = if i == cursor { "> " } else { "  " };
        let name = if request.name.is_empty() {
            "(no name given)"
        } else {
            &request.name
        };
        let id = format!(
            "{} {}",
            add_contact::short_id(&request.id),
            pen.theme.symbols().more
        );
        pen.ends(
            inner.x,
            y,
            columns,
            &[(mark, Role::Accent), (name, Role::Text)],
            &[(&id, Role::Muted)],
        );
        if i == cursor {
            pen.select_row(inner.x, y, inner.width);
        }
    }
    let request = requests[cursor];
    let mut y = inner.y + u16::try_from(rows).unwrap_or(1) + 1;
    let mut put = |pen: &mut Pen<'_>, text: &str, role: Role| {
        for line in wrap(text, columns) {
            if y < bottom {
                pen.text(inner.x, y, columns, &line, role);
                y += 1;
            }
        }
    };
    let text = request.request_text.trim();
    put(
        pen,
        if text.is_empty() {
            "(without words)"
        } else {
            text
        },
        Role::Text,
    );
    put(pen, "", Role::Text);
    for row in add_contact::groups(&request.id.to_string()).chunks(GROUPS_IN_ROW) {
        put(pen, &row.join(" "), Role::Muted);
    }
    put(
        pen,
        "The name is what the stranger says. Compare the AccountID by voice or paper if you know this person.",
        Role::Muted,
    );
    if app
        .contacts
        .iter()
        .any(|c| c.state == ContactState::Accepted && c.name == request.name && c.id != request.id)
    {
        put(
            pen,
            "You have a contact of the same name, with another AccountID.",
            Role::Danger,
        );
    }
}

fn small(pen: &mut Pen<'_>, title: &str, lines: &[(String, Role)], context: Context) -> Area {
    let whole = pen.area();
    let area = centred(
        whole.width,
        whole.height,
        64,
        u16::try_from(lines.len()).unwrap_or(0) + 4,
    );
    let inner = pen.frame(area, title);
    for (y, (line, role)) in (inner.y..).zip(lines) {
        if y + 1 < inner.y + inner.height {
            pen.text(inner.x, y, usize::from(inner.width), line, *role);
        }
    }
    box_hints(pen, inner, context);
    inner
}

/// Columns of the text in a small box on this screen.
fn small_columns(pen: &Pen<'_>) -> usize {
    usize::from(pen.area().width.min(64)).saturating_sub(4)
}

fn wrapped(pen: &Pen<'_>, text: &str, role: Role) -> Vec<(String, Role)> {
    wrap(text, small_columns(pen))
        .into_iter()
        .map(|line| (line, role))
        .collect()
}

pub fn rename(app: &App, id: &AccountId, name: &Field, pen: &mut Pen<'_>) {
    let old = app.contact(id).map_or("", |c| c.name.as_str());
    let old = cut(old, 30, pen.theme.symbols().more);
    let mut lines = wrapped(
        pen,
        &format!("New name of {old}, only on this computer:"),
        Role::Text,
    );
    let row = u16::try_from(lines.len()).unwrap_or(0);
    lines.push((String::new(), Role::Text));
    let inner = small(pen, "Rename", &lines, Context::Rename);
    input(
        pen,
        inner.x,
        inner.y + row,
        usize::from(inner.width),
        name,
        false,
        true,
    );
}

pub fn sure(app: &App, id: &AccountId, deed: Deed, pen: &mut Pen<'_>) {
    let name = app.contact(id).map_or("this contact", |c| c.name.as_str());
    let name = &cut(name, 30, pen.theme.symbols().more);
    let (title, question, what) = match deed {
        Deed::Remove => (
            "Remove a contact",
            format!("Remove {name}?"),
            format!(
                "All messages with {name} on this computer, the session and what waits to be sent go with it. {name} is told nothing and \
                 keeps the own copies."
            ),
        ),
        Deed::Block => (
            "Block a contact",
            format!("Block {name}?"),
            format!(
                "Nothing of theirs is taken any more, and what waits to be sent is given up. The messages here stay. {name} is told nothing. \
                 {} in the contacts takes them back.",
                key_of(Context::Contacts, Action::Accept)
            ),
        ),
    };
    let mut lines = wrapped(pen, &question, Role::Heading);
    lines.extend(wrapped(pen, &what, Role::Text));
    small(pen, title, &lines, Context::Sure);
}

pub fn question(app: &App, pen: &mut Pen<'_>) {
    let Some(question) = app.questions.front() else {
        return;
    };
    let name = app
        .contact(&question.contact)
        .map_or("a contact", |c| c.name.as_str());
    let mut lines = wrapped(pen, &format!("A message to {name} waits."), Role::Heading);
    lines.extend(wrapped(pen, &question.reason, Role::Text));
    lines.push((String::new(), Role::Text));
    lines.extend(wrapped(
        pen,
        &format!("Sent now, it has NO forward secrecy, for ever: whoever records it and later gets {name}'s account key can read it."),
        Role::Warn,
    ));
    if app.questions.len() > 1 {
        lines.push((
            format!("{} more wait.", app.questions.len() - 1),
            Role::Muted,
        ));
    }
    small(
        pen,
        "Send without forward secrecy?",
        &lines,
        Context::Question,
    );
}

pub fn quit(app: &App, waiting: usize, pen: &mut Pen<'_>) {
    let mut lines = Vec::new();
    if waiting > 0 {
        let what = if waiting == 1 {
            "1 message waits: it is not delivered yet.".to_owned()
        } else {
            format!("{waiting} messages wait: they are not delivered yet.")
        };
        lines.extend(wrapped(pen, &what, Role::Heading));
        lines.extend(wrapped(
            pen,
            if app.throw_away {
                "Messages leave only while paratox runs. This is the demo: it keeps nothing, they are gone with it."
            } else {
                "Messages leave only while paratox runs. They stay saved and are tried again after the next start."
            },
            Role::Text,
        ));
    }
    let unsent = match app.unsent() {
        0 => String::new(),
        1 => "A text that you have not sent is kept nowhere: it is lost.".to_owned(),
        n => format!("{n} texts that you have not sent are kept nowhere: they are lost."),
    };
    if !unsent.is_empty() {
        lines.extend(wrapped(pen, &unsent, Role::Heading));
    }
    small(pen, "Quit?", &lines, Context::Quit);
}
