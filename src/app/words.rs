//! The words for secrecy and delivery, short and long. Nothing here promises more than the protocol keeps.
//!
//! Not here: symbols and styles, which depend on the terminal (`tui::theme`).

use jiff::tz::TimeZone;

use crate::crypto::secrecy::Secrecy;
use crate::messenger::view::{ContactState, ContactView, Delivery, MessageView, Policy};
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

/// A heading and its sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: &'static str,
    pub points: Vec<String>,
}

fn section(title: &'static str, points: &[&str]) -> Section {
    Section {
        title,
        points: points.iter().map(|p| (*p).to_owned()).collect(),
    }
}

/// Which key, why, what it means, what it does not mean: for the details of a message.
pub fn explain(message: &MessageView, contact: &str, zone: &TimeZone) -> Vec<Section> {
    let (sender, receiver) = if message.mine {
        ("you", contact)
    } else {
        (contact, "you")
    };
    let theirs = |name: &str| {
        if name == "you" {
            "your".to_owned()
        } else {
            format!("{name}'s")
        }
    };
    let (to, from) = (theirs(receiver), theirs(sender));
    let mut out = Vec::new();
    match message.secrecy {
        Secrecy::Sealed => {
            out.push(Section {
                title: "Which key, and why",
                points: vec![format!(
                    "Sealed to {to} account key alone, because there was neither a session nor a prekey to be had."
                )],
            });
            out.push(Section {
                title: "What this means",
                points: vec![
                    format!("Nobody can read it today without {to} account key."),
                    "If that key is ever stolen or handed over, whoever recorded this message can open it. It stays so for ever: later \
                     messages do not repair this one."
                        .into(),
                ],
            });
            out.push(Section {
                title: "What it does not mean",
                points: vec![if message.mine {
                    format!("{receiver} cannot be sure that it came from you: whoever steals {to} account key can forge such a message.")
                } else {
                    format!("It is not proven that {sender} wrote it if {to} account key was stolen before: its thief can forge such a message.")
                }],
            });
        }
        Secrecy::EpochPrekey { erase_day } => {
            let day = clock::short_day(erase_day);
            out.push(Section {
                title: "Which key, and why",
                points: vec![format!(
                    "Encrypted to a key that {receiver} had published for that time, because no session existed yet."
                )],
            });
            out.push(Section {
                title: "What this means",
                points: vec![
                    format!("The message can be read with the state of {to} device for as long as the device keeps that key."),
                    format!("The key is due to be erased on {day} at the earliest. The mark changes when the device says, authenticated, \
                             that it did; the date alone changes nothing."),
                ],
            });
            out.push(Section {
                title: "What it does not mean",
                points: vec!["That the key is erased is the other device's claim. Nobody can prove it from outside.".into()],
            });
        }
        Secrecy::OnceOpened if message.mine && message.delivery == Delivery::Queued => {
            out.push(Section {
                title: "Which key, and why",
                points: vec![format!(
                    "None yet: it has not left as a whole. What leaves is encrypted with a key of the session with {contact} (Double \
                     Ratchet) that is used once."
                )],
            });
            out.push(Section {
                title: "What this means",
                points: vec![
                    "Until it leaves it lies on this disk, protected by your passphrase.".into(),
                    format!("The mark says what it will be then: forward secret once {to} device has opened it and said so."),
                ],
            });
            out.push(section(
                "What it does not mean",
                &["It is not forward secret yet. If it never leaves, it never will be."],
            ));
        }
        Secrecy::OnceOpened => {
            out.push(Section {
                title: "Which key, and why",
                points: vec![format!(
                    "Encrypted with a key of the running session (Double Ratchet) with {contact}. The key is used once and {from} copy is \
                     already erased."
                )],
            });
            let waiting = if message.mine {
                "It becomes forward secret (fs) when that device opens it and says so; the mark changes then."
            } else {
                "Your device has opened it; the mark changes as soon as the keys are gone for good."
            };
            out.push(Section {
                title: "What this means",
                points: vec![
                    format!("Until {to} device opens it, it can be read with the state of that device. The account key alone does not open it."),
                    waiting.into(),
                ],
            });
            out.push(section(
                "What it does not mean",
                &["It is not forward secret yet. If it is never opened, it never will be."],
            ));
        }
        Secrecy::ForwardSecret => {
            out.push(Section {
                title: "Which key, and why",
                points: vec![format!("Encrypted with a key that was used for this message only, in the session with {contact}.")],
            });
            out.push(section(
                "What this means",
                &["The keys are erased on both devices. A recording of the network cannot be opened later, not even with both account keys \
                   and both devices."],
            ));
            out.push(Section {
                title: "What it does not mean",
                points: vec!["The erasure on the other device is that device's claim.".into()],
            });
        }
    }
    if let Some(last) = out.last_mut() {
        last.points.push("The copy in your history is protected by your passphrase, not by forward secrecy. Backups and worn flash memory \
                          may keep remnants of what was erased."
            .into());
        last.points.push(
            "A future quantum computer may open a recording: no part of this is post-quantum."
                .into(),
        );
    }
    out.push(Section {
        title: "Delivery",
        points: vec![explain_delivery(message, contact, zone)],
    });
    out
}

fn explain_delivery(message: &MessageView, contact: &str, zone: &TimeZone) -> String {
    let time = clock::full(message.time, zone);
    if !message.mine {
        return format!("Saved on this device {time}. Your device acknowledged it after that.");
    }
    match message.delivery {
        Delivery::Queued => format!(
            "On this device since {time}; it has not left yet. It leaves only while paratox runs."
        ),
        Delivery::Sent => {
            format!(
                "Written {time}. It left towards {contact} at least once; no acknowledgement yet. It is sent again until one comes."
            )
        }
        Delivery::Delivered => format!(
            "Written {time}. {contact}'s device has it on disk and said so. That is not proof that a person read it."
        ),
        Delivery::Failed => {
            format!("Written {time}. It was given up; {contact} did not get it as far as is known.")
        }
        Delivery::Expired => {
            format!("Written {time}. Its time ran out before {contact} fetched it.")
        }
    }
}

/// How the next message to a contact will be protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The level it will be sent at, if that is known now.
    pub level: Option<Secrecy>,
    pub text: String,
}

pub fn promise(contact: &ContactView) -> Promise {
    let blocked = |text: &str| Promise {
        level: None,
        text: text.into(),
    };
    match contact.state {
        ContactState::Blocked => blocked("blocked: nothing is sent and nothing is taken"),
        ContactState::Declined => blocked("declined: nothing is sent"),
        ContactState::Asking => blocked("asks to talk: F6 to decide"),
        ContactState::Asked => blocked("asked, no answer yet: messages wait here"),
        ContactState::Accepted if contact.session => Promise {
            level: Some(Secrecy::OnceOpened),
            text: "the next message is forward secret once opened".into(),
        },
        ContactState::Accepted => blocked(match contact.policy {
            Policy::Ask => {
                "no session yet: messages wait; you are asked before any goes without forward secrecy"
            }
            Policy::Wait => "no session yet: messages wait for one",
            Policy::ForwardSecretOnly => {
                "no session yet: messages wait; never sent without forward secrecy"
            }
        }),
    }
}

/// The same in a few words, for narrow screens.
pub fn promise_short(contact: &ContactView) -> &'static str {
    match contact.state {
        ContactState::Blocked => "blocked",
        ContactState::Declined => "declined",
        ContactState::Asking => "asks to talk: F6",
        ContactState::Asked => "asked, messages wait",
        ContactState::Accepted if contact.session => "forward secret once opened",
        ContactState::Accepted => "no session yet, waits",
    }
}

pub fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Ask => "ask before sending without forward secrecy",
        Policy::Wait => "wait for a session",
        Policy::ForwardSecretOnly => "never without forward secrecy",
    }
}

/// Links a node chooses itself, and links it takes from others at most.
const LINKS: (f64, f64) = (4.0, 4.0 + 8.0);
/// Spurs an outbound circuit's end holds.
const SPURS: f64 = 4.0;

/// Gigabytes a day and direction that a class costs: at least, and with every place taken by others.
pub fn daily_gigabytes(class: Class) -> (f64, f64) {
    let day = 86_400.0 * DATAGRAM as f64 / 1e9;
    let at = |links: f64| (links * class.link_rate() + SPURS * class.spur_rate()) * day;
    (at(LINKS.0), at(LINKS.1))
}

/// `normal  6 cells/s on each link: 1.2 to 3.4 GB a day each way`.
pub fn class_line(class: Class) -> String {
    let (least, most) = daily_gigabytes(class);
    format!(
        "{:<7} {:>2} cells/s on each link: {least:.1} to {most:.1} GB a day each way",
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
        let (least, most) = daily_gigabytes(Class::Normal);
        assert!(
            (1.2..1.3).contains(&least) && (3.3..3.4).contains(&most),
            "{least} {most}"
        );
        assert!(class_line(Class::Fast).contains("GB a day"));
    }
}
