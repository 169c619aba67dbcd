//! What an own inbound circuit keeps at its intro point: the registration, the tokens, and answers on their way out.

use super::queues::{Parcel, Queues, Room};
use crate::crypto::curve::Point;
use crate::crypto::random::Stream;
use crate::wire::circuit::{InboundForward, TOKEN_CELLS, TOKENS_A_CELL, registered};

/// Answers that wait for the circuit's clock, by spur, of which an intro point takes so many; one more is refused and the messenger told.
const ANSWERS: Room = Room {
    queues: super::intro::MAX_SPURS,
    a_queue: 16,
    all: 16 * 16,
};
/// Each cell of tokens goes so often before anything else, then in rotation in one of `TOKEN_TURN` idle cells: cells get lost.
const TOKEN_ROUNDS: usize = 2;
const TOKEN_TURN: u64 = 4;

/// The tokens our intro points accept, cut into cells that are always full.
pub(super) struct Tokens {
    generation: u16,
    cells: Vec<Vec<[u8; 16]>>,
}

impl Tokens {
    pub fn none() -> Tokens {
        Tokens {
            generation: 0,
            cells: Vec::new(),
        }
    }

    /// Replaces them; what does not fit into `TOKEN_CELLS` is cut. Random tokens fill the last cell.
    pub fn replace(&mut self, tokens: &[[u8; 16]], filling: &mut Stream) {
        self.generation = self.generation.wrapping_add(1);
        self.cells = tokens
            .chunks(TOKENS_A_CELL)
            .take(usize::from(TOKEN_CELLS))
            .map(|chunk| {
                let mut cell = chunk.to_vec();
                cell.resize_with(TOKENS_A_CELL, || filling.bytes());
                cell
            })
            .collect();
    }

    /// The cell of this number as the registration with `cookie` is told.
    fn cell(&self, index: usize, cookie: &[u8; 16]) -> Option<InboundForward> {
        let tokens = self.cells.get(index)?.iter();
        Some(InboundForward::Tokens {
            generation: self.generation,
            index: index as u8,
            cells: self.cells.len() as u8,
            tokens: tokens.map(|token| registered(token, cookie)).collect(),
        })
    }
}

pub(super) struct Inbound {
    pub cookie: [u8; 16],
    /// The intro point's cookie key, once it confirmed.
    pub established: Option<Point>,
    answers: Queues<u32, ()>,
    /// Which generation of tokens was told, and how many cells of it.
    told: (u16, usize),
    idle: u64,
}

impl Inbound {
    pub fn new(cookie: [u8; 16]) -> Inbound {
        Inbound {
            cookie,
            established: None,
            answers: Queues::new(ANSWERS),
            told: (0, 0),
            idle: 0,
        }
    }

    /// False if there is no room.
    pub fn answer(&mut self, spur: u32, parcel: Parcel) -> bool {
        self.answers.push(spur, (), parcel)
    }

    /// The cell of this tick: registration first, fresh tokens, answers in turn, tokens again.
    pub fn next(&mut self, tokens: &Tokens) -> InboundForward {
        if self.established.is_none() {
            return InboundForward::Establish {
                cookie: self.cookie,
            };
        }
        if self.told.0 != tokens.generation {
            self.told = (tokens.generation, 0);
        }
        if self.told.1 < tokens.cells.len() * TOKEN_ROUNDS
            && let Some(cell) = tokens.cell(self.told.1 % tokens.cells.len(), &self.cookie)
        {
            self.told.1 += 1;
            return cell;
        }
        if let Some((spur, (), parcel)) = self.answers.next(|_| true) {
            return InboundForward::Answer { spur, parcel };
        }
        self.idle += 1;
        if self.idle.is_multiple_of(TOKEN_TURN) && !tokens.cells.is_empty() {
            let turn = (self.idle / TOKEN_TURN) as usize % tokens.cells.len();
            if let Some(cell) = tokens.cell(turn, &self.cookie) {
                return cell;
            }
        }
        InboundForward::Dummy
    }
}

#[cfg(test)]
mod tests;
