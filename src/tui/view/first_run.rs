//! First start and unlocking.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{box_hints, input};
use crate::app::first_run::{FirstRun, Stop, TICKETS_WANTED, Unlock, strength};
use crate::app::keymap::Context;
use crate::app::layout::{BOX_MAX, centred};
use crate::app::wrap::wrap;
use crate::app::{App, words};
use crate::wire::class::Class;

pub fn draw(app: &App, first: &FirstRun, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let area = centred(whole.width, whole.height, BOX_MAX, 22);
    let inner = pen.frame(area, "First start");
    let columns = usize::from(inner.width);
    let narrow = columns < 60;
    let roomy = inner.height >= 18 && !narrow;
    let last = inner.y + inner.height.saturating_sub(1);
    let mut y = inner.y;
    let mut say = |pen: &mut Pen<'_>, text: &str, role: Role| {
        for line in wrap(text, columns) {
            if y < last {
                pen.text(inner.x, y, columns, &line, role);
                y += 1;
            }
        }
    };
    say(
        pen,
        if narrow {
            "paratox hides whom you talk to, and when."
        } else {
            "Welcome. paratox is a chat that tries to hide whom you talk to, and when."
        },
        Role::Text,
    );
    if roomy {
        say(
            pen,
            &format!("The profile will lie in {}", app.place),
            Role::Muted,
        );
        say(pen, "", Role::Text);
    }
    say(
        pen,
        if narrow {
            "1 Passphrase for keys, history: no recovery"
        } else {
            "1 of 4  A passphrase. It encrypts keys and history; there is no recovery."
        },
        Role::Heading,
    );
    field(
        pen,
        inner.x,
        y,
        columns,
        "Passphrase",
        &first.passphrase,
        !first.revealed,
        first.stop == Stop::Passphrase,
        last,
    );
    field(
        pen,
        inner.x,
        y + 1,
        columns,
        "Again",
        &first.again,
        !first.revealed,
        first.stop == Stop::Again,
        last,
    );
    y += 2;
    if y < last {
        let (word, bits) = strength(first.passphrase.text());
        let strength = if first.passphrase.is_empty() {
            String::new()
        } else {
            if narrow {
                format!("{word}, {bits} bits")
            } else {
                format!("guessing it: {word} (about {bits} bits)")
            }
        };
        let (note, role) = match first.matching() {
            Some(false) => (
                if narrow {
                    "! no match yet"
                } else {
                    "! the two do not match yet"
                },
                Role::Warn,
            ),
            Some(true) => ("the two match", Role::Good),
            None => ("", Role::Muted),
        };
        pen.ends(
            inner.x + 2,
            y,
            columns.saturating_sub(2),
            &[(note, role)],
            &[(
                &strength,
                if word == "weak" {
                    Role::Warn
                } else {
                    Role::Muted
                },
            )],
        );
        y += 1;
    }
    let say = |pen: &mut Pen<'_>, y: &mut u16, text: &str, role: Role| {
        for line in wrap(text, columns) {
            if *y < last {
                pen.text(inner.x, *y, columns, &line, role);
                *y += 1;
            }
        }
    };
    say(
        pen,
        &mut y,
        if narrow {
            "2 Name, shown in your requests"
        } else {
            "2 of 4  Your name, as the people you ask will see it"
        },
        Role::Heading,
    );
    field(
        pen,
        inner.x,
        y,
        columns,
        "Name",
        &first.name,
        false,
        first.stop == Stop::Name,
        last,
    );
    y += 1;
    say(
        pen,
        &mut y,
        if narrow {
            "3 Traffic (Space changes)"
        } else {
            "3 of 4  Traffic, day and night, whether you write or not (Space changes it)"
        },
        Role::Heading,
    );
    for class in [Class::Normal, Class::Fast] {
        if y < last {
            let chosen = first.class == class;
            let [least, _, most] = words::class_gigabytes(class);
            let line = if narrow {
                format!(
                    "{} {:<6} {least:.1}-{most:.1} GB a day each way",
                    if chosen { "(*)" } else { "( )" },
                    class.word()
                )
            } else {
                format!(
                    "{} {}",
                    if chosen { "(*)" } else { "( )" },
                    words::class_line(class)
                )
            };
            let active = chosen && first.stop == Stop::Class;
            pen.text(
                inner.x + 2,
                y,
                columns.saturating_sub(2),
                &line,
                if active { Role::Selection } else { Role::Text },
            );
            y += 1;
        }
    }
    let entries = first.known_tickets + first.ticket_list().len();
    let title = if narrow {
        format!("4 Entry nodes: {entries} known")
    } else {
        format!("4 of 4  Entry nodes: {entries} known. Paste tickets (pxe1...) to add some.")
    };
    say(pen, &mut y, &title, Role::Heading);
    field(
        pen,
        inner.x,
        y,
        columns,
        "Tickets",
        &first.tickets,
        false,
        first.stop == Stop::Tickets,
        last,
    );
    y += 1;
    let few = match (entries, narrow) {
        (0, true) => "  without one you stay offline",
        (0, false) => "  Without one you stay offline. Later: start paratox with --entry TICKET.",
        (1..TICKETS_WANTED, true) => "  better three, of different people",
        (1..TICKETS_WANTED, false) => {
            "  Better three, of different people: this version does not cross-check them."
        }
        _ => "",
    };
    if !few.is_empty() {
        say(pen, &mut y, few, Role::Warn);
    }
    if roomy && y + 1 < last {
        y += 1;
    }
    if y < last {
        let active = first.stop == Stop::Start;
        let used = pen.text(
            inner.x,
            y,
            columns,
            if active { "> [ Start ]" } else { "  [ Start ]" },
            if active {
                Role::Selection
            } else {
                Role::Heading
            },
        );
        let at = inner.x + u16::try_from(used + 2).unwrap_or(0);
        let (note, role) = match (&first.problem, first.working) {
            (Some(problem), _) => (problem.as_str(), Role::Warn),
            (None, true) => ("making the keys, a moment", Role::Accent),
            (None, false) => (
                if narrow {
                    "nothing is sent before"
                } else {
                    "Your AccountID is made then. Nothing is sent before."
                },
                Role::Muted,
            ),
        };
        let room = columns.saturating_sub(used + 2);
        for (y, line) in (y..last).zip(wrap(note, room)) {
            pen.text(at, y, room, &line, role);
        }
    }
    box_hints(pen, inner, Context::FirstRun);
}

#[allow(clippy::too_many_arguments)]
fn field(
    pen: &mut Pen<'_>,
    x: u16,
    y: u16,
    columns: usize,
    label: &str,
    field: &crate::app::field::Field,
    masked: bool,
    active: bool,
    last: u16,
) {
    if y < last {
        let mark = if active { "> " } else { "  " };
        pen.line(
            x,
            y,
            14,
            &[
                (mark, Role::Accent),
                (label, if active { Role::Heading } else { Role::Text }),
            ],
        );
        input(
            pen,
            x + 14,
            y,
            columns.saturating_sub(14),
            field,
            masked,
            active,
        );
    }
}

pub fn draw_unlock(app: &App, unlock: &Unlock, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let area = centred(whole.width, whole.height, 70, 9);
    let inner = pen.frame(area, &format!("Unlock {}", app.place));
    let columns = usize::from(inner.width);
    pen.text(inner.x, inner.y + 1, columns, "Passphrase", Role::Text);
    input(
        pen,
        inner.x + 12,
        inner.y + 1,
        columns.saturating_sub(12),
        &unlock.passphrase,
        !unlock.revealed,
        !unlock.working,
    );
    let (note, role) = match (&unlock.problem, unlock.working) {
        (Some(problem), _) => (format!("! {problem}"), Role::Warn),
        (None, true) => ("opening, a moment".to_owned(), Role::Accent),
        (None, false) => (String::new(), Role::Muted),
    };
    for (y, line) in
        (inner.y + 3..(inner.y + inner.height).saturating_sub(1)).zip(wrap(&note, columns))
    {
        pen.text(inner.x, y, columns, &line, role);
    }
    box_hints(pen, inner, Context::Unlock);
}
