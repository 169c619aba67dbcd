//! Help: keys from the key table, the marks and their words, and what the program does not protect. Typing filters it.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{input, paragraph, scrolled};
use crate::app::field::Field;
use crate::app::keymap::{Action, Context, HelpLine, help_lines, key_of};
use crate::app::layout::{Area, BOX_MAX, centred};
use crate::app::words;
use crate::app::wrap::{fit, width, wrap};
use crate::crypto::secrecy::Secrecy;
use crate::messenger::view::Delivery;

type Line = Vec<(String, Role)>;

pub fn draw(filter: &Field, scroll: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let area = centred(
        whole.width,
        whole.height.saturating_sub(2).max(3),
        BOX_MAX,
        30,
    );
    let inner = pen.frame(area, "Help");
    if inner.height < 3 {
        return;
    }
    let columns = usize::from(inner.width);
    pen.text(inner.x, inner.y, columns, "Type to filter: ", Role::Muted);
    input(
        pen,
        inner.x + 16,
        inner.y,
        columns.saturating_sub(16),
        filter,
        false,
        true,
    );
    let lines = lines(filter.text(), columns, pen);
    let body = Area::new(inner.x, inner.y + 1, inner.width, inner.height - 1);
    if lines.is_empty() {
        pen.text(body.x, body.y, columns, "nothing of that name", Role::Muted);
    }
    scrolled(pen, body, &lines, scroll, Context::Help);
}

fn lines(filter: &str, columns: usize, pen: &Pen<'_>) -> Vec<Line> {
    let wanted = filter.trim().to_lowercase();
    let narrow = columns < 60;
    let mut out = if wanted.is_empty() {
        overview(columns)
    } else {
        Vec::new()
    };
    let mut section = |title: &str, entries: Vec<(String, Vec<Line>)>| {
        let whole = title.to_lowercase().contains(&wanted);
        let kept: Vec<Vec<Line>> = entries
            .into_iter()
            .filter(|(text, _)| whole || text.to_lowercase().contains(&wanted))
            .map(|(_, lines)| lines)
            .collect();
        if !kept.is_empty() {
            if !out.is_empty() {
                out.push(Vec::new());
            }
            out.push(vec![(title.to_owned(), Role::Heading)]);
            out.extend(kept.into_iter().flatten());
        }
    };
    section("Secrecy of each message", secrecy_lines(columns, pen));
    section("Delivery of your messages", delivery_lines(columns, pen));
    let keys = help_lines();
    for context in Context::ALL {
        let entries = keys
            .iter()
            .filter(|line| line.context == context)
            .map(|line| {
                let text = format!("{} {}", line.keys, line.help);
                (text, key_rows(line, columns, if narrow { 13 } else { 18 }))
            })
            .collect();
        section(context.title(), entries);
    }
    let limits = words::LIMITS
        .iter()
        .map(|limit| {
            (
                (*limit).to_owned(),
                paragraph(limit, columns, "  - ", Role::Text),
            )
        })
        .collect();
    section("What paratox does not protect (/why)", limits);
    out
}

/// The keys used most, side by side, with the first key each has in the table.
const MOST: [[(Context, Action, &str); 2]; 8] = {
    use Action as A;
    use Context as C;
    [
        [
            (C::Main, A::Send, "send"),
            (C::Anywhere, A::Help, "this help"),
        ],
        [
            (C::Main, A::NewLine, "new line"),
            (C::Anywhere, A::Contacts, "contacts"),
        ],
        [
            (C::Main, A::PageUp, "scroll up"),
            (C::Anywhere, A::Details, "details"),
        ],
        [
            (C::Main, A::Newest, "newest"),
            (C::Anywhere, A::Network, "network"),
        ],
        [
            (C::Main, A::SelectUp, "select"),
            (C::Anywhere, A::MyId, "my id"),
        ],
        [
            (C::Main, A::NextUnread, "next unread"),
            (C::Anywhere, A::Requests, "requests"),
        ],
        [
            (C::Main, A::Switch(1), "contacts 1-9"),
            (C::Anywhere, A::AddContact, "add"),
        ],
        [
            (C::Anywhere, A::Back, "back, close"),
            (C::Program, A::Quit, "quit"),
        ],
    ]
};

fn overview(columns: usize) -> Vec<Line> {
    let mut out = vec![vec![("Keys used most".to_owned(), Role::Heading)]];
    let left = if columns < 60 { 13 } else { 28 };
    out.extend(MOST.iter().map(|pair| {
        let mut line = vec![("  ".to_owned(), Role::Text)];
        for ((context, action, word), (key, room)) in pair.iter().zip([(10, left), (7, 10)]) {
            line.push((fit(&key_of(*context, *action), key, ""), Role::Accent));
            line.push((fit(word, room, ""), Role::Text));
        }
        line
    }));
    out
}

/// All keys of an action in a column of their own, as many rows as they need, and what it does beside them.
fn key_rows(line: &HelpLine, columns: usize, keys: usize) -> Vec<Line> {
    let left = wrap(&line.keys, keys);
    let right = wrap(line.help, columns.saturating_sub(keys + 3));
    (0..left.len().max(right.len()))
        .map(|i| {
            let key = left.get(i).map_or("", String::as_str);
            let help = right.get(i).cloned().unwrap_or_default();
            vec![
                (format!("  {} ", fit(key, keys, "")), Role::Accent),
                (help, Role::Text),
            ]
        })
        .collect()
}

fn entry(columns: usize, mark: String, role: Role, help: &str) -> (String, Vec<Line>) {
    let text = format!("{mark} {help}");
    let left = if columns < 60 { 16 } else { 22 }.max(width(&mark) + 3);
    let fill = " ".repeat(left - 2 - width(&mark));
    let mut rows = paragraph(help, columns.saturating_sub(left), "", Role::Text);
    for (i, row) in rows.iter_mut().enumerate() {
        if i == 0 {
            row.insert(0, (fill.clone(), Role::Text));
            row.insert(0, (mark.clone(), role));
            row.insert(0, ("  ".to_owned(), Role::Text));
        } else {
            row.insert(0, (" ".repeat(left), Role::Text));
        }
    }
    (text, rows)
}

fn secrecy_lines(columns: usize, pen: &Pen<'_>) -> Vec<(String, Vec<Line>)> {
    let line = |level: Secrecy, word: String, help: &str| {
        entry(
            columns,
            format!("{} {word}", pen.theme.secrecy_symbol(level)),
            pen.theme.secrecy_role(level),
            help,
        )
    };
    vec![
        line(
            Secrecy::ForwardSecret,
            words::secrecy(Secrecy::ForwardSecret),
            "forward secret: the key is gone here and, they say, there",
        ),
        line(
            Secrecy::OnceOpened,
            words::secrecy(Secrecy::OnceOpened),
            "forward secret when the other device opens it",
        ),
        line(
            Secrecy::EpochPrekey { erase_day: 0 },
            "erase due D".into(),
            "not sent yet; forward secret when a key is erased",
        ),
        line(
            Secrecy::Sealed,
            words::secrecy(Secrecy::Sealed),
            "not sent yet; NO forward secrecy, for ever",
        ),
    ]
}

fn delivery_lines(columns: usize, pen: &Pen<'_>) -> Vec<(String, Vec<Line>)> {
    [
        (Delivery::Queued, "on this disk only"),
        (Delivery::Sent, "left this computer; not acknowledged yet"),
        (Delivery::Delivered, "on the disk of the other device"),
        (Delivery::Failed, "given up; Alt+Up, then r writes it again"),
    ]
    .into_iter()
    .map(|(state, help)| {
        entry(
            columns,
            format!(
                "{} {}",
                pen.theme.delivery_symbol(state),
                words::delivery(state)
            ),
            pen.theme.delivery_role(state),
            help,
        )
    })
    .collect()
}
