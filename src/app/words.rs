//! The words for secrecy, delivery, and what a conversation waits for. Nothing here promises more than the protocol keeps.
//!
//! Not here: the long explanation of one message (`explain`); symbols and styles, which depend on the terminal (`tui::theme`).

use crate::crypto::secrecy::Secrecy;
use crate::messenger::view::{ContactState, ContactView, Delivery, Policy};
use crate::node::person::{CircuitFailure, WhyFailed};
use crate::wire::class::Class;
use crate::wire::size::DATAGRAM;

use super::clock;

/// The word beside the secrecy symbol in a list.
pub fn secrecy(level: Secrecy) -> String {
    match level {
        Secrecy::Sealed => "NO-FS".into(),
        Secrecy::EpochPrekey { erase_day } => format!("erase due {}", clock::short_day(erase_day)),
        Secrecy::OnceOpened => "once opened".into(),
        Secrecy::ForwardSecret => "fs".into(),
    }
}

/// The headline of the details.
pub fn secrecy_headline(level: Secrecy) -> &'static str {
    match level {
        Secrecy::Sealed => "NO forward secrecy",
        Secrecy::EpochPrekey { .. } => {
            "forward secret once the receiving device has erased its key"
        }
        Secrecy::OnceOpened => "forward secret once opened",
        Secrecy::ForwardSecret => "forward secret",
    }
}

/// The word beside the delivery symbol.
pub fn delivery(state: Delivery) -> &'static str {
    match state {
        Delivery::Queued => "queued",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Failed => "FAILED",
        Delivery::Expired => "EXPIRED",
    }
}

/// Columns of the secrecy column, symbol included: `⧗ once opened`.
pub const SECRECY_WIDTH: usize = 13;
/// The same where a conversation holds messages with a date: `⧗ erase due 28 Dec`.
pub const SECRECY_WIDTH_DATED: usize = 18;
/// Columns of the delivery column, symbol included: `✓ delivered`.
pub const DELIVERY_WIDTH: usize = 11;

/// How far the own node is in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing was heard of the node yet.
    Starting,
    /// Not one link.
    Offline,
    /// Links, but not yet the circuits that everything goes through.
    Joining,
    Online,
}

impl Network {
    pub fn word(self) -> &'static str {
        match self {
            Network::Starting => "starting",
            Network::Offline => "offline",
            Network::Joining => "joining",
            Network::Online => "online",
        }
    }
}

/// What stands between the person and a contact now: a word or two, and the same said fully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub short: &'static str,
    pub long: &'static str,
}

pub fn standing(contact: &ContactView, network: Network) -> Standing {
    let (short, long) = match contact.state {
        ContactState::Blocked => ("blocked", "blocked: nothing is sent and nothing is taken"),
        ContactState::Declined => ("declined", "declined: nothing is sent"),
        ContactState::Asking => ("asks to talk: F6", "asks to talk: F6 to decide"),
        ContactState::Asked if !contact.request_waits => (
            "asked, no answer",
            "your request is on their device; no answer yet",
        ),
        ContactState::Asked | ContactState::Accepted => way(contact, network),
    };
    Standing { short, long }
}

/// The first thing that is missing on the way to a contact.
fn way(contact: &ContactView, network: Network) -> (&'static str, &'static str) {
    match (contact.reachable, contact.session, network) {
        (true, true, _) => ("session ready", "session ready, way open"),
        (true, false, _) => ("agreeing on keys", "a way is open; agreeing on keys"),
        (false, _, Network::Starting) => ("starting", "the own node is starting"),
        (false, _, Network::Offline) => ("no network", "no network now"),
        (false, _, Network::Joining) => ("joining", "joining the network"),
        (false, true, Network::Online) if contact.queued == 0 => (
            "session ready",
            "session ready; a way is opened when something waits",
        ),
        (false, _, Network::Online) if contact.found => (
            "no way yet",
            "found; waiting for a way to them (they may be offline)",
        ),
        (false, _, Network::Online) => (
            "looking them up",
            "looking for a way to them (they may be offline)",
        ),
    }
}

/// How the next message to a contact will be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The level it will be sent at, if that is known now.
    pub level: Option<Secrecy>,
    pub text: &'static str,
    /// The same where there is little room.
    pub short: &'static str,
}

pub fn promise(contact: &ContactView) -> Promise {
    let without = |text, short| Promise {
        level: None,
        text,
        short,
    };
    match contact.state {
        ContactState::Blocked => {
            without("blocked: nothing is sent and nothing is taken", "blocked")
        }
        ContactState::Declined => without("declined: nothing is sent", "declined"),
        ContactState::Asking => without("asks to talk: F6 to decide", "asks to talk: F6"),
        ContactState::Asked => without(
            "what you write waits on this disk until they accept",
            "waits until accepted",
        ),
        ContactState::Accepted if contact.session => Promise {
            level: Some(Secrecy::OnceOpened),
            text: "the next message is forward secret once opened",
            short: "forward secret once opened",
        },
        ContactState::Accepted => without(
            "no session yet: what you write waits; nothing leaves without forward secrecy",
            "no session yet, waits",
        ),
    }
}

/// The same on a screen that has no room for the standing beside it.
pub fn promise_and_standing(contact: &ContactView, network: Network) -> String {
    let promise = promise(contact);
    match contact.state {
        ContactState::Accepted if promise.level.is_none() => {
            format!("waits: {}", standing(contact, network).short)
        }
        ContactState::Asked => {
            format!("asked: {}", standing(contact, network).short).replace("asked: asked", "asked")
        }
        _ => promise.short.to_owned(),
    }
}

/// What a policy will do. This version sends nothing without forward secrecy, so that none has an effect yet.
pub fn policy(policy: Policy, narrow: bool) -> &'static str {
    match (policy, narrow) {
        (Policy::Ask, false) => "without forward secrecy ask (this version always waits)",
        (Policy::Wait, false) => "without forward secrecy wait (this version always does)",
        (Policy::ForwardSecretOnly, false) => {
            "without forward secrecy never (this version always waits)"
        }
        (Policy::Ask, true) => "ask (as yet it always waits)",
        (Policy::Wait, true) => "wait (as yet it always does)",
        (Policy::ForwardSecretOnly, true) => "never (as yet it always waits)",
    }
}

/// `Last failure 3 min ago: inbound, nothing came from its end any more.`
pub fn failure(failure: &CircuitFailure) -> String {
    let why = match failure.why {
        WhyFailed::LinkDown => "the link to its first hop ended".to_owned(),
        WhyFailed::GuardSilent => "its first hop was silent".to_owned(),
        WhyFailed::Hop(hop) => format!("hop {hop} could not be had"),
        WhyFailed::Silent => "nothing came from its end any more".to_owned(),
        WhyFailed::Closed => "a hop closed it".to_owned(),
        WhyFailed::Spent => "its keys were used up".to_owned(),
    };
    let ago = clock::span(failure.seconds_ago);
    format!("Last failure {ago} ago: {}, {why}.", failure.role)
}

/// Links of a node in the mean: the four it chose and as many that chose it. The same of spurs, as the end of a circuit and as an intro point.
const LINKS: f64 = 4.0 + 4.0;
const SPURS: f64 = 4.0 + 4.0;
/// What the ring, calls, and the quick starts of links and spurs add to steady rates. In simulated networks of 60 nodes each sent 61.9 (`normal`) and
/// 220.9 (`fast`) datagrams a second in the mean, where links and spurs alone are 56 and 200.
const UPKEEP: f64 = 1.1;
/// A node that nobody chose has half of the mean. The busiest of those networks had 1.7 and 1.9 times the mean.
const LEAST: f64 = 0.5;
const MOST: f64 = 2.0;

/// What links and spurs of so many cells a second make in a day and direction, with the upkeep.
pub fn daily_gigabytes(cells_per_second: f64) -> f64 {
    UPKEEP * cells_per_second * 86_400.0 * DATAGRAM as f64 / 1e9
}

/// Gigabytes a day and direction that a class costs: few links and spurs, the mean, and many.
pub fn class_gigabytes(class: Class) -> [f64; 3] {
    let mean = daily_gigabytes(LINKS * class.link_rate() + SPURS * class.spur_rate());
    [LEAST * mean, mean, MOST * mean]
}

/// `normal   6 cells/s on each link: 2.7 GB a day each way (1.4 to 5.4)`.
pub fn class_line(class: Class) -> String {
    let [least, mean, most] = class_gigabytes(class);
    format!(
        "{:<7} {:>2} cells/s on each link: {mean:.1} GB a day each way ({least:.1} to {most:.1})",
        class.word(),
        class.link_rate()
    )
}

/// What the program does not protect against, in its own words.
pub const LIMITS: &[&str] = &[
    "That you run paratox can be seen: a constant stream of random-looking datagrams is recognisable.",
    "When you are online can be seen, and over months online times of two people may be compared.",
    "A device that is seized while unlocked shows everything in it.",
    "Whoever has your passphrase and your disk reads your saved history.",
    "That another device erased a key is that device's claim.",
    "Nothing is post-quantum: a recording may be opened by a future quantum computer.",
    "In a network of fewer than 64 nodes there are few people to be taken for.",
    "Entry nodes and neighbours are not checked in this version: if all your entry nodes lie, you may be shown a false network.",
    "Stopping the program (also with Ctrl+Z) stops your noise, and that can be seen.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_words_fit_their_columns() {
        for level in [Secrecy::Sealed, Secrecy::OnceOpened, Secrecy::ForwardSecret] {
            assert!(2 + secrecy(level).len() <= SECRECY_WIDTH);
        }
        for erase_day in [0, 20_800, 20_815, u32::MAX] {
            assert!(2 + secrecy(Secrecy::EpochPrekey { erase_day }).len() <= SECRECY_WIDTH_DATED);
        }
        for state in [
            Delivery::Queued,
            Delivery::Sent,
            Delivery::Delivered,
            Delivery::Failed,
            Delivery::Expired,
        ] {
            assert!(2 + delivery(state).len() <= DELIVERY_WIDTH);
        }
    }

    #[test]
    fn the_daily_traffic_follows_from_the_rates() {
        // 8 links and 8 spurs: 56 cells a second of 512 bytes, and a tenth more.
        let [least, mean, most] = class_gigabytes(Class::Normal);
        assert!((mean - 1.1 * 56.0 * 512.0 * 86_400.0 / 1e9).abs() < 1e-9);
        assert!(least < mean && mean < most);
        assert_eq!(
            class_line(Class::Fast),
            "fast    20 cells/s on each link: 9.7 GB a day each way (4.9 to 19.5)"
        );
    }
}
