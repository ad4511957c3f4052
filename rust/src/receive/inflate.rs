//! Compressed pieces into the bytes inside them, as they come, and never more than may be held.

use flate2::{Decompress, FlushDecompress, Status};

use super::refusal::Refusal;

const MOST_MEMBERS: u32 = 1024;
const WINDOW_BITS: u8 = 15;
const ROOM: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// None for no coding at all.
    pub fn named(name: &str) -> Result<Option<Self>, Refusal> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
            "deflate" => Ok(Some(Coding::Deflate)),
            _ => Err(Refusal::Coding),
        }
    }

    fn broken(self) -> Refusal {
        match self {
            Coding::Gzip => Refusal::Gzip,
            Coding::Deflate => Refusal::Deflate,
        }
    }
}

/// Inflates all members of gzip, or one stream of deflate (zlib's form, or the raw one that some send).
pub struct Inflater {
    coding: Coding,
    engine: Option<Decompress>,
    /// The first bytes of deflate, until they tell its form.
    head: Vec<u8>,
    members: u32,
    ended: bool,
    out: Vec<u8>,
}

impl Inflater {
    pub fn new(coding: Coding) -> Self {
        Inflater { coding, engine: None, head: Vec::new(), members: 0, ended: false, out: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// How much of `piece` was used: all of it, unless more than `limit` bytes are inside.
    pub fn feed(&mut self, piece: &[u8], limit: usize) -> Result<usize, Refusal> {
        if self.coding == Coding::Deflate && self.engine.is_none() {
            return self.feed_head(piece, limit);
        }
        self.inflate(piece, limit)
    }

    pub fn finish(self) -> Result<Vec<u8>, Refusal> {
        if self.ended { Ok(self.out) } else { Err(Refusal::EndsEarly) }
    }

    fn feed_head(&mut self, piece: &[u8], limit: usize) -> Result<usize, Refusal> {
        let taken = piece.len().min(2 - self.head.len());
        self.head.extend_from_slice(&piece[..taken]);
        if self.head.len() == 2 {
            let head = std::mem::take(&mut self.head);
            self.engine = Some(Decompress::new(is_zlib(&head)));
            self.members = 1;
            self.inflate(&head, limit.max(ROOM))?;
            return Ok(taken + self.inflate(&piece[taken..], limit)?);
        }
        Ok(taken)
    }

    fn inflate(&mut self, piece: &[u8], limit: usize) -> Result<usize, Refusal> {
        let mut used = 0;
        while self.out.len() <= limit {
            // Also with nothing left to read: the engine may hold more than there was room for.
            if self.engine.is_none() || self.ended {
                if used == piece.len() {
                    break;
                }
                self.begin_member()?;
            }
            let (read, wrote) = self.step(&piece[used..], limit)?;
            used += read;
            if read == 0 && wrote == 0 && !self.ended {
                break;
            }
        }
        Ok(used)
    }

    fn begin_member(&mut self) -> Result<(), Refusal> {
        self.members += 1;
        if self.members > 1 && (self.coding == Coding::Deflate || self.members > MOST_MEMBERS) {
            return Err(Refusal::GoesOn);
        }
        self.ended = false;
        self.engine = Some(Decompress::new_gzip(WINDOW_BITS));
        Ok(())
    }

    fn step(&mut self, piece: &[u8], limit: usize) -> Result<(usize, usize), Refusal> {
        let broken = self.coding.broken();
        let Some(engine) = self.engine.as_mut() else { return Err(broken) };
        let (read, wrote) = (engine.total_in(), engine.total_out());
        // One byte more than may be: what passes the limit is seen.
        let room = (limit + 1 - self.out.len()).min(self.out.len().max(ROOM));
        self.out.reserve_exact(room);
        let status = engine.decompress_vec(piece, &mut self.out, FlushDecompress::None);
        self.ended = status.map_err(|_| broken)? == Status::StreamEnd;
        Ok((narrow(engine.total_in() - read), narrow(engine.total_out() - wrote)))
    }
}

fn is_zlib(head: &[u8]) -> bool {
    head[0] & 0x0f == 8 && (u16::from(head[0]) << 8 | u16::from(head[1])).is_multiple_of(31)
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMIT: usize = 100_000;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        to.write_all(data).expect("written");
        to.finish().expect("finished")
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut to = ZlibEncoder::new(Vec::new(), Compression::default());
        to.write_all(data).expect("written");
        to.finish().expect("finished")
    }

    fn raw(data: &[u8]) -> Vec<u8> {
        let mut to = DeflateEncoder::new(Vec::new(), Compression::default());
        to.write_all(data).expect("written");
        to.finish().expect("finished")
    }

    fn inflated(coding: Coding, packed: &[u8], step: usize) -> Result<Vec<u8>, Refusal> {
        let mut inflater = Inflater::new(coding);
        for piece in packed.chunks(step) {
            let used = inflater.feed(piece, LIMIT)?;
            if inflater.len() > LIMIT {
                return Err(Refusal::TooLarge);
            }
            assert_eq!(used, piece.len());
        }
        inflater.finish()
    }

    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * at % 251).to_le_bytes()[0]).collect()
    }

    #[test]
    fn each_form_is_inflated_whatever_the_pieces() {
        for size in [0, 1, 5000, LIMIT] {
            let data = text(size);
            for step in [1, 2, 3, 1000, 1 << 20] {
                assert_eq!(inflated(Coding::Gzip, &gzip(&data), step).as_ref(), Ok(&data));
                assert_eq!(inflated(Coding::Deflate, &zlib(&data), step).as_ref(), Ok(&data));
                assert_eq!(inflated(Coding::Deflate, &raw(&data), step).as_ref(), Ok(&data));
            }
        }
    }

    #[test]
    fn members_of_gzip_are_joined_and_not_without_end() {
        let two = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(inflated(Coding::Gzip, &two, 3), Ok(b"abcd".to_vec()));
        let many = gzip(b"").repeat(MOST_MEMBERS as usize + 1);
        assert_eq!(inflated(Coding::Gzip, &many, 1000), Err(Refusal::GoesOn));
    }

    #[test]
    fn one_byte_over_the_limit_is_seen_and_no_more_is_held() {
        let bomb = gzip(&vec![0; 50 * LIMIT]);
        let mut inflater = Inflater::new(Coding::Gzip);
        inflater.feed(&bomb, LIMIT).expect("fed");
        assert_eq!(inflater.len(), LIMIT + 1);
        assert!(inflater.out.capacity() <= LIMIT + 1);
        assert_eq!(inflated(Coding::Gzip, &gzip(&text(LIMIT + 1)), 100), Err(Refusal::TooLarge));
    }

    #[test]
    fn what_waits_for_room_goes_on_where_it_was() {
        let data = text(LIMIT);
        let packed = gzip(&data);
        let mut inflater = Inflater::new(Coding::Gzip);
        let mut used = 0;
        for limit in [10, 1000, LIMIT] {
            used += inflater.feed(&packed[used..], limit).expect("fed");
            assert_eq!(inflater.len(), data.len().min(limit + 1));
        }
        assert_eq!(inflater.finish(), Ok(data));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let whole = gzip(b"body");
        assert_eq!(inflated(Coding::Gzip, b"body", 2), Err(Refusal::Gzip));
        assert_eq!(inflated(Coding::Gzip, &whole[..whole.len() - 1], 9), Err(Refusal::EndsEarly));
        assert_eq!(inflated(Coding::Gzip, b"", 1), Err(Refusal::EndsEarly));
        assert!(inflated(Coding::Gzip, &[&whole[..], b"x"].concat(), 99).is_err());
        let two = [zlib(b"ab"), zlib(b"cd")].concat();
        assert_eq!(inflated(Coding::Deflate, &two, 99), Err(Refusal::GoesOn));
        assert_eq!(inflated(Coding::Deflate, b"\xff\xff\xff", 99), Err(Refusal::Deflate));
    }
}
