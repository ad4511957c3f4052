//! Why a call is refused without Python, and what its sender is told then.

/// The order is that of `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Method,
    ContentType,
    Token,
    Coding,
    Frame,
    Missing,
    Gzip,
    Deflate,
    EndsEarly,
    GoesOn,
    TooLarge,
    TooSlow,
    Stopping,
}

pub const NAMES: [&str; 13] = [
    "method",
    "content_type",
    "token",
    "coding",
    "frame",
    "missing",
    "gzip",
    "deflate",
    "ends_early",
    "goes_on",
    "too_large",
    "too_slow",
    "stopping",
];

/// What a sender is told: the gRPC code, a message, and a serialized `google.rpc.Status`.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: u32,
    pub message: String,
    pub details: Vec<u8>,
}
