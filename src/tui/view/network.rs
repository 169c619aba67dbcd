//! The network screen: links, circuits, chaff, and what is known of the ring.

use std::cmp::Reverse;

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{count, hint_text};
use crate::app::keymap::Context;
use crate::app::layout::{Breadth, breadth};
use crate::app::words::Network;
use crate::app::wrap::wrap;
use crate::app::{App, clock, words};
use crate::node::person::{CircuitRow, LinkRow};
use crate::wire::size::DATAGRAM;
use crate::wire::ticket::Ticket;

/// Below so many nodes there are few people to be taken for.
const FEW_NODES: usize = 64;

/// So many times the steady rate or more is a quick start of links (five times the rate), which is no measure of a day; less are young spurs.
const QUICK: f64 = 1.25;

/// States of a link, in the order in which they are shown.
const STATES: [&str; 4] = ["up", "suspect", "dialling", "draining"];

type Line = Vec<(String, Role)>;

pub fn draw(app: &App, scroll: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let columns = usize::from(whole.width);
    let since = match app.online_since {
        Some(at) => format!("online since {} ", clock::minute(at, &app.zone)),
        None => format!("{} ", app.network_state().word()),
    };
    let role = if app.network.online {
        Role::Good
    } else {
        Role::Warn
    };
    pen.ends(
        0,
        0,
        columns,
        &[("Network  F4", Role::Heading)],
        &[(&since, role)],
    );
    pen.rule(0, 1, whole.width);
    let bottom = whole.height - 1;
    pen.rule(0, bottom - 1, whole.width);
    pen.text(
        1,
        bottom,
        columns - 1,
        &format!(
            "{}  F1 help",
            hint_text(&[Context::Network], columns.saturating_sub(12))
        ),
        Role::Muted,
    );
    let lines = lines(app, breadth(whole.width), columns.saturating_sub(2));
    let rows = usize::from(bottom.saturating_sub(3));
    let scroll = scroll.min(lines.len().saturating_sub(rows));
    for (y, line) in (2..bottom - 1).zip(lines.iter().skip(scroll)) {
        let pieces: Vec<_> = line
            .iter()
            .map(|(text, role)| (text.as_str(), *role))
            .collect();
        pen.line(1, y, columns.saturating_sub(2), &pieces);
    }
    let below = lines.len().saturating_sub(scroll + rows);
    if below > 0 {
        pen.line_right(
            0,
            bottom,
            columns,
            &[(&format!(" Down: {below} more "), Role::Heading)],
        );
    }
}

/// What the node waits for, until it is online.
fn not_yet(app: &App) -> Option<&'static str> {
    let known = app
        .entries
        .as_ref()
        .is_none_or(|entries| !entries.is_empty());
    match app.network_state() {
        Network::Online => None,
        Network::Starting => Some("The own node is starting."),
        Network::Offline if !known => {
            Some("No link, and no entry node to begin with: start paratox with --entry TICKET.")
        }
        Network::Offline => Some(
            "No link: the entry nodes do not answer. It is tried again and again; messages wait on this disk.",
        ),
        Network::Joining => Some(
            "Joining: first links, then circuits over them, then messages. All four circuits take some seconds (at class normal more).",
        ),
    }
}

fn heading(text: &str, note: String) -> Line {
    vec![(format!("{text:<10}"), Role::Heading), (note, Role::Text)]
}

fn lines(app: &App, breadth: Breadth, columns: usize) -> Vec<Line> {
    let n = &app.network;
    let mut out: Vec<Line> = Vec::new();
    for why in app.trouble.as_deref().into_iter().chain(not_yet(app)) {
        let lines = wrap(why, columns).into_iter();
        out.extend(lines.map(|line| vec![(line, Role::Warn)]));
        out.push(Vec::new());
    }
    // What others' spurs bring and take along comes and goes by the dozen: only the links that this node keeps have rows.
    let (spurs, mut links): (Vec<&LinkRow>, Vec<&LinkRow>) =
        n.links.iter().partition(|l| l.purpose == "spur");
    links.sort_by_key(|l| {
        (
            STATES.iter().position(|s| *s == l.state),
            Reverse(l.seconds),
        )
    });
    out.push(heading("Links", in_each_state(&links)));
    if breadth > Breadth::Narrow && !links.is_empty() {
        let wide = breadth == Breadth::Wide;
        let title = if wide {
            format!(
                "  {:<10} {:<11} {:>7} {:>12} {:>12} {:>8} {:>9}",
                "node", "state", "age", "out cells/s", "in cells/s", "loss", "rtt"
            )
        } else {
            format!(
                "  {:<9} {:<10} {:>7} {:>8} {:>8}",
                "node", "state", "age", "loss", "rtt"
            )
        };
        out.push(vec![(title, Role::Muted)]);
        out.extend(links.iter().map(|l| link(l, wide)));
    }
    if !spurs.is_empty() {
        let said = format!("  spurs for others: {}", in_each_state(&spurs));
        out.push(vec![(said, Role::Muted)]);
    }
    out.push(Vec::new());
    out.push(heading("Circuits", circuits(&n.circuits)));
    out.extend(n.circuits.iter().map(circuit));
    let say = |out: &mut Vec<Line>, text: String| {
        out.extend(
            wrap(&text, columns.saturating_sub(2))
                .into_iter()
                .map(|l| vec![(format!("  {l}"), Role::Muted)]),
        );
    };
    if let Some(failure) = &n.failure {
        say(&mut out, words::failure(failure));
    }
    out.push(Vec::new());
    let kilobytes = n.rate * DATAGRAM as f64 / 1000.0;
    out.push(heading(
        "Chaff",
        format!("{:.1} cells/s, {kilobytes:.1} kB/s each way", n.rate),
    ));
    let quick = if n.rate > QUICK * n.steady_rate {
        ", once the links' first 20 s are over"
    } else {
        ""
    };
    say(
        &mut out,
        format!(
            "about {:.1} GB a day each way{quick}",
            words::daily_gigabytes(n.steady_rate)
        ),
    );
    let share = if n.cells_out > 0 {
        100.0 * n.chaff_out as f64 / n.cells_out as f64
    } else {
        0.0
    };
    let megabytes = |cells: u64| cells as f64 * DATAGRAM as f64 / 1e6;
    say(
        &mut out,
        format!(
            "since the start {:.1} MB out ({share:.0} % chaff), {:.1} MB in",
            megabytes(n.cells_out),
            megabytes(n.cells_in)
        ),
    );
    say(
        &mut out,
        "The rate is the same whether you write or not; that is the point of it.".into(),
    );
    out.push(Vec::new());
    let entries = app.entries.as_deref().unwrap_or_default();
    out.push(heading("Entries", entries.len().to_string()));
    out.extend(entries.iter().map(entry));
    say(
        &mut out,
        if entries.is_empty() {
            "No entry node is known: start paratox with --entry TICKET."
        } else {
            "Entry nodes are not cross-checked in this version: whether one is honest is unknown."
        }
        .into(),
    );
    out.push(Vec::new());
    out.push(heading(
        "Ring",
        format!(
            "{} known, about {} in all",
            count(n.known_nodes, "node"),
            n.estimated_nodes
        ),
    ));
    say(
        &mut out,
        format!(
            "{} kept for others, {}, {}",
            count(n.stored_values, "value"),
            count(n.contact_sessions, "contact session"),
            count(n.pool_records, "pool record")
        ),
    );
    if n.online && n.estimated_nodes < FEW_NODES {
        let warning = format!(
            "A network of {} hides little: from {FEW_NODES} on it begins to.",
            count(n.estimated_nodes, "node")
        );
        out.extend(
            wrap(&warning, columns.saturating_sub(2))
                .into_iter()
                .map(|l| vec![(format!("  {l}"), Role::Warn)]),
        );
    }
    out.push(Vec::new());
    let node = n.node.map_or_else(
        || "-".to_owned(),
        |id| id.to_string().chars().take(9).collect(),
    );
    let class = n.class.map_or("-", |c| c.word());
    out.push(heading("This node", format!("{node}  class {class}")));
    say(
        &mut out,
        n.address.map_or_else(
            || "its address is not known yet".to_owned(),
            |a| format!("seen as {a}"),
        ),
    );
    say(
        &mut out,
        format!(
            "{} datagrams that opened nothing were dropped in silence",
            n.dropped
        ),
    );
    out
}

/// An entry node, what is known of its honesty, and where it is.
fn entry(ticket: &Ticket) -> Line {
    let key: String = ticket.entry.to_string().chars().take(9).collect();
    let address = ticket
        .addresses()
        .first()
        .map_or_else(String::new, ToString::to_string);
    vec![
        (format!("  {key:<10} "), Role::Text),
        (format!("{:<8} ", "unknown"), Role::Warn),
        (address, Role::Muted),
    ]
}

fn link(l: &LinkRow, wide: bool) -> Line {
    let node: String = l.node.map_or_else(
        || "-".to_owned(),
        |id| id.to_string().chars().take(8).collect(),
    );
    let age = clock::span(l.seconds);
    let (loss, rtt) = if l.state == "up" {
        (
            format!("{:.1} %", 100.0 * l.loss),
            format!("{} ms", l.rtt_ms),
        )
    } else {
        ("-".into(), "-".into())
    };
    let text = if wide {
        format!(
            "  {node:<10} {:<11} {age:>7} {:>12.1} {:>12.1} {loss:>8} {rtt:>9}",
            l.state, l.rate, l.rate_in
        )
    } else {
        format!("  {node:<9} {:<10} {age:>7} {loss:>8} {rtt:>8}", l.state)
    };
    vec![(
        text,
        if l.state == "up" {
            Role::Text
        } else {
            Role::Muted
        },
    )]
}

/// How many of these are in each state, those without any left out.
fn in_each_state(rows: &[&LinkRow]) -> String {
    let of = |state: &&str| rows.iter().filter(|l| l.state == *state).count();
    let counts = STATES.iter().map(|state| (of(state), state));
    let said: Vec<_> = counts
        .filter(|(number, state)| *number > 0 || **state == "up")
        .map(|(number, state)| format!("{number} {state}"))
        .collect();
    said.join(", ")
}

fn circuit(c: &CircuitRow) -> Line {
    let mut text = format!(
        "  {:<9} {:<9} {}, {}",
        c.role,
        c.state,
        count(usize::from(c.hops), "hop"),
        clock::span(c.seconds)
    );
    if c.rebuilt > 0 {
        text.push_str(&format!(", rebuilt {}", c.rebuilt));
    }
    if let Some(left) = c.seconds_left {
        text.push_str(&format!(", {} left", clock::span(left)));
    }
    let role = if c.state == "ready" {
        Role::Text
    } else {
        Role::Muted
    };
    vec![(text, role)]
}

fn circuits(rows: &[CircuitRow]) -> String {
    let ready = rows.iter().filter(|c| c.state == "ready").count();
    format!("{ready} ready, others {}", rows.len() - ready)
}
