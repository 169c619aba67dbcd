//! Whole texts, requests and acceptances of others, on their way into a step that is not on disk yet.
//!
//! Not here: how parcels become whole units (`inbox`), the step and its commit (`opened`).

use super::contact::Contact;
use super::desk::Desk;
use super::draft::Draft;
use super::inbox::{PartChange, Taken, Unit};
use super::outbox::Item;
use super::persistence::{Change, IncomingPart, MAX_TEXT};
use super::rows::{message_view, received_row};
use super::view::{ChatEvent, ContactState};
use super::{cut, text};
use crate::crypto::secrecy::Secrecy;
use crate::wire::parcel::{Kind, Request};
use crate::wire::time::Now;
/// Units and part changes of a step go into the draft.
pub fn take_units<P>(desk: &Desk<P>, contact: &Contact, draft: &mut Draft, taken: Taken, now: Now) {
    let account = contact.bytes();
    for change in taken.changes {
        draft.changes.push(match change {
            PartChange::Keep(sequence) => match draft.inbox.part(sequence) {
                Some(body) => Change::PutIncomingPart(IncomingPart {
                    contact: account,
                    sequence,
                    body: super::persistence::SecretBytes::from_slice(body.bytes()),
                    secrecy: Secrecy::OnceOpened.acknowledged(),
                    arrived: now.unix,
                }),
                // It completed a unit in the same step.
                None => continue,
            },
            PartChange::Drop { from, to } => Change::RemoveIncomingParts {
                contact: account,
                from,
                to,
            },
        });
    }
    for unit in taken.units {
        take_unit(desk, contact, draft, unit, now);
    }
}

fn take_unit<P>(desk: &Desk<P>, contact: &Contact, draft: &mut Draft, unit: Unit, now: Now) {
    let place = (unit.sequence, unit.previous, unit.gap);
    match unit.kind {
        Kind::Text => match std::str::from_utf8(&unit.bytes) {
            Ok(words) => {
                let words = shown(words);
                match draft.face.state {
                    ContactState::Asking => {
                        ask(desk, contact, draft, String::new(), words, place, now)
                    }
                    _ => {
                        // Whoever writes has accepted.
                        draft.face.state = ContactState::Accepted;
                        message(desk, contact, draft, words, place, now);
                    }
                }
            }
            Err(_) => draft.inbox.miss(unit.gap.saturating_add(1)),
        },
        Kind::Request => match Request::decode(&unit.bytes) {
            Ok(request) => {
                let (name, words) = (text::clean_line(&request.name), shown(&request.text));
                match draft.face.state {
                    ContactState::Asking => ask(desk, contact, draft, name, words, place, now),
                    _ => {
                        draft.face.state = ContactState::Accepted;
                        // One that waits already says it as well.
                        let says = |item: &Item| item.kind() == Some(Kind::Accept);
                        if !contact.outbox.items().chain(&draft.new_items).any(says) {
                            draft.enqueue(Kind::Accept, &[b""], None);
                        }
                        if !words.is_empty() {
                            message(desk, contact, draft, words, place, now);
                        }
                    }
                }
            }
            Err(_) => draft.inbox.miss(unit.gap.saturating_add(1)),
        },
        Kind::Accept => {
            draft.inbox.miss(unit.gap);
            if draft.face.state == ContactState::Asked {
                draft.face.state = ContactState::Accepted;
            }
        }
    }
}

/// A stranger's request is complete.
fn ask<P>(
    desk: &Desk<P>,
    contact: &Contact,
    draft: &mut Draft,
    name: String,
    words: String,
    place: (u32, [u8; 8], u32),
    now: Now,
) {
    if draft.face.name.is_empty() {
        draft.face.name = if name.is_empty() {
            contact.account.to_string().chars().take(12).collect()
        } else {
            name
        };
    }
    draft.face.asked = true;
    draft.requested = true;
    draft.face.request_text = words.clone();
    if !words.is_empty() {
        message(desk, contact, draft, words, place, now);
        // The request says it; it does not count as unread besides.
        draft.events.pop();
        draft.face.unread = 0;
    }
}

/// A message of theirs.
fn message<P>(
    desk: &Desk<P>,
    contact: &Contact,
    draft: &mut Draft,
    words: String,
    place: (u32, [u8; 8], u32),
    now: Now,
) {
    let number = desk.next_number + draft.numbers;
    draft.numbers += 1;
    // Opened with a key that this very step erases; the sender's was gone before the parcel left.
    let secrecy = Secrecy::OnceOpened.acknowledged();
    let row = received_row(contact.bytes(), number, words, now.unix, place, secrecy);
    if let Some(view) = message_view(&row) {
        draft.events.push(ChatEvent::Message(view));
    }
    draft.face.unread = draft.face.unread.saturating_add(1);
    draft.changes.push(Change::PutMessage(row));
}

/// Peer text as it is kept: clean, and no longer than an honest sender's.
fn shown(words: &str) -> String {
    cut(text::clean(words), MAX_TEXT)
}
