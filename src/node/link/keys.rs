//! The keys of an association: the present ones, those before for what is still under way, and those agreed on and not yet used.
//!
//! Within one agreement `crypto::packet` replaces its key every 256 packets; here a new agreement replaces all of it.

use std::time::Duration;

use crate::crypto::aead::Spent;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{Ephemeral, NodeKey};
use crate::crypto::mqv::{self, Agreed, Side, Transcript};
use crate::crypto::packet::{PacketOpener, PacketSealer};
use crate::crypto::random::Stream;
use crate::wire::codec::{Reader, Writer};
use crate::wire::size::{BODY, DATAGRAM, INNER, POINT};
use crate::wire::time::Moment;

/// Control body of the caller: kind 1, X 33, zeros.
pub const REKEY: u8 = 3;
/// The callee's: kind 1, Y 33, key confirmation 16, zeros.
pub const REKEYED: u8 = 4;

/// A new agreement about this often (seconds), drawn between 0.8 and 1.2 of it.
const LIFE: f64 = 900.0;
/// Without a new agreement the association ends.
const END: Duration = Duration::from_secs(40 * 60);
/// What the keys before opened is taken this long.
const OVERLAP: Duration = Duration::from_secs(30);
/// An answer that does not come is asked for again.
const AGAIN: Duration = Duration::from_secs(60);

/// Under which keys a cell opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    Present,
    Old,
    /// The first one under new keys: from now on they are the present ones.
    New,
}

pub struct Keys {
    side: Side,
    sealer: PacketSealer,
    opener: PacketOpener,
    since: Moment,
    old: Option<(Box<PacketOpener>, Moment)>,
    next: Option<Agreed>,
    next_opener: Option<Box<PacketOpener>>,
    asked: Option<Ephemeral>,
    /// When the caller asks next.
    ask: Moment,
    jitter: Stream,
}

impl Keys {
    /// `side` is ours; `jitter` draws when to agree anew.
    pub fn new(agreed: &Agreed, side: Side, now: Moment, mut jitter: Stream) -> Keys {
        let ask = match side {
            Side::Initiator => next_ask(now, &mut jitter),
            Side::Responder => now,
        };
        Keys {
            side,
            sealer: PacketSealer::new(agreed, side),
            opener: PacketOpener::new(agreed, other(side)),
            since: now,
            old: None,
            next: None,
            next_opener: None,
            asked: None,
            ask,
            jitter,
        }
    }

    pub fn seal(&mut self, inner: &[u8; INNER]) -> Result<([u8; DATAGRAM], u64), Spent> {
        self.sealer.seal(inner)
    }

    /// Opens a cell of this association: its number, its inner cell. One AES block for each key if it is not one. The last item says
    /// whether it is the newest so far.
    pub fn open(
        &mut self,
        now: Moment,
        cell: &[u8; DATAGRAM],
    ) -> Option<(Under, u64, [u8; INNER], bool)> {
        if self.opener.recognise(cell).is_some() {
            let top = self.opener.top();
            if let Ok((number, inner)) = self.opener.open(cell) {
                return Some((
                    Under::Present,
                    number,
                    inner,
                    top.is_none_or(|top| number > top),
                ));
            }
        }
        if let Some(next) = &mut self.next_opener
            && next.recognise(cell).is_some()
            && let Ok((number, inner)) = next.open(cell)
            && let (Some(agreed), Some(opener)) = (self.next.take(), self.next_opener.take())
        {
            self.switch(now, &agreed, *opener);
            return Some((Under::New, number, inner, true));
        }
        self.forget_old(now);
        let (old, _) = self.old.as_mut()?;
        old.recognise(cell)?;
        let (number, inner) = old.open(cell).ok()?;
        Some((Under::Old, number, inner, false))
    }

    /// Erases the keys before the present ones when their time is over, whether or not anything arrives.
    pub fn forget_old(&mut self, now: Moment) {
        self.old.take_if(|(_, until)| *until < now);
    }

    #[cfg(test)]
    pub fn keeps_old(&self) -> bool {
        self.old.is_some()
    }

    #[cfg(test)]
    pub fn never_ask(&mut self) {
        self.ask = Moment::NEVER;
    }

    /// Too old to go on.
    pub fn is_over(&self, now: Moment) -> bool {
        now.since(self.since) > END
    }

    /// The caller's request for new keys, when one is due.
    pub fn ask(&mut self, now: Moment, random: &mut Stream) -> Option<[u8; BODY]> {
        if self.side != Side::Initiator || now < self.ask {
            return None;
        }
        self.ask = now + AGAIN;
        let ephemeral = Ephemeral::generate(random);
        let mut body = [0; BODY];
        Writer::new(&mut body)
            .u8(REKEY)
            .put(ephemeral.public().bytes());
        self.asked = Some(ephemeral);
        Some(body)
    }

    /// The callee's answer; the new keys are used once the caller uses them.
    pub fn asked(
        &mut self,
        now: Moment,
        own: &NodeKey,
        caller: &NodeId,
        body: &[u8; BODY],
        random: &mut Stream,
    ) -> Option<[u8; BODY]> {
        if self.side != Side::Responder || now < self.ask {
            return None;
        }
        // One agreement costs two curve operations: the caller has no reason to ask more often.
        self.ask = now + AGAIN / 2;
        let x = Reader::new(&body[1..]).point("rekey point").ok()?;
        let ephemeral = Ephemeral::generate(random);
        let mut answer = [0; BODY];
        let mut w = Writer::new(&mut answer);
        w.u8(REKEYED).put(ephemeral.public().bytes());
        let t = transcript(caller, &own.id());
        let agreed = mqv::full(Side::Responder, own, ephemeral, caller.point(), &x, t).ok()?;
        w.put(&agreed.confirm(Side::Responder));
        self.next_opener = Some(Box::new(PacketOpener::new(&agreed, Side::Initiator)));
        self.next = Some(agreed);
        Some(answer)
    }

    /// The caller's switch. False if this answers nothing that was asked.
    pub fn answered(
        &mut self,
        now: Moment,
        own: &NodeKey,
        callee: &NodeId,
        body: &[u8; BODY],
    ) -> bool {
        let mut r = Reader::new(&body[1..]);
        let (Ok(y), Ok(confirmation)) =
            (r.point("rekey point"), r.array::<16>("rekey confirmation"))
        else {
            return false;
        };
        let Some(ephemeral) = self.asked.take() else {
            return false;
        };
        let t = transcript(&own.id(), callee);
        match mqv::full(Side::Initiator, own, ephemeral, callee.point(), &y, t) {
            Ok(agreed) if agreed.confirms(Side::Responder, &confirmation) => {
                let opener = PacketOpener::new(&agreed, Side::Responder);
                self.switch(now, &agreed, opener);
                self.ask = next_ask(now, &mut self.jitter);
                true
            }
            _ => false,
        }
    }

    fn switch(&mut self, now: Moment, agreed: &Agreed, opener: PacketOpener) {
        self.sealer = PacketSealer::new(agreed, self.side);
        let old = std::mem::replace(&mut self.opener, opener);
        self.old = Some((Box::new(old), now + OVERLAP));
        self.since = now;
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Initiator => Side::Responder,
        Side::Responder => Side::Initiator,
    }
}

fn next_ask(now: Moment, jitter: &mut Stream) -> Moment {
    now.after_seconds(LIFE * (0.8 + 0.4 * jitter.unit()))
}

fn transcript(caller: &NodeId, callee: &NodeId) -> Transcript {
    let mut t = Transcript::new("paratox/1/rekey");
    t.absorb(caller.bytes());
    t.absorb(callee.bytes());
    t
}

const _: () = assert!(1 + POINT + 16 <= BODY);

#[cfg(test)]
mod tests;
