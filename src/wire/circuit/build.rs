//! What is said while a circuit is built.

use super::command::{cell, data, open};
use super::*;

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
            _ => return malformed("command while building"),
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
                    return malformed("number of neighbours");
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
            _ => return malformed("answer while building"),
        };
        d.end().map(|()| parsed)
    }
}
