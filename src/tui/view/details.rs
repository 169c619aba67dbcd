//! What protects one message, why, what that means and what it does not.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{paragraph, scrolled};
use crate::app::keymap::Context;
use crate::app::layout::{BOX_MAX, centred};
use crate::app::wrap::{cut, wrap};
use crate::app::{App, clock, explain, words};

/// Columns of a name inside the sentences: they name it several times.
const NAME_COLUMNS: usize = 24;

pub fn draw(app: &App, number: u64, scroll: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let Some(message) = app.conversation().and_then(|c| c.message(number)) else {
        return;
    };
    let contact = app
        .contact(&message.contact)
        .map_or("the contact", |c| c.name.as_str());
    let contact = &cut(contact, NAME_COLUMNS, pen.theme.symbols().more);
    let columns = usize::from(whole.width.min(BOX_MAX)).saturating_sub(4);
    let (symbol, role) = (
        pen.theme.secrecy_symbol(message.secrecy),
        pen.theme.secrecy_role(message.secrecy),
    );
    let role = if role == Role::Muted {
        Role::Good
    } else {
        role
    };
    let quoted = message.text.replace('\n', " ");
    let quoted = cut(&quoted, columns.saturating_sub(9), pen.theme.symbols().more);
    let mut lines = vec![vec![
        ("Text     ".to_owned(), Role::Muted),
        (quoted, Role::Text),
    ]];
    let headline = format!("{symbol} {}", words::secrecy_headline(message.secrecy));
    for (i, line) in wrap(&headline, columns.saturating_sub(9))
        .into_iter()
        .enumerate()
    {
        let label = if i == 0 { "Secrecy  " } else { "         " };
        lines.push(vec![(label.to_owned(), Role::Muted), (line, role)]);
    }
    for section in explain::explain(message, contact, &app.zone) {
        let delivery = section.title == explain::DELIVERY;
        lines.push(Vec::new());
        if delivery && message.mine {
            let state = message.delivery;
            let word = format!(
                "{} {}",
                pen.theme.delivery_symbol(state),
                words::delivery(state)
            );
            lines.push(vec![
                ("Delivery  ".to_owned(), Role::Heading),
                (word, pen.theme.delivery_role(state)),
            ]);
        } else {
            lines.push(vec![(section.title.to_owned(), Role::Heading)]);
        }
        let several = section.points.len() > 1;
        for point in &section.points {
            lines.extend(paragraph(
                point,
                columns,
                if several { "- " } else { "  " },
                Role::Text,
            ));
        }
    }
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(3);
    let area = centred(whole.width, whole.height, BOX_MAX, height);
    let time = clock::minute(message.time, &app.zone);
    let way = if message.mine {
        format!("you to {contact}")
    } else {
        format!("{contact} to you")
    };
    let inner = pen.frame(area, &format!("Message details  {time}  {way}"));
    scrolled(pen, inner, &lines, scroll, Context::Details);
}
