//! Turns everything that can be wrong with a request into one Python exception.

use std::fmt;

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

pyo3::create_exception!(
    blackhole._core,
    DecodeError,
    PyValueError,
    "The body is not a request of this signal and encoding; the text never quotes the body."
);

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A length or a fixed-size value runs past the end of what holds it.
    Truncated,
    /// A varint has more than ten bytes, or a tag more than 32 bits.
    Varint,
    /// A group, or a wire type that does not exist.
    WireType,
    /// Field number 0.
    FieldNumber,
    /// A string is not UTF-8.
    Utf8,
    /// An attribute value is nested more deeply than any sender needs.
    Depth,
    /// More points, metrics or buckets than one request may hold.
    TooLarge,
    /// Not JSON, or not of the message's shape, at this line and column.
    Json(usize, usize),
    /// An encoding that the core does not know.
    Encoding,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("truncated message"),
            Self::Varint => f.write_str("varint too long"),
            Self::WireType => f.write_str("unknown wire type or group"),
            Self::FieldNumber => f.write_str("field number 0"),
            Self::Utf8 => f.write_str("a string is not UTF-8"),
            Self::Depth => f.write_str("values nested too deeply"),
            Self::TooLarge => f.write_str("too many items in one request"),
            Self::Json(line, column) => {
                write!(f, "not a JSON request: line {line}, column {column}")
            }
            Self::Encoding => f.write_str("encoding must be \"protobuf\" or \"json\""),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for PyErr {
    fn from(error: Malformed) -> Self {
        match error {
            Malformed::Encoding => PyValueError::new_err(error.to_string()),
            _ => DecodeError::new_err(error.to_string()),
        }
    }
}

pub type Decoded<T> = Result<T, Malformed>;
