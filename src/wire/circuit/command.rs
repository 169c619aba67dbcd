//! The one form that all commands have in their cell, written and taken apart.

use super::*;

pub(super) fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

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
        .ok_or(malformed("length"))?;
    Ok((cell[0], data))
}

/// Takes the data of a command apart; every method fails rather than read past the end.
pub(super) struct Data<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Data<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(malformed(self.what))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn boxed<const N: usize>(&mut self) -> Result<Box<[u8; N]>, Malformed> {
        self.array().map(Box::new)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn node(&mut self) -> Result<NodeId, Malformed> {
        NodeId::decode(&self.array::<POINT>()?).map_err(|_| malformed(self.what))
    }

    pub(super) fn point(&mut self) -> Result<Point, Malformed> {
        Point::decode(&self.array::<POINT>()?).map_err(|_| malformed(self.what))
    }

    pub(super) fn address(&mut self) -> Result<Address, Malformed> {
        Address::read(&mut Reader::new(&self.array::<ADDRESS>()?))
    }

    pub(super) fn slot(&mut self) -> Result<u8, Malformed> {
        let slot = self.byte()?;
        if slot < SPUR_SLOTS {
            Ok(slot)
        } else {
            Err(malformed("spur slot"))
        }
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(malformed(self.what))
        }
    }
}

pub(super) fn data<'a>(rest: &'a [u8], what: &'static str) -> Data<'a> {
    Data { rest, what }
}
