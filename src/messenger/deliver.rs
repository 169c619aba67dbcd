//! What leaves for a contact: first parcels of a session, texts in their window, receipts.
//!
//! Nothing leaves before the store has the state it was sealed with, so that no key is ever used for two parcels, not even across
//! a crash. Which way it takes is in `reach`; what comes back is in `receive`.

use std::time::Duration;

use super::FIRST_PARCEL_VERSION;
use super::contact::{Contact, News};
use super::desk::Desk;
use super::persistence::{Change, Persistence, StoreError};
use super::reach::ReachedBy;
use super::rows::outgoing_row;
use super::session::{Copies, Start, current_row};
use super::slowness::Slowness;
use super::view::{ChatEvent, ContactState, Delivery};
use crate::crypto::session::{OFFER, SessionStart};
use crate::node::person::{ReplyHandle, Way};
use crate::wire::introduction::Introduction;
use crate::wire::parcel::{Body, Receipt};
use crate::wire::size::PARCEL;
use crate::wire::time::Moment;

/// Receipts of a contact are at least this far apart: one names all that came between.
const RECEIPT_GAP: Duration = Duration::from_millis(1500);
/// A receipt waits so long for words of ours to ride on: a contact that answers at once (a program) needs one parcel and not two, and the answer does
/// not queue behind its receipt.
const RECEIPT_WAIT: Duration = Duration::from_millis(100);
/// A receipt that rode on a parcel leaves alone after so long, unless the next one rides, too. Whoever missed it asks sooner.
const RIDDEN: Duration = Duration::from_secs(4);
/// The answer to a first parcel is waited for this long before we start a session ourselves.
pub const OFFER_PATIENCE: Duration = Duration::from_secs(60);
/// A parcel that left so often over so long without an acknowledgement, while nothing of theirs came, opens under nothing at the other
/// side: the session is lost there.
const LOST_TRIES: u32 = 4;
const LOST_AFTER: Duration = Duration::from_secs(20);
/// One that left so often although they are heard has lost its key to newer ones.
const GONE_TRIES: u32 = 8;
/// So many parcels of theirs that open under nothing, for `UNOPENED_AFTER`, say the same.
const UNOPENED: u32 = 4;
const UNOPENED_AFTER: Duration = Duration::from_secs(20);
/// First and longest wait between two new sessions in place of a lost one, in seconds.
const RENEW_FIRST: f64 = 120.0;
const RENEW_LAST: f64 = 3600.0;
/// First and longest wait between two copies of a first parcel, in seconds, and how much longer each waits than the one before. A first
/// copy that is lost costs a person who looks at the screen two seconds; one that is only slow costs a cell that leaves anyway.
const START_FIRST: f64 = 2.0;
const START_LAST: f64 = 60.0;
const START_GROWTH: f64 = 1.8;
/// So many receipts in a row that were asked for again: we are to find another way, although nothing of ours waits.
const LOST_ANSWERS: u32 = 2;
/// After the store refused.
const STALL: Duration = Duration::from_secs(5);
/// A contact whose session was there before this run is told so often that we are back, until something of theirs comes.
const GREETINGS: u32 = 3;
/// Who was told that we are here is told again when a spur to them opens so long afterwards: along it they can answer at once.
const GREETING_GAP: Duration = Duration::from_secs(20);
/// How often a contact is told of our intro points, and how far apart: nobody acknowledges it, and who missed both looks the descriptor up.
const NEWS_COPIES: u32 = 2;
const NEWS_AGAIN: Duration = Duration::from_secs(30);
/// What the receiver holds although something before it is missing is not sent again before this.
const HELD: Duration = Duration::from_secs(60);

/// Seconds to the next copy of a first parcel or receipt that left `tries` times before this one.
fn pause(slowness: Slowness, tries: u32) -> f64 {
    (slowness.seconds(START_FIRST) * START_GROWTH.powi(tries.min(30) as i32)).min(START_LAST)
}

impl Start {
    /// A copy leaves.
    fn left(&mut self, slowness: Slowness, now: Moment) {
        self.due = now.after_seconds(pause(slowness, self.tries));
        self.tries = self.tries.saturating_add(1);
    }
}

impl Contact {
    /// A receipt is owed.
    pub fn owe_receipt(&mut self, now: Moment) {
        let due =
            (now + RECEIPT_WAIT).max(self.talk.last_receipt + self.slowness.span(RECEIPT_GAP));
        let talk = &mut self.talk;
        talk.receipt_due = Some(talk.receipt_due.map_or(due, |before| before.min(due)));
    }

    /// A spur to them opened: whatever waits leaves along it, and if nothing does, a receipt, so that they know the spur as their way to us.
    /// Who has just started says so in this way that it is back, to those whose messages wait.
    ///
    /// Gives an answer that is to leave along it again: to an offer whose initiator may have got it, and has the new session alone then. If the way to
    /// us that it knows is gone, this is how it learns of another.
    pub fn spur_opened(&mut self, now: Moment) -> Option<Box<[u8; PARCEL]>> {
        self.reach.spur_up(now);
        self.way_opened(now);
        let greeted = self.talk.greeted;
        let told =
            greeted.is_some_and(|before| now.since(before) < self.slowness.span(GREETING_GAP));
        if self.face.state != ContactState::Accepted || self.sessions.is_empty() || told {
            return None;
        }
        self.talk.greeted = Some(now);
        if self.sessions.current.is_some() {
            self.owe_receipt(now);
        }
        let unproven = self.sessions.offered.last();
        unproven
            .filter(|_| !self.sessions.is_settled())
            .map(|offered| offered.answer.clone())
    }

    /// What waited, or left some time ago, leaves at once.
    pub fn way_opened(&mut self, now: Moment) {
        self.outbox.hurry(now);
        self.hurry_start(now);
    }

    /// An offer of ours that waits for its answer leaves again at once: a way opened, or our spur begins to show the cookie, by which alone it
    /// reaches somebody who has lost all sessions.
    pub fn hurry_start(&mut self, now: Moment) {
        if let Some(start) = &mut self.sessions.start {
            start.due = start.due.min(now);
        }
    }

    /// Our intro points are others from now on. Who only looked the descriptor up when the old ones are gone would be without a way for half a minute.
    pub fn introduce(&mut self, introduction: &Introduction, due: Moment) {
        if self.face.state == ContactState::Accepted {
            self.talk.news = Some(News {
                introduction: introduction.clone(),
                copies: 0,
                due,
            });
        }
    }

    /// When they are to be told of our intro points: once they have proved the session.
    fn news_due(&self) -> Moment {
        match &self.talk.news {
            Some(news) if self.talk.heard_in_session => news.due,
            _ => Moment::NEVER,
        }
    }

    /// Their spur has ended: what left along it and was not acknowledged leaves again another way.
    pub fn handle_gone(&mut self, handle: ReplyHandle, now: Moment) {
        if self.reach.ways.handle_gone(handle) {
            self.outbox.hurry_by_handle(now);
        }
    }

    /// A parcel came that was opened before: our receipt was lost.
    pub fn came_again(&mut self, by: ReachedBy, now: Moment) {
        if self.sessions.current.is_none() {
            return;
        }
        self.talk.again_by = Some(by);
        // It came along a spur of theirs that is there now; the one that we know may be gone, and nobody tells us.
        if let ReachedBy::Handle(handle) = by {
            self.reach.ways.offer_handle(handle, now);
        }
        self.owe_receipt(now);
    }

    /// The way of the next receipt. What came again shows a way that works; if it goes on, that one may work in one direction only.
    fn receipt_way(&self, now: Moment) -> Option<ReachedBy> {
        let Some(by) = self.talk.again_by else {
            return self.reach.ways.way(now, self.talk.unheard_receipts);
        };
        let open = by != ReachedBy::Spur || self.reach.ways.is_spur_up();
        let (same, other) = (open.then_some(by), self.reach.ways.other(by, now));
        if self.talk.again.is_multiple_of(2) {
            same.or(other)
        } else {
            other.or(same)
        }
    }

    /// Whether answers of ours are lost again and again.
    pub fn answers_are_lost(&self) -> bool {
        self.talk.again >= LOST_ANSWERS
    }

    /// When `serve` has something to do; `NEVER` without a way.
    pub fn due(&self, now: Moment) -> Moment {
        if !self.is_open() || self.reach.ways.way(now, 0).is_none() {
            return Moment::NEVER;
        }
        let mut due = match &self.sessions.start {
            Some(start) => start.due,
            None if self.wants_start(now) => Moment(0),
            None => self.start_due(),
        };
        if self.sessions.current.is_some() {
            due = due.min(self.owed_receipt().unwrap_or(Moment::NEVER));
            due = due.min(self.news_due());
            if self.talk.skip_due {
                due = Moment(0);
            }
            if !self.talk.rekey {
                let state = self.face.state;
                for item in self.outbox.waiting(|kind| Contact::may_leave(state, kind)) {
                    due = due.min(item.due);
                }
            }
        }
        due.max(self.talk.stalled)
    }

    /// When a receipt is to leave. None while our request waits in a session in which nothing was heard: the request proves as well that
    /// we are there, and a stranger has four places at an intro point for everything.
    fn owed_receipt(&self) -> Option<Moment> {
        let asks = self.face.state == ContactState::Asked && self.has_work();
        self.talk
            .receipt_due
            .filter(|_| self.talk.heard_in_session || !asks)
    }

    /// Whether a session has to be started now.
    fn wants_start(&self, now: Moment) -> bool {
        if self.sessions.start.is_some() || now < self.talk.renew_at {
            return false;
        }
        if self.sessions.current.is_some() {
            return self.talk.rekey || self.is_lost(now);
        }
        let answered = self
            .sessions
            .offered
            .last()
            .is_some_and(|offered| now.since(offered.made) < OFFER_PATIENCE);
        self.has_work() && !answered
    }

    /// When `wants_start` becomes true by time alone (what is sent again asks anyway).
    fn start_due(&self) -> Moment {
        let waits = self.talk.rekey || (self.sessions.current.is_none() && self.has_work());
        if !waits {
            return Moment::NEVER;
        }
        let offered = match (&self.sessions.current, self.sessions.offered.last()) {
            (None, Some(offered)) => offered.made + OFFER_PATIENCE,
            _ => Moment(0),
        };
        self.talk.renew_at.max(offered)
    }

    /// Whether the other side seems to have lost the session.
    fn is_lost(&self, now: Moment) -> bool {
        let silent = now.since(self.talk.heard);
        let state = self.face.state;
        let lost_after = self.slowness.span(LOST_AFTER);
        let ignored = self
            .outbox
            .waiting(|kind| Contact::may_leave(state, kind))
            .any(|item| {
                let often = item.tries >= LOST_TRIES && silent >= lost_after;
                (often || item.tries >= GONE_TRIES) && now.since(item.first) >= lost_after
            });
        ignored || (self.talk.unopened >= UNOPENED && silent >= self.slowness.span(UNOPENED_AFTER))
    }

    /// Sends what is due. Call it after everything that may have changed something.
    pub fn serve<P: Persistence>(&mut self, desk: &mut Desk<P>, now: Moment) {
        if now < self.due(now) {
            return;
        }
        if !desk.all_erased() {
            self.talk.stalled = now + STALL;
            return;
        }
        self.serve_start(desk, now);
        if self.sessions.current.is_some() && self.serve_parcels(desk, now).is_err() {
            self.talk.stalled = now + STALL;
        }
        if self.due(now) <= now {
            self.talk.stalled = now + STALL;
        }
    }

    /// A parcel could not leave: it takes the other way at once, or is tried again.
    pub fn not_sent<P: Persistence>(
        &mut self,
        desk: &mut Desk<P>,
        way: Way,
        parcel: Box<[u8; PARCEL]>,
        now: Moment,
    ) {
        let other = self.reach.ways.refused(way, now);
        if let Some(start) = &mut self.sessions.start
            && start.parcel == parcel
        {
            if other.is_some() {
                start.due = now;
            }
            return;
        }
        match other {
            Some(other) if self.is_open() && desk.all_erased() => {
                desk.send(other.way(self.tag), parcel)
            }
            _ => {
                if !self.outbox.not_sent(&parcel, now) {
                    // A receipt, or a skip that the next receipt of theirs asks for again.
                    self.owe_receipt(now);
                }
            }
        }
    }

    fn serve_start<P: Persistence>(&mut self, desk: &mut Desk<P>, now: Moment) {
        if self.wants_start(now) {
            let mut payload = [0; OFFER];
            desk.random.fill(&mut payload);
            payload[0] = FIRST_PARCEL_VERSION;
            let (state, parcel) =
                SessionStart::new(&desk.key, &self.account, &payload, &mut desk.random);
            self.sessions.start = Some(Start {
                state,
                parcel: Box::new(parcel),
                made: now,
                tries: 0,
                due: now,
                copies: Copies::new(now),
            });
            if self.sessions.current.is_some() {
                let wait =
                    (RENEW_FIRST * 2f64.powi(self.talk.renewals.min(10) as i32)).min(RENEW_LAST);
                self.talk.renewals = self.talk.renewals.saturating_add(1);
                self.talk.renew_at = now.after_seconds(wait);
            }
        }
        let Some(start) = &mut self.sessions.start else {
            return;
        };
        if start.due > now {
            return;
        }
        let cookie = self.reach.shows_cookie();
        let limited = |by: ReachedBy| cookie && by == ReachedBy::Spur;
        let ready = start.copies.ready();
        let ways = [start.tries, start.tries.wrapping_add(1)];
        let by = ways
            .into_iter()
            .filter_map(|tries| self.reach.ways.way(now, tries))
            .find(|by| !limited(*by) || ready <= now);
        let Some(by) = by else {
            start.due = ready;
            return;
        };
        if limited(by) {
            start.copies.take(now);
        }
        desk.send(by.way(self.tag), start.parcel.clone());
        start.left(self.slowness, now);
    }

    /// Their offer came while ours waits for its answer: ours leaves at once, back along their spur if it came by that. If they have lost all
    /// sessions, they know no token that our spur may show.
    pub fn offer_back<P: Persistence>(&mut self, desk: &mut Desk<P>, by: ReachedBy, now: Moment) {
        let Some(start) = &mut self.sessions.start else {
            return;
        };
        if let ReachedBy::Handle(_) = by {
            desk.send(by.way(self.tag), start.parcel.clone());
            start.left(self.slowness, now);
        } else {
            self.hurry_start(now);
        }
    }

    fn serve_parcels<P: Persistence>(
        &mut self,
        desk: &mut Desk<P>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let mut draft = self.draft();
        let account = self.bytes();
        let have = self.inbox.received;
        let receipt_by = self
            .owed_receipt()
            .filter(|due| *due <= now)
            .and_then(|_| self.receipt_way(now));
        let tells = self.news_due() <= now;
        let Some(ratchet) = &mut self.sessions.current else {
            return Ok(());
        };
        let mut leaving: Vec<(Way, Box<[u8; PARCEL]>)> = Vec::new();
        let mut sealed_now = Vec::new();
        let mut sealed_any = false;
        if !self.talk.rekey {
            let state = self.face.state;
            let two_tries = self.outbox.patience(1) + self.outbox.patience(2);
            for item in self.outbox.window(|kind| Contact::may_leave(state, kind)) {
                if item.due > now {
                    continue;
                }
                let Some(by) =
                    self.reach
                        .ways
                        .proving_way(now, item.tries, item.last, item.by_spur)
                else {
                    break;
                };
                let parcel = match &item.sealed {
                    Some(parcel) => parcel.clone(),
                    None => {
                        let body =
                            Body::piece(item.code, item.sequence, have, &item.previous, &item.text);
                        let Ok((parcel, secrecy)) = ratchet.encrypt(body.bytes(), &mut desk.random)
                        else {
                            break;
                        };
                        item.secrecy = secrecy;
                        let first_time = !std::mem::replace(&mut item.left, true);
                        draft.changes.push(Change::PutOutgoing(outgoing_row(
                            account,
                            item,
                            Some(&parcel),
                        )));
                        if let Some(number) = item.message
                            && item.ends_message()
                            && first_time
                        {
                            draft.changes.push(Change::SetDelivery {
                                number,
                                delivery: Delivery::Sent,
                            });
                            draft.events.push(ChatEvent::Delivery {
                                number,
                                contact: self.account,
                                delivery: Delivery::Sent,
                                secrecy,
                            });
                        }
                        sealed_any = true;
                        sealed_now.push((item.sequence, first_time));
                        item.sealed.insert(Box::new(parcel)).clone()
                    }
                };
                self.reach.ways.used(by, now, two_tries);
                item.by_spur = by == ReachedBy::Spur;
                leaving.push((by.way(self.tag), parcel));
            }
        }
        // What leaves for the first time says what we have; they believe it once a receipt of this session has told them of our past.
        let rides = !sealed_now.is_empty()
            && self.talk.receipted
            && self.talk.again_by.is_none()
            && self.inbox.ahead() == 0;
        let receipt_by = receipt_by.filter(|_| !rides);
        let mut receipt_left = false;
        if self.talk.skip_due
            && let Some(by) = self.reach.ways.way(now, 0)
        {
            let body = Body::skip(draft.head.peer_has, &draft.head.peer_has_link, have);
            if let Ok((parcel, _)) = ratchet.encrypt(body.bytes(), &mut desk.random) {
                sealed_any = true;
                leaving.push((by.way(self.tag), Box::new(parcel)));
            }
        }
        let mut news_left = false;
        if tells
            && let Some(news) = &self.talk.news
            && let Some(by) = self.reach.ways.way(now, news.copies)
        {
            let body = Body::introduction(have, &news.introduction);
            if let Ok((parcel, _)) = ratchet.encrypt(body.bytes(), &mut desk.random) {
                sealed_any = true;
                news_left = true;
                leaving.push((by.way(self.tag), Box::new(parcel)));
            }
        }
        if let Some(by) = receipt_by {
            draft.head.receipts = draft.head.receipts.saturating_add(1);
            let receipt = Receipt {
                number: draft.head.receipts,
                ahead: self.inbox.ahead(),
                links: self.inbox.links(),
            };
            let body = Body::receipt(have, &receipt);
            if let Ok((parcel, _)) = ratchet.encrypt(body.bytes(), &mut desk.random) {
                sealed_any = true;
                receipt_left = true;
                leaving.push((by.way(self.tag), Box::new(parcel)));
            }
        }
        if sealed_any {
            let row = current_row(account, ratchet.to_bytes());
            if let Err(error) = desk.save(self, draft, vec![row]) {
                // The keys of these parcels are spent; what they sealed has not left and is sealed again.
                self.outbox.forget_sealed(&sealed_now);
                return Err(error);
            }
        }
        self.talk.skip_due = false;
        if news_left && let Some(news) = &mut self.talk.news {
            news.copies += 1;
            news.due = now + NEWS_AGAIN;
        }
        self.talk.news.take_if(|news| news.copies >= NEWS_COPIES);
        if rides && let Some(due) = &mut self.talk.receipt_due {
            *due = (*due).max(now + self.slowness.span(RIDDEN));
        }
        if receipt_left {
            self.talk.receipted = true;
            self.talk.last_receipt = now;
            self.talk.receipt_due = None;
            if self.talk.again_by.take().is_some() {
                self.talk.again = self.talk.again.saturating_add(1);
            }
            if !self.talk.heard_in_session {
                let sent = self.talk.unheard_receipts;
                self.talk.unheard_receipts = sent.saturating_add(1);
                // The other side has to learn that the session is confirmed.
                if self.talk.begun || self.talk.unheard_receipts < GREETINGS {
                    self.talk.receipt_due = Some(now.after_seconds(pause(self.slowness, sent)));
                }
            }
        }
        let state = self.face.state;
        if !self.talk.rekey {
            self.outbox
                .note_left(now, HELD, |kind| Contact::may_leave(state, kind));
        }
        for (way, parcel) in leaving {
            desk.send(way, parcel);
        }
        Ok(())
    }
}
