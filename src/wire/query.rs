//! Questions to a keeper of values and its answers: 333 bytes each, sealed when they travel.
//!
//! They come out of circuits (`node::circuit`) and are answered by `node::dht`; both sides read this file. Every answer fits
//! into one cell because every question filled one. Not here: the seal, and who may store what.

use super::codec::{Malformed, Reader, Writer};
use super::size::{CHUNK, QUERY, RECORD};

/// Longest life of a value, hours.
pub const TTL_HOURS_MAX: u16 = 48;
/// Ring positions in a FIND answer.
pub const POSITIONS_MAX: usize = 14;
/// Leading bytes of a position in a FIND answer: 2^-48 of the ring is far below the distance of any two nodes.
pub const POSITION_PREFIX: usize = 6;
/// Signed records in a FIND answer: the nodes on both sides of the key.
pub const STRADDLING: usize = 2;

/// What a sealed request asks.
#[allow(clippy::large_enum_variant)] // lives for one call; a box would be one more allocation for each question
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Which nodes straddle the key?
    Find { query: [u8; 8], key: [u8; 32] },
    /// Half `index` (0 or 1) of the value at the key.
    Get {
        query: [u8; 8],
        key: [u8; 32],
        index: u8,
    },
    /// Half of a value. Both halves carry the same query id; `ttl` in hours, 1 to 48; `revision` is the low half of the
    /// value's own revision.
    Put(Put),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub query: [u8; 8],
    pub key: [u8; 32],
    pub index: u8,
    pub ttl: u16,
    pub revision: u32,
    pub chunk: [u8; CHUNK],
}

/// Why a keeper does not store a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are not a descriptor signed for this key, or the figures of the request are out of range.
    Invalid,
    /// The keeper holds a newer revision, or another value of the same revision.
    Older,
    /// The keeper is not among the nodes closest to the key.
    NotClose,
    /// No room, or too many values to check in the last second.
    Busy,
}

/// What comes back.
#[allow(clippy::large_enum_variant)] // lives for one call; a box would be one more allocation for each question
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Find(FindAnswer),
    /// Half of the value; `ttl` is what remains, in hours, rounded up.
    Chunk {
        query: [u8; 8],
        key: [u8; 32],
        index: u8,
        ttl: u16,
        revision: u32,
        chunk: [u8; CHUNK],
    },
    /// The keeper has nothing at the key.
    NoValue {
        query: [u8; 8],
        key: [u8; 32],
    },
    /// Both halves have come and the value is on the keeper's shelf.
    Stored {
        query: [u8; 8],
        key: [u8; 32],
    },
    /// One half has come; the keeper waits for the other.
    Half {
        query: [u8; 8],
        key: [u8; 32],
    },
    Refused {
        query: [u8; 8],
        key: [u8; 32],
        why: Refusal,
    },
    /// The request could not be read.
    Unreadable,
}

/// The nodes on both sides of a key, and where the answerer's neighbourhood of the key lies on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FindAnswer {
    /// Closest node at or before the key, then the closest one after it; one record only in a ring of one node.
    pub straddling: Vec<[u8; RECORD]>,
    /// Leading bytes of the positions of nodes around the key, in ring order.
    pub positions: Vec<[u8; POSITION_PREFIX]>,
}

const OP_FIND: u8 = 1;
const OP_GET: u8 = 2;
const OP_PUT: u8 = 3;

const CHUNK_ANSWER: u8 = 0x42;
const NO_VALUE: u8 = 0x43;
const STORED: u8 = 0x44;
const HALF: u8 = 0x45;
const REFUSED: u8 = 0x46;
const UNREADABLE: u8 = 0x47;
/// First byte of a FIND answer: 0x80, records (0 to 2) shifted by 4, positions in the low four bits.
const FOUND: u8 = 0x80;

impl Request {
    pub fn encode(&self) -> [u8; QUERY] {
        let mut bytes = [0; QUERY];
        let w = &mut Writer::new(&mut bytes);
        match self {
            Request::Find { query, key } => {
                w.u8(OP_FIND);
                w.put(query);
                w.put(key);
            }
            Request::Get { query, key, index } => {
                w.u8(OP_GET);
                w.put(query);
                w.put(key);
                w.u8(*index);
            }
            Request::Put(put) => {
                w.u8(OP_PUT);
                w.put(&put.query);
                w.put(&put.key);
                w.u8(put.index);
                w.u8(2);
                w.u16(put.ttl);
                w.u32(put.revision);
                w.put(&put.chunk);
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8; QUERY]) -> Result<Request, Malformed> {
        let mut r = Reader::new(bytes);
        let op = r.u8("operation")?;
        let query = r.array("query id")?;
        let key = r.array("key")?;
        match op {
            OP_FIND => Ok(Request::Find { query, key }),
            OP_GET => Ok(Request::Get {
                query,
                key,
                index: read_index(&mut r)?,
            }),
            OP_PUT => {
                let index = read_index(&mut r)?;
                if r.u8("number of chunks")? != 2 {
                    return Err(Malformed {
                        what: "number of chunks",
                    });
                }
                Ok(Request::Put(Put {
                    query,
                    key,
                    index,
                    ttl: r.u16("ttl")?,
                    revision: r.u32("revision")?,
                    chunk: r.array("chunk")?,
                }))
            }
            _ => Err(Malformed {
                what: "operation of a query",
            }),
        }
    }
}

impl Answer {
    pub fn encode(&self) -> [u8; QUERY] {
        let mut bytes = [0; QUERY];
        let w = &mut Writer::new(&mut bytes);
        match self {
            Answer::Find(find) => {
                let straddling = &find.straddling[..find.straddling.len().min(STRADDLING)];
                let positions = &find.positions[..find.positions.len().min(POSITIONS_MAX)];
                w.u8(FOUND | (straddling.len() as u8) << 4 | positions.len() as u8);
                for at in 0..STRADDLING {
                    w.put(straddling.get(at).unwrap_or(&[0; RECORD]));
                }
                for position in positions {
                    w.put(position);
                }
            }
            Answer::Chunk {
                query,
                key,
                index,
                ttl,
                revision,
                chunk,
            } => {
                w.u8(CHUNK_ANSWER);
                w.put(query);
                w.put(key);
                w.u8(*index);
                w.u8(2);
                w.u16(*ttl);
                w.u32(*revision);
                w.put(chunk);
            }
            Answer::NoValue { query, key } => short(w, NO_VALUE, query, key),
            Answer::Stored { query, key } => short(w, STORED, query, key),
            Answer::Half { query, key } => short(w, HALF, query, key),
            Answer::Refused { query, key, why } => {
                short(w, REFUSED, query, key);
                w.u8(match why {
                    Refusal::Invalid => 1,
                    Refusal::Older => 2,
                    Refusal::NotClose => 3,
                    Refusal::Busy => 4,
                });
            }
            Answer::Unreadable => {
                w.u8(UNREADABLE);
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8; QUERY]) -> Result<Answer, Malformed> {
        let mut r = Reader::new(bytes);
        let status = r.u8("status")?;
        if status & FOUND != 0 {
            let records = usize::from(status >> 4 & 7);
            let count = usize::from(status & 15);
            if records > STRADDLING || count > POSITIONS_MAX {
                return Err(Malformed {
                    what: "counts of a FIND answer",
                });
            }
            let mut straddling = Vec::with_capacity(STRADDLING);
            for _ in 0..STRADDLING {
                straddling.push(r.array("record")?);
            }
            straddling.truncate(records);
            let positions = (0..count)
                .map(|_| r.array("position"))
                .collect::<Result<_, _>>()?;
            return Ok(Answer::Find(FindAnswer {
                straddling,
                positions,
            }));
        }
        if status == UNREADABLE {
            return Ok(Answer::Unreadable);
        }
        let query = r.array("query id")?;
        let key = r.array("key")?;
        match status {
            CHUNK_ANSWER => {
                let index = read_index(&mut r)?;
                if r.u8("number of chunks")? != 2 {
                    return Err(Malformed {
                        what: "number of chunks",
                    });
                }
                Ok(Answer::Chunk {
                    query,
                    key,
                    index,
                    ttl: r.u16("ttl")?,
                    revision: r.u32("revision")?,
                    chunk: r.array("chunk")?,
                })
            }
            NO_VALUE => Ok(Answer::NoValue { query, key }),
            STORED => Ok(Answer::Stored { query, key }),
            HALF => Ok(Answer::Half { query, key }),
            REFUSED => {
                let why = match r.u8("reason of a refusal")? {
                    1 => Refusal::Invalid,
                    2 => Refusal::Older,
                    3 => Refusal::NotClose,
                    4 => Refusal::Busy,
                    _ => {
                        return Err(Malformed {
                            what: "reason of a refusal",
                        });
                    }
                };
                Ok(Answer::Refused { query, key, why })
            }
            _ => Err(Malformed {
                what: "status of an answer",
            }),
        }
    }
}

fn short(w: &mut Writer<'_>, status: u8, query: &[u8; 8], key: &[u8; 32]) {
    w.u8(status);
    w.put(query);
    w.put(key);
}

fn read_index(r: &mut Reader<'_>) -> Result<u8, Malformed> {
    match r.u8("index of a chunk")? {
        index @ (0 | 1) => Ok(index),
        _ => Err(Malformed {
            what: "index of a chunk",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    const Q: [u8; 8] = [3; 8];
    const K: [u8; 32] = [4; 32];

    fn requests() -> Vec<Request> {
        vec![
            Request::Find { query: Q, key: K },
            Request::Get {
                query: Q,
                key: K,
                index: 1,
            },
            Request::Put(Put {
                query: Q,
                key: K,
                index: 0,
                ttl: 48,
                revision: 9,
                chunk: [6; CHUNK],
            }),
        ]
    }

    fn answers() -> Vec<Answer> {
        let full = FindAnswer {
            straddling: vec![[1; RECORD], [2; RECORD]],
            positions: vec![[5; 6]; POSITIONS_MAX],
        };
        vec![
            Answer::Find(full),
            Answer::Find(FindAnswer {
                straddling: vec![[1; RECORD]],
                positions: vec![],
            }),
            Answer::Chunk {
                query: Q,
                key: K,
                index: 1,
                ttl: 2,
                revision: 7,
                chunk: [8; CHUNK],
            },
            Answer::NoValue { query: Q, key: K },
            Answer::Stored { query: Q, key: K },
            Answer::Half { query: Q, key: K },
            Answer::Refused {
                query: Q,
                key: K,
                why: Refusal::Older,
            },
            Answer::Unreadable,
        ]
    }

    #[test]
    fn requests_and_answers_come_back_as_they_were_written() {
        for request in requests() {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        for answer in answers() {
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }

    #[test]
    fn damaged_queries_are_read_or_refused_but_never_stop_the_program() {
        let mut stream = Stream::from_seed([2; 32]);
        let samples: Vec<[u8; QUERY]> = requests()
            .iter()
            .map(Request::encode)
            .chain(answers().iter().map(Answer::encode))
            .collect();
        for sample in samples {
            for _ in 0..2000 {
                let mut bytes = sample;
                for _ in 0..=stream.below(4) {
                    bytes[stream.below(QUERY as u64) as usize] = stream.u32() as u8;
                }
                if let Ok(read) = Request::decode(&bytes) {
                    assert_eq!(Request::decode(&read.encode()), Ok(read));
                }
                if let Ok(read) = Answer::decode(&bytes) {
                    assert_eq!(Answer::decode(&read.encode()), Ok(read));
                }
            }
        }
    }
}
