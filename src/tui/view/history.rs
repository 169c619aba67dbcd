//! The conversation: rules, marks and texts, row by row.

use super::super::pen::{Pen, Piece};
use super::super::theme::Role;
use crate::app::conversation::Row;
use crate::app::keymap::{Action, Context, key_of};
use crate::app::layout::{Area, Breadth, MainLayout};
use crate::app::wrap::{fit, width};
use crate::app::{App, Columns, clock, words};
use crate::messenger::view::MessageView;

pub fn draw(app: &App, l: &MainLayout, pen: &mut Pen<'_>) {
    let area = l.history;
    let Some(conversation) = app.conversation() else {
        welcome(app, area, pen);
        return;
    };
    let rows = app.rows();
    let columns = app.columns();
    let selected = conversation.selected;
    for (y, row) in (area.y..area.y + area.height).zip(&rows) {
        let chosen = row.number().is_some() && row.number() == selected;
        match row {
            Row::Day(day) => {
                pen.titled_rule(area.x + 1, y, pane_text(area), day, true, Role::Muted)
            }
            Row::Unread(count) => pen.titled_rule(
                area.x + 1,
                y,
                pane_text(area),
                &format!("{count} new"),
                false,
                Role::Accent,
            ),
            Row::Gap(count) => {
                let words = format!(
                    "{count} message{} missing here",
                    if *count == 1 { " is" } else { "s are" }
                );
                pen.titled_rule(area.x + 1, y, pane_text(area), &words, false, Role::Warn);
            }
            Row::Marks { number } => {
                if let Some(message) = conversation.message(*number) {
                    marks(
                        app,
                        message,
                        area.x,
                        y,
                        usize::from(area.width),
                        columns,
                        true,
                        pen,
                    );
                }
            }
            Row::First { number, line } => {
                let body = if l.breadth == Breadth::Narrow {
                    2
                } else {
                    if let Some(message) = conversation.message(*number) {
                        marks(
                            app,
                            message,
                            area.x,
                            y,
                            columns.before_text(),
                            columns,
                            l.breadth == Breadth::Wide,
                            pen,
                        );
                    }
                    columns.before_text()
                };
                body_line(area, y, body, line, pen);
            }
            Row::More { line, .. } => {
                let body = if l.breadth == Breadth::Narrow {
                    2
                } else {
                    columns.before_text()
                };
                body_line(area, y, body, line, pen);
            }
        }
        if chosen {
            let first = matches!(row, Row::Marks { .. })
                || (l.breadth != Breadth::Narrow && matches!(row, Row::First { .. }));
            if first {
                pen.text(area.x, y, 1, ">", Role::Accent);
            }
            pen.select_row(area.x, y, area.width);
        }
    }
    if conversation.messages().is_empty() {
        let words = if conversation.loaded {
            "no messages yet"
        } else {
            "loading"
        };
        pen.text(
            area.x + 1,
            area.y,
            usize::from(area.width).saturating_sub(1),
            words,
            Role::Muted,
        );
    }
    if !conversation.at_newest() && area.height > 0 {
        let words = match conversation.below {
            0 => "End: to the newest".to_owned(),
            n => format!("{n} new below, End to jump"),
        };
        let y = area.y + area.height - 1;
        let role = if conversation.below > 0 {
            Role::Accent
        } else {
            Role::Muted
        };
        pen.text(
            area.x + 1,
            y,
            usize::from(area.width).saturating_sub(2),
            &words,
            role,
        );
    }
}

/// Columns of rules in the history pane: as wide as text gets.
fn pane_text(area: Area) -> u16 {
    area.width.saturating_sub(2).min(130)
}

fn body_line(area: Area, y: u16, left: usize, line: &str, pen: &mut Pen<'_>) {
    let x = area.x + u16::try_from(left).unwrap_or(0);
    pen.text(
        x,
        y,
        usize::from(area.width).saturating_sub(left),
        line,
        Role::Text,
    );
}

/// Time, name, secrecy and delivery: always a symbol, always the secrecy's word; delivery's word where there is room for it, and always
/// when something went wrong.
#[allow(clippy::too_many_arguments)]
fn marks(
    app: &App,
    message: &MessageView,
    x: u16,
    y: u16,
    room: usize,
    columns: Columns,
    delivery_word: bool,
    pen: &mut Pen<'_>,
) {
    let more = pen.theme.symbols().more;
    let name = if message.mine {
        "you"
    } else {
        app.contact(&message.contact)
            .map_or("?", |c| c.name.as_str())
    };
    let time = format!(" {} ", clock::minute(message.time, &app.zone));
    let name = format!("{} ", fit(name, columns.name, more));
    let secrecy = format!(
        "{} {}",
        pen.theme.secrecy_symbol(message.secrecy),
        words::secrecy(message.secrecy)
    );
    let fill = " ".repeat((columns.secrecy + 1).saturating_sub(width(&secrecy)));
    let delivery = match (message.mine, delivery_word) {
        (false, _) => String::new(),
        (true, true) => format!(
            "{} {}",
            pen.theme.delivery_symbol(message.delivery),
            words::delivery(message.delivery)
        ),
        (true, false) => pen.theme.delivery_symbol(message.delivery).to_owned(),
    };
    let name_role = if message.mine {
        Role::Muted
    } else {
        Role::Text
    };
    let pieces: [Piece<'_>; 5] = [
        (&time, Role::Muted),
        (&name, name_role),
        (&secrecy, pen.theme.secrecy_role(message.secrecy)),
        (&fill, Role::Text),
        (&delivery, pen.theme.delivery_role(message.delivery)),
    ];
    pen.line(x, y, room, &pieces);
}

fn welcome(app: &App, area: Area, pen: &mut Pen<'_>) {
    let key = |action, word: &str| format!("{:<4}{word}", key_of(Context::Anywhere, action));
    let lines = [
        "No conversation is open.".to_owned(),
        String::new(),
        key(Action::AddContact, "add a contact by pasting an AccountID"),
        key(Action::MyId, "show my AccountID, to give to others"),
        key(Action::Contacts, "open a contact"),
        key(Action::Help, "help"),
    ];
    let offline =
        "There is no network now. History, contacts and writing work; messages wait on this disk.";
    let alone = "No entry node is known, so there will be no network: quit and start paratox with --entry TICKET.";
    let joining = "Joining the network: what you write waits until it is there.";
    let state = if app.network.online {
        ""
    } else if !app.network.links.is_empty() {
        joining
    } else if app.entries.as_ref().is_some_and(Vec::is_empty) {
        alone
    } else {
        offline
    };
    let room = usize::from(area.width).saturating_sub(3);
    let all = lines
        .into_iter()
        .chain(std::iter::once(String::new()))
        .chain(crate::app::wrap::wrap(state, room));
    for (y, line) in (area.y + 1..area.y + area.height).zip(all) {
        pen.text(area.x + 2, y, room, &line, Role::Text);
    }
}
