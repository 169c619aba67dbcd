//! Messages of the contact plane: what ring members say to each other, one 464-byte body each.
//!
//! The first byte is the kind; kinds from 0x40 up are sealed requests and answers of circuits and are not read here. Every
//! request carries a nonce and the number of its try; the answer repeats both, so that a late answer still gives an exact
//! round trip. No number stays the same over two hops. Records travel as raw bytes: only `node::dht` decides whether one is
//! worth a signature check. Not here: what a message makes the node do.

use super::codec::{Malformed, Reader, Writer};
use super::size::{BODY, CHUNK, RECORD};

/// Kinds below this one belong to the ring.
pub const FIRST_FOREIGN_KIND: u8 = 0x40;
/// A request sealed to the receiver, forwarded from the end of a circuit.
pub const FORWARDED_REQUEST: u8 = 0x40;
/// The sealed answer on its way back.
pub const FORWARDED_ANSWER: u8 = 0x41;

/// Digests in one leaf set or row: both sides of a leaf set and the sender are 17, a row is 15; the body would hold 26.
pub const DIGESTS_MAX: usize = 24;
/// Records in one answer: three of 124 bytes fit a body with room for the header.
pub const RECORDS_MAX: usize = 3;

const HEADER: usize = 1 + 8 + 1;
const DIGEST: usize = 8 + 4;
const _: () = {
    assert!(HEADER + 1 + RECORD + 1 + DIGESTS_MAX * DIGEST <= BODY);
    assert!(HEADER + 1 + RECORDS_MAX * RECORD <= BODY);
    assert!(HEADER + 8 + 1 + 1 + RECORDS_MAX * RECORD <= BODY);
    assert!(1 + 1 + 8 + 1 + 1 + 4 + CHUNK <= BODY);
};

/// A signed node record that nobody has checked yet.
pub type RecordBytes = [u8; RECORD];

/// Which request an answer belongs to, and which try of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    pub nonce: u64,
    pub attempt: u8,
}

/// Names one version of one node's record: enough to see whether the record itself is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    /// First 8 bytes of the ring position.
    pub prefix: [u8; 8],
    /// When the record was made, Unix seconds.
    pub created: u32,
}

/// How a routed look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first record is the owner's; the others are its neighbours on the ring.
    Owner,
    /// The look-up came to a node that has not joined yet.
    NotReady,
}

/// A body of the contact plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Is this node there? `ready`: the sender is a member of the ring.
    Ping {
        tag: Tag,
        ready: bool,
        record: RecordBytes,
    },
    Pong {
        tag: Tag,
        ready: bool,
        record: RecordBytes,
    },
    /// Carry this look-up on towards its key. `ttl` falls by one at each hop.
    Route {
        tag: Tag,
        ttl: u8,
        key: [u8; 32],
    },
    /// The look-up is being carried on: no need to send it again.
    RouteAck {
        tag: Tag,
    },
    /// End of a look-up, on its way back. `back` is the sender's own nonce for the acknowledgement, 0 for none. `hops` grows by
    /// one at each hop back.
    Found {
        tag: Tag,
        back: u64,
        verdict: Verdict,
        hops: u8,
        records: Vec<RecordBytes>,
    },
    FoundAck {
        tag: Tag,
    },
    /// Push and pull of leaf sets.
    Leaves {
        tag: Tag,
        ready: bool,
        record: RecordBytes,
        digests: Vec<Digest>,
    },
    LeavesAnswer {
        tag: Tag,
        ready: bool,
        record: RecordBytes,
        digests: Vec<Digest>,
    },
    /// The answerer's row of the prefix table.
    Row {
        tag: Tag,
        row: u8,
    },
    RowAnswer {
        tag: Tag,
        digests: Vec<Digest>,
    },
    /// Records by the first 8 bytes of their positions, at most three.
    Want {
        tag: Tag,
        prefixes: Vec<[u8; 8]>,
    },
    Records {
        tag: Tag,
        records: Vec<RecordBytes>,
    },
    /// Half of a replicated value, or chaff of the same shape.
    Store(StoreCell),
}

/// Half a value on its way to another keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCell {
    /// Chaff carries nothing.
    pub real: bool,
    /// The same random number in both halves.
    pub train: u64,
    /// 0 or 1.
    pub index: u8,
    /// Remaining life, seconds.
    pub ttl: u32,
    pub chunk: [u8; CHUNK],
}

const PING: u8 = 0x01;
const PONG: u8 = 0x02;
const ROUTE: u8 = 0x03;
const ROUTE_ACK: u8 = 0x04;
const FOUND: u8 = 0x05;
const FOUND_ACK: u8 = 0x06;
const LEAVES: u8 = 0x07;
const LEAVES_ANSWER: u8 = 0x08;
const ROW: u8 = 0x09;
const ROW_ANSWER: u8 = 0x0a;
const WANT: u8 = 0x0b;
const RECORDS: u8 = 0x0c;
const STORE: u8 = 0x0d;

impl Message {
    /// The body, filled up with zeros. The layout leaves nothing out: a list longer than its bound is cut.
    pub fn encode(&self) -> [u8; BODY] {
        let mut body = [0; BODY];
        let w = &mut Writer::new(&mut body);
        match self {
            Message::Ping { tag, ready, record } => {
                head(w, PING, *tag);
                w.u8(u8::from(*ready));
                w.put(record);
            }
            Message::Pong { tag, ready, record } => {
                head(w, PONG, *tag);
                w.u8(u8::from(*ready));
                w.put(record);
            }
            Message::Route { tag, ttl, key } => {
                head(w, ROUTE, *tag);
                w.u8(*ttl);
                w.put(key);
            }
            Message::RouteAck { tag } => head(w, ROUTE_ACK, *tag),
            Message::Found {
                tag,
                back,
                verdict,
                hops,
                records,
            } => {
                head(w, FOUND, *tag);
                w.u64(*back);
                w.u8(match verdict {
                    Verdict::Owner => 0,
                    Verdict::NotReady => 1,
                });
                w.u8(*hops);
                write_records(w, records);
            }
            Message::FoundAck { tag } => head(w, FOUND_ACK, *tag),
            Message::Leaves {
                tag,
                ready,
                record,
                digests,
            } => {
                head(w, LEAVES, *tag);
                w.u8(u8::from(*ready));
                w.put(record);
                write_digests(w, digests);
            }
            Message::LeavesAnswer {
                tag,
                ready,
                record,
                digests,
            } => {
                head(w, LEAVES_ANSWER, *tag);
                w.u8(u8::from(*ready));
                w.put(record);
                write_digests(w, digests);
            }
            Message::Row { tag, row } => {
                head(w, ROW, *tag);
                w.u8(*row);
            }
            Message::RowAnswer { tag, digests } => {
                head(w, ROW_ANSWER, *tag);
                write_digests(w, digests);
            }
            Message::Want { tag, prefixes } => {
                head(w, WANT, *tag);
                let prefixes = &prefixes[..prefixes.len().min(RECORDS_MAX)];
                w.u8(prefixes.len() as u8);
                for prefix in prefixes {
                    w.put(prefix);
                }
            }
            Message::Records { tag, records } => {
                head(w, RECORDS, *tag);
                write_records(w, records);
            }
            Message::Store(cell) => {
                w.u8(STORE);
                w.u8(u8::from(cell.real));
                w.u64(cell.train);
                w.u8(cell.index);
                w.u32(cell.ttl);
                w.put(&cell.chunk);
            }
        }
        body
    }

    /// Reads a body. Trailing bytes are not looked at.
    pub fn decode(body: &[u8; BODY]) -> Result<Message, Malformed> {
        let mut r = Reader::new(body);
        let kind = r.u8("kind")?;
        if kind == STORE {
            return Ok(Message::Store(StoreCell {
                real: flag(&mut r)?,
                train: r.u64("train")?,
                index: below(&mut r, 2, "index of half a value")?,
                ttl: r.u32("life of a value")?,
                chunk: r.array("chunk")?,
            }));
        }
        let tag = Tag {
            nonce: r.u64("nonce")?,
            attempt: r.u8("attempt")?,
        };
        Ok(match kind {
            PING => Message::Ping {
                tag,
                ready: flag(&mut r)?,
                record: r.array("record")?,
            },
            PONG => Message::Pong {
                tag,
                ready: flag(&mut r)?,
                record: r.array("record")?,
            },
            ROUTE => Message::Route {
                tag,
                ttl: r.u8("ttl")?,
                key: r.array("key")?,
            },
            ROUTE_ACK => Message::RouteAck { tag },
            FOUND => Message::Found {
                tag,
                back: r.u64("nonce")?,
                verdict: match r.u8("verdict of a look-up")? {
                    0 => Verdict::Owner,
                    1 => Verdict::NotReady,
                    _ => {
                        return Err(Malformed {
                            what: "verdict of a look-up",
                        });
                    }
                },
                hops: r.u8("hops")?,
                records: read_records(&mut r)?,
            },
            FOUND_ACK => Message::FoundAck { tag },
            LEAVES => Message::Leaves {
                tag,
                ready: flag(&mut r)?,
                record: r.array("record")?,
                digests: read_digests(&mut r)?,
            },
            LEAVES_ANSWER => Message::LeavesAnswer {
                tag,
                ready: flag(&mut r)?,
                record: r.array("record")?,
                digests: read_digests(&mut r)?,
            },
            ROW => Message::Row {
                tag,
                row: r.u8("row")?,
            },
            ROW_ANSWER => Message::RowAnswer {
                tag,
                digests: read_digests(&mut r)?,
            },
            WANT => {
                let count = below(&mut r, RECORDS_MAX as u8 + 1, "number of wanted records")?;
                let prefixes = (0..count)
                    .map(|_| r.array("list of a ring message"))
                    .collect::<Result<_, _>>()?;
                Message::Want { tag, prefixes }
            }
            RECORDS => Message::Records {
                tag,
                records: read_records(&mut r)?,
            },
            _ => {
                return Err(Malformed {
                    what: "kind of a ring message",
                });
            }
        })
    }
}

fn head(w: &mut Writer<'_>, kind: u8, tag: Tag) {
    w.u8(kind);
    w.u64(tag.nonce);
    w.u8(tag.attempt);
}

fn flag(r: &mut Reader<'_>) -> Result<bool, Malformed> {
    Ok(below(r, 2, "flag of a ring message")? == 1)
}

fn below(r: &mut Reader<'_>, limit: u8, what: &'static str) -> Result<u8, Malformed> {
    let value = r.u8(what)?;
    if value < limit {
        Ok(value)
    } else {
        Err(Malformed { what })
    }
}

fn write_digests(w: &mut Writer<'_>, digests: &[Digest]) {
    let digests = &digests[..digests.len().min(DIGESTS_MAX)];
    w.u8(digests.len() as u8);
    for digest in digests {
        w.put(&digest.prefix);
        w.u32(digest.created);
    }
}

fn read_digests(r: &mut Reader<'_>) -> Result<Vec<Digest>, Malformed> {
    let count = below(r, DIGESTS_MAX as u8 + 1, "number of digests")?;
    (0..count)
        .map(|_| {
            Ok(Digest {
                prefix: r.array("digest")?,
                created: r.u32("digest")?,
            })
        })
        .collect()
}

fn write_records(w: &mut Writer<'_>, records: &[RecordBytes]) {
    let records = &records[..records.len().min(RECORDS_MAX)];
    w.u8(records.len() as u8);
    for record in records {
        w.put(record);
    }
}

fn read_records(r: &mut Reader<'_>) -> Result<Vec<RecordBytes>, Malformed> {
    let count = below(r, RECORDS_MAX as u8 + 1, "number of records")?;
    (0..count)
        .map(|_| r.array("list of a ring message"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    fn one_of_each() -> Vec<Message> {
        let tag = Tag {
            nonce: 0x0102_0304_0506_0708,
            attempt: 3,
        };
        let record = [7; RECORD];
        let digests: Vec<Digest> = (0..DIGESTS_MAX as u32)
            .map(|i| Digest {
                prefix: [i as u8; 8],
                created: i,
            })
            .collect();
        let records = vec![[1; RECORD], [2; RECORD], [3; RECORD]];
        vec![
            Message::Ping {
                tag,
                ready: true,
                record,
            },
            Message::Pong {
                tag,
                ready: false,
                record,
            },
            Message::Route {
                tag,
                ttl: 16,
                key: [9; 32],
            },
            Message::RouteAck { tag },
            Message::Found {
                tag,
                back: 5,
                verdict: Verdict::Owner,
                hops: 2,
                records: records.clone(),
            },
            Message::Found {
                tag,
                back: 0,
                verdict: Verdict::NotReady,
                hops: 0,
                records: vec![],
            },
            Message::FoundAck { tag },
            Message::Leaves {
                tag,
                ready: true,
                record,
                digests: digests.clone(),
            },
            Message::LeavesAnswer {
                tag,
                ready: true,
                record,
                digests: digests.clone(),
            },
            Message::Row { tag, row: 3 },
            Message::RowAnswer { tag, digests },
            Message::Want {
                tag,
                prefixes: vec![[1; 8], [2; 8], [3; 8]],
            },
            Message::Records { tag, records },
            Message::Store(StoreCell {
                real: true,
                train: 4,
                index: 1,
                ttl: 3600,
                chunk: [5; CHUNK],
            }),
        ]
    }

    #[test]
    fn every_message_comes_back_as_it_was_written() {
        for message in one_of_each() {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn no_kind_of_the_ring_reaches_into_the_kinds_of_circuits() {
        for message in one_of_each() {
            assert!(message.encode()[0] < FIRST_FOREIGN_KIND);
        }
    }

    #[test]
    fn counts_above_the_bound_are_refused() {
        let tag = Tag {
            nonce: 1,
            attempt: 0,
        };
        let mut body = Message::Records {
            tag,
            records: vec![],
        }
        .encode();
        body[HEADER] = RECORDS_MAX as u8 + 1;
        assert!(Message::decode(&body).is_err());
        let mut body = Message::RowAnswer {
            tag,
            digests: vec![],
        }
        .encode();
        body[HEADER] = DIGESTS_MAX as u8 + 1;
        assert!(Message::decode(&body).is_err());
    }

    #[test]
    fn damaged_messages_are_read_or_refused_but_never_stop_the_program() {
        let mut stream = Stream::from_seed([1; 32]);
        for message in one_of_each() {
            for _ in 0..2000 {
                let mut body = message.encode();
                for _ in 0..=stream.below(4) {
                    body[stream.below(BODY as u64) as usize] = stream.u32() as u8;
                }
                body[0] = if stream.below(2) == 0 {
                    body[0]
                } else {
                    stream.below(16) as u8
                };
                if let Ok(read) = Message::decode(&body) {
                    assert_eq!(Message::decode(&read.encode()), Ok(read));
                }
            }
        }
    }
}
