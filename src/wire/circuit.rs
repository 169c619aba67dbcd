//! What a circuit carries: the blocks that create it and the commands between its origin and its end.
//!
//! Commands are closed lists, one per channel and direction: a command that does not belong to a channel cannot be parsed there, so an end
//! never has to ask itself whether something makes sense. Not here: the seals around the commands (`crypto::onion`), and what they do.

use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::wire::address::Address;
use crate::wire::codec::{Malformed, Reader};
use crate::wire::size::{ADDRESS, BODY, COMMAND, END, END_DATA, NEIGHBOUR, PARCEL, POINT, SEALED};

mod body;
mod rates;

pub use body::{CIRCUIT_CLOSED, SpurBody, closed, read_closed};
pub use rates::Rates;

/// What a CREATE block says; the rest of the 460 bytes is random. `mac 16 | iv 16 | T 33 masked | rates 4 masked`.
pub const CREATE_HEAD: usize = 16 + 16 + POINT + 4;
/// What a CREATED block says; the rest is random. `Y 33 masked | confirmation 16`.
pub const CREATED_HEAD: usize = POINT + 16;
/// Cookie block in front of a live delivery, sealed to the intro point.
pub const COOKIE_BLOCK: usize = POINT;
/// Slots for spurs at the end of an outbound circuit.
pub const SPUR_SLOTS: u8 = 4;

/// Which spur of a circuit is meant: the first 4 bytes of the x coordinate of its throwaway key.
pub type SpurName = [u8; 4];

/// The name of the spur with this throwaway key.
pub fn spur_name(key: &Point) -> SpurName {
    let bytes = key.bytes();
    [bytes[1], bytes[2], bytes[3], bytes[4]]
}
/// Tokens in one cell: 26 x 16 bytes and a header of 4 fill 420 of 433.
pub const TOKENS_A_CELL: usize = 26;
/// Cells of one generation of tokens.
pub const TOKEN_CELLS: u8 = 16;
/// Tokens of a registration: 416, three days for 138 contacts with one session each.
pub const TOKENS: usize = TOKENS_A_CELL * TOKEN_CELLS as usize;
/// Neighbours named in one answer.
pub const NEIGHBOURS_AN_ANSWER: usize = 2;

const _: () = {
    assert!(COOKIE_BLOCK + PARCEL == END_DATA);
    assert!(4 + TOKENS_A_CELL * 16 <= END_DATA);
    assert!(2 + NEIGHBOURS_AN_ANSWER * (1 + NEIGHBOUR) <= END_DATA);
    assert!(POINT + CREATE_HEAD <= END_DATA);
    assert!(1 + POINT + ADDRESS + POINT <= END_DATA);
};

/// What the last hop of a circuit is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The end holds spurs and delivers parcels.
    Outbound,
    /// The end is an intro point.
    Inbound,
    /// The end carries sealed queries to nodes of the DHT.
    Utility,
}

impl Channel {
    fn code(self) -> u8 {
        match self {
            Channel::Outbound => 1,
            Channel::Inbound => 2,
            Channel::Utility => 3,
        }
    }

    fn from_code(code: u8) -> Result<Channel, Malformed> {
        match code {
            1 => Ok(Channel::Outbound),
            2 => Ok(Channel::Inbound),
            3 => Ok(Channel::Utility),
            _ => Err(malformed("channel")),
        }
    }
}

/// Command bytes. Public for the tests that try each one on each channel.
pub mod code {
    pub const DUMMY: u8 = 0x00;
    pub const NEIGHBOURS: u8 = 0x01;
    pub const NEIGHBOURS_ANSWER: u8 = 0x02;
    pub const EXTEND: u8 = 0x03;
    pub const EXTENDED: u8 = 0x04;
    pub const REFUSED: u8 = 0x05;
    pub const BEGIN: u8 = 0x06;
    pub const BEGUN: u8 = 0x07;
    /// 0x10 to 0x13: one code a slot, because a delivery fills its cell to the last byte.
    pub const DELIVER: u8 = 0x10;
    pub const SPUR_OPEN: u8 = 0x14;
    /// 0x18 to 0x1b, as `DELIVER`.
    pub const RETURNED: u8 = 0x18;
    pub const SPUR_STATE: u8 = 0x1c;
    pub const ESTABLISH: u8 = 0x20;
    pub const TOKENS: u8 = 0x21;
    pub const ANSWER: u8 = 0x22;
    pub const ESTABLISHED: u8 = 0x28;
    pub const ARRIVED: u8 = 0x29;
    pub const QUERY: u8 = 0x30;
    pub const QUERY_ANSWER: u8 = 0x38;
}

/// Origin to the circuit's present last hop, while the circuit is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildForward {
    /// Name the neighbours at these places of your list (taken modulo its length).
    Neighbours { ask: [u8; NEIGHBOURS_AN_ANSWER] },
    /// Take one more hop, over a shaped link you have to this node.
    Extend {
        node: NodeId,
        create: Box<[u8; CREATE_HEAD]>,
    },
    /// You are the end; this is what for. From now on your clock runs.
    Begin { channel: Channel },
}

/// The present last hop to the origin, while the circuit is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildBack {
    /// How many neighbours there are, and those asked for: the index and the link certificate.
    Neighbours {
        total: u8,
        named: Vec<(u8, Box<[u8; NEIGHBOUR]>)>,
    },
    Extended {
        created: Box<[u8; CREATED_HEAD]>,
    },
    /// No link to that node, no room, or it did not answer.
    Refused,
    Begun {
        channel: Channel,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundForward {
    Dummy,
    /// Put these bytes on the spur in this slot.
    Deliver {
        slot: u8,
        block: Box<[u8; COOKIE_BLOCK]>,
        parcel: Box<[u8; PARCEL]>,
    },
    /// Replace the spur in this slot by one to this node; `key` is its throwaway key.
    SpurOpen {
        slot: u8,
        node: NodeId,
        addr: Address,
        key: Box<Point>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundBack {
    Dummy,
    /// Came along the slot's spur, or along the one before, which is kept a while for answers; which, its name tells.
    Returned {
        slot: u8,
        spur: SpurName,
        parcel: Box<[u8; PARCEL]>,
    },
    /// The spur of this throwaway key took up its work, or failed.
    SpurState {
        slot: u8,
        key: Point,
        up: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundForward {
    Dummy,
    /// Parcels that show this cookie are for me.
    Establish {
        cookie: [u8; 16],
    },
    /// Cell `index` of `cells` of a generation of tokens; always full (random ones fill it).
    Tokens {
        generation: u16,
        index: u8,
        cells: u8,
        tokens: Vec<[u8; 16]>,
    },
    Answer {
        spur: u32,
        parcel: Box<[u8; PARCEL]>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundBack {
    Dummy,
    Established {
        cookie_key: Point,
    },
    Arrived {
        spur: u32,
        parcel: Box<[u8; PARCEL]>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UtilityForward {
    Dummy,
    Query {
        node: NodeId,
        addr: Address,
        sealed: Box<[u8; SEALED]>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UtilityBack {
    Dummy,
    /// `asked`: the first 33 bytes of the sealed request, which name it.
    QueryAnswer {
        asked: [u8; POINT],
        sealed: Box<[u8; SEALED]>,
    },
}

fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

/// `command 1 | length 2 | data`, the rest zero. `data` is at most 433 bytes by construction of every caller.
fn cell(command: u8, parts: &[&[u8]]) -> [u8; END] {
    let mut cell = [0; END];
    let mut at = COMMAND;
    for part in parts {
        cell[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    cell[0] = command;
    cell[1..COMMAND].copy_from_slice(&((at - COMMAND) as u16).to_be_bytes());
    cell
}

/// Command and data. The length has to fit; each command checks that it is its own.
fn open(cell: &[u8; END]) -> Result<(u8, &[u8]), Malformed> {
    let length = usize::from(u16::from_be_bytes([cell[1], cell[2]]));
    let data = cell
        .get(COMMAND..COMMAND + length)
        .ok_or(malformed("length"))?;
    Ok((cell[0], data))
}

/// Takes the data of a command apart; every method fails rather than read past the end.
struct Data<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Data<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(malformed(self.what))?;
        self.rest = rest;
        Ok(*head)
    }

    fn boxed<const N: usize>(&mut self) -> Result<Box<[u8; N]>, Malformed> {
        self.array().map(Box::new)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn node(&mut self) -> Result<NodeId, Malformed> {
        NodeId::decode(&self.array::<POINT>()?).map_err(|_| malformed(self.what))
    }

    fn point(&mut self) -> Result<Point, Malformed> {
        Point::decode(&self.array::<POINT>()?).map_err(|_| malformed(self.what))
    }

    fn address(&mut self) -> Result<Address, Malformed> {
        Address::read(&mut Reader::new(&self.array::<ADDRESS>()?))
    }

    fn slot(&mut self) -> Result<u8, Malformed> {
        let slot = self.byte()?;
        if slot < SPUR_SLOTS {
            Ok(slot)
        } else {
            Err(malformed("spur slot"))
        }
    }

    fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(malformed(self.what))
        }
    }
}

fn data<'a>(rest: &'a [u8], what: &'static str) -> Data<'a> {
    Data { rest, what }
}

impl BuildForward {
    pub fn encode(&self) -> [u8; END] {
        match self {
            BuildForward::Neighbours { ask } => cell(code::NEIGHBOURS, &[ask]),
            BuildForward::Extend { node, create } => {
                cell(code::EXTEND, &[node.bytes(), &create[..]])
            }
            BuildForward::Begin { channel } => cell(code::BEGIN, &[&[channel.code()]]),
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<BuildForward, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "build command");
        let parsed = match command {
            code::NEIGHBOURS => BuildForward::Neighbours { ask: d.array()? },
            code::EXTEND => BuildForward::Extend {
                node: d.node()?,
                create: d.boxed()?,
            },
            code::BEGIN => BuildForward::Begin {
                channel: Channel::from_code(d.byte()?)?,
            },
            _ => return Err(malformed("command while building")),
        };
        d.end().map(|()| parsed)
    }
}

impl BuildBack {
    pub fn encode(&self) -> [u8; END] {
        match self {
            BuildBack::Neighbours { total, named } => {
                let mut bytes = vec![*total, named.len() as u8];
                for (index, certificate) in named.iter().take(NEIGHBOURS_AN_ANSWER) {
                    bytes.push(*index);
                    bytes.extend_from_slice(&certificate[..]);
                }
                bytes[1] = named.len().min(NEIGHBOURS_AN_ANSWER) as u8;
                cell(code::NEIGHBOURS_ANSWER, &[&bytes])
            }
            BuildBack::Extended { created } => cell(code::EXTENDED, &[&created[..]]),
            BuildBack::Refused => cell(code::REFUSED, &[]),
            BuildBack::Begun { channel } => cell(code::BEGUN, &[&[channel.code()]]),
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<BuildBack, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "build answer");
        let parsed = match command {
            code::NEIGHBOURS_ANSWER => {
                let (total, count) = (d.byte()?, d.byte()?);
                if usize::from(count) > NEIGHBOURS_AN_ANSWER {
                    return Err(malformed("number of neighbours"));
                }
                let named = (0..count)
                    .map(|_| Ok((d.byte()?, d.boxed()?)))
                    .collect::<Result<_, Malformed>>()?;
                BuildBack::Neighbours { total, named }
            }
            code::EXTENDED => BuildBack::Extended {
                created: d.boxed()?,
            },
            code::REFUSED => BuildBack::Refused,
            code::BEGUN => BuildBack::Begun {
                channel: Channel::from_code(d.byte()?)?,
            },
            _ => return Err(malformed("answer while building")),
        };
        d.end().map(|()| parsed)
    }
}

impl OutboundForward {
    pub fn encode(&self) -> [u8; END] {
        match self {
            OutboundForward::Dummy => cell(code::DUMMY, &[]),
            OutboundForward::Deliver {
                slot,
                block,
                parcel,
            } => cell(
                code::DELIVER + slot % SPUR_SLOTS,
                &[&block[..], &parcel[..]],
            ),
            OutboundForward::SpurOpen {
                slot,
                node,
                addr,
                key,
            } => cell(
                code::SPUR_OPEN,
                &[&[*slot], node.bytes(), &addr.bytes(), key.bytes()],
            ),
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<OutboundForward, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "outbound command");
        let parsed = match command {
            code::DUMMY => OutboundForward::Dummy,
            code::DELIVER..code::SPUR_OPEN => OutboundForward::Deliver {
                slot: command - code::DELIVER,
                block: d.boxed()?,
                parcel: d.boxed()?,
            },
            code::SPUR_OPEN => OutboundForward::SpurOpen {
                slot: d.slot()?,
                node: d.node()?,
                addr: d.address()?,
                key: Box::new(d.point()?),
            },
            _ => return Err(malformed("command on an outbound circuit")),
        };
        d.end().map(|()| parsed)
    }
}

impl OutboundBack {
    pub fn encode(&self) -> [u8; END] {
        match self {
            OutboundBack::Dummy => cell(code::DUMMY, &[]),
            OutboundBack::Returned { slot, spur, parcel } => cell(
                code::RETURNED + slot % SPUR_SLOTS,
                &[&spur[..], &parcel[..]],
            ),
            OutboundBack::SpurState { slot, key, up } => {
                cell(code::SPUR_STATE, &[&[*slot, u8::from(*up)], key.bytes()])
            }
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<OutboundBack, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "outbound answer");
        let parsed = match command {
            code::DUMMY => OutboundBack::Dummy,
            code::RETURNED..code::SPUR_STATE => OutboundBack::Returned {
                slot: command - code::RETURNED,
                spur: d.array()?,
                parcel: d.boxed()?,
            },
            code::SPUR_STATE => {
                let slot = d.slot()?;
                let up = match d.byte()? {
                    0 => false,
                    1 => true,
                    _ => return Err(malformed("spur state")),
                };
                OutboundBack::SpurState {
                    slot,
                    up,
                    key: d.point()?,
                }
            }
            _ => return Err(malformed("answer on an outbound circuit")),
        };
        d.end().map(|()| parsed)
    }
}

impl InboundForward {
    pub fn encode(&self) -> [u8; END] {
        match self {
            InboundForward::Dummy => cell(code::DUMMY, &[]),
            InboundForward::Establish { cookie } => cell(code::ESTABLISH, &[cookie]),
            InboundForward::Tokens {
                generation,
                index,
                cells,
                tokens,
            } => {
                let mut bytes = generation.to_be_bytes().to_vec();
                bytes.extend([*index, *cells]);
                tokens
                    .iter()
                    .take(TOKENS_A_CELL)
                    .for_each(|token| bytes.extend_from_slice(token));
                cell(code::TOKENS, &[&bytes])
            }
            InboundForward::Answer { spur, parcel } => {
                cell(code::ANSWER, &[&spur.to_be_bytes(), &parcel[..]])
            }
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<InboundForward, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "inbound command");
        let parsed = match command {
            code::DUMMY => InboundForward::Dummy,
            code::ESTABLISH => InboundForward::Establish { cookie: d.array()? },
            code::TOKENS => {
                let generation = u16::from_be_bytes(d.array()?);
                let (index, cells) = (d.byte()?, d.byte()?);
                if index >= cells || cells > TOKEN_CELLS {
                    return Err(malformed("token cell"));
                }
                let tokens = (0..TOKENS_A_CELL)
                    .map(|_| d.array())
                    .collect::<Result<_, Malformed>>()?;
                InboundForward::Tokens {
                    generation,
                    index,
                    cells,
                    tokens,
                }
            }
            code::ANSWER => InboundForward::Answer {
                spur: u32::from_be_bytes(d.array()?),
                parcel: d.boxed()?,
            },
            _ => return Err(malformed("command on an inbound circuit")),
        };
        d.end().map(|()| parsed)
    }
}

impl InboundBack {
    pub fn encode(&self) -> [u8; END] {
        match self {
            InboundBack::Dummy => cell(code::DUMMY, &[]),
            InboundBack::Established { cookie_key } => {
                cell(code::ESTABLISHED, &[cookie_key.bytes()])
            }
            InboundBack::Arrived { spur, parcel } => {
                cell(code::ARRIVED, &[&spur.to_be_bytes(), &parcel[..]])
            }
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<InboundBack, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "inbound answer");
        let parsed = match command {
            code::DUMMY => InboundBack::Dummy,
            code::ESTABLISHED => InboundBack::Established {
                cookie_key: d.point()?,
            },
            code::ARRIVED => InboundBack::Arrived {
                spur: u32::from_be_bytes(d.array()?),
                parcel: d.boxed()?,
            },
            _ => return Err(malformed("answer on an inbound circuit")),
        };
        d.end().map(|()| parsed)
    }
}

impl UtilityForward {
    pub fn encode(&self) -> [u8; END] {
        match self {
            UtilityForward::Dummy => cell(code::DUMMY, &[]),
            UtilityForward::Query { node, addr, sealed } => {
                cell(code::QUERY, &[node.bytes(), &addr.bytes(), &sealed[..]])
            }
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<UtilityForward, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "utility command");
        let parsed = match command {
            code::DUMMY => UtilityForward::Dummy,
            code::QUERY => UtilityForward::Query {
                node: d.node()?,
                addr: d.address()?,
                sealed: d.boxed()?,
            },
            _ => return Err(malformed("command on a utility circuit")),
        };
        d.end().map(|()| parsed)
    }
}

impl UtilityBack {
    pub fn encode(&self) -> [u8; END] {
        match self {
            UtilityBack::Dummy => cell(code::DUMMY, &[]),
            UtilityBack::QueryAnswer { asked, sealed } => {
                cell(code::QUERY_ANSWER, &[asked, &sealed[..]])
            }
        }
    }

    pub fn decode(bytes: &[u8; END]) -> Result<UtilityBack, Malformed> {
        let (command, rest) = open(bytes)?;
        let mut d = data(rest, "utility answer");
        let parsed = match command {
            code::DUMMY => UtilityBack::Dummy,
            code::QUERY_ANSWER => UtilityBack::QueryAnswer {
                asked: d.array()?,
                sealed: d.boxed()?,
            },
            _ => return Err(malformed("answer on a utility circuit")),
        };
        d.end().map(|()| parsed)
    }
}

#[cfg(test)]
mod tests;
