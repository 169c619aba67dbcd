//! A shaped link or spur: its clock decides when, this decides what.
//!
//! A tick takes control bodies before lost bodies before circuits in turn before chaff; all cost the same and look the same. Nothing that
//! waits, arrives or is lost changes a tick. Not here: keys and addresses of the association.

use std::collections::VecDeque;
use std::ops::Add;
use std::time::Duration;

use super::accepted::Accepted;
use super::flights::{Flights, News};
use super::lanes::{Bodies, Full, Lanes, Slot};
use super::meter::Meter;
use super::schedule::Clock;
use crate::crypto::window::Window;
use crate::wire::cell::{Ack, CellKind, InnerHeader};
use crate::wire::size::{BODY, INNER, INNER_HEADER};
use crate::wire::time::Moment;

/// Control bodies waiting; more are refused.
pub const CONTROL: usize = 32;
/// Bodies sent and not acknowledged, the most a peer may allow.
pub const CREDIT: u16 = 64;
/// Bodies sent before the peer has said what it can take.
const FIRST_CREDIT: u16 = 16;
/// A body is sent at most so often: at 30 % loss one in 1400 is lost.
const SENDS: u8 = 6;
/// A body older than this is of no use to its circuit.
const AGE: Duration = Duration::from_secs(20);
/// Spread of body sequence numbers in use, below the receiver's window of 1024.
const SPREAD: u32 = 900;
/// A link on which nothing arrives for this long (or 12 ticks of it) is suspected.
const SILENCE: Duration = Duration::from_secs(30);
/// A suspected link goes on sending for this long before it is down.
const HOPE: Duration = Duration::from_secs(10);
/// After a standstill of the program a link has to be heard again within this long (or 12 ticks), counted from the time when what had waited in
/// the socket meanwhile is read.
const PROOF: Duration = Duration::from_secs(3);
const BACKLOG: Duration = Duration::from_secs(1);

/// A body on its way.
struct Item {
    slot: Slot,
    control: bool,
    sends: u8,
    first: Moment,
}

/// What an opened cell brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    Nothing,
    Body,
    Control,
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Fine,
    Suspect,
    Dead,
}

pub struct Shaped {
    pub clock: Clock,
    rate: f64,
    bodies: Bodies,
    lanes: Lanes,
    control: VecDeque<Slot>,
    /// Items by `seq - base`; `None` is settled.
    base: u32,
    items: VecDeque<Option<Item>>,
    /// Circuit bodies among the items.
    unsettled: u16,
    resend: VecDeque<u32>,
    flights: Flights,
    accepted: Accepted,
    seen: Window,
    peer_credit: u16,
    last_in: Moment,
    /// The program stood still, and what it says about the peer counts from this moment on. None once it was heard.
    resumed: Option<Moment>,
    pub counts: Counts,
    incoming: Meter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub cells_in: u64,
    pub cells_out: u64,
    pub chaff_out: u64,
    /// Bodies given up.
    pub bodies_lost: u64,
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            cells_in: self.cells_in + other.cells_in,
            cells_out: self.cells_out + other.cells_out,
            chaff_out: self.chaff_out + other.chaff_out,
            bodies_lost: self.bodies_lost + other.bodies_lost,
        }
    }
}

impl Shaped {
    pub fn new(clock: Clock, rate: f64, depth: usize, now: Moment) -> Shaped {
        Shaped {
            clock,
            rate,
            bodies: Bodies::default(),
            lanes: Lanes::new(depth),
            control: VecDeque::new(),
            base: 1,
            items: VecDeque::new(),
            unsettled: 0,
            resend: VecDeque::new(),
            flights: Flights::new(),
            accepted: Accepted::none(),
            seen: Window::new(),
            peer_credit: FIRST_CREDIT,
            last_in: now,
            resumed: None,
            counts: Counts::default(),
            incoming: Meter::new(now),
        }
    }

    pub fn send(&mut self, lane: u32, body: &[u8; BODY]) -> Result<(), Full> {
        self.lanes.push(&mut self.bodies, lane, body)
    }

    pub fn send_control(&mut self, body: &[u8; BODY]) -> Result<(), Full> {
        if self.control.len() == CONTROL {
            return Err(Full);
        }
        self.control.push_back(self.bodies.keep(body));
        Ok(())
    }

    /// Fills the inner cell of the tick `tick`. Returns the body's sequence number, 0 for chaff, for [`Shaped::sent`].
    pub fn fill(
        &mut self,
        tick: Moment,
        closing: bool,
        credit: u16,
        inner: &mut [u8; INNER],
    ) -> u32 {
        self.expire(tick);
        let mut header = InnerHeader {
            kind: CellKind::Chaff,
            ack: self.accepted.ack(tick),
            body_seq: 0,
            credit,
        };
        if closing {
            header.kind = CellKind::Close;
        } else if let Some((seq, slot, control)) = self.choose(tick) {
            header.kind = if control {
                CellKind::Control
            } else {
                CellKind::Body
            };
            header.body_seq = seq;
            inner[INNER_HEADER..].copy_from_slice(self.bodies.get(slot));
        }
        header.write(inner);
        header.body_seq
    }

    /// The cell that [`Shaped::fill`] filled leaves under this packet number.
    pub fn sent(&mut self, number: u64, tick: Moment, seq: u32) {
        self.counts.cells_out += 1;
        self.counts.chaff_out += u64::from(seq == 0);
        let (items, resend, base) = (&mut self.items, &mut self.resend, self.base);
        self.flights.sent(number, tick, seq, &mut |news| {
            if let News::Lost(seq) = news {
                lost(items, resend, base, seq);
            }
        });
    }

    /// Takes an opened cell in. `room` is whether another body can be handed up: if not, the cell is not acknowledged and comes again.
    pub fn arrived(
        &mut self,
        now: Moment,
        number: u64,
        header: &InnerHeader,
        room: bool,
    ) -> Brought {
        self.last_in = now;
        self.resumed.take_if(|resumed| *resumed <= now);
        self.counts.cells_in += 1;
        self.incoming.count(now);
        if let Some(ack) = header.ack {
            self.acknowledged(now, &ack);
        }
        self.peer_credit = header.credit.min(CREDIT);
        let brought = match header.kind {
            CellKind::Close => Brought::Close,
            CellKind::Body | CellKind::Control if !room => return Brought::Nothing,
            CellKind::Body | CellKind::Control => {
                let seq = u64::from(header.body_seq);
                if seq == 0 || !self.seen.fresh(seq) {
                    Brought::Nothing
                } else {
                    self.seen.record(seq);
                    if header.kind == CellKind::Body {
                        Brought::Body
                    } else {
                        Brought::Control
                    }
                }
            }
            CellKind::Chaff | CellKind::Unknown => Brought::Nothing,
        };
        self.accepted.mark(number, now);
        brought
    }

    /// New keys number their packets from 0: everything on its way is sent again, everything accepted was accepted under the old ones.
    pub fn rekeyed(&mut self) {
        let (items, resend, base) = (&mut self.items, &mut self.resend, self.base);
        self.flights.abandon(&mut |news| {
            if let News::Lost(seq) = news {
                lost(items, resend, base, seq);
            }
        });
        self.accepted = Accepted::none();
    }

    /// A cell that the keys before these opened: its acknowledgements speak of other numbers.
    pub fn arrived_under_old_keys(
        &mut self,
        now: Moment,
        header: &InnerHeader,
        room: bool,
    ) -> Brought {
        let accepted = self.accepted;
        let brought = self.arrived(
            now,
            0,
            &InnerHeader {
                ack: None,
                ..*header
            },
            room,
        );
        self.accepted = accepted;
        brought
    }

    /// Since the last cell came in.
    pub fn silence(&self, now: Moment) -> Duration {
        now.since(self.last_in)
    }

    /// The program stood still until now: the other end may have given this link up.
    pub fn stood_still(&mut self, now: Moment) {
        self.resumed = Some(now + BACKLOG);
    }

    pub fn health(&self, now: Moment) -> Health {
        let gaps = Duration::from_secs_f64(12.0 / self.rate);
        if self
            .resumed
            .is_some_and(|resumed| now.since(resumed) > PROOF.max(gaps))
        {
            return Health::Dead;
        }
        let silence = SILENCE.max(gaps);
        let silent = self.silence(now);
        if silent < silence {
            Health::Fine
        } else if silent < silence + HOPE {
            Health::Suspect
        } else {
            Health::Dead
        }
    }

    /// Cells per second that lately came.
    pub fn rate_in(&self, now: Moment) -> f64 {
        self.incoming.rate(now)
    }

    pub fn loss(&self) -> f64 {
        self.flights.loss()
    }

    /// Bodies that wait for a tick, and those that had to give way to newer ones of their circuit.
    pub fn queue(&self) -> (usize, u64) {
        let waiting = self.control.len() + self.resend.len() + self.lanes.len();
        (waiting, self.lanes.displaced())
    }

    pub fn round_trip(&self) -> Option<Duration> {
        self.flights.round_trip()
    }

    /// Control, lost, circuits in turn.
    fn choose(&mut self, tick: Moment) -> Option<(u32, Slot, bool)> {
        let spread = self.items.len() as u32;
        if spread < SPREAD
            && let Some(slot) = self.control.pop_front()
        {
            return Some(self.start(slot, true, tick));
        }
        // A peer without room takes nothing: sending again would only use up the sends.
        while self.peer_credit > 0
            && let Some(seq) = self.resend.pop_front()
        {
            let Some(item) = item(&mut self.items, self.base, seq) else {
                continue;
            };
            if item.sends >= SENDS || tick.since(item.first) > AGE {
                self.counts.bodies_lost += 1;
                self.settle(seq);
                continue;
            }
            item.sends += 1;
            return Some((seq, item.slot, item.control));
        }
        if spread < SPREAD
            && self.unsettled < self.peer_credit
            && let Some(slot) = self.lanes.pop(&self.bodies)
        {
            self.unsettled += 1;
            return Some(self.start(slot, false, tick));
        }
        None
    }

    fn start(&mut self, slot: Slot, control: bool, tick: Moment) -> (u32, Slot, bool) {
        let seq = self.base.wrapping_add(self.items.len() as u32);
        self.items.push_back(Some(Item {
            slot,
            control,
            sends: 1,
            first: tick,
        }));
        (seq, slot, control)
    }

    fn acknowledged(&mut self, now: Moment, ack: &Ack) {
        let Shaped {
            flights,
            items,
            resend,
            bodies,
            unsettled,
            base,
            ..
        } = self;
        flights.acknowledged(now, ack, &mut |news| match news {
            News::Arrived(seq) => release(items, *base, bodies, unsettled, seq),
            News::Lost(seq) => lost(items, resend, *base, seq),
        });
        self.trim();
    }

    fn expire(&mut self, tick: Moment) {
        let (items, resend, base) = (&mut self.items, &mut self.resend, self.base);
        self.flights.expire(tick, self.rate, &mut |news| {
            if let News::Lost(seq) = news {
                lost(items, resend, base, seq);
            }
        });
    }

    fn settle(&mut self, seq: u32) {
        release(
            &mut self.items,
            self.base,
            &mut self.bodies,
            &mut self.unsettled,
            seq,
        );
        self.trim();
    }

    fn trim(&mut self) {
        while let Some(None) = self.items.front() {
            self.items.pop_front();
            self.base = self.base.wrapping_add(1);
        }
    }
}

fn item(items: &mut VecDeque<Option<Item>>, base: u32, seq: u32) -> Option<&mut Item> {
    items.get_mut(seq.wrapping_sub(base) as usize)?.as_mut()
}

fn lost(items: &mut VecDeque<Option<Item>>, resend: &mut VecDeque<u32>, base: u32, seq: u32) {
    if item(items, base, seq).is_some() {
        resend.push_back(seq);
    }
}

fn release(
    items: &mut VecDeque<Option<Item>>,
    base: u32,
    bodies: &mut Bodies,
    unsettled: &mut u16,
    seq: u32,
) {
    if let Some(place) = items.get_mut(seq.wrapping_sub(base) as usize)
        && let Some(item) = place.take()
    {
        bodies.release(item.slot);
        if !item.control {
            *unsettled -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    fn shaped() -> Shaped {
        let now = Moment(0);
        Shaped::new(
            Clock::of_spur(Stream::from_seed([1; 32]), now, 6.0),
            6.0,
            crate::node::link::DEPTH,
            now,
        )
    }

    fn header(kind: CellKind, credit: u16, ack: Option<Ack>) -> InnerHeader {
        InnerHeader {
            kind,
            ack,
            body_seq: 0,
            credit,
        }
    }

    /// One tick: what left, with its sequence number.
    fn tick(link: &mut Shaped, number: u64) -> (CellKind, u32) {
        let at = Moment(number * 100_000);
        let mut inner = [0; INNER];
        let seq = link.fill(at, false, CREDIT, &mut inner);
        link.sent(number, at, seq);
        (
            InnerHeader::split(&inner).expect("just written").0.kind,
            seq,
        )
    }

    #[test]
    fn without_credit_only_control_and_chaff_leave_and_with_credit_the_bodies_follow() {
        let mut link = shaped();
        link.arrived(Moment(0), 0, &header(CellKind::Chaff, 0, None), true);
        for n in 0..5 {
            assert_eq!(link.send(1, &[n; BODY]), Ok(()));
        }
        assert_eq!(link.send_control(&[0x40; BODY]), Ok(()));
        assert_eq!(tick(&mut link, 0), (CellKind::Control, 1));
        assert_eq!(tick(&mut link, 1), (CellKind::Chaff, 0));
        let ack = Some(Ack {
            delay: 0,
            top: 1,
            bits: 1,
        });
        link.arrived(Moment(200_000), 1, &header(CellKind::Chaff, 2, ack), true);
        let left: Vec<_> = (2..6).map(|n| tick(&mut link, n).0).collect();
        assert_eq!(
            left,
            [
                CellKind::Body,
                CellKind::Body,
                CellKind::Chaff,
                CellKind::Chaff
            ]
        );
        let ack = Some(Ack {
            delay: 0,
            top: 5,
            bits: u64::MAX,
        });
        link.arrived(Moment(700_000), 2, &header(CellKind::Chaff, 64, ack), true);
        let left: Vec<_> = (7..11).map(|n| tick(&mut link, n)).collect();
        assert_eq!(
            left.iter()
                .filter(|(kind, _)| *kind == CellKind::Body)
                .count(),
            3
        );
    }

    #[test]
    fn numbers_in_use_stay_within_what_the_receiver_remembers() {
        let mut link = shaped();
        let mut last = CellKind::Control;
        for number in 0..u64::from(SPREAD) + 50 {
            assert_eq!(link.send_control(&[0x40; BODY]), Ok(()));
            let at = Moment(number);
            let mut inner = [0; INNER];
            let seq = link.fill(at, false, CREDIT, &mut inner);
            link.sent(number, at, seq);
            last = InnerHeader::split(&inner).expect("just written").0.kind;
            if number >= u64::from(SPREAD) && link.control.len() == CONTROL {
                break;
            }
        }
        assert_eq!((link.items.len(), last), (SPREAD as usize, CellKind::Chaff));
        assert_eq!(link.control.len(), CONTROL);
        assert_eq!(link.send_control(&[0x40; BODY]), Err(Full), "no more wait");
    }

    #[test]
    fn a_body_that_cannot_be_handed_up_is_not_acknowledged_and_is_taken_when_it_comes_again() {
        let mut link = shaped();
        let body = InnerHeader {
            body_seq: 1,
            ..header(CellKind::Body, 64, None)
        };
        assert_eq!(link.arrived(Moment(0), 0, &body, false), Brought::Nothing);
        assert_eq!(link.accepted.ack(Moment(0)), None);
        assert_eq!(link.arrived(Moment(1), 1, &body, true), Brought::Body);
        assert_eq!(link.arrived(Moment(2), 2, &body, true), Brought::Nothing);
        assert_eq!(
            link.accepted.ack(Moment(2)).map(|a| (a.top, a.bits)),
            Some((2, 1))
        );
    }

    #[test]
    fn a_body_is_given_up_after_its_sends_and_its_place_is_free_again() {
        let mut link = shaped();
        assert_eq!(link.send(1, &[7; BODY]), Ok(()));
        let mut bodies = 0;
        for n in 0..400 {
            bodies += u8::from(tick(&mut link, n).0 == CellKind::Body);
        }
        assert_eq!(bodies, SENDS);
        assert_eq!(
            (link.counts.bodies_lost, link.unsettled, link.items.len()),
            (1, 0, 0)
        );
    }
}
