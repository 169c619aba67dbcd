//! The main screen: header, contacts, composer, hints. Its middle is drawn by `history`.

use ratatui::layout::Rect;

use super::super::composer::ComposerBox;
use super::super::pen::Pen;
use super::super::theme::Role;
use super::{count, hint_text, history};
use crate::app::composer::MESSAGE_MAX;
use crate::app::keymap::{Action, Context, key_of};
use crate::app::layout::{Area, Breadth, MainLayout};
use crate::app::wrap::{fit, width};
use crate::app::{App, add_contact, clock, words};
use crate::messenger::view::{ContactState, ContactView};
use crate::wire::size::TEXT;

pub fn draw(app: &App, composer: &mut ComposerBox, pen: &mut Pen<'_>) {
    let l = app.layout();
    header(app, &l, pen);
    pen.rule(0, 1, l.header.width);
    if let Some(area) = l.contacts {
        contacts(app, area, l.breadth, pen);
        frame(&l, area, pen);
    } else {
        pen.rule(0, l.promise.y.saturating_sub(1), l.header.width);
    }
    if let Some(area) = l.contact_line {
        contact_line(app, area, l.breadth, pen);
    }
    history::draw(app, &l, pen);
    promise(app, &l, pen);
    let input = l.composer;
    for row in 0..input.height {
        pen.text(
            input.x,
            input.y + row,
            2,
            if row == 0 { " >" } else { "  " },
            Role::Accent,
        );
    }
    composer.follow(&app.composer);
    let rect = Rect::new(
        input.x + 3,
        input.y,
        input.width.saturating_sub(4),
        input.height,
    );
    pen.cursor = composer.draw(rect, pen.buf);
    if pen.theme.ascii_only {
        ascii_only(pen, rect);
    }
    hints(app, &l, pen);
}

fn ascii_only(pen: &mut Pen<'_>, rect: Rect) {
    let rect = rect.intersection(pen.buf.area);
    for y in rect.top()..rect.bottom() {
        for x in rect.left()..rect.right() {
            let cell = &mut pen.buf[(x, y)];
            if !cell.symbol().is_ascii() {
                cell.set_symbol("?");
            }
        }
    }
}

fn header(app: &App, l: &MainLayout, pen: &mut Pen<'_>) {
    let columns = usize::from(l.header.width);
    let network = app.network_state().word();
    let role = if app.network.online {
        Role::Good
    } else {
        Role::Warn
    };
    let time = clock::minute(app.now.unix, &app.zone);
    if l.breadth == Breadth::Narrow {
        let name = app.current_contact().map_or("paratox", |c| c.name.as_str());
        let elsewhere = match (app.unread_elsewhere(), app.requests().len()) {
            (0, 0) => String::new(),
            (0, n) => format!("  requests {n}: F6"),
            (n, _) => format!("  {n} new elsewhere"),
        };
        pen.ends(
            0,
            0,
            columns,
            &[(name, Role::Heading)],
            &[
                (network, role),
                (&elsewhere, Role::Accent),
                (" ", Role::Text),
            ],
        );
        return;
    }
    let wide = l.breadth == Breadth::Wide;
    let gap = if wide { "   " } else { "  " };
    let me = app.me.as_ref().map_or("", |me| me.name.as_str());
    let links = app
        .network
        .links
        .iter()
        .filter(|link| link.state == "up" && link.purpose != "spur")
        .count();
    let circuits = app
        .network
        .circuits
        .iter()
        .filter(|c| c.state == "ready")
        .count();
    let links = format!("{gap}links {links}");
    let circuits = format!("{gap}circuits {circuits}");
    let chaff = if wide {
        format!("{gap}chaff {:.1} cells/s", app.network.rate)
    } else {
        format!("{gap}chaff {:.0}/s", app.network.rate)
    };
    let unread = match app.unread() {
        0 => String::new(),
        n => format!("{gap}{n} new"),
    };
    let time = format!("{gap}{time} ");
    pen.ends(
        0,
        0,
        columns,
        &[
            ("paratox", Role::Heading),
            (gap, Role::Text),
            (me, Role::Text),
        ],
        &[
            (network, role),
            (&links, Role::Muted),
            (&circuits, Role::Muted),
            (&chaff, Role::Muted),
            (&unread, Role::Accent),
            (&time, Role::Text),
        ],
    );
}

/// The lines between the panes.
fn frame(l: &MainLayout, contacts: Area, pen: &mut Pen<'_>) {
    let s = pen.theme.symbols();
    let x = contacts.x + contacts.width;
    for y in contacts.y..contacts.y + contacts.height {
        pen.text(x, y, 1, s.vertical, Role::Muted);
    }
    let below = l.promise.y.saturating_sub(1);
    pen.rule(0, below, l.header.width);
    pen.rule(0, l.hints.y.saturating_sub(1), l.header.width);
    pen.text(x, 1, 1, s.tee_down, Role::Muted);
    pen.text(x, below, 1, s.tee_up, Role::Muted);
    pen.rule(x + 1, 3, l.header.width.saturating_sub(x + 1));
}

/// What a contact's row says at its end.
fn contact_note(contact: &ContactView, breadth: Breadth) -> (String, Role) {
    let wide = breadth == Breadth::Wide;
    match (contact.state, contact.unread) {
        (ContactState::Asked, _) => ("asked".into(), Role::Muted),
        (_, n) if n > 0 && wide => (format!("{n} new"), Role::Accent),
        (_, n) if n > 0 => (n.to_string(), Role::Accent),
        _ if contact.queued > 0 && !contact.reachable => {
            (format!("{} waiting", contact.queued), Role::Muted)
        }
        _ if !contact.session && wide => ("no session".into(), Role::Muted),
        _ if !contact.session => ("not yet".into(), Role::Muted),
        // no way open means nothing while nothing waits: a way is made when it is needed
        _ => (String::new(), Role::Muted),
    }
}

fn contacts(app: &App, area: Area, breadth: Breadth, pen: &mut Pen<'_>) {
    let columns = usize::from(area.width);
    let bottom = area.y + area.height;
    pen.ends(
        area.x,
        area.y,
        columns,
        &[("Contacts", Role::Heading)],
        &[("F2 ", Role::Muted)],
    );
    let requests = app.requests();
    let mine = app.me.as_ref().filter(|_| area.height >= 12);
    let below = if requests.is_empty() {
        0
    } else {
        2 + requests.len().min(3)
    } + if mine.is_some() { 3 } else { 0 };
    let top = area.y + 2;
    let rows = usize::from(bottom.saturating_sub(top))
        .saturating_sub(below)
        .max(1);
    let listed: Vec<&ContactView> = app.listed().collect();
    let at = listed
        .iter()
        .position(|c| Some(c.id) == app.current)
        .unwrap_or(0);
    let first = (at + 1).saturating_sub(rows);
    let mut y = top;
    for contact in listed.iter().skip(first).take(rows) {
        let open = Some(contact.id) == app.current;
        let (note, role) = contact_note(contact, breadth);
        let (mark, name) = if open {
            ("> ", Role::Heading)
        } else {
            ("  ", Role::Text)
        };
        pen.ends(
            area.x,
            y,
            columns,
            &[(mark, Role::Accent), (&contact.name, name)],
            &[(&note, role), (" ", Role::Text)],
        );
        if open {
            pen.select_row(area.x, y, area.width);
        }
        y += 1;
    }
    if listed.is_empty() {
        pen.text(area.x, y, columns, "  F7 adds one", Role::Muted);
        y += 1;
    }
    if listed.len() > first + rows {
        let more = format!("  {} more: F2", listed.len() - first - rows);
        pen.text(
            area.x,
            y.saturating_sub(1),
            columns,
            &fit(&more, columns, ""),
            Role::Muted,
        );
    }
    if !requests.is_empty() && y + 1 < bottom {
        y += 1;
        let title = format!("Requests ({})", requests.len());
        pen.ends(
            area.x,
            y,
            columns,
            &[(&title, Role::Accent)],
            &[("F6 ", Role::Muted)],
        );
        for request in requests.iter().take(3) {
            y += 1;
            if y < bottom {
                let name = if request.name.is_empty() {
                    add_contact::short_id(&request.id)
                } else {
                    request.name.clone()
                };
                pen.line(
                    area.x,
                    y,
                    columns,
                    &[("  ", Role::Text), (&name, Role::Text)],
                );
            }
        }
    }
    if let Some(me) = mine
        && y + 3 < bottom
    {
        pen.ends(
            area.x,
            bottom - 2,
            columns,
            &[("My AccountID", Role::Heading)],
            &[("F5 ", Role::Muted)],
        );
        let text = me.id.to_string();
        let groups = add_contact::groups(&text);
        let shown = if breadth == Breadth::Wide { 4 } else { 2 };
        let line = format!(
            "  {} {}",
            groups[..shown.min(groups.len())].join(" "),
            pen.theme.symbols().more
        );
        pen.text(area.x, bottom - 1, columns, &line, Role::Muted);
    }
}

fn contact_line(app: &App, area: Area, breadth: Breadth, pen: &mut Pen<'_>) {
    let columns = usize::from(area.width).saturating_sub(2);
    let Some(contact) = app.current_contact() else {
        pen.text(
            area.x + 1,
            area.y,
            columns,
            "no conversation open",
            Role::Muted,
        );
        return;
    };
    let standing = words::standing(contact, app.network_state());
    let mut right = if breadth == Breadth::Wide {
        standing.long.to_owned()
    } else {
        standing.short.to_owned()
    };
    // how far the own circuits are from the two ends, where there is room to say it
    let hops = hops(app).filter(|_| breadth == Breadth::Wide);
    if let Some(hops) =
        hops.filter(|hops| width(&contact.name) + width(&right) + hops.len() + 6 <= columns)
    {
        right = format!("{right}   {hops}");
    }
    pen.ends(
        area.x + 1,
        area.y,
        columns,
        &[(&contact.name, Role::Heading)],
        &[(&right, Role::Muted)],
    );
}

/// `3 hops out, 3 hops in`: the own circuits by which messages leave and come.
fn hops(app: &App) -> Option<String> {
    let of = |role| {
        let circuits = app.network.circuits.iter();
        circuits
            .filter(|c| c.role == role && c.state == "ready")
            .map(|c| usize::from(c.hops))
            .max()
    };
    let (out, inward) = (of("outbound")?, of("inbound")?);
    Some(format!(
        "{} out, {} in",
        count(out, "hop"),
        count(inward, "hop")
    ))
}

fn promise(app: &App, l: &MainLayout, pen: &mut Pen<'_>) {
    let columns = usize::from(l.promise.width).saturating_sub(1);
    let y = l.promise.y;
    let x = l.promise.x;
    let bytes = app.composer.text().len();
    let parcels = bytes.div_ceil(TEXT);
    let counter = if app.being_saved() > 0 {
        (format!("{} being saved", app.being_saved()), Role::Warn)
    } else if bytes > MESSAGE_MAX {
        (
            format!("too long: {bytes} of {MESSAGE_MAX} bytes"),
            Role::Danger,
        )
    } else if parcels > 1 {
        (
            format!("{parcels} parcels, {bytes} of {MESSAGE_MAX} bytes"),
            Role::Muted,
        )
    } else {
        match app
            .newest_delivery()
            .filter(|_| l.breadth == Breadth::Middle)
        {
            Some(d) => (
                format!(
                    "last: {} {}",
                    pen.theme.delivery_symbol(d),
                    words::delivery(d)
                ),
                pen.theme.delivery_role(d),
            ),
            None => (String::new(), Role::Muted),
        }
    };
    let right = [(counter.0.as_str(), counter.1)];
    let Some(contact) = app.current_contact() else {
        pen.ends(
            x,
            y,
            columns,
            &[(" No contact chosen", Role::Muted)],
            &right,
        );
        return;
    };
    let promise = words::promise(contact);
    let (symbol, role) = match promise.level {
        Some(level) => (
            format!("{} ", pen.theme.secrecy_symbol(level)),
            pen.theme.secrecy_role(level),
        ),
        None => (String::new(), Role::Warn),
    };
    let text = match l.breadth {
        Breadth::Wide => promise.text.to_owned(),
        Breadth::Middle => promise.short.to_owned(),
        Breadth::Narrow => words::promise_and_standing(contact, app.network_state()),
    };
    // a promise is no warning: its symbol has the weight of the mark it speaks of, the words are plain
    let words_role = match promise.level {
        Some(_) => Role::Text,
        None => Role::Warn,
    };
    let name = crate::app::wrap::cut(
        &contact.name,
        if l.breadth == Breadth::Narrow { 14 } else { 30 },
        pen.theme.symbols().more,
    );
    let to = format!(" To {name}  ");
    pen.ends(
        x,
        y,
        columns,
        &[(&to, Role::Text), (&symbol, role), (&text, words_role)],
        &right,
    );
}

fn hints(app: &App, l: &MainLayout, pen: &mut Pen<'_>) {
    let columns = usize::from(l.hints.width).saturating_sub(1);
    let y = l.hints.y;
    let lasting = app.lasting();
    if !lasting.is_empty() {
        for (i, (y, line)) in (y..y + l.hints.height).zip(&lasting).enumerate() {
            let mark = if i == 0 { " ! " } else { "   " };
            pen.line(
                0,
                y,
                columns,
                &[(mark, Role::Danger), (line, Role::Heading)],
            );
        }
        return;
    }
    if !app.questions.is_empty() && app.overlay.is_none() {
        let words = format!(
            "{} waiting for your decision: {}",
            count(app.questions.len(), "message"),
            key_of(Context::Main, Action::Decide)
        );
        pen.line(
            0,
            y,
            columns,
            &[(" ! ", Role::Warn), (&words, Role::Heading)],
        );
        return;
    }
    let key = |context, action, word| format!("{} {word}", key_of(context, action));
    let (left, right) = if app.selected().is_some() {
        (
            hint_text(&[Context::Selected], columns.saturating_sub(2)),
            String::new(),
        )
    } else if l.breadth == Breadth::Narrow {
        let left = [
            key(Context::Main, Action::Send, "send"),
            key(Context::Anywhere, Action::Contacts, "contacts"),
            key(Context::Anywhere, Action::Requests, "requests"),
        ];
        (
            left.join("  "),
            key(Context::Anywhere, Action::Help, "help"),
        )
    } else if l.breadth == Breadth::Middle {
        (hint_text(&[Context::Main], columns), looks())
    } else {
        let select = key(Context::Main, Action::SelectUp, "select");
        let contacts = key(Context::Anywhere, Action::Contacts, "contacts");
        (
            format!(
                "{}  {select}  {contacts}",
                hint_text(&[Context::Main], columns)
            ),
            looks(),
        )
    };
    let left = format!(" {left}");
    pen.ends(
        0,
        y,
        columns,
        &[(&left, Role::Muted)],
        &[(&right, Role::Muted)],
    );
}

/// The function keys of the bar, from the key table.
fn looks() -> String {
    crate::app::keymap::hints(Context::Anywhere)
        .filter(|(keys, _)| keys.starts_with('F'))
        .map(|(keys, word)| format!("{keys} {word}"))
        .collect::<Vec<_>>()
        .join(" ")
}
