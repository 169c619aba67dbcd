//! What is said on a circuit whose end carries sealed queries.

use super::command::{cell, data, open};
use super::*;

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
            _ => return malformed("command on a utility circuit"),
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
            _ => return malformed("answer on a utility circuit"),
        };
        d.end().map(|()| parsed)
    }
}
