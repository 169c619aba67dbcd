//! The details of one message: which key protects it, why that one, what it means, and what it does not mean.
//!
//! Every sentence is about what is known on this side. What the other device did is said to be its word.

use jiff::tz::TimeZone;

use super::clock;
use crate::crypto::secrecy::Secrecy;
use crate::messenger::view::{Delivery, MessageView};
use crate::wire::parcel::split;
use crate::wire::size::DATAGRAM;

/// A heading and its sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: &'static str,
    pub points: Vec<String>,
}

pub const KEY: &str = "Which key, and why";
pub const MEANS: &str = "What this means";
pub const MEANS_NOT: &str = "What it does not mean";
pub const DELIVERY: &str = "Delivery";
pub const SIZE: &str = "Size";

const PASSPHRASE: &str = "The text itself is saved here: your history is protected by your passphrase, not by forward secrecy.";
const REMNANTS: &str =
    "Backups, and the worn cells of an SSD, may keep remnants of what was erased.";
const QUANTUM: &str =
    "A future quantum computer may open a recording: no part of this is post-quantum.";

/// `contact` is the name as the sentences show it.
pub fn explain(message: &MessageView, contact: &str, zone: &TimeZone) -> Vec<Section> {
    let section = |title, points: Vec<String>| Section { title, points };
    if message.damaged {
        return damaged();
    }
    let [key, means, mut means_not] = match message.secrecy {
        Secrecy::Sealed => sealed(message.mine, contact),
        Secrecy::EpochPrekey { erase_day } => epoch_prekey(message.mine, contact, erase_day),
        Secrecy::OnceOpened if message.mine && message.delivery == Delivery::Queued => {
            queued(contact)
        }
        Secrecy::OnceOpened => once_opened(message.mine, contact),
        Secrecy::ForwardSecret => forward_secret(message.mine, contact),
    };
    means_not.extend([PASSPHRASE, REMNANTS, QUANTUM].map(String::from));
    vec![
        section(KEY, key),
        section(MEANS, means),
        section(MEANS_NOT, means_not),
        section(DELIVERY, vec![delivery(message, contact, zone)]),
        section(SIZE, vec![size(message)]),
    ]
}

/// Which key and why; what it means; what it does not.
type Parts = [Vec<String>; 3];

/// `your`, or `boris's`.
fn whose(mine: bool, contact: &str) -> String {
    if mine {
        "your".to_owned()
    } else {
        format!("{contact}'s")
    }
}

fn sealed(mine: bool, contact: &str) -> Parts {
    let to = whose(!mine, contact);
    [
        vec![format!(
            "Sealed to {to} account key alone, because there was neither a session nor a prekey to be had."
        )],
        vec![
            format!("Nobody can read it today without {to} account key."),
            "If that key is ever stolen or handed over, whoever recorded this message can open it. It stays so for ever: later messages \
             do not repair this one."
                .into(),
        ],
        vec![if mine {
            format!("{contact} cannot be sure that it came from you: whoever steals {to} account key can forge such a message.")
        } else {
            format!("It is not proven that {contact} wrote it if {to} account key was stolen before: its thief can forge such a message.")
        }],
    ]
}

fn epoch_prekey(mine: bool, contact: &str, erase_day: u32) -> Parts {
    let to = whose(!mine, contact);
    let receiver = if mine { contact } else { "your device" };
    let day = clock::short_day(erase_day);
    [
        vec![format!(
            "Encrypted to a key that {receiver} had published for that time, because no session existed yet."
        )],
        vec![
            format!(
                "The message can be read with the state of {to} device for as long as the device keeps that key."
            ),
            format!(
                "The key is due to be erased on {day} at the earliest. The mark changes when the device says, authenticated, that it did; \
                 the date alone changes nothing."
            ),
        ],
        vec![claim(contact)],
    ]
}

fn queued(contact: &str) -> Parts {
    [
        vec![format!(
            "None yet: it has not left as a whole. What leaves is encrypted with a key of the session with {contact} (Double Ratchet) that \
             is used once. There is no weaker way it could leave by."
        )],
        vec![
            "Until it leaves it lies on this disk, protected by your passphrase.".into(),
            format!(
                "The mark says what it will be then: forward secret once {contact}'s device has opened it and said so."
            ),
        ],
        vec!["It is not forward secret yet. If it never leaves, it never will be.".into()],
    ]
}

fn once_opened(mine: bool, contact: &str) -> Parts {
    let (to, from) = (whose(!mine, contact), whose(mine, contact));
    [
        vec![format!(
            "Encrypted with a key of the session with {contact} (Double Ratchet), which was there when it left. The key is used once, and \
             {from} copy of it is already erased."
        )],
        vec![
            format!(
                "Until {to} device opens it, a recording can be opened with the state of that device. The account key alone does not open it."
            ),
            if mine {
                "It becomes forward secret (fs) when that device says, authenticated, that it has opened it; the mark changes then.".into()
            } else {
                "Your device has opened it; the mark changes as soon as the keys are gone for good."
                    .into()
            },
        ],
        vec!["It is not forward secret yet. If it is never opened, it never will be.".into()],
    ]
}

fn forward_secret(mine: bool, contact: &str) -> Parts {
    let erased = if mine {
        format!(
            "Your device erased its key when the message left. {contact}'s device says, authenticated, that it has opened the message and \
             erased the other."
        )
    } else {
        format!(
            "Your device erased its key in the step that saved the text. {contact}'s device erases the other before a message leaves, if it \
             runs this program unchanged."
        )
    };
    [
        vec![format!(
            "Encrypted with a key of the session with {contact} (Double Ratchet) that was used for this message only."
        )],
        vec![
            erased,
            "With both keys gone, a recording of the network cannot be opened later, not even with both account keys and both devices."
                .into(),
        ],
        vec![claim(contact)],
    ]
}

fn claim(contact: &str) -> String {
    format!(
        "What {contact}'s device erased is that device's claim: nobody can prove it from outside. Nor does it bind {contact}, who can keep \
         and show the text."
    )
}

fn damaged() -> Vec<Section> {
    vec![
        Section {
            title: KEY,
            points: vec!["Not known any more: the row of this message on your disk is damaged.".into()],
        },
        Section {
            title: MEANS,
            points: vec![
                "The mark is the lowest there is, because nothing better can be told. The message may have been better protected when it \
                 travelled."
                    .into(),
                "Its text, its sender and its time are lost here. Other messages are not touched.".into(),
            ],
        },
        Section {
            title: MEANS_NOT,
            points: vec!["It does not mean that somebody read or changed it: disks fail. If it goes on, check the disk and restore a copy.".into()],
        },
    ]
}

fn delivery(message: &MessageView, contact: &str, zone: &TimeZone) -> String {
    let time = clock::full(message.time, zone);
    if !message.mine {
        return format!("Saved on this device {time}. It is acknowledged only after that.");
    }
    match message.delivery {
        Delivery::Queued => format!(
            "On this device since {time}; it has not left yet. It leaves only while paratox runs."
        ),
        Delivery::Sent => {
            format!(
                "Written {time}. It left towards {contact} at least once; no acknowledgement yet. It is sent again until one comes, while \
                 paratox runs."
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

fn size(message: &MessageView) -> String {
    let bytes = message.text.len();
    let parcels = match split(&message.text).len().max(1) {
        1 => "one parcel".to_owned(),
        n => format!("{n} parcels"),
    };
    format!(
        "{bytes} bytes of text, {parcels}. On the wire a parcel is a datagram of {DATAGRAM} bytes at every hop, like all others."
    )
}
