//! Walks the protobuf wire format in place: a message becomes its fields, nothing is copied.

use crate::error::{Decoded, Malformed};

/// A part of the bytes of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The unread rest of one message, and where in the body that message ends.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    end: u32,
}

/// The value of one field as it stands on the wire.
pub enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Len(Reader<'a>),
    Fixed32,
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Decoded<Self> {
        // Positions are 32 bits wide, and leave room for what is appended to a body.
        if body.len() > (1 << 30) {
            return Err(Malformed::TooLarge);
        }
        Ok(Self::within(body, 0))
    }

    /// Reads `bytes`, whose positions are counted from `start`.
    #[expect(clippy::cast_possible_truncation, reason = "bodies are at most 1 GiB")]
    fn within(bytes: &'a [u8], start: u32) -> Self {
        Self { rest: bytes, end: start.wrapping_add(bytes.len() as u32) }
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "bodies are at most 1 GiB")]
    pub fn position(&self) -> u32 {
        self.end.wrapping_sub(self.rest.len() as u32)
    }

    pub fn span(&self) -> Span {
        Span { start: self.position(), end: self.end }
    }

    pub fn text(&self) -> Decoded<&'a str> {
        std::str::from_utf8(self.rest).map_err(|_| Malformed::Utf8)
    }

    /// The next field: its number and value; `None` at the end of the message.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each field is a third of the cost of a point")]
    pub fn next(&mut self) -> Decoded<Option<(u32, Wire<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed::Varint)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.fixed64()?),
            2 => Wire::Len(self.message()?),
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            _ => return Err(Malformed::WireType),
        };
        if tag < 8 {
            return Err(Malformed::FieldNumber);
        }
        Ok(Some((tag >> 3, wire)))
    }

    #[inline]
    pub fn varint(&mut self) -> Decoded<u64> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            // Lengths of points and of messages a little larger.
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[cold]
    fn long_varint(&mut self) -> Decoded<u64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * u32::try_from(index).unwrap_or(0));
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    return Err(Malformed::Varint);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { Malformed::Truncated } else { Malformed::Varint })
    }

    #[inline]
    pub fn fixed64(&mut self) -> Decoded<u64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    fn message(&mut self) -> Decoded<Self> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
        let start = self.position();
        Ok(Self::within(self.take(length)?, start))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Decoded<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

pub fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Decoded<u64> {
        Reader::new(bytes)?.varint()
    }

    #[test]
    fn varints_end_after_ten_bytes() {
        assert_eq!(varint(&[0x7f]), Ok(127));
        assert_eq!(varint(&[0x80, 0x01]), Ok(128));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&most), Ok(u64::MAX));
        assert_eq!(varint(&[0xff; 10]), Err(Malformed::Varint));
        assert_eq!(varint(&[0xff; 3]), Err(Malformed::Truncated));
        assert_eq!(varint(&[]), Err(Malformed::Truncated));
    }

    #[test]
    fn fields_that_cannot_be_are_refused() {
        let next = |bytes: &'static [u8]| Reader::new(bytes).and_then(|mut r| r.next().map(|_| ()));
        assert_eq!(next(&[0x0b]), Err(Malformed::WireType));
        assert_eq!(next(&[0x00, 0x01]), Err(Malformed::FieldNumber));
        assert_eq!(next(&[0x0a, 0x02, 0x00]), Err(Malformed::Truncated));
        assert_eq!(next(&[0x09, 0x00]), Err(Malformed::Truncated));
        assert_eq!(next(&[0x0d, 0, 0, 0, 0]), Ok(()));
    }

    #[test]
    fn positions_count_from_the_start_of_the_body() {
        let body = [0x0a, 0x04, 0x12, 0x02, b'h', b'i'];
        let mut outer = Reader::new(&body).expect("small");
        let Ok(Some((1, Wire::Len(mut inner)))) = outer.next() else { panic!("field 1") };
        let Ok(Some((2, Wire::Len(text)))) = inner.next() else { panic!("field 2") };
        assert_eq!(text.text(), Ok("hi"));
        assert_eq!(text.span(), Span { start: 4, end: 6 });
    }

    #[test]
    fn zigzag_alternates() {
        assert_eq!([0, 1, 2, 3].map(zigzag), [0, -1, 1, -2]);
        assert_eq!(zigzag(u64::MAX), i64::MIN);
    }
}
