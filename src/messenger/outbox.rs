//! What we have for a contact and they have not acknowledged: numbers, chain, window, and when to send again.
//!
//! Each item is sealed once in a session and sent again as the same bytes, so that its key is gone from the receiver's device the
//! moment it was opened; only a new session, which ends the old one with all its keys, seals it anew.
//! Not here: keys, ways, the store.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroizing;

use super::slowness::Slowness;
use crate::crypto::secrecy::Secrecy;
use crate::wire::parcel::{Body, Kind, Link, Piece, START};
use crate::wire::size::PARCEL;
use crate::wire::time::Moment;

/// Parcels under way to a contact at once: what the node's queue of 16 takes with receipts, and far below what a receipt can name.
pub const WINDOW: usize = 8;
/// Patience with an acknowledgement, in seconds, before a round trip was measured: a way takes one second to five.
const FIRST_RESEND: f64 = 3.0;
/// Least patience: receipts wait for up to a second and a half.
const LEAST_RESEND: f64 = 2.0;
/// Patience that was too short is kept for what leaves next, up to this, until a round trip is measured.
const LONGEST_KEPT: f64 = 15.0;
/// Longest: a contact that comes back is found again within this time.
const LAST_RESEND: f64 = 60.0;
/// The highest number that a receipt may name: one parcel a second for 68 years.
const FARTHEST: u32 = 1 << 31;
/// Seconds until something is tried again that found no way although one seemed open.
const NO_WAY: f64 = 1.0;
/// What left so short a while ago does not leave again because a way opened.
const FRESHLY_LEFT: Duration = Duration::from_secs(3);
/// Each try waits this much longer.
const GROWTH: f64 = 1.6;

/// One parcel, or what will become one.
pub struct Item {
    pub sequence: u32,
    /// The message it is a part of.
    pub message: Option<u64>,
    pub code: u8,
    pub text: Zeroizing<Vec<u8>>,
    pub previous: Link,
    pub link: Link,
    /// As it leaves, in the current session.
    pub sealed: Option<Box<[u8; PARCEL]>>,
    pub secrecy: Secrecy,
    /// It was handed to an open way at least once, in any run.
    pub left: bool,
    /// Times it left in this run under the current session.
    pub tries: u32,
    /// Times it left since a way opened: patience grows with them.
    pub waits: u32,
    /// It left along our spur last.
    pub by_spur: bool,
    /// When it left first, in the same run and session.
    pub first: Moment,
    pub last: Moment,
    pub due: Moment,
    /// The receiver holds it, but not all before it.
    pub held: bool,
}

impl Item {
    pub fn kind(&self) -> Option<Kind> {
        Piece::from_code(self.code).map(|piece| piece.kind)
    }

    /// Whether the message it belongs to is whole with it.
    pub fn ends_message(&self) -> bool {
        Piece::from_code(self.code).is_some_and(|piece| piece.last)
    }
}

/// Numbers of one direction of a conversation, ours to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last sequence number given to something.
    pub sent: u32,
    pub sent_link: Link,
    /// They have everything up to here, and said so.
    pub peer_has: u32,
    pub peer_has_link: Link,
    /// Number of our last receipt.
    pub receipts: u32,
}

impl Head {
    pub fn new() -> Head {
        Head {
            sent: 0,
            sent_link: START,
            peer_has: 0,
            peer_has_link: START,
            receipts: 0,
        }
    }

    /// Items for the pieces of a unit, in their places behind what is there.
    pub fn prepare(&mut self, kind: Kind, pieces: &[&[u8]], message: Option<u64>) -> Vec<Item> {
        let mut items = Vec::with_capacity(pieces.len());
        for (i, text) in pieces.iter().enumerate() {
            let code = Piece {
                kind,
                first: i == 0,
                last: i + 1 == pieces.len(),
            }
            .code();
            items.push(self.place(code, Zeroizing::new(text.to_vec()), message));
        }
        items
    }

    fn place(&mut self, code: u8, text: Zeroizing<Vec<u8>>, message: Option<u64>) -> Item {
        let (sequence, previous) = (self.sent.saturating_add(1), self.sent_link);
        let link = Body::piece(code, sequence, 0, &previous, &text).link();
        self.sent = sequence;
        self.sent_link = link;
        Item {
            sequence,
            message,
            code,
            text,
            previous,
            link,
            sealed: None,
            secrecy: Secrecy::OnceOpened,
            left: false,
            tries: 0,
            waits: 0,
            by_spur: false,
            first: Moment(0),
            last: Moment(0),
            due: Moment(0),
            held: false,
        }
    }
}

/// How a receipt stands to what we know.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// They have everything up to here, and it is what we sent.
    Covers(u32),
    /// They had more before: their state was rolled back, or the contact was removed and added again.
    PeerLost,
    /// They have more, or other things, than we know to have sent: our state was rolled back. Up to `common` the two agree.
    WeLost { common: u32 },
    /// More than anybody ever sent: numbers that followed it would come to an end.
    Nonsense,
}

/// One direction of a conversation, ours to them.
pub struct Outbox {
    pub head: Head,
    items: VecDeque<Item>,
    /// Smoothed time until an acknowledgement, and its deviation, in seconds.
    round_trip: Option<(f64, f64)>,
    /// Patience that the last acknowledgement of something sent more than once took: whose copy it was cannot be told, so it measures
    /// nothing, and a patience below every round trip would never learn (Karn and Partridge 1987).
    kept: f64,
    /// How much longer than usual an acknowledgement takes.
    slowness: Slowness,
}

impl Outbox {
    pub fn new(head: Head) -> Outbox {
        Outbox {
            head,
            items: VecDeque::new(),
            round_trip: None,
            kept: 0.0,
            slowness: Slowness::USUAL,
        }
    }

    pub fn set_slowness(&mut self, slowness: Slowness) {
        self.slowness = slowness;
    }

    /// Found in the store, in order.
    pub fn restore(&mut self, item: Item) {
        self.items.push_back(item);
    }

    pub fn append(&mut self, items: Vec<Item>) {
        self.items.extend(items);
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Takes the items out of which `take_all` makes a new sequence.
    pub fn drain(&mut self) -> Vec<Item> {
        self.items.drain(..).collect()
    }

    /// The parcels that may be under way, as far as `may_leave` lets them.
    pub fn window(
        &mut self,
        may_leave: impl Fn(Option<Kind>) -> bool,
    ) -> impl Iterator<Item = &mut Item> {
        self.items
            .iter_mut()
            .take(WINDOW)
            .take_while(move |item| may_leave(item.kind()))
    }

    pub fn waiting(&self, may_leave: impl Fn(Option<Kind>) -> bool) -> impl Iterator<Item = &Item> {
        self.items
            .iter()
            .take(WINDOW)
            .take_while(move |item| may_leave(item.kind()))
    }

    fn link_of(&self, sequence: u32) -> Option<Link> {
        if sequence == self.head.peer_has {
            return Some(self.head.peer_has_link);
        }
        let first = self.items.front()?.sequence;
        let at = sequence.checked_sub(first)?;
        let item = self.items.get(at as usize)?;
        (item.sequence == sequence).then_some(item.link)
    }

    /// Compares a receipt with what we know. `links`: of `have`, `have - 1` and so on.
    pub fn compare(&self, have: u32, links: &[Link]) -> Standing {
        if have > FARTHEST {
            return Standing::Nonsense;
        }
        if have < self.head.peer_has {
            return Standing::PeerLost;
        }
        let newest = links.first().copied().unwrap_or(START);
        if have <= self.head.sent && self.link_of(have) == Some(newest) {
            return Standing::Covers(have);
        }
        for (back, link) in links.iter().enumerate() {
            let Some(sequence) = have.checked_sub(back as u32) else {
                break;
            };
            if sequence < self.head.peer_has {
                break;
            }
            if self.link_of(sequence) == Some(*link) {
                return Standing::WeLost { common: sequence };
            }
        }
        Standing::WeLost {
            common: self.head.peer_has,
        }
    }

    /// The head after everything up to `up_to` is acknowledged.
    pub fn head_after(&self, up_to: u32) -> Head {
        let mut head = self.head;
        if let Some(link) = self.link_of(up_to) {
            head.peer_has = up_to;
            head.peer_has_link = link;
        }
        head
    }

    /// Removes what is acknowledged and learns how long it took. Gives when something of it left along our spur, the last that did.
    pub fn acknowledge(&mut self, up_to: u32, now: Moment) -> Option<Moment> {
        let mut by_spur = None;
        while self
            .items
            .front()
            .is_some_and(|item| item.sequence <= up_to)
        {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            if item.by_spur && item.tries > 0 {
                by_spur = by_spur.max(Some(item.last));
            }
            if item.tries == 1 && !item.held {
                self.learn(now.since(item.last).as_secs_f64());
                self.kept = 0.0;
            } else if item.waits > 1 {
                let patience = self.patience(item.waits).as_secs_f64();
                self.kept = self
                    .kept
                    .max(patience.min(self.slowness.seconds(LONGEST_KEPT)));
            }
        }
        by_spur
    }

    fn learn(&mut self, seconds: f64) {
        self.round_trip = Some(match self.round_trip {
            None => (seconds, seconds / 2.0),
            Some((mean, deviation)) => (
                mean + (seconds - mean) / 8.0,
                deviation + ((seconds - mean).abs() - deviation) / 4.0,
            ),
        });
    }

    /// Marks what the receiver holds beyond the first missing parcel; what is missing before it was lost and leaves again soon.
    pub fn note_held(&mut self, have: u32, ahead: u32, now: Moment) {
        let first = have.saturating_add(2);
        let highest = (ahead != 0).then(|| first.saturating_add(31 - ahead.leading_zeros()));
        let unmeasured = self.slowness.seconds(FIRST_RESEND);
        let round_trip = self.round_trip.map_or(unmeasured, |(mean, _)| mean);
        for item in &mut self.items {
            let bit = item.sequence.checked_sub(have.saturating_add(2));
            item.held = bit.is_some_and(|bit| bit < 32 && ahead >> bit & 1 == 1);
            if !item.held
                && item.tries > 0
                && highest.is_some_and(|highest| item.sequence < highest)
            {
                item.due = item.due.min(now.max(item.last.after_seconds(round_trip)));
            }
        }
    }

    /// How long to wait for an acknowledgement of something that left `tries` times.
    pub fn patience(&self, tries: u32) -> Duration {
        let base = match self.round_trip {
            Some((mean, deviation)) => {
                (mean + 4.0 * deviation).max(self.slowness.seconds(LEAST_RESEND))
            }
            None => self.slowness.seconds(FIRST_RESEND),
        };
        let base = base.max(self.kept);
        let seconds = base * GROWTH.powi(tries.saturating_sub(1).min(20) as i32);
        Duration::from_secs_f64(seconds.min(LAST_RESEND.max(base.min(4.0 * LAST_RESEND))))
    }

    /// What was due has left: when it leaves again.
    pub fn note_left(
        &mut self,
        now: Moment,
        held: Duration,
        may_leave: impl Fn(Option<Kind>) -> bool,
    ) {
        let mut dues = Vec::with_capacity(WINDOW);
        for item in self.waiting(&may_leave) {
            let wait = self
                .patience(item.waits.saturating_add(1))
                .max(if item.held { held } else { Duration::ZERO });
            dues.push((item.due <= now && item.sealed.is_some()).then_some(wait));
        }
        for (item, due) in self.window(may_leave).zip(dues) {
            if let Some(wait) = due {
                if item.tries == 0 {
                    item.first = now;
                }
                item.tries = item.tries.saturating_add(1);
                item.waits = item.waits.saturating_add(1);
                item.last = now;
                item.due = now + wait;
            }
        }
    }

    /// There was no way for this parcel after all: that was no try. Whether it is one of these.
    pub fn not_sent(&mut self, parcel: &[u8; PARCEL], now: Moment) -> bool {
        let mut sent = self.items.iter_mut().take(WINDOW);
        let Some(item) = sent.find(|item| item.sealed.as_deref() == Some(parcel)) else {
            return false;
        };
        item.tries = item.tries.saturating_sub(1);
        item.waits = item.waits.saturating_sub(1);
        item.due = now.after_seconds(NO_WAY);
        true
    }

    /// The store refused what was sealed just now: (sequence, whether it was the first time).
    pub fn forget_sealed(&mut self, sealed: &[(u32, bool)]) {
        for item in self.items.iter_mut().take(WINDOW) {
            if let Some((_, first_time)) = sealed
                .iter()
                .find(|(sequence, _)| *sequence == item.sequence)
            {
                item.sealed = None;
                item.left &= !first_time;
            }
        }
    }

    /// A new way is open: what found none, or left some time ago, leaves at once, and patience with it begins anew.
    pub fn hurry(&mut self, now: Moment) {
        let freshly = self.slowness.span(FRESHLY_LEFT);
        for item in self.items.iter_mut().take(WINDOW) {
            if item.tries == 0 || now.since(item.last) > freshly {
                item.due = now;
                item.waits = 0;
            }
        }
    }

    /// Their spur is gone: what left along it leaves at once.
    pub fn hurry_by_handle(&mut self, now: Moment) {
        for item in self.items.iter_mut().take(WINDOW) {
            if item.tries > 0 && !item.by_spur && !item.held {
                item.due = now;
            }
        }
    }

    /// The session is another one: nothing sealed is of use any more.
    pub fn unseal(&mut self) {
        for item in &mut self.items {
            item.sealed = None;
            item.tries = 0;
            item.waits = 0;
            item.due = Moment(0);
            item.held = false;
        }
    }
}

/// New numbers behind `have` and `link` for items that another past has taken the numbers of.
pub fn renumber(head: &Head, have: u32, link: Link, items: &[&Item]) -> (Head, Vec<Item>) {
    let mut head = Head {
        sent: have,
        sent_link: link,
        peer_has: have,
        peer_has_link: link,
        receipts: head.receipts,
    };
    let moved = items
        .iter()
        .map(|item| head.place(item.code, item.text.clone(), item.message))
        .collect();
    (head, moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(texts: &[&str]) -> Outbox {
        let mut head = Head::new();
        let items: Vec<Item> = texts
            .iter()
            .flat_map(|text| head.prepare(Kind::Text, &[text.as_bytes()], Some(1)))
            .collect();
        let mut outbox = Outbox::new(head);
        outbox.append(items);
        outbox
    }

    /// Links of the first `have` items of `outbox`, as a receipt names them.
    fn links(outbox: &Outbox, have: usize) -> Vec<Link> {
        let mut links: Vec<Link> = outbox.items().take(have).map(|item| item.link).collect();
        links.reverse();
        links
    }

    #[test]
    fn a_receipt_covers_only_what_was_really_sent() {
        let ours = outbox(&["a", "b", "c"]);
        assert_eq!(ours.compare(2, &links(&ours, 2)), Standing::Covers(2));
        assert_eq!(ours.compare(0, &[]), Standing::Covers(0));
        let before = outbox(&["a", "b", "x", "y"]);
        assert_eq!(
            ours.compare(3, &links(&before, 3)),
            Standing::WeLost { common: 2 },
            "the third is another one"
        );
        assert_eq!(
            ours.compare(4, &links(&before, 4)),
            Standing::WeLost { common: 2 }
        );
    }

    #[test]
    fn a_peer_that_has_less_than_it_had_is_noticed() {
        let mut ours = outbox(&["a", "b", "c"]);
        let all = links(&ours, 3);
        ours.head = ours.head_after(2);
        ours.acknowledge(2, Moment(0));
        assert_eq!(ours.compare(1, &all[2..]), Standing::PeerLost);
        assert_eq!(ours.compare(3, &all), Standing::Covers(3));
    }

    #[test]
    fn a_receipt_for_more_than_anybody_ever_sent_changes_nothing() {
        let ours = outbox(&["a"]);
        assert_eq!(ours.compare(u32::MAX, &[[1; 8]]), Standing::Nonsense);
        assert_eq!(
            ours.compare(FARTHEST, &[[1; 8]]),
            Standing::WeLost { common: 0 }
        );
    }

    #[test]
    fn renumbered_items_follow_what_the_peer_has() {
        let ours = outbox(&["a", "b", "c"]);
        let items: Vec<&Item> = ours.items().skip(1).collect();
        let (head, moved) = renumber(&ours.head, 9, [7; 8], &items);
        assert_eq!(
            moved.iter().map(|item| item.sequence).collect::<Vec<_>>(),
            [10, 11]
        );
        assert_eq!(
            (moved[0].previous, head.sent, head.peer_has),
            ([7; 8], 11, 9)
        );
        assert_eq!(head.sent_link, moved[1].link);
    }

    #[test]
    fn patience_grows_and_has_an_end() {
        let outbox = outbox(&["a"]);
        assert_eq!(outbox.patience(1), Duration::from_secs(3));
        assert!(outbox.patience(2) > outbox.patience(1));
        assert_eq!(outbox.patience(50), Duration::from_secs(60));
    }

    /// Something leaves at `seconds`, as often as its patience ends, and is acknowledged after `round_trip`; how often it left.
    fn talk(outbox: &mut Outbox, seconds: f64, round_trip: f64) -> u32 {
        let item = outbox.head.prepare(Kind::Text, &[b"a"], None);
        outbox.append(item);
        let (mut now, end) = (seconds, seconds + round_trip);
        while now < end {
            for item in outbox.window(|_| true) {
                item.sealed = Some(Box::new([0; PARCEL]));
            }
            outbox.note_left(Moment(0).after_seconds(now), Duration::ZERO, |_| true);
            now += outbox.patience(outbox.items[0].tries).as_secs_f64();
        }
        let tries = outbox.items[0].tries;
        let up_to = outbox.items[0].sequence;
        outbox.acknowledge(up_to, Moment(0).after_seconds(end));
        tries
    }

    #[test]
    fn patience_follows_the_round_trip_and_never_falls_below_two_seconds() {
        let mut outbox = outbox(&[]);
        for i in 0..50 {
            talk(&mut outbox, f64::from(i) * 100.0, 0.2);
        }
        assert_eq!(outbox.patience(1), Duration::from_secs(2));
    }

    #[test]
    fn a_round_trip_above_the_first_patience_is_learnt_and_then_nothing_leaves_twice() {
        let mut outbox = outbox(&[]);
        let tries: Vec<u32> = (0..20)
            .map(|i| talk(&mut outbox, f64::from(i) * 100.0, 8.0))
            .collect();
        assert!(tries[0] > 1, "the first patience is shorter");
        assert!(tries[4..].iter().all(|tries| *tries == 1), "{tries:?}");
    }

    #[test]
    fn no_more_than_a_window_is_under_way_and_nothing_overtakes_what_must_wait() {
        let texts: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        let mut ours = outbox(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ours.window(|_| true).count(), WINDOW);
        assert_eq!(ours.window(|kind| kind == Some(Kind::Request)).count(), 0);
    }
}
