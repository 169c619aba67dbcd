//! What is said on a circuit whose end is an intro point.

use super::command::{cell, data, open};
use super::*;

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
    /// The spur that something came by is there no more: no answer goes back along it.
    Gone {
        spur: u32,
    },
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
                    return malformed("token cell");
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
            _ => return malformed("command on an inbound circuit"),
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
            InboundBack::Gone { spur } => cell(code::GONE, &[&spur.to_be_bytes()]),
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
            code::GONE => InboundBack::Gone {
                spur: u32::from_be_bytes(d.array()?),
            },
            _ => return malformed("answer on an inbound circuit"),
        };
        d.end().map(|()| parsed)
    }
}
