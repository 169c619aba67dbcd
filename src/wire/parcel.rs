//! What one parcel between two people says once its session has opened it: 299 bytes.
//!
//! `type 1 | sequence 4 | have-up-to 4 | hash of previous 8 | length 2 | text 280`. Text, requests and acceptances stand in one
//! sequence for each conversation and direction and form a hash chain; receipts, introductions and skips stand outside it. The chain covers the
//! bytes of type, sequence, length and text as they are, so that a body this version cannot read still has its place.
//! Not here: who sent it, and what follows from it.

use zeroize::Zeroizing;

use super::codec::{Malformed, Reader, Writer, malformed};
use super::introduction::{INTRODUCTION, Introduction};
use super::size::{PARCEL_BODY, TEXT};
use crate::crypto::aead;

/// First bytes of a SHA-256 over what came before.
pub type Link = [u8; 8];
/// What stands before the first parcel of a conversation.
pub const START: Link = [0; 8];
/// Bodies with this bit stand outside the sequence: they are not acknowledged and not sent again.
const OUTSIDE: u8 = 0x80;
/// The first parcel of a unit that needs several.
const FIRST: u8 = 0x10;
/// The last parcel of a unit.
const LAST: u8 = 0x20;
/// Where length and text start.
const CONTENT: usize = 1 + 4 + 4 + 8;

/// Newest links a receipt names. A window of unacknowledged parcels is shorter, so a sender always finds where the two agree.
pub const RECEIPT_LINKS: usize = 32;
/// Parcels beyond the first missing one that a receipt can name.
pub const RECEIPT_AHEAD: u32 = 32;
/// Longest name a request carries, in bytes.
pub const REQUEST_NAME: usize = 64;
/// Longest text a request carries, in bytes: a request is one parcel, so that a stranger costs one row.
pub const REQUEST_TEXT: usize = 200;

const _: () = {
    assert!(CONTENT + 2 + TEXT == PARCEL_BODY);
    assert!(1 + REQUEST_NAME + REQUEST_TEXT <= TEXT);
    assert!(4 + 4 + 1 + RECEIPT_LINKS * 8 <= TEXT);
    assert!(INTRODUCTION <= TEXT);
};

/// What a parcel in the sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Request,
    Accept,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Text => 1,
            Kind::Request => 2,
            Kind::Accept => 3,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Text),
            2 => Some(Kind::Request),
            3 => Some(Kind::Accept),
            _ => None,
        }
    }
}

/// Type byte of a parcel in the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    pub first: bool,
    pub last: bool,
}

impl Piece {
    pub fn whole(kind: Kind) -> Piece {
        Piece {
            kind,
            first: true,
            last: true,
        }
    }

    pub fn code(self) -> u8 {
        let mut code = self.kind.code();
        if self.first {
            code |= FIRST;
        }
        if self.last {
            code |= LAST;
        }
        code
    }

    pub fn from_code(code: u8) -> Option<Piece> {
        if code & (OUTSIDE | 0x40) != 0 {
            return None;
        }
        Some(Piece {
            kind: Kind::from_code(code & 0x0f)?,
            first: code & FIRST != 0,
            last: code & LAST != 0,
        })
    }
}

/// What the receiver of a conversation has; not part of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Rises with every receipt of a conversation: an older one that arrives late is ignored.
    pub number: u32,
    /// Bit i: the parcel `have + 2 + i` is held although the one after `have` is missing.
    pub ahead: u32,
    /// Links of the parcels `have`, `have - 1` and so on, newest first.
    pub links: Vec<Link>,
}

impl Receipt {
    fn encode(&self) -> Vec<u8> {
        let count = self.links.len().min(RECEIPT_LINKS);
        let mut text = Vec::with_capacity(9 + count * 8);
        text.extend_from_slice(&self.number.to_be_bytes());
        text.extend_from_slice(&self.ahead.to_be_bytes());
        text.push(count as u8);
        for link in &self.links[..count] {
            text.extend_from_slice(link);
        }
        text
    }

    fn decode(text: &[u8]) -> Result<Receipt, Malformed> {
        let mut r = Reader::new(text);
        let number = r.u32("receipt number")?;
        let ahead = r.u32("receipt map")?;
        let count = usize::from(r.u8("receipt links")?);
        if count > RECEIPT_LINKS {
            return malformed("receipt links");
        }
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            links.push(r.array("receipt link")?);
        }
        r.end("receipt")?;
        Ok(Receipt {
            number,
            ahead,
            links,
        })
    }
}

/// Text of a request: who asks, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub name: String,
    pub text: String,
}

impl Request {
    /// None if name or text are longer than a request may carry.
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.name.len() > REQUEST_NAME || self.text.len() > REQUEST_TEXT {
            return None;
        }
        let mut bytes = Vec::with_capacity(1 + self.name.len() + self.text.len());
        bytes.push(u8::try_from(self.name.len()).ok()?);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(self.text.as_bytes());
        Some(bytes)
    }

    pub fn decode(bytes: &[u8]) -> Result<Request, Malformed> {
        let mut r = Reader::new(bytes);
        let length = usize::from(r.u8("request name")?);
        if length > REQUEST_NAME {
            return malformed("request name");
        }
        let name = text(r.take(length, "request name")?)?;
        Ok(Request {
            name,
            text: text(r.rest())?,
        })
    }
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => malformed("text"),
    }
}

/// A body as its bytes say. Every 299 bytes are one: what they mean is asked for piece by piece.
#[derive(Clone)]
pub struct Body(Zeroizing<[u8; PARCEL_BODY]>);

/// What a body is.
pub enum Meaning<'a> {
    /// In the sequence.
    Piece {
        piece: Piece,
        text: &'a [u8],
    },
    Receipt(Receipt),
    /// Where the sender is reached from now on.
    Introduction(Introduction),
    /// The sender has nothing any more up to the body's sequence number; the link there is the body's `previous`.
    Skip,
}

impl Body {
    /// # Panics
    /// If the text is longer than one parcel carries: the caller splits.
    fn new(code: u8, sequence: u32, have: u32, previous: &Link, text: &[u8]) -> Body {
        assert!(
            text.len() <= TEXT,
            "a text is split before it becomes a body"
        );
        let mut bytes = Zeroizing::new([0; PARCEL_BODY]);
        Writer::new(&mut bytes[..])
            .u8(code)
            .u32(sequence)
            .u32(have)
            .put(previous)
            .u16(text.len() as u16)
            .put(text);
        Body(bytes)
    }

    /// A parcel in the sequence, with at most `TEXT` bytes.
    pub fn piece(code: u8, sequence: u32, have: u32, previous: &Link, text: &[u8]) -> Body {
        Body::new(code, sequence, have, previous, text)
    }

    pub fn receipt(have: u32, receipt: &Receipt) -> Body {
        Body::new(0x81, 0, have, &START, &receipt.encode())
    }

    pub fn skip(up_to: u32, link: &Link, have: u32) -> Body {
        Body::new(0x82, up_to, have, link, b"")
    }

    pub fn introduction(have: u32, introduction: &Introduction) -> Body {
        Body::new(0x83, 0, have, &START, &introduction.encode())
    }

    pub fn from_bytes(bytes: &[u8; PARCEL_BODY]) -> Body {
        Body(Zeroizing::new(*bytes))
    }

    pub fn bytes(&self) -> &[u8; PARCEL_BODY] {
        &self.0
    }

    pub fn code(&self) -> u8 {
        self.0[0]
    }

    /// Whether it has a place in the conversation, whatever it says.
    pub fn in_sequence(&self) -> bool {
        self.code() & OUTSIDE == 0
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// Its place in the sender's sequence, from 1.
    pub fn sequence(&self) -> u32 {
        self.number(1)
    }

    /// The sender has everything of the other direction up to here.
    pub fn have(&self) -> u32 {
        self.number(5)
    }

    /// The link of the parcel before it.
    pub fn previous(&self) -> Link {
        let mut link = START;
        link.copy_from_slice(&self.0[9..CONTENT]);
        link
    }

    /// Its own link: what the next one must name.
    pub fn link(&self) -> Link {
        let digest = aead::hash(&[
            b"paratox chain",
            &self.0[9..CONTENT],
            &self.0[..5],
            &self.0[CONTENT..],
        ]);
        let mut link = START;
        link.copy_from_slice(&digest[..8]);
        link
    }

    /// What it says.
    ///
    /// # Errors
    /// If this version cannot read it.
    pub fn meaning(&self) -> Result<Meaning<'_>, Malformed> {
        let mut r = Reader::new(&self.0[CONTENT..]);
        let length = usize::from(r.u16("length")?);
        let text = r.take(length, "text")?;
        if r.rest().iter().any(|byte| *byte != 0) {
            return malformed("padding");
        }
        match self.code() {
            0x81 => Ok(Meaning::Receipt(Receipt::decode(text)?)),
            0x82 => Ok(Meaning::Skip),
            0x83 => Ok(Meaning::Introduction(Introduction::decode(text)?)),
            code => match Piece::from_code(code) {
                Some(piece) => Ok(Meaning::Piece { piece, text }),
                None => malformed("type"),
            },
        }
    }
}

/// Splits a text on UTF-8 borders into pieces of at most `TEXT` bytes; an empty text is one empty piece.
pub fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > TEXT {
        let mut at = TEXT;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (head, tail) = rest.split_at(at);
        pieces.push(head);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests;
