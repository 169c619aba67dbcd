//! The one form that all commands have in their cell, written and taken apart.

use super::*;
use crate::wire::codec::Reader;

/// `command 1 | length 2 | data`, the rest zero. `data` is at most 433 bytes by construction of every caller.
pub(super) fn cell(command: u8, parts: &[&[u8]]) -> [u8; END] {
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
pub(super) fn open(cell: &[u8; END]) -> Result<(u8, &[u8]), Malformed> {
    let length = usize::from(u16::from_be_bytes([cell[1], cell[2]]));
    let data = cell
        .get(COMMAND..COMMAND + length)
        .ok_or(Malformed { what: "length" })?;
    Ok((cell[0], data))
}

/// Takes the data of one command apart.
pub(super) struct Data<'a> {
    reader: Reader<'a>,
    what: &'static str,
}

pub(super) fn data<'a>(bytes: &'a [u8], what: &'static str) -> Data<'a> {
    Data {
        reader: Reader::new(bytes),
        what,
    }
}

impl Data<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.reader.array(self.what)
    }

    pub(super) fn boxed<const N: usize>(&mut self) -> Result<Box<[u8; N]>, Malformed> {
        self.array().map(Box::new)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.reader.u8(self.what)
    }

    pub(super) fn node(&mut self) -> Result<NodeId, Malformed> {
        let what = self.what;
        NodeId::decode(self.reader.take(POINT, what)?).map_err(|_| Malformed { what })
    }

    pub(super) fn point(&mut self) -> Result<Point, Malformed> {
        self.reader.point(self.what)
    }

    pub(super) fn address(&mut self) -> Result<Address, Malformed> {
        Address::read(&mut self.reader)
    }

    pub(super) fn slot(&mut self) -> Result<u8, Malformed> {
        match self.byte()? {
            slot if slot < SPUR_SLOTS => Ok(slot),
            _ => malformed("spur slot"),
        }
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        self.reader.end(self.what)
    }
}
