//! The decoded points of one request, still beside the bytes that they came from.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::edges::Half;
use crate::hash::Keyed;
use crate::otlp::wire::Span;
use crate::records::Record;

/// What kind of stream a metric is, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Gauge = 0,
    Counter = 1,
    UpDownCounter = 2,
    Histogram = 3,
    Exponential = 4,
    Summary = 5,
}

impl Kind {
    /// The field of its data points that holds attributes.
    pub fn attributes_field(self) -> u32 {
        match self {
            Self::Histogram => 9,
            Self::Exponential => 1,
            _ => 7,
        }
    }
}

/// Why a point is refused; the guard's own reasons start at 100.
pub type Reason = u32;
pub const SERIES_LIMIT: Reason = 1;
pub const METRIC_SERIES_LIMIT: Reason = 2;
pub const TOO_OLD: Reason = 3;
pub const TOO_NEW: Reason = 4;
pub const MALFORMED_POINT: Reason = 5;
pub const NO_TEMPORALITY: Reason = 6;
pub const EMPTY_METRIC: Reason = 7;
pub const NO_FIXED_BUCKETS: Reason = 8;
pub const NOT_TEXT: Reason = 9;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    Double(f64),
}

/// What a point says; bulky values stand in the batch's `histograms` and `exponentials`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Missing,
    /// The sender marked the point as holding no value.
    NotRecorded,
    Number(Number),
    Histogram(u32),
    Exponential(u32),
}

pub struct Point {
    /// Keyed hash of the raw bytes of the series.
    pub key: u128,
    pub time: u64,
    pub start: u64,
    pub value: Value,
    pub attributes: Span,
    pub metric: u32,
}

/// What the points of one metric have in common.
pub struct Header {
    pub name: Span,
    pub unit: Span,
    pub description: Span,
    /// Keyed hash of name, unit and kind.
    pub identity: u128,
    pub scope: u32,
    pub points: u32,
    pub kind: Kind,
    pub cumulative: bool,
    pub problem: Option<Reason>,
}

/// A message that may stand in several pieces, which protobuf merges, and its schema URL.
pub struct Pieces {
    pub parts: Vec<Span>,
    pub schema_url: Span,
}

pub struct Scope {
    pub resource: u32,
    pub pieces: Pieces,
}

/// A histogram point; a summary is one without buckets.
#[derive(Clone, Copy, Default)]
pub struct Histogram {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub bounds: Span,
    pub buckets: Span,
}

#[derive(Clone, Copy, Default)]
pub struct Buckets {
    pub offset: i32,
    pub counts: Span,
}

/// An exponential histogram point; `plain` holds its count, sum, min and max.
#[derive(Clone, Copy, Default)]
pub struct Exponential {
    pub plain: Histogram,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
}

pub enum Body {
    Python(PyBackedBytes),
    Own(Vec<u8>),
}

impl Body {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Python(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

/// Everything that a walk finds in a request.
#[derive(Default)]
pub struct Contents {
    pub points: Vec<Point>,
    pub headers: Vec<Header>,
    pub resources: Vec<Pieces>,
    pub scopes: Vec<Scope>,
    pub histograms: Vec<Histogram>,
    pub exponentials: Vec<Exponential>,
    pub doubles: Vec<f64>,
    pub counts: Vec<u64>,
    /// Attributes that do not stand side by side in the body, gathered; positions go on after the body's end.
    pub gathered: Vec<u8>,
}

impl Contents {
    pub fn doubles(&self, span: Span) -> &[f64] {
        self.doubles.get(range(span)).unwrap_or_default()
    }

    pub fn counts(&self, span: Span) -> &[u64] {
        self.counts.get(range(span)).unwrap_or_default()
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

/// What the sender counts: points themselves, or the spans or log records that they were distilled from.
#[derive(Clone, Copy, Default)]
pub struct Distilled {
    /// The metric that counts them.
    pub metric: &'static str,
    pub items: u64,
    pub malformed: u64,
}

/// What spans and log records say beyond their counts.
#[derive(Default)]
pub struct Aside {
    /// One side each of calls between services.
    pub halves: Vec<Half>,
    /// Those that the owner keeps, if any.
    pub records: Vec<Record>,
    /// The different bodies of `records`.
    pub texts: Vec<String>,
}

/// The decoded, unguarded points of one request. Its repr gives counts only.
#[pyclass(frozen, module = "blackhole._core")]
pub struct Batch {
    pub body: Body,
    pub contents: Contents,
    pub distilled: Option<Distilled>,
    pub aside: Aside,
    pub key: Keyed,
}

impl Batch {
    pub fn bytes(&self, span: Span) -> &[u8] {
        let body = self.body.bytes();
        let range = range(span);
        let found = match range.start.checked_sub(body.len()) {
            Some(start) if !range.is_empty() => self.contents.gathered.get(start..range.end - body.len()),
            _ => body.get(range),
        };
        found.unwrap_or_default()
    }

    /// A name; empty where it is not UTF-8, since its metric is refused.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    /// What a point says, as sent; of a histogram its count.
    #[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
    pub fn amount(&self, point: &Point) -> Option<f64> {
        let contents = &self.contents;
        match point.value {
            Value::Number(number) => Some(number.as_f64()),
            Value::Histogram(index) => Some(contents.histograms[index as usize].count as f64),
            Value::Exponential(index) => Some(contents.exponentials[index as usize].plain.count as f64),
            Value::Missing | Value::NotRecorded => None,
        }
    }

    /// How many of the sender's items the point stands for.
    pub fn weight(&self, point: &Point) -> u64 {
        match (self.distilled, point.value) {
            (None, _) => 1,
            (Some(_), Value::Number(Number::Int(items))) => items.unsigned_abs(),
            (Some(_), _) => 0,
        }
    }
}

#[pymethods]
impl Batch {
    #[getter]
    fn points(&self) -> u64 {
        match self.distilled {
            None => self.contents.points.len() as u64,
            Some(distilled) => distilled.items,
        }
    }

    /// The different bodies of log records that are to be kept, as sent.
    #[getter]
    fn bodies(&self) -> Vec<String> {
        self.aside.texts.clone()
    }

    fn __repr__(&self) -> String {
        let metrics = self.contents.headers.len();
        format!("Batch(points={}, metrics={metrics})", self.points())
    }
}
