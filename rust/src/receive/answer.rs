//! Answers as gRPC writes them: a message and trailers, or trailers alone.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::refusal::Failure;

pub const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
pub const ACCEPTED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("identity, deflate, gzip"));
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const EMPTY_MESSAGE: Bytes = Bytes::from_static(&[0; 5]);

/// A message, if there is one, and the trailers after it.
pub struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

pub fn success(message: &[u8]) -> Response<Reply> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let reply = Reply { message: Some(framed(message)), trailers: Some(trailers) };
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

pub fn failure(failed: &Failure, status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply { message: None, trailers: None });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(STATUS, HeaderValue::from(failed.code));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(&failed.message)) {
        headers.insert(MESSAGE, message);
    }
    if let Ok(details) = HeaderValue::try_from(STANDARD_NO_PAD.encode(&failed.details)) {
        headers.insert(DETAILS, details);
    }
    response
}

fn framed(message: &[u8]) -> Bytes {
    let Ok(length) = u32::try_from(message.len()) else { return EMPTY_MESSAGE };
    if length == 0 {
        return EMPTY_MESSAGE;
    }
    let mut out = BytesMut::with_capacity(5 + message.len());
    out.put_u8(0);
    out.put_u32(length);
    out.put_slice(message);
    out.freeze()
}

/// As gRPC wants its messages: printable ASCII but `%` stands for itself.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.message.take() {
            Some(message) => Some(Frame::data(message)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // gRPC sends no content-length.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_headers_alone() {
        let failed = Failure { code: 14, message: "50 % – später".into(), details: vec![8, 14] };
        let response = failure(&failed, StatusCode::OK);
        assert!(response.body().is_end_stream());
        assert_eq!(response.headers()[STATUS], "14");
        assert_eq!(response.headers()[MESSAGE], "50 %25 %E2%80%93 sp%C3%A4ter");
        assert_eq!(response.headers()[DETAILS], "CA4");
    }

    #[test]
    fn a_message_stands_behind_its_length() {
        assert_eq!(framed(b""), EMPTY_MESSAGE);
        assert_eq!(&framed(b"ab")[..], [0, 0, 0, 0, 2, b'a', b'b']);
    }
}
