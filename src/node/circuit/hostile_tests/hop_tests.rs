//! A node whose circuits go through nobody but one hostile owner's nodes.

use std::collections::BTreeMap;

use super::owner::{FAULTS, Owner};
use super::*;
use crate::wire::circuit::closed;
use crate::wire::record::NodeRecord;

type Answered = ((AssocId, u32), [u8; BLOCK]);

/// Bodies under way to the node, and what its person was told.
struct Play {
    node: Node,
    owner: Owner,
    /// When and in which order they arrive; on which circuit.
    back: BTreeMap<(Moment, u64), Answered>,
    sequence: u64,
    told: Vec<PersonEvent>,
    sent: usize,
    most: usize,
}

impl Play {
    fn new(seed: u8) -> Play {
        let mut random = Stream::from_seed([seed; 32]);
        let keys = keys(&mut random, 14);
        let mut node = Node::new(seed, 24);
        for (key, n) in keys.iter().zip(1..=2) {
            node.link(n.into(), key, peer(key, n), true);
        }
        let own = SocketAddr::from(([9, 200, 0, 1], 4000));
        let record = NodeRecord::make(&node.key, own, UnixMs(UNIX), 120, 0).bytes();
        let owner = Owner {
            random: random.fork("owner", b""),
            keys,
            victim: node.key.id(),
            record,
            chains: BTreeMap::new(),
            lies: 0.0,
            fault: None,
            made: BTreeMap::new(),
            unix: UnixMs(UNIX),
            begun: 0,
            loses_begun: false,
        };
        Play {
            node,
            owner,
            back: BTreeMap::new(),
            sequence: 0,
            told: Vec::new(),
            sent: 0,
            most: 0,
        }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.node.at.after_seconds(seconds);
        loop {
            let arrival = self.back.keys().next().map_or(Moment::NEVER, |(at, _)| *at);
            let next = arrival.min(self.node.next_timeout());
            if next > until {
                self.node.at = until;
                return;
            }
            if arrival <= self.node.next_timeout() {
                let ((at, _), (to, block)) = self.back.pop_first().expect("just seen");
                self.node.at = self.node.at.max(at);
                self.node.block(to, &block);
            } else {
                self.node.step();
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.owner.unix = self.node.now().unix;
        let outputs = self.node.outputs();
        self.most = self.most.max(outputs.len());
        for output in outputs {
            match output {
                CircuitOutput::Send {
                    assoc,
                    kind: BodyKind::Circuit,
                    body,
                    ..
                } => {
                    self.sent += 1;
                    let (id, block) = split(&body);
                    for block in self.owner.block((assoc, id), block) {
                        self.sequence += 1;
                        let at = self.node.at.after_seconds(0.05);
                        self.back.insert((at, self.sequence), ((assoc, id), block));
                    }
                }
                CircuitOutput::Send { .. } => {}
                CircuitOutput::Person(event) => self.told.push(event),
                other => panic!("{other:?}: only for others' circuits"),
            }
        }
    }

    /// A guard says that a circuit is gone, or goes on without saying that it is.
    fn tear_down(&mut self) {
        let chains: Vec<(AssocId, u32)> = self.owner.chains.keys().copied().collect();
        let at = self.owner.random.below(4 * chains.len() as u64) as usize;
        if let Some((assoc, id)) = chains.get(at) {
            self.owner.chains.remove(&(*assoc, *id));
            if self.owner.random.below(2) == 0 {
                self.node.body(*assoc, BodyKind::Control, &closed(*id));
            }
            self.settle();
        }
    }

    /// The person does all a person can.
    fn person(&mut self, n: u64) {
        let now = self.node.now();
        let random = &mut Stream::from_seed([n as u8; 32]).fork("person", b"");
        let circuits = &mut self.node.circuits;
        let target = |contact: u64, random: &mut Stream| SpurTarget {
            contact: ContactTag(contact),
            node: NodeKey::generate(random).id(),
            addr: SocketAddr::from(([9, 99, 0, 1], 4000)),
            cookie_key: *CookieKey::generate(random).public(),
            point: random.bytes(),
            credential: random.bytes(),
        };
        circuits.want_spurs((0..3).map(|contact| target(contact, random)).collect());
        circuits.send_spur(ContactTag(n % 3), Box::new([n as u8; PARCEL]));
        circuits.set_tokens(&[random.bytes(), random.bytes()]);
        circuits.fetch(now, n, random.bytes());
        circuits.publish(now, 1_000_000 + n, random.bytes(), Box::new([2; VALUE]));
        let handle = self.told.iter().rev().find_map(|event| match event {
            PersonEvent::Arrived { handle, .. } => Some(*handle),
            _ => None,
        });
        if let Some(handle) = handle {
            circuits.send_reply(handle, Box::new([3; PARCEL]));
        }
        self.settle();
    }
}

#[test]
fn hops_ends_and_keepers_that_lie_break_nothing_and_the_node_is_served_once_they_stop() {
    let mut play = Play::new(5);
    play.run(60.0);
    assert!(play.node.circuits.online(), "honest hops serve");
    play.owner.lies = 0.4;
    let minutes = if std::env::var_os("PARATOX_LONG").is_some() {
        240
    } else {
        30
    };
    for n in 0..minutes * 6 {
        play.person(n);
        play.tear_down();
        play.run(10.0);
        let rows = play.node.circuits.rows(play.node.at).len();
        assert!(rows <= 12, "{rows} circuits at once");
    }
    let counters = play.node.circuits.counters();
    println!(
        "{} cells sent, {} circuits begun by liars, {} things told, {} at once; {counters:?}",
        play.sent,
        play.owner.begun,
        play.told.len(),
        play.most
    );
    assert!(play.owner.begun > 20, "they were believed often enough");
    assert!(counters.pool_records <= 14, "no more records than nodes");
    assert_eq!((counters.relayed, counters.lost), (0, 0));
    assert!(play.node.circuits.base.routes.len() <= 12);
    // Nothing that a liar says makes the node send beyond its clocks, but for the next step of a circuit that it builds: 2.35 cells a second at
    // most in the mean, and the steps.
    let seconds = play.node.at.since(Moment(0)).as_secs_f64();
    assert!(
        (play.sent as f64) < 6.0 * seconds,
        "{} in {seconds} s",
        play.sent
    );
    play.owner.lies = 0.0;
    play.run(300.0);
    assert!(
        play.node.circuits.online(),
        "{:?}",
        play.node.circuits.rows(play.node.at)
    );
    play.told.clear();
    play.person(7777);
    // What she asked before comes first.
    play.run(900.0);
    let answered = |event: &PersonEvent| {
        matches!(
            event,
            PersonEvent::Fetched {
                id: 7777,
                value: None
            }
        )
    };
    assert!(play.told.iter().any(answered), "{:?}", play.told);
}

#[test]
fn an_end_whose_word_that_it_has_begun_was_lost_is_known_by_the_first_cell_of_its_clock() {
    let mut play = Play::new(6);
    play.owner.loses_begun = true;
    // Less than the patience with a step, after which it would be asked again.
    play.run(7.0);
    assert!(play.node.circuits.online());
}

#[test]
fn a_hop_with_two_neighbours_to_choose_among_is_no_hop() {
    let mut play = Play::new(6);
    // Each hop has two to name.
    play.owner.keys.truncate(3);
    play.run(200.0);
    assert!(play.sent > 10, "it was tried: {} cells", play.sent);
    assert_eq!(play.owner.begun, 0);
    let mut play = Play::new(6);
    play.owner.keys.truncate(5);
    play.run(200.0);
    assert!(
        play.owner.begun > 0,
        "four, with the guard among them, leave three"
    );
}

#[test]
fn no_circuit_goes_on_over_a_certificate_that_does_not_hold() {
    let long = std::env::var_os("PARATOX_LONG").is_some();
    for fault in 0..FAULTS {
        let mut play = Play::new(8);
        play.owner.fault = Some(fault);
        play.run(if long { 120.0 } else { 30.0 });
        assert_eq!(play.owner.begun, 0, "fault {fault}");
        assert!(play.sent > 10, "it was tried: {} cells", play.sent);
        play.owner.fault = None;
        let until = play.node.at.after_seconds(300.0);
        while play.owner.begun == 0 && play.node.at < until {
            play.run(5.0);
        }
        assert!(play.owner.begun > 0, "without the fault it does");
    }
}
