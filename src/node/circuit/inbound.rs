//! What an own inbound circuit keeps at its intro point: the registration, the tokens, and answers on their way out.

use std::collections::{BTreeMap, VecDeque};

use crate::crypto::curve::Point;
use crate::crypto::random::Stream;
use crate::wire::circuit::{InboundForward, TOKEN_CELLS, TOKENS_A_CELL};
use crate::wire::size::PARCEL;

/// Answers that wait for the circuit's clock, by spur; the newest is refused and the messenger told.
const MAX_A_SPUR: usize = 16;
/// Spurs with answers waiting: as many as an intro point takes.
const MAX_SPURS: usize = 16;
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

    fn cell(&self, index: usize) -> Option<InboundForward> {
        let tokens = self.cells.get(index)?.clone();
        Some(InboundForward::Tokens {
            generation: self.generation,
            index: index as u8,
            cells: self.cells.len() as u8,
            tokens,
        })
    }
}

pub(super) struct Inbound {
    pub cookie: [u8; 16],
    /// The intro point's cookie key, once it confirmed.
    pub established: Option<Point>,
    answers: BTreeMap<u32, VecDeque<Box<[u8; PARCEL]>>>,
    turn: u32,
    /// Which generation of tokens was told, and how many cells of it.
    told: (u16, usize),
    idle: u64,
}

impl Inbound {
    pub fn new(cookie: [u8; 16]) -> Inbound {
        Inbound {
            cookie,
            established: None,
            answers: BTreeMap::new(),
            turn: 0,
            told: (0, 0),
            idle: 0,
        }
    }

    /// False if there is no room.
    pub fn answer(&mut self, spur: u32, parcel: Box<[u8; PARCEL]>) -> bool {
        if !self.answers.contains_key(&spur) && self.answers.len() >= MAX_SPURS {
            return false;
        }
        let queue = self.answers.entry(spur).or_default();
        if queue.len() >= MAX_A_SPUR {
            return false;
        }
        queue.push_back(parcel);
        true
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
            && let Some(cell) = tokens.cell(self.told.1 % tokens.cells.len())
        {
            self.told.1 += 1;
            return cell;
        }
        let next = self
            .answers
            .range(self.turn..)
            .next()
            .or_else(|| self.answers.iter().next())
            .map(|(spur, _)| *spur);
        if let Some(spur) = next
            && let Some(queue) = self.answers.get_mut(&spur)
            && let Some(parcel) = queue.pop_front()
        {
            if queue.is_empty() {
                self.answers.remove(&spur);
            }
            self.turn = spur.wrapping_add(1);
            return InboundForward::Answer { spur, parcel };
        }
        self.idle += 1;
        if self.idle.is_multiple_of(TOKEN_TURN) && !tokens.cells.is_empty() {
            let turn = (self.idle / TOKEN_TURN) as usize % tokens.cells.len();
            if let Some(cell) = tokens.cell(turn) {
                return cell;
            }
        }
        InboundForward::Dummy
    }
}

#[cfg(test)]
mod tests;
