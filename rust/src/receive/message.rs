//! One message in gRPC's framing: a flag, a length, and so many bytes, compressed or not.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Incoming};

use super::inflate::{Coding, Inflater};
use super::refusal::Refusal;

const PREFIX: usize = 5;

pub struct Message {
    coding: Option<Coding>,
    limit: usize,
    prefix: Vec<u8>,
    /// Bytes of the message, as sent, that have not come yet.
    missing: usize,
    content: Content,
    /// What came and was not used yet.
    rest: Bytes,
}

enum Content {
    Unknown,
    Plain(Vec<u8>),
    Packed(Inflater),
}

impl Message {
    /// `limit`: what one message may have, inflated as well.
    pub fn new(coding: Option<Coding>, limit: usize) -> Self {
        let prefix = Vec::with_capacity(PREFIX);
        Message { coding, limit, prefix, missing: 0, content: Content::Unknown, rest: Bytes::new() }
    }

    /// The room that it needs, as far as that is known.
    pub fn volume(&self) -> usize {
        match &self.content {
            Content::Plain(data) => data.len() + self.missing,
            _ => self.limit,
        }
    }

    /// True when it is whole, false when it has more than `most` bytes. Goes on where it was given up.
    pub async fn read(&mut self, body: &mut Incoming, most: usize) -> Result<bool, Refusal> {
        loop {
            if let Some(is_whole) = self.advance(most)? {
                return Ok(is_whole);
            }
            match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                None if self.prefix.is_empty() => return Err(Refusal::Missing),
                Some(Err(_)) | None => return Err(Refusal::EndsEarly),
            }
        }
    }

    pub fn finish(self) -> Result<Vec<u8>, Refusal> {
        match self.content {
            Content::Unknown => Err(Refusal::Missing),
            Content::Plain(data) => Ok(data),
            Content::Packed(inflater) => inflater.finish(),
        }
    }

    /// None when more must come first.
    fn advance(&mut self, most: usize) -> Result<Option<bool>, Refusal> {
        if self.prefix.len() < PREFIX {
            let taken = self.rest.len().min(PREFIX - self.prefix.len());
            self.prefix.extend_from_slice(&self.rest.split_to(taken));
            if self.prefix.len() < PREFIX {
                return Ok(None);
            }
            self.begin()?;
        }
        if self.volume() > most && matches!(self.content, Content::Plain(_)) {
            return Ok(Some(false));
        }
        let most = most.min(self.limit);
        let piece = &self.rest[..self.rest.len().min(self.missing)];
        let used = match &mut self.content {
            Content::Plain(data) => {
                // There is room for all of it by now.
                data.reserve_exact(self.missing);
                data.extend_from_slice(piece);
                piece.len()
            }
            Content::Packed(inflater) => inflater.feed(piece, most)?,
            Content::Unknown => 0,
        };
        self.rest.advance(used);
        self.missing -= used;
        match &self.content {
            Content::Packed(inflater) if inflater.len() > self.limit => Err(Refusal::TooLarge),
            Content::Packed(inflater) if inflater.len() > most => Ok(Some(false)),
            _ => Ok((self.missing == 0).then_some(true)),
        }
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        let length = (&self.prefix[1..]).get_u32() as usize;
        if length > self.limit {
            return Err(Refusal::TooLarge);
        }
        self.missing = length;
        self.content = match (self.prefix[0], self.coding) {
            (0, _) => Content::Plain(Vec::new()),
            (1, Some(coding)) => Content::Packed(Inflater::new(coding)),
            _ => return Err(Refusal::Frame),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(flag: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).expect("short").to_be_bytes();
        [&[flag], &length[..], data].concat()
    }

    /// Feeds pieces of `step` bytes; what `advance` says last.
    fn fed(message: &mut Message, bytes: &[u8], step: usize, most: usize) -> Result<Option<bool>, Refusal> {
        let mut said = None;
        for piece in bytes.chunks(step) {
            message.rest = Bytes::copy_from_slice(piece);
            said = message.advance(most)?;
        }
        Ok(said)
    }

    #[test]
    fn a_plain_message_comes_in_any_pieces() {
        for step in [1, 2, 5, 6, 100] {
            let mut message = Message::new(None, 100);
            assert_eq!(fed(&mut message, &framed(0, b"body"), step, 100), Ok(Some(true)));
            assert_eq!(message.finish(), Ok(b"body".to_vec()));
        }
    }

    #[test]
    fn a_message_that_is_larger_than_may_be_read_yet_waits_with_its_size_known() {
        let mut message = Message::new(None, 100);
        assert_eq!(fed(&mut message, &framed(0, &[7; 50]), 100, 49), Ok(Some(false)));
        assert_eq!(message.volume(), 50);
        assert_eq!(message.advance(100), Ok(Some(true)));
        assert_eq!(message.finish(), Ok(vec![7; 50]));
    }

    #[test]
    fn too_large_and_wrong_frames_are_refused_at_their_prefix() {
        let start = |flag, length: u32| [&[flag], &length.to_be_bytes()[..]].concat();
        assert_eq!(fed(&mut Message::new(None, 100), &start(0, 101), 5, 0), Err(Refusal::TooLarge));
        assert_eq!(fed(&mut Message::new(None, 100), &start(1, 10), 5, 0), Err(Refusal::Frame));
        assert_eq!(fed(&mut Message::new(None, 100), &start(2, 10), 5, 0), Err(Refusal::Frame));
        assert_eq!(Message::new(None, 100).finish(), Err(Refusal::Missing));
    }
}
