//! Intro points: parcels that show a registered cookie or token go down the circuit that registered it.
//!
//! Whoever holds one of the owner's tokens is a contact; contacts are served in turn, token by token, however many spurs one of them opens.
//! Whoever only holds the cookie of the descriptor is a stranger; strangers share one cell in 15 s and eight places, so that they can neither
//! flood the owner nor displace a contact.
//! Not here: the circuit's clock (`end`), which asks for one parcel at a time.

use std::collections::{BTreeMap, VecDeque};

use super::allowance::Allowance;
use super::cookie::CookieOpener;
use super::queues::{Parcel, Queues, Room};
use crate::crypto::curve::Point;
use crate::crypto::keys::CookieKey;
use crate::crypto::random::Stream;
use crate::node::link::AssocId;
use crate::wire::circuit::{COOKIE_BLOCK, TOKEN_CELLS};
use crate::wire::time::Moment;

/// Accounts that may be registered here; one more is not answered and goes elsewhere. 2 kB each with tokens of a hundred contacts.
const MAX_REGISTRATIONS: usize = 128;
/// Spurs that may end here over links, as many as these allow, and as many inside this node; one more is closed.
pub const MAX_SPURS: usize = crate::node::link::ACCEPTED_SPURS;
/// Parcels that showed one token and wait for the circuit; the newest is dropped, its sender sends it again.
const MAX_WAITING: usize = 16;
/// The same of all contacts together, 100 kB: sixteen who write all at once. The newest is dropped.
const MAX_WAITING_ALL: usize = 16 * MAX_WAITING;
const CONTACTS: Room = Room {
    queues: MAX_WAITING_ALL,
    a_queue: MAX_WAITING,
    all: MAX_WAITING_ALL,
};
/// Parcels of all strangers that wait; the newest is dropped.
const MAX_STRANGERS: usize = 8;
const STRANGERS: Room = Room {
    queues: 1,
    a_queue: MAX_STRANGERS,
    all: MAX_STRANGERS,
};
/// Strangers' parcels that go through at once before the clock counts: the first words of three people who come at one time, for whoever
/// starts a session is a stranger here until the tokens of that session have been registered.
const STRANGER_BURST: f64 = 12.0;
/// Seconds to one more stranger's parcel.
const STRANGER_SECONDS: f64 = 15.0;

/// Spurs that are gone and that the owner has not been told of; the oldest is forgotten: the owner's patience with it ends by itself.
const MAX_GONE: usize = 32;

/// Where a spur ends: a link, or a slot of an outbound circuit whose end is this very node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SpurKey {
    Link(AssocId),
    Local(u64, u8),
}

struct Registration {
    circuit: u64,
    /// Cells of tokens by index, of the newest generation.
    generation: u16,
    tokens: BTreeMap<u8, Vec<[u8; 16]>>,
    /// By the token that was shown, with the spur's handle.
    contacts: Queues<[u8; 16], u32>,
    strangers: Queues<(), u32>,
    allowance: Allowance,
    /// Handles that lead nowhere, to be told when nothing else goes down.
    gone: VecDeque<u32>,
}

impl Registration {
    fn gone(&mut self, handle: u32) {
        if self.gone.contains(&handle) {
            return;
        }
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(handle);
    }
}

/// What goes down an inbound circuit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// A parcel, with the handle of its spur.
    Parcel(u32, Parcel),
    /// The spur of this handle is gone.
    Gone(u32),
}

struct Spur {
    opener: CookieOpener,
    key: Point,
    handle: u32,
    /// The registration it first showed a credential of; it serves no other.
    cookie: Option<[u8; 16]>,
}

pub(super) struct Intro {
    cookie_key: CookieKey,
    registrations: BTreeMap<[u8; 16], Registration>,
    spurs: BTreeMap<SpurKey, Spur>,
    handles: BTreeMap<u32, SpurKey>,
    random: Stream,
}

impl Intro {
    pub fn new(cookie_key: CookieKey, random: Stream) -> Intro {
        Intro {
            cookie_key,
            registrations: BTreeMap::new(),
            spurs: BTreeMap::new(),
            handles: BTreeMap::new(),
            random,
        }
    }

    pub fn cookie_key(&self) -> &Point {
        self.cookie_key.public()
    }

    /// Registers the circuit's cookie. False if it is another circuit's or there is no room; a stale circuit's cookie is never taken over,
    /// because whoever reads a descriptor knows the cookie.
    pub fn establish(&mut self, now: Moment, circuit: u64, cookie: [u8; 16]) -> bool {
        if let Some(registration) = self.registrations.get(&cookie) {
            return registration.circuit == circuit;
        }
        let one_already = self
            .registrations
            .values()
            .any(|registration| registration.circuit == circuit);
        if one_already || self.registrations.len() >= MAX_REGISTRATIONS {
            return false;
        }
        let registration = Registration {
            circuit,
            generation: 0,
            tokens: BTreeMap::new(),
            contacts: Queues::new(CONTACTS),
            strangers: Queues::new(STRANGERS),
            allowance: Allowance::new(1.0 / STRANGER_SECONDS, STRANGER_BURST, now),
            gone: VecDeque::new(),
        };
        self.registrations.insert(cookie, registration);
        true
    }

    /// Cells of a new generation displace those of the one before it as they come in.
    pub fn tokens(
        &mut self,
        cookie: &[u8; 16],
        generation: u16,
        index: u8,
        cells: u8,
        tokens: Vec<[u8; 16]>,
    ) {
        let Some(registration) = self.registrations.get_mut(cookie) else {
            return;
        };
        if index >= TOKEN_CELLS {
            return;
        }
        if registration.generation != generation {
            registration.generation = generation;
            registration.tokens.retain(|at, _| *at < cells);
        }
        registration.tokens.insert(index, tokens);
    }

    pub fn circuit_gone(&mut self, circuit: u64) {
        let gone: Vec<[u8; 16]> = self
            .registrations
            .iter()
            .filter(|(_, r)| r.circuit == circuit)
            .map(|(cookie, _)| *cookie)
            .collect();
        for cookie in gone {
            self.registrations.remove(&cookie);
            self.spurs
                .values_mut()
                .filter(|spur| spur.cookie == Some(cookie))
                .for_each(|spur| spur.cookie = None);
        }
        let local: Vec<SpurKey> = self
            .spurs
            .keys()
            .filter(|key| matches!(key, SpurKey::Local(number, _) if *number == circuit))
            .copied()
            .collect();
        local.into_iter().for_each(|key| self.spur_gone(key));
    }

    pub fn spurs(&self) -> usize {
        self.spurs.len()
    }

    /// A spur names its throwaway key. True if it may go on (also when it said so before).
    pub fn spur_open(&mut self, key: SpurKey, throwaway: &Point) -> bool {
        if let Some(spur) = self.spurs.get(&key) {
            return spur.key == *throwaway;
        }
        // Those of circuits that end here are counted apart, or many slow circuits would take every place.
        let is_link = |key: &SpurKey| matches!(key, SpurKey::Link(_));
        let alike = |other: &&SpurKey| is_link(other) == is_link(&key);
        if self.spurs.keys().filter(alike).count() >= MAX_SPURS {
            return false;
        }
        let Ok(opener) = CookieOpener::new(&self.cookie_key, throwaway) else {
            return false;
        };
        let handle = loop {
            let handle = self.random.u32();
            if !self.handles.contains_key(&handle) {
                break handle;
            }
        };
        self.handles.insert(handle, key);
        self.spurs.insert(
            key,
            Spur {
                opener,
                key: *throwaway,
                handle,
                cookie: None,
            },
        );
        true
    }

    pub fn spur_gone(&mut self, key: SpurKey) {
        let Some(spur) = self.spurs.remove(&key) else {
            return;
        };
        // What has arrived still goes down; the handle is dead for answers, and the owner is told after that.
        self.handles.remove(&spur.handle);
        let owner = spur
            .cookie
            .and_then(|cookie| self.registrations.get_mut(&cookie));
        if let Some(registration) = owner {
            registration.gone(spur.handle);
        }
    }

    /// A delivery came by a spur: chaff of its origin, a stranger's or a contact's parcel.
    pub fn deliver(&mut self, key: SpurKey, block: &[u8; COOKIE_BLOCK], parcel: Parcel) {
        let Some(spur) = self.spurs.get_mut(&key) else {
            return;
        };
        let Ok(credential) = spur.opener.open(block, &parcel) else {
            return;
        };
        let (cookie, stranger) = if self.registrations.contains_key(&credential) {
            (credential, true)
        } else {
            let holds = |(_, r): &(&[u8; 16], &Registration)| {
                r.tokens.values().any(|cell| cell.contains(&credential))
            };
            let Some((cookie, _)) = self.registrations.iter().find(holds) else {
                return;
            };
            (*cookie, false)
        };
        if *spur.cookie.get_or_insert(cookie) != cookie {
            return;
        }
        let Some(registration) = self.registrations.get_mut(&cookie) else {
            return;
        };
        if stranger {
            registration.strangers.push((), spur.handle, parcel);
        } else {
            registration.contacts.push(credential, spur.handle, parcel);
        }
    }

    /// What the inbound circuit with this cookie carries next.
    pub fn next(&mut self, now: Moment, cookie: &[u8; 16]) -> Option<Down> {
        let registration = self.registrations.get_mut(cookie)?;
        if registration.allowance.has(now)
            && let Some(((), spur, parcel)) = registration.strangers.next(|()| true)
        {
            registration.allowance.take(now);
            return Some(Down::Parcel(spur, parcel));
        }
        if let Some((_, spur, parcel)) = registration.contacts.next(|_| true) {
            return Some(Down::Parcel(spur, parcel));
        }
        registration.gone.pop_front().map(Down::Gone)
    }

    /// The spur an answer of the owner goes back along: only one that showed a credential of the owner's. Otherwise the owner is told that there is
    /// none, be it another's or nobody's.
    pub fn answer(&mut self, cookie: &[u8; 16], handle: u32) -> Option<SpurKey> {
        let key = self.handles.get(&handle);
        let fits = |key: &&SpurKey| {
            let spur = self.spurs.get(key);
            spur.is_some_and(|spur| spur.cookie.as_ref() == Some(cookie))
        };
        let key = key.filter(fits).copied();
        if key.is_none()
            && let Some(registration) = self.registrations.get_mut(cookie)
        {
            registration.gone(handle);
        }
        key
    }

    /// How many accounts are registered.
    pub fn registrations(&self) -> usize {
        self.registrations.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::cookie::CookieSealer;
    use super::*;
    use crate::crypto::keys::Ephemeral;
    use crate::wire::size::PARCEL;

    struct Bench {
        intro: Intro,
        random: Stream,
        sealers: BTreeMap<SpurKey, CookieSealer>,
        parcels: u32,
    }

    const COOKIE: [u8; 16] = [7; 16];

    impl Bench {
        fn new() -> Bench {
            let mut random = Stream::from_seed([1; 32]);
            let key = CookieKey::generate(&mut random);
            let mut intro = Intro::new(key, random.fork("intro", b""));
            assert!(intro.establish(Moment(0), 1, COOKIE));
            Bench {
                intro,
                random,
                sealers: BTreeMap::new(),
                parcels: 0,
            }
        }

        fn spur(&mut self, slot: u8, credential: [u8; 16]) -> SpurKey {
            let (key, throwaway) = (
                SpurKey::Local(99, slot),
                Ephemeral::generate(&mut self.random),
            );
            assert!(self.intro.spur_open(key, throwaway.public()));
            let sealer = CookieSealer::new(&throwaway, self.intro.cookie_key(), credential)
                .expect("a valid key");
            self.sealers.insert(key, sealer);
            key
        }

        /// No two are alike, whatever they are filled with.
        fn deliver(&mut self, key: SpurKey, fill: u8) {
            let mut parcel = [fill; PARCEL];
            self.parcels += 1;
            parcel[1..5].copy_from_slice(&self.parcels.to_be_bytes());
            self.bring(key, Box::new(parcel));
        }

        fn bring(&mut self, key: SpurKey, parcel: Parcel) {
            let block = self.sealers.get_mut(&key).expect("opened").seal(&parcel);
            self.intro.deliver(key, &block, parcel);
        }

        fn next(&mut self, seconds: f64) -> Option<u8> {
            self.intro
                .next(Moment(0).after_seconds(seconds), &COOKIE)
                .and_then(|down| match down {
                    Down::Parcel(_, parcel) => Some(parcel[0]),
                    Down::Gone(_) => None,
                })
        }

        /// The handle of the next parcel.
        fn arrived(&mut self) -> Option<u32> {
            loop {
                match self.intro.next(Moment(0), &COOKIE)? {
                    Down::Parcel(handle, _) => return Some(handle),
                    Down::Gone(_) => {}
                }
            }
        }
    }

    #[test]
    fn contacts_are_served_in_turn() {
        let mut bench = Bench::new();
        bench.intro.tokens(&COOKIE, 1, 0, 1, vec![[1; 16], [2; 16]]);
        let (a, b) = (bench.spur(0, [1; 16]), bench.spur(1, [2; 16]));
        for _ in 0..3 {
            bench.deliver(a, 10);
        }
        bench.deliver(b, 20);
        let order: Vec<u8> = (0..4).filter_map(|_| bench.next(0.0)).collect();
        assert!(
            order[..2].contains(&20),
            "one talkative contact does not hold up another: {order:?}"
        );
        assert_eq!(order.len(), 4);
        assert_eq!(bench.next(0.0), None);
    }

    #[test]
    fn a_contact_with_many_spurs_is_served_no_more_than_another_and_fills_no_memory() {
        let mut bench = Bench::new();
        bench.intro.tokens(&COOKIE, 1, 0, 1, vec![[1; 16], [2; 16]]);
        // Each spur brings what it can and makes way for the next, as a hostile contact would.
        for slot in 0..200 {
            let greedy = bench.spur(slot, [1; 16]);
            for _ in 0..20 {
                bench.deliver(greedy, 10);
            }
            if slot < 190 {
                bench.intro.spur_gone(greedy);
            }
        }
        let other = bench.spur(201, [2; 16]);
        for _ in 0..2 {
            bench.deliver(other, 20);
        }
        let served: Vec<u8> = std::iter::from_fn(|| bench.next(0.0)).collect();
        assert_eq!(served.iter().filter(|fill| **fill == 20).count(), 2);
        assert!(served[..4].iter().filter(|fill| **fill == 20).count() == 2);
        assert_eq!(served.len(), MAX_WAITING + 2);
    }

    #[test]
    fn a_copy_of_what_waits_takes_no_place_and_answers_go_along_the_spur_that_brought_it_last() {
        let mut bench = Bench::new();
        bench.intro.tokens(&COOKIE, 1, 0, 1, vec![[1; 16]]);
        for credential in [COOKIE, [1; 16]] {
            let (first, second) = (bench.spur(0, credential), bench.spur(1, credential));
            for spur in [first, first, second] {
                bench.bring(spur, Box::new([5; PARCEL]));
            }
            let handle = bench.arrived().expect("a parcel");
            assert_eq!(bench.intro.answer(&COOKIE, handle), Some(second));
            assert!(bench.arrived().is_none());
            // When it is gone down, a copy is one that was asked for again.
            bench.bring(first, Box::new([5; PARCEL]));
            assert!(bench.arrived().is_some());
            for spur in [first, second] {
                bench.intro.spur_gone(spur);
            }
        }
    }

    #[test]
    fn the_owner_is_told_of_a_spur_that_is_gone_after_what_it_brought_and_again_when_it_answers_along_it()
     {
        let mut bench = Bench::new();
        let (silent, used) = (bench.spur(0, COOKIE), bench.spur(1, COOKIE));
        bench.deliver(used, 1);
        let handle = bench.intro.spurs[&used].handle;
        bench.intro.spur_gone(silent);
        bench.intro.spur_gone(used);
        let mut down = || bench.intro.next(Moment(0), &COOKIE);
        assert!(matches!(down(), Some(Down::Parcel(of, _)) if of == handle));
        assert_eq!(down(), Some(Down::Gone(handle)));
        assert_eq!(down(), None, "nobody was shown the other");
        assert_eq!(bench.intro.answer(&COOKIE, handle), None);
        assert_eq!(bench.intro.answer(&COOKIE, handle), None);
        assert_eq!(
            bench.intro.next(Moment(0), &COOKIE),
            Some(Down::Gone(handle))
        );
        assert_eq!(bench.intro.next(Moment(0), &COOKIE), None);
        for handle in 0..1000 {
            assert_eq!(bench.intro.answer(&COOKIE, handle), None);
        }
        let told = std::iter::from_fn(|| bench.intro.next(Moment(0), &COOKIE));
        assert_eq!(told.count(), MAX_GONE);
    }

    #[test]
    fn all_contacts_together_have_so_many_places_and_no_more() {
        let mut bench = Bench::new();
        let tokens: Vec<[u8; 16]> = (30..56).map(|n| [n; 16]).collect();
        bench.intro.tokens(&COOKIE, 1, 0, 1, tokens.clone());
        for (slot, token) in (0..).zip(tokens) {
            let spur = bench.spur(slot, token);
            for _ in 0..MAX_WAITING {
                bench.deliver(spur, slot);
            }
        }
        let served = std::iter::from_fn(|| bench.next(0.0)).count();
        assert_eq!(served, MAX_WAITING_ALL);
    }

    #[test]
    fn strangers_get_twelve_at_once_and_then_one_in_fifteen_seconds() {
        let mut bench = Bench::new();
        let stranger = bench.spur(0, COOKIE);
        let deliver = |bench: &mut Bench, fills: std::ops::Range<u8>| {
            fills.for_each(|fill| bench.deliver(stranger, fill));
            std::iter::from_fn(|| bench.next(0.0)).collect::<Vec<u8>>()
        };
        let at_once = deliver(&mut bench, 0..10);
        assert_eq!(at_once, (0..8).collect::<Vec<_>>(), "two more had no place");
        assert_eq!(deliver(&mut bench, 10..15), [10, 11, 12, 13]);
        assert_eq!(bench.next(14.0), None);
        assert_eq!(bench.next(15.5), Some(14));
    }

    #[test]
    fn a_spur_that_began_as_a_strangers_is_a_contacts_once_it_shows_a_token() {
        let mut bench = Bench::new();
        bench.intro.tokens(&COOKIE, 1, 0, 1, vec![[1; 16]]);
        let spur = bench.spur(0, COOKIE);
        for fill in 0..20 {
            bench.deliver(spur, fill);
        }
        while bench.next(0.0).is_some() {}
        bench.sealers.get_mut(&spur).expect("opened").show([1; 16]);
        for fill in 20..24 {
            bench.deliver(spur, fill);
        }
        let served: Vec<u8> = std::iter::from_fn(|| bench.next(0.0)).collect();
        assert_eq!(served, [20, 21, 22, 23], "no stranger's allowance counts");
    }

    #[test]
    fn of_two_registrations_of_one_account_the_one_that_is_meant_gets_the_parcel() {
        use crate::wire::circuit::registered;

        let mut bench = Bench::new();
        let (live, standby, token) = (COOKIE, [6; 16], [1; 16]);
        assert!(bench.intro.establish(Moment(0), 2, standby));
        for cookie in [live, standby] {
            let tokens = vec![registered(&token, &cookie)];
            bench.intro.tokens(&cookie, 1, 0, 1, tokens);
        }
        for (slot, meant, other) in [(0, live, standby), (1, standby, live)] {
            let spur = bench.spur(slot, registered(&token, &meant));
            bench.deliver(spur, 1);
            assert!(bench.intro.next(Moment(0), &other).is_none());
            assert!(bench.intro.next(Moment(0), &meant).is_some());
        }
    }

    #[test]
    fn strangers_do_not_displace_contacts() {
        let mut bench = Bench::new();
        bench.intro.tokens(&COOKIE, 1, 0, 1, vec![[1; 16]]);
        let (stranger, contact) = (bench.spur(0, COOKIE), bench.spur(1, [1; 16]));
        for fill in 0..20 {
            bench.deliver(stranger, fill);
        }
        bench.deliver(contact, 77);
        let served: Vec<u8> = std::iter::from_fn(|| bench.next(0.0)).collect();
        assert!(served.contains(&77));
        assert_eq!(served.len(), 1 + MAX_STRANGERS);
    }

    #[test]
    fn a_wrong_credential_is_answered_by_silence_and_an_answer_needs_a_shown_one() {
        let mut bench = Bench::new();
        let wrong = bench.spur(0, [9; 16]);
        bench.deliver(wrong, 1);
        assert_eq!(bench.next(0.0), None);
        let handle = bench.intro.spurs[&wrong].handle;
        assert_eq!(bench.intro.answer(&COOKIE, handle), None);
        let right = bench.spur(1, COOKIE);
        bench.deliver(right, 2);
        let handle = bench.arrived().expect("a parcel");
        assert_eq!(bench.intro.answer(&COOKIE, handle), Some(right));
        assert_eq!(
            bench.intro.answer(&[8; 16], handle),
            None,
            "not another account's spur"
        );
    }

    #[test]
    fn one_spur_too_many_is_refused_and_a_cookie_cannot_be_taken_over() {
        let mut bench = Bench::new();
        for slot in 0..MAX_SPURS as u8 {
            bench.spur(slot, COOKIE);
        }
        let throwaway = Ephemeral::generate(&mut bench.random);
        assert!(
            !bench
                .intro
                .spur_open(SpurKey::Local(98, 0), throwaway.public())
        );
        assert!(!bench.intro.establish(Moment(0), 2, COOKIE));
        assert!(
            bench.intro.establish(Moment(0), 1, COOKIE),
            "again by its own circuit"
        );
    }
}
