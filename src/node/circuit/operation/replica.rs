//! The nodes that are asked for a value or given it: what each has said, and which half of whose is next.
//!
//! Not here: how they are found (the operation), and what is done with what they have.

use crate::wire::descriptor::Outside;
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::size::{CHUNK, VALUE};

/// Times a half is asked for or given at one node.
const TRIES: u8 = 3;
/// Nodes that are heard before the newest of what they have is believed, and that must say "no such value" until that is. Before the latter all
/// replicas were asked: whoever publishes or looks up is in no pool of its own, so in a small network the two may share one replica.
pub(super) const VOICES: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Half {
    First,
    Second,
}

impl Half {
    pub const BOTH: [Half; 2] = [Half::First, Half::Second];

    pub fn index(self) -> u8 {
        match self {
            Half::First => 0,
            Half::Second => 1,
        }
    }
}

pub(super) enum Part {
    Todo,
    Asked,
    /// What came, for a look-up; given, for a publication.
    Done(Option<(u32, Box<[u8; CHUNK]>)>),
}

pub(super) struct Replica {
    pub peer: Peer,
    pub query: [u8; 8],
    pub parts: [Part; 2],
    /// Both halves of a look-up, if they are a valid value.
    pub whole: Option<Box<[u8; VALUE]>>,
    pub tries: u8,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    /// It says that there is no such value.
    Absent,
    /// Silent, lying, unwilling.
    Failed,
    Stored,
}

impl Replica {
    pub fn new(peer: Peer, query: [u8; 8]) -> Replica {
        Replica {
            peer,
            query,
            parts: [Part::Todo, Part::Todo],
            whole: None,
            tries: 0,
            verdict: Verdict::Open,
        }
    }

    fn is_todo(&self, half: Half) -> bool {
        matches!(self.parts[usize::from(half.index())], Part::Todo)
    }

    /// Neither heard nor missed so far.
    pub fn is_fresh(&self) -> bool {
        self.verdict == Verdict::Open && self.tries == 0 && self.revision().is_none()
    }

    /// What its first half says.
    pub fn revision(&self) -> Option<u32> {
        match &self.parts[0] {
            Part::Done(Some((revision, _))) => Some(*revision),
            _ => None,
        }
    }

    /// Makes a value of two halves.
    pub fn join(&mut self, key: &Position) {
        if self.verdict != Verdict::Open || self.whole.is_some() {
            return;
        }
        let [Part::Done(Some(first)), Part::Done(Some(second))] = &self.parts else {
            return;
        };
        if first.0 != second.0 {
            // It changed between the two questions: both again.
            Half::BOTH.into_iter().for_each(|half| self.again(half));
            return;
        }
        self.whole = whole(key, &first.1, &second.1);
        if self.whole.is_none() {
            self.verdict = Verdict::Failed;
        }
    }

    pub fn again(&mut self, half: Half) {
        self.tries += 1;
        self.parts[usize::from(half.index())] = Part::Todo;
        if self.tries > 2 * TRIES {
            self.verdict = Verdict::Failed;
        }
    }
}

fn open(replicas: &mut [Replica]) -> impl Iterator<Item = &mut Replica> {
    let open = |replica: &&mut Replica| replica.verdict == Verdict::Open;
    replicas.iter_mut().filter(open)
}

/// A publication goes to all of them, one after the other.
pub(super) fn to_put(replicas: &mut [Replica]) -> Option<(&mut Replica, Half)> {
    open(replicas).find_map(|replica| {
        let half = Half::BOTH.into_iter().find(|half| replica.is_todo(*half))?;
        Some((replica, half))
    })
}

/// A look-up asks two for the first half and one of them for the second: the one with the newest revision. Only what they do not have, or do
/// not say, the third is asked for: to ask all of them for everything would be twice as many questions, and each takes a tick from another look-up.
pub(super) fn to_get(replicas: &mut [Replica]) -> Option<(&mut Replica, Half)> {
    let absent = count(replicas, Verdict::Absent);
    let voices = VOICES.saturating_sub(absent).max(1);
    let open = |r: &Replica| r.verdict == Verdict::Open;
    let asked = |r: &Replica| open(r) && !r.is_todo(Half::First);
    if replicas.iter().filter(|r| asked(r)).count() < voices {
        // Who has not been missed so far comes first.
        let todo = replicas
            .iter()
            .enumerate()
            .filter(|(_, r)| open(r) && !asked(r));
        if let Some((at, _)) = todo.min_by_key(|(_, r)| r.tries) {
            return Some((&mut replicas[at], Half::First));
        }
    }
    // Without waiting for a first half, unless somebody has nothing: most have the same.
    let hopeful = || {
        let asked = replicas.iter().enumerate().filter(|(_, r)| asked(r));
        let usable = asked.filter(|_| absent == 0);
        usable.min_by_key(|(_, r)| r.tries).map(|(at, _)| at)
    };
    let at = newest(replicas).or_else(hopeful)?;
    let replica = &mut replicas[at];
    let todo = replica.is_todo(Half::Second);
    todo.then_some((replica, Half::Second))
}

/// The open replica whose first half has the newest revision; of one revision the first.
pub(super) fn newest(replicas: &[Replica]) -> Option<usize> {
    let open = replicas.iter().enumerate();
    let open = open.filter(|(_, replica)| replica.verdict == Verdict::Open);
    let known = open.filter_map(|(at, replica)| Some((at, replica.revision()?)));
    let newer = |best: (usize, u32), other: (usize, u32)| {
        // Low halves of milliseconds: they wrap every 50 days, and a descriptor lives for two.
        if other.1.wrapping_sub(best.1).cast_signed() > 0 {
            other
        } else {
            best
        }
    };
    known.reduce(newer).map(|(at, _)| at)
}

pub(super) fn count(replicas: &[Replica], verdict: Verdict) -> usize {
    replicas.iter().filter(|r| r.verdict == verdict).count()
}

/// The low half of a descriptor's revision.
pub(super) fn revision(value: &[u8; VALUE]) -> u32 {
    let at = crate::wire::descriptor::SEALED_AT - 4;
    u32::from_be_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
}

/// Two halves as a value, if it belongs at the key.
fn whole(key: &Position, first: &[u8; CHUNK], second: &[u8; CHUNK]) -> Option<Box<[u8; VALUE]>> {
    let mut value = Box::new([0; VALUE]);
    value[..CHUNK].copy_from_slice(first);
    value[CHUNK..].copy_from_slice(second);
    let outside = Outside::read(&value).ok()?;
    (outside.place() == *key && outside.verify(&value)).then_some(value)
}
