//! What is said on a circuit whose end holds spurs and delivers parcels.

use super::command::{cell, data, open};
use super::*;

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
            _ => return malformed("command on an outbound circuit"),
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
                    _ => return malformed("spur state"),
                };
                OutboundBack::SpurState {
                    slot,
                    up,
                    key: d.point()?,
                }
            }
            _ => return malformed("answer on an outbound circuit"),
        };
        d.end().map(|()| parsed)
    }
}
