//! What a datagram does: the order in which it is tried, and what follows when it opens.
//!
//! First the associations at its source address, then calls to that address, then the first MAC of an INIT, then all associations and
//! calls within a budget; what is left is silence.

use std::net::SocketAddr;

use super::assoc::{Assoc, Role, followed};
use super::keys::{self, Under};
use super::shaped::Brought;
use super::{
    AssocId, BodyKind, CALL_TRIAL, Cell, DownReason, LinkOutput, Links, UNTAKEN, certificate,
};
use crate::wire::address::{Address, Reach};
use crate::wire::cell::{CellKind, InnerHeader};
use crate::wire::size::{BODY, INNER};
use crate::wire::time::Now;

/// Control bodies from here on are handed up.
const HANDED_UP: u8 = 0x40;

impl Links {
    /// Takes a datagram in. Whatever does not open is counted and forgotten.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        let from = Address::from(from).socket();
        let taken = match <&Cell>::try_from(bytes) {
            Ok(cell) => self.take(now, from, cell),
            Err(_) => false,
        };
        if !taken {
            self.dropped += 1;
        }
    }

    fn take(&mut self, now: Now, from: SocketAddr, cell: &Cell) -> bool {
        let mut here = [AssocId(0); super::table::AT_ONE_ADDRESS];
        let mut count = 0;
        for (place, id) in here.iter_mut().zip(self.addresses.at(from)) {
            *place = id;
            count += 1;
        }
        if here[..count]
            .iter()
            .any(|id| self.open(now, *id, from, cell))
        {
            return true;
        }
        let answered = self.dial_addresses.at(from).find(|id| {
            self.dials
                .get(id)
                .is_some_and(|d| d.calling.is_answer(cell))
        });
        if let Some(id) = answered {
            return self.answered(now, id, from, cell);
        }
        if let Some(which) = self.listening.iter().position(|l| l.is_called(cell)) {
            return self.called(now, which, from, cell);
        }
        let looks = self.assocs.len() as f64 + CALL_TRIAL * self.dials.len() as f64;
        if !self.trials.take_many(now.at, looks) {
            return false;
        }
        let all: Vec<AssocId> = self.assocs.keys().copied().collect();
        if all.into_iter().any(|id| self.open(now, id, from, cell)) {
            return true;
        }
        let answered = self
            .dials
            .iter()
            .find(|(_, d)| d.calling.is_answer(cell))
            .map(|(id, _)| *id);
        answered.is_some_and(|id| self.answered(now, id, from, cell))
    }

    /// Tries the cell on one association.
    fn open(&mut self, now: Now, id: AssocId, from: SocketAddr, cell: &Cell) -> bool {
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return false;
        };
        let Some((under, number, inner, newest)) = assoc.keys.open(now.at, cell) else {
            return false;
        };
        let at = followed(assoc.peer.addr, from, Reach::of(self.lan));
        if newest && at != assoc.peer.addr {
            self.addresses.remove(assoc.peer.addr, id);
            assoc.peer.addr = at;
            self.addresses.add(at, id);
        }
        let id = match assoc.role {
            Role::HalfOpen(_) => self.confirmed(now, id),
            _ => id,
        };
        self.opened(now, id, under, number, &inner);
        true
    }

    fn opened(&mut self, now: Now, id: AssocId, under: Under, number: u64, inner: &[u8; INNER]) {
        let room = self.untaken < UNTAKEN;
        let Ok((header, body)) = InnerHeader::split(inner) else {
            return;
        };
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return;
        };
        match &mut assoc.role {
            Role::HalfOpen(_) => {}
            Role::Contact(contact) => {
                let owes = contact.heard(now.at, header.kind);
                match header.kind {
                    CellKind::Body if room => {
                        self.untaken += 1;
                        let peer = assoc.peer;
                        self.output.push_back(LinkOutput::Contact {
                            plane: assoc.purpose,
                            peer,
                            body: *body,
                        });
                    }
                    CellKind::Close => {
                        self.forget(id);
                    }
                    _ => {}
                }
                if owes {
                    self.time_contact(id);
                }
            }
            Role::Shaped(link) => {
                if under == Under::New {
                    link.shaped.rekeyed();
                }
                let brought = match under {
                    Under::Old => link.shaped.arrived_under_old_keys(now.at, &header, room),
                    Under::Present | Under::New => {
                        link.shaped.arrived(now.at, number, &header, room)
                    }
                };
                if assoc.closing.is_some() {
                    return;
                }
                match brought {
                    Brought::Nothing => {}
                    Brought::Body => self.hand_up(id, BodyKind::Circuit, body),
                    Brought::Control => self.control(now, id, body),
                    Brought::Close => self.drain(now, id, DownReason::ClosedByPeer),
                }
            }
        }
    }

    fn hand_up(&mut self, assoc: AssocId, kind: BodyKind, body: &[u8; BODY]) {
        self.untaken += 1;
        self.output.push_back(LinkOutput::Body {
            assoc,
            kind,
            body: *body,
        });
    }

    fn control(&mut self, now: Now, id: AssocId, body: &[u8; BODY]) {
        if body[0] >= HANDED_UP {
            return self.hand_up(id, BodyKind::Control, body);
        }
        let Some(Assoc {
            role: Role::Shaped(link),
            keys,
            peer,
            ..
        }) = self.assocs.get_mut(&id)
        else {
            return;
        };
        let answer = match (body[0], &mut link.vouching) {
            (certificate::OFFER, Some(vouching)) => vouching.offered(now, &self.key, body),
            (certificate::ANSWER, Some(vouching)) => {
                vouching.answered(now, &self.key, body);
                None
            }
            (keys::REKEY, _) => keys.asked(now.at, &self.key, &peer.node, body, &mut self.random),
            (keys::REKEYED, _) => {
                if keys.answered(now.at, &self.key, &peer.node, body) {
                    link.shaped.rekeyed();
                }
                None
            }
            _ => None,
        };
        if let Some(answer) = answer {
            // Full: the other end asks again.
            let _ = link.shaped.send_control(&answer);
        }
    }
}
