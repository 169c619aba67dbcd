//! Reading and writing of fixed layouts, big-endian.
//!
//! Strangers choose what a [`Reader`] reads, so it never panics and says what was missing. A [`Writer`] fills a buffer whose size the
//! layout's constants prove; writing past it is a mistake of this program and stops it.

use crate::crypto::curve::Point;

/// Bytes that are not what they should be; `what` names the field for tests and counters, never for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    pub what: &'static str,
}

/// Shorthand for the error of a parser.
pub fn malformed<T>(what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { what })
}

/// What is left to read of some bytes.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let Some((head, tail)) = self.rest.split_at_checked(n) else {
            return malformed(what);
        };
        self.rest = tail;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            return malformed(what);
        };
        self.rest = tail;
        Ok(*head)
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// A compressed point, checked by the one strict parser.
    pub fn point(&mut self, what: &'static str) -> Result<Point, Malformed> {
        let bytes: [u8; 33] = self.array(what)?;
        Point::decode(&bytes).map_err(|_| Malformed { what })
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    pub fn end(&self, what: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            malformed(what)
        }
    }
}

/// A cursor over a buffer that is being filled. What is not written keeps its value.
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut [u8]) -> Writer<'a> {
        Writer { out, at: 0 }
    }

    /// Copies `bytes` to the cursor.
    ///
    /// # Panics
    /// If they do not fit: the layout of the caller is wrong.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Writer<'a> {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }

    pub fn u8(&mut self, value: u8) -> &mut Writer<'a> {
        self.put(&value.to_be_bytes())
    }

    pub fn u16(&mut self, value: u16) -> &mut Writer<'a> {
        self.put(&value.to_be_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Writer<'a> {
        self.put(&value.to_be_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Writer<'a> {
        self.put(&value.to_be_bytes())
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut buffer = [0; 18];
        let mut w = Writer::new(&mut buffer);
        w.u8(1)
            .u16(0x0203)
            .u32(0x0405_0607)
            .u64(u64::MAX)
            .put(b"abc");
        assert_eq!(w.written(), 18);
        let mut r = Reader::new(&buffer);
        assert_eq!(r.u8("a"), Ok(1));
        assert_eq!(r.u16("b"), Ok(0x0203));
        assert_eq!(r.u32("c"), Ok(0x0405_0607));
        assert_eq!(r.u64("d"), Ok(u64::MAX));
        assert_eq!(r.array("e"), Ok(*b"abc"));
        assert_eq!(r.end("tail"), Ok(()));
    }

    #[test]
    fn a_short_input_is_an_error_that_names_the_field_and_takes_nothing() {
        let mut r = Reader::new(&[7, 8]);
        assert_eq!(r.u32("lifetime"), malformed("lifetime"));
        assert_eq!(r.take(3, "key"), malformed("key"));
        assert_eq!(r.u16("port"), Ok(0x0708));
        assert_eq!(r.u8("flags"), malformed("flags"));
    }
}
