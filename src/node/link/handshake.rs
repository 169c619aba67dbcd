//! The two first datagrams of an association: INIT and RESP, one cell each, ECMQV in one round trip.
//!
//! Every byte looks random to who does not know whom the caller calls. The callee checks a short MAC before any curve work, and whatever
//! does not fit is dropped without an answer. Not here: limits, replays and which association comes of it (`gate`, `table`).
//!
//! ```text
//! INIT  salt 16 | mac1 16 | mac2 16 | X 33, masked | sealed 415 | tag 16
//! RESP  tag2 16 | Y 33, masked | sealed 447 | tag 16
//! ```

use std::sync::Arc;

use super::{Cell, DialKey, EntryDoor, Purpose, Refusal};
use crate::crypto::Rejected;
use crate::crypto::aead::{Key, OneTimeKey, hash, hkdf, mac_eq, mac16, mask33};
use crate::crypto::curve::Point;
use crate::crypto::id::{EntryId, NodeId};
use crate::crypto::keys::{Domain, EntryKey, Ephemeral, NodeKey, Signature};
use crate::crypto::mqv::{self, Agreed, Side, Transcript};
use crate::crypto::random::Stream;
use crate::wire::address::Address;
use crate::wire::class::Class;
use crate::wire::codec::{Malformed, Reader, Writer, malformed};
use crate::wire::size::{DATAGRAM, POINT, SIGNATURE, TAG};
use crate::wire::ticket::EntrySecret;
use crate::wire::time::UnixMs;

/// Version of the two layouts.
const VERSION: u8 = 1;
/// P-256, AES-256-GCM, SHA-256. Room for a hybrid that runs as control bodies once a link is up.
const SUITE: u8 = 1;
/// A caller's clock may be this wrong; desktop clocks are.
const CLOCK_MS: u64 = 600_000;
/// A call to an entry key may be this much older than the run of the entry.
const BEFORE_MS: u64 = 10_000;

const SALT: usize = 16;
const MAC1: usize = SALT;
const MAC2: usize = MAC1 + 16;
const X: usize = MAC2 + 16;
const INIT_SEALED: usize = X + POINT;
const INIT_PLAIN: usize = DATAGRAM - INIT_SEALED - TAG;
const Y: usize = 16;
const RESP_SEALED: usize = Y + POINT;
const RESP_PLAIN: usize = DATAGRAM - RESP_SEALED - TAG;

const _: () = assert!(INIT_PLAIN == 415 && RESP_PLAIN == 447);

/// The short keys that whoever knows a node's identity derives from it: of the first MAC and of the mask of X.
struct Doors {
    mac1: Key,
    mask: Key,
}

impl Doors {
    fn of(key: &[u8; POINT], secret: &EntrySecret) -> Doors {
        let mut target = [0; POINT + 16];
        target[..POINT].copy_from_slice(key);
        target[POINT..].copy_from_slice(&secret.0);
        Doors {
            mac1: hkdf(b"paratox/1/id", &target, "mac1"),
            mask: hkdf(b"paratox/1/id", &target, "mask"),
        }
    }

    fn mac1(&self, init: &Cell) -> [u8; 16] {
        mac16(&self.mac1, &[&init[..SALT], &init[X..]])
    }
}

/// Hides who calls: agreed between the caller's ephemeral and the callee's static key.
fn es_transcript(callee: &[u8; POINT], salt: &[u8]) -> Transcript {
    let mut t = Transcript::new("paratox/1/init");
    t.absorb(callee);
    t.absorb(salt);
    t
}

/// What the keys of the link depend on besides the agreement itself.
fn link_transcript(
    caller: &NodeId,
    callee: &[u8; POINT],
    secret: &EntrySecret,
    init: &Cell,
) -> Transcript {
    let mut t = Transcript::new("paratox/1/link");
    t.absorb(caller.bytes());
    t.absorb(callee);
    t.absorb(&secret.0);
    t.absorb(init);
    t
}

/// What an entry's current NodeId signs, so that an entry cannot speak for another node.
fn entry_proof(entry: &EntryId, init: &Cell) -> [u8; 32] {
    hash(&[b"entry answers", entry.bytes(), init])
}

fn seal_aad(init: &Cell) -> [u8; SALT + POINT] {
    let mut aad = [0; SALT + POINT];
    aad[..SALT].copy_from_slice(&init[..SALT]);
    aad[SALT..].copy_from_slice(&init[X..INIT_SEALED]);
    aad
}

fn mac1_of(init: &Cell) -> &[u8] {
    &init[MAC1..MAC2]
}

/// Salt of an INIT: never seen before, or it is a replay.
pub fn salt_of(init: &Cell) -> [u8; SALT] {
    let mut salt = [0; SALT];
    salt.copy_from_slice(&init[..SALT]);
    salt
}

/// What a caller says about itself.
#[derive(Clone, Copy)]
pub struct Call {
    pub caller: NodeId,
    pub purpose: Purpose,
    pub class: Class,
    /// Where the caller reaches us.
    pub dialled: Address,
    pub unix: UnixMs,
}

/// What an answer says.
pub struct Answer {
    /// Keys of the association.
    pub agreed: Agreed,
    /// The callee, also when its entry key was called.
    pub node: NodeId,
    /// The caller's address as the callee sees it.
    pub observed: Address,
    pub class: Class,
    pub refused: Option<Refusal>,
}

/// An INIT that waits for its RESP.
pub struct Calling {
    ephemeral: Ephemeral,
    es: Agreed,
    answer_mac: Key,
    callee: DialKey,
    init: Box<Cell>,
}

impl Calling {
    /// Draws a fresh ephemeral and salt. `Err` only if the callee's key is one that no agreement can be made with.
    pub fn new(
        call: &Call,
        callee: DialKey,
        random: &mut Stream,
    ) -> Result<(Calling, Box<Cell>), Rejected> {
        let (key, secret) = callee.parts();
        let doors = Doors::of(key.bytes(), &secret);
        let ephemeral = Ephemeral::generate(random);
        let mut cell = Box::new([0; DATAGRAM]);
        random.fill(&mut cell[..SALT]);
        random.fill(&mut cell[MAC2..X]);
        let es = mqv::es_to(&ephemeral, &key, es_transcript(key.bytes(), &cell[..SALT]))?;

        let mut masked = *ephemeral.public().bytes();
        mask33(&doors.mask, &salt_of(&cell), &mut masked);
        cell[X..INIT_SEALED].copy_from_slice(&masked);

        let mut plain = vec![0; INIT_PLAIN];
        let mut w = Writer::new(&mut plain);
        w.u8(VERSION)
            .u8(call.purpose.code())
            .put(call.caller.bytes())
            .u64(call.unix.0);
        w.u8(call.class.code()).u16(0);
        call.dialled.write(&mut w);
        w.u8(SUITE);
        OneTimeKey::from(es.key("init")).seal(&seal_aad(&cell), &mut plain);
        cell[INIT_SEALED..].copy_from_slice(&plain);

        let mac1 = doors.mac1(&cell);
        cell[MAC1..MAC2].copy_from_slice(&mac1);
        let answer_mac = es.key("resp mac");
        Ok((
            Calling {
                ephemeral,
                es,
                answer_mac,
                callee,
                init: cell.clone(),
            },
            cell,
        ))
    }

    /// Whether this cell answers this INIT: one MAC, no curve work. Only the callee can make it true.
    pub fn is_answer(&self, cell: &Cell) -> bool {
        mac_eq(&mac16(&self.answer_mac, &[&cell[Y..]]), &cell[..Y])
    }

    /// Finishes the agreement. For a cell that [`Calling::is_answer`] accepted.
    pub fn finish(self, own: &NodeKey, cell: &Cell) -> Result<Answer, Rejected> {
        let (key, secret) = self.callee.parts();
        let mut y = [0; POINT];
        y.copy_from_slice(&cell[Y..RESP_SEALED]);
        mask33(&self.es.key("resp mask"), &[0; 16], &mut y);
        let y = Point::decode(&y).map_err(|_| Rejected)?;
        let t = link_transcript(&own.id(), key.bytes(), &secret, &self.init);
        let agreed = mqv::full(Side::Initiator, own, self.ephemeral, &key, &y, t)?.mix(&self.es);
        let plain =
            OneTimeKey::from(agreed.key("resp")).open(mac1_of(&self.init), &cell[RESP_SEALED..])?;
        let said = Said::read(&plain).map_err(|_| Rejected)?;
        match self.callee {
            DialKey::Node(node) if node != said.node => return Err(Rejected),
            DialKey::Node(_) => {}
            DialKey::Entry(entry, _) => {
                let proof = entry_proof(&entry, &self.init);
                if !said.node.verify(Domain::EntryAnswer, &proof, &said.proof) {
                    return Err(Rejected);
                }
            }
        }
        if said.node == own.id() {
            return Err(Rejected);
        }
        Ok(Answer {
            agreed,
            node: said.node,
            observed: said.observed,
            class: said.class,
            refused: said.refused,
        })
    }
}

/// Plaintext of a RESP: version 1, refusal 1, observed address 18, Unix ms 8, class 1, capabilities 2 (zero), NodeId 33, suite 1,
/// signature of the NodeId 64 (zeros unless the entry key was called), zeros.
struct Said {
    node: NodeId,
    observed: Address,
    class: Class,
    refused: Option<Refusal>,
    proof: Signature,
}

impl Said {
    fn read(plain: &[u8]) -> Result<Said, Malformed> {
        let mut r = Reader::new(plain);
        if r.u8("answer version")? != VERSION {
            return malformed("answer version");
        }
        let refused = Refusal::from_code(r.u8("answer refusal")?);
        let observed = Address::read(&mut r)?;
        let _unix = r.u64("answer time")?;
        let class = Class::from_code(r.u8("answer class")?).ok_or(Malformed {
            what: "answer class",
        })?;
        let _capabilities = r.u16("answer capabilities")?;
        let node = NodeId::decode(r.take(POINT, "answer node")?).map_err(|_| Malformed {
            what: "answer node",
        })?;
        if r.u8("answer suite")? != SUITE {
            return malformed("answer suite");
        }
        let proof = Signature(r.array::<SIGNATURE>("answer proof")?);
        Ok(Said {
            node,
            observed,
            class,
            refused,
            proof,
        })
    }
}

/// A key under which this node is called.
pub struct Listening {
    doors: Doors,
    key: ListeningKey,
    secret: EntrySecret,
}

enum ListeningKey {
    Node(Arc<NodeKey>),
    Entry { key: EntryKey, since: UnixMs },
}

/// An INIT that opened; it has cost one curve operation.
pub struct Called {
    pub call: Call,
    x: Point,
    es: Agreed,
}

impl Listening {
    pub fn node(key: Arc<NodeKey>) -> Listening {
        let secret = EntrySecret::NONE;
        Listening {
            doors: Doors::of(key.id().bytes(), &secret),
            key: ListeningKey::Node(key),
            secret,
        }
    }

    pub fn entry(door: EntryDoor) -> Listening {
        let EntryDoor { key, secret, since } = door;
        Listening {
            doors: Doors::of(key.id().bytes(), &secret),
            key: ListeningKey::Entry { key, since },
            secret,
        }
    }

    /// A NodeId is as young as the run, so nobody can have called it before; an entry key is older, and salts are not kept on disk.
    fn is_of_this_run(&self, called: UnixMs) -> bool {
        match &self.key {
            ListeningKey::Node(_) => true,
            ListeningKey::Entry { since, .. } => called.0.saturating_add(BEFORE_MS) >= since.0,
        }
    }

    /// Whether the sender knows this key: one MAC, no curve work.
    pub fn is_called(&self, cell: &Cell) -> bool {
        mac_eq(&self.doors.mac1(cell), mac1_of(cell))
    }

    /// Opens an INIT whose MAC fits. The caller's words are bound to its ephemeral, but it has not yet proved to be who it says: that
    /// does the first data cell.
    pub fn open(&self, cell: &Cell, unix: UnixMs) -> Result<Called, Rejected> {
        let mut x = [0; POINT];
        x.copy_from_slice(&cell[X..INIT_SEALED]);
        mask33(&self.doors.mask, &salt_of(cell), &mut x);
        let x = Point::decode(&x).map_err(|_| Rejected)?;
        let es = match &self.key {
            ListeningKey::Node(key) => {
                mqv::es_from(&**key, &x, es_transcript(key.id().bytes(), &cell[..SALT]))
            }
            ListeningKey::Entry { key, .. } => {
                mqv::es_from(key, &x, es_transcript(key.id().bytes(), &cell[..SALT]))
            }
        }?;
        let plain = OneTimeKey::from(es.key("init")).open(&seal_aad(cell), &cell[INIT_SEALED..])?;
        let call = read_call(&plain).map_err(|_| Rejected)?;
        let in_time = call.unix.0.abs_diff(unix.0) <= CLOCK_MS && self.is_of_this_run(call.unix);
        if !in_time || *call.caller.point() == x {
            return Err(Rejected);
        }
        Ok(Called { call, x, es })
    }

    /// Answers: the RESP, and the keys of the association that its caller will have.
    pub fn answer(
        &self,
        own: &NodeKey,
        called: Called,
        init: &Cell,
        answer: &Reply,
        random: &mut Stream,
    ) -> Result<(Agreed, Box<Cell>), Rejected> {
        let Called { call, x, es } = called;
        let ephemeral = Ephemeral::generate(random);
        let mut cell = Box::new([0; DATAGRAM]);
        let mut masked = *ephemeral.public().bytes();
        mask33(&es.key("resp mask"), &[0; 16], &mut masked);
        cell[Y..RESP_SEALED].copy_from_slice(&masked);

        let caller = call.caller.point();
        let mut proof = Signature([0; SIGNATURE]);
        let agreed = match &self.key {
            ListeningKey::Node(key) => {
                let t = link_transcript(&call.caller, key.id().bytes(), &self.secret, init);
                mqv::full(Side::Responder, &**key, ephemeral, caller, &x, t)
            }
            ListeningKey::Entry { key, .. } => {
                proof = own.sign(Domain::EntryAnswer, &entry_proof(&key.id(), init));
                let t = link_transcript(&call.caller, key.id().bytes(), &self.secret, init);
                mqv::full(Side::Responder, key, ephemeral, caller, &x, t)
            }
        }?
        .mix(&es);

        let mut plain = vec![0; RESP_PLAIN];
        let mut w = Writer::new(&mut plain);
        w.u8(VERSION).u8(answer.refused.map_or(0, Refusal::code));
        answer.observed.write(&mut w);
        w.u64(answer.unix.0)
            .u8(answer.class.code())
            .u16(0)
            .put(own.id().bytes())
            .u8(SUITE)
            .put(&proof.0);
        OneTimeKey::from(agreed.key("resp")).seal(mac1_of(init), &mut plain);
        cell[RESP_SEALED..].copy_from_slice(&plain);
        let tag2 = mac16(&es.key("resp mac"), &[&cell[Y..]]);
        cell[..Y].copy_from_slice(&tag2);
        Ok((agreed, cell))
    }
}

/// What the callee tells the caller.
pub struct Reply {
    pub observed: Address,
    pub class: Class,
    pub refused: Option<Refusal>,
    pub unix: UnixMs,
}

/// Plaintext of an INIT: version 1, purpose 1, caller 33, Unix ms 8, class 1, capabilities 2 (zero), dialled address 18, suite 1, zeros.
fn read_call(plain: &[u8]) -> Result<Call, Malformed> {
    let mut r = Reader::new(plain);
    if r.u8("call version")? != VERSION {
        return malformed("call version");
    }
    let purpose = Purpose::from_code(r.u8("call purpose")?).ok_or(Malformed {
        what: "call purpose",
    })?;
    let caller =
        NodeId::decode(r.take(POINT, "caller")?).map_err(|_| Malformed { what: "caller" })?;
    let unix = UnixMs(r.u64("call time")?);
    let class = Class::from_code(r.u8("call class")?).ok_or(Malformed { what: "call class" })?;
    let _capabilities = r.u16("call capabilities")?;
    let dialled = Address::read(&mut r)?;
    if r.u8("call suite")? != SUITE {
        return malformed("call suite");
    }
    Ok(Call {
        caller,
        purpose,
        class,
        dialled,
        unix,
    })
}
