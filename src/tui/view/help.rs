//! Help: keys from the key table, the marks and their words, and what the program does not protect. Typing filters it.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{box_hints, input, paragraph, scrolled};
use crate::app::field::Field;
use crate::app::keymap::{Context, help_lines};
use crate::app::layout::{Area, BOX_MAX, centred};
use crate::app::words;
use crate::app::wrap::{fit, width};
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
    box_hints(pen, inner, Context::Help);
    let body = Area::new(inner.x, inner.y + 1, inner.width, inner.height - 1);
    if lines.is_empty() {
        pen.text(body.x, body.y, columns, "nothing of that name", Role::Muted);
    }
    scrolled(pen, body, &lines, scroll);
}

fn lines(filter: &str, columns: usize, pen: &Pen<'_>) -> Vec<Line> {
    let wanted = filter.trim().to_lowercase();
    let mut out = Vec::new();
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
                let left = fit(&line.keys, 18, pen.theme.symbols().more);
                let text = format!("{} {}", line.keys, line.help);
                let mut rows = paragraph(line.help, columns.saturating_sub(21), "", Role::Text);
                for (i, row) in rows.iter_mut().enumerate() {
                    let lead = if i == 0 {
                        format!("  {left} ")
                    } else {
                        " ".repeat(21)
                    };
                    row.insert(0, (lead, Role::Accent));
                }
                (text, rows)
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

fn entry(columns: usize, mark: String, role: Role, help: &str) -> (String, Vec<Line>) {
    let text = format!("{mark} {help}");
    let left = 22.max(width(&mark) + 3);
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
            "forward secret: the keys are erased on both devices",
        ),
        line(
            Secrecy::OnceOpened,
            words::secrecy(Secrecy::OnceOpened),
            "becomes forward secret when the other device opens it",
        ),
        line(
            Secrecy::EpochPrekey { erase_day: 0 },
            "erase due D".into(),
            "forward secret once the other device has erased its key, on day D or later",
        ),
        line(
            Secrecy::Sealed,
            words::secrecy(Secrecy::Sealed),
            "NO forward secrecy, for ever: sealed to the account key",
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
