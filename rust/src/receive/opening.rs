//! The first bytes of a connection say what it speaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
const TLS_HANDSHAKE: u8 = 0x16;
const LONGEST_LINE: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Http2,
    Http1,
    Tls,
    /// HTTP without TLS, where that is spoken.
    Plain,
    Unknown,
}

/// Whether a connection that is to speak TLS begins with it; nothing is taken from it.
pub async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == TLS_HANDSHAKE)
}

/// Reads until it is clear; what was read is read again from the stream that comes back.
pub async fn listen<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Spoken, Replayed<S>)> {
    let mut start = BytesMut::with_capacity(256);
    let spoken = loop {
        if stream.read_buf(&mut start).await? == 0 {
            break Spoken::Unknown;
        }
        if let Some(spoken) = spoken(&start) {
            break spoken;
        }
    };
    Ok((spoken, Replayed { start: start.freeze(), stream }))
}

/// None when more must come first.
fn spoken(start: &[u8]) -> Option<Spoken> {
    let first = *start.first()?;
    if first == TLS_HANDSHAKE {
        return Some(Spoken::Tls);
    }
    if start.starts_with(HTTP2) {
        return Some(Spoken::Http2);
    }
    if HTTP2.starts_with(start) {
        return None;
    }
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else {
        let may_be_line = first.is_ascii_uppercase() && start.len() < LONGEST_LINE;
        return (!may_be_line).then_some(Spoken::Unknown);
    };
    let line = start[..end].trim_ascii_end();
    let version = line.len().checked_sub(9).map_or(&b""[..], |at| &line[at..]);
    Some(if version.starts_with(b" HTTP/1.") { Spoken::Http1 } else { Spoken::Unknown })
}

/// A stream that begins with what was read of it before.
pub struct Replayed<S> {
    start: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, to);
        }
        let taken = self.start.len().min(to.remaining());
        to.put_slice(&self.start[..taken]);
        self.start.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_by_its_first_bytes() {
        for (start, said) in [
            (&b"\x16\x03\x01"[..], Some(Spoken::Tls)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Spoken::Http2)),
            (b"PRI * HT", None),
            (b"P", None),
            (b"POST /v1/met", None),
            (b"POST /v1/metrics HTTP/1.1\r\n", Some(Spoken::Http1)),
            (b"GET / HTTP/1.0\n", Some(Spoken::Http1)),
            (b"PRI * HTTP/1.1\r\n", Some(Spoken::Http1)),
            (b"SSH-2.0-x\r\n", Some(Spoken::Unknown)),
            (b"\n", Some(Spoken::Unknown)),
            (b"\x00\x01", Some(Spoken::Unknown)),
            (&[b'A'; LONGEST_LINE], Some(Spoken::Unknown)),
        ] {
            assert_eq!(spoken(start), said, "{}", start.escape_ascii());
        }
    }
}
