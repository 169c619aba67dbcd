//! The conversation: rules, marks and texts, row by row.

use super::super::pen::{Pen, Piece};
use super::super::theme::Role;
use crate::app::conversation::Row;
use crate::app::keymap::{Action, Context, key_of};
use crate::app::layout::{Area, Breadth, MainLayout};
use crate::app::words::Network;
use crate::app::wrap::{fit, width, wrap};
use crate::app::{App, Columns, clock, words};
use crate::messenger::view::{ContactState, MessageView};

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
        empty(app, conversation.loaded, area, pen);
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

/// A conversation without messages says why nothing is there, and what it waits for.
fn empty(app: &App, loaded: bool, area: Area, pen: &mut Pen<'_>) {
    let mut sentences = Vec::new();
    if app.throw_away {
        sentences.push(DEMO.to_owned());
    }
    match app.current_contact() {
        Some(contact) => {
            let standing = words::standing(contact, app.network_state()).long;
            sentences.push(format!("Now: {standing}."));
            if contact.state == ContactState::Accepted && !contact.session {
                sentences.push("What you write meanwhile is kept and sent by itself.".to_owned());
            }
        }
        None if loaded => sentences.push("No messages yet.".to_owned()),
        None => sentences.push("Loading.".to_owned()),
    }
    let room = usize::from(area.width)
        .saturating_sub(3)
        .min(usize::from(crate::app::layout::BODY_MAX));
    let lines = sentences
        .iter()
        .flat_map(|sentence| wrap(sentence, room).into_iter().chain([String::new()]));
    for (y, line) in (area.y + 1..area.y + area.height).zip(lines) {
        pen.text(area.x + 2, y, room, &line, Role::Text);
    }
}

/// What somebody sees who has just started the demo.
const DEMO: &str = "This is the demo: a whole network of nodes inside this program, on sockets of this computer. Echo repeats what you write. \
                    Watcher tells what somebody sees who watches your socket. Nothing is kept when you quit.";

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
    let time = if message.damaged {
        " --:-- ".to_owned()
    } else {
        format!(" {} ", clock::minute(message.time, &app.zone))
    };
    let name = format!("{} ", fit(name, columns.name, more));
    let secrecy = format!(
        "{} {}",
        pen.theme.secrecy_symbol(message.secrecy),
        words::secrecy(message.secrecy)
    );
    let fill = " ".repeat((columns.secrecy + 1).saturating_sub(width(&secrecy)));
    let delivery = match (message.mine, delivery_word) {
        _ if message.damaged => String::new(),
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
    let key = |context, action, word: &str| format!("{:<7}{word}", key_of(context, action));
    let mut lines = vec!["No conversation is open.".to_owned(), String::new()];
    let any = Context::Anywhere;
    match app.requests().len() {
        0 => {}
        1 => lines.push(key(any, Action::Requests, "somebody asks to talk to you")),
        n => lines.push(key(
            any,
            Action::Requests,
            &format!("{n} people ask to talk to you"),
        )),
    }
    match app.unread() {
        0 => {}
        1 => lines.push(key(Context::Main, Action::NextUnread, "a new message")),
        n => lines.push(key(
            Context::Main,
            Action::NextUnread,
            &format!("{n} new messages"),
        )),
    }
    lines.extend([
        key(
            any,
            Action::AddContact,
            "add a contact by pasting an AccountID",
        ),
        key(any, Action::MyId, "show my AccountID, to give to others"),
        key(any, Action::Contacts, "open a contact"),
        key(any, Action::Help, "help"),
        String::new(),
    ]);
    let alone = app.entries.as_ref().is_some_and(Vec::is_empty);
    let state = match app.network_state() {
        Network::Online => "",
        Network::Joining => "Joining the network: what you write waits until it is there.",
        Network::Starting => "The own node is starting.",
        Network::Offline if alone => {
            "No entry node is known, so there will be no network: quit and start paratox with --entry TICKET."
        }
        Network::Offline => {
            "There is no network now. History, contacts and writing work; messages wait on this disk."
        }
    };
    let room = usize::from(area.width).saturating_sub(3);
    let all = lines.into_iter().chain(wrap(state, room));
    for (y, line) in (area.y + 1..area.y + area.height).zip(all) {
        pen.text(area.x + 2, y, room, &line, Role::Text);
    }
}
