//! Single spans and log records, as far as the owner keeps them: rows below the series that they were counted in.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::columns::ArrowStream;

/// One span or log record of a request; `group` is the place of the group that it was counted in.
pub struct Record {
    pub group: u32,
    pub time: u64,
    pub what: What,
}

pub enum What {
    Span { nanoseconds: Option<u64>, trace: Option<u64>, span: Option<u64>, parent: Option<u64> },
    Log { body: Option<u32> },
}

/// The series that says what little is known of a record, and when the record began.
#[derive(Debug, Clone, Default)]
struct Places {
    series: Vec<u32>,
    time: Vec<i64>,
}

impl Places {
    fn push(&mut self, series: u32, time: i64) {
        self.series.push(series);
        self.time.push(time);
    }

    fn extend(&mut self, other: &Self) {
        self.series.extend_from_slice(&other.series);
        self.time.extend_from_slice(&other.time);
    }

    fn stream<const N: usize>(&self, values: [(&'static str, ArrayRef); N]) -> PyResult<ArrowStream> {
        let places: [(&str, ArrayRef); 2] = [
            ("series", Arc::new(UInt32Array::from(self.series.clone()))),
            ("time", Arc::new(TimestampNanosecondArray::from(self.time.clone()))),
        ];
        let columns = places.into_iter().chain(values).map(|(name, column)| (name, column, true));
        let record = RecordBatch::try_from_iter_with_nullable(columns);
        record.map(ArrowStream).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}

#[derive(Debug, Clone, Default)]
struct Spans {
    places: Places,
    nanoseconds: Vec<Option<i64>>,
    trace: Vec<Option<u64>>,
    span: Vec<Option<u64>>,
    parent: Vec<Option<u64>>,
}

impl Spans {
    fn extend(&mut self, other: &Self) {
        self.places.extend(&other.places);
        self.nanoseconds.extend_from_slice(&other.nanoseconds);
        self.trace.extend_from_slice(&other.trace);
        self.span.extend_from_slice(&other.span);
        self.parent.extend_from_slice(&other.parent);
    }

    fn stream(&self) -> PyResult<ArrowStream> {
        let values: [(&str, ArrayRef); 4] = [
            ("duration_ns", Arc::new(Int64Array::from(self.nanoseconds.clone()))),
            ("trace", Arc::new(UInt64Array::from(self.trace.clone()))),
            ("span", Arc::new(UInt64Array::from(self.span.clone()))),
            ("parent", Arc::new(UInt64Array::from(self.parent.clone()))),
        ];
        self.places.stream(values)
    }
}

#[derive(Debug, Clone, Default)]
struct Logs<Body> {
    places: Places,
    body: Vec<Option<Body>>,
}

/// What is to be kept of one request; its bodies are yet to be scrubbed.
#[pyclass(frozen, module = "blackhole._core")]
#[derive(Default)]
pub struct Kept {
    spans: Spans,
    logs: Logs<u32>,
    /// How many different bodies the batch had.
    texts: usize,
}

impl Kept {
    pub fn of(texts: usize) -> Self {
        Self { texts, ..Self::default() }
    }

    pub fn push(&mut self, series: u32, time: i64, what: &What) {
        match what {
            What::Span { nanoseconds, trace, span, parent } => {
                self.spans.places.push(series, time);
                self.spans.nanoseconds.push(nanoseconds.and_then(|length| i64::try_from(length).ok()));
                self.spans.trace.push(*trace);
                self.spans.span.push(*span);
                self.spans.parent.push(*parent);
            }
            What::Log { body } => {
                self.logs.places.push(series, time);
                self.logs.body.push(*body);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.spans.trace.is_empty() && self.logs.body.is_empty()
    }
}

#[pymethods]
impl Kept {
    /// The records with `bodies`, in the order of the batch's, in place of those that were sent.
    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn scrubbed(&self, bodies: Vec<String>) -> PyResult<Records> {
        if bodies.len() != self.texts {
            return Err(PyValueError::new_err("one scrubbed body for each"));
        }
        let text = |index: &Option<u32>| index.and_then(|index| bodies.get(index as usize).cloned());
        Ok(Records {
            spans: self.spans.clone(),
            logs: Logs { places: self.logs.places.clone(), body: self.logs.body.iter().map(text).collect() },
        })
    }

    #[expect(clippy::unused_self, reason = "counts alone say nothing here")]
    fn __repr__(&self) -> &'static str {
        "Kept(...)"
    }
}

/// Records ready for the store, in Arrow form.
#[pyclass(frozen, module = "blackhole._core")]
#[derive(Clone)]
pub struct Records {
    spans: Spans,
    logs: Logs<String>,
}

#[pymethods]
impl Records {
    #[getter]
    fn spans(&self) -> usize {
        self.spans.trace.len()
    }

    #[getter]
    fn logs(&self) -> usize {
        self.logs.body.len()
    }

    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn merge(&self, others: Vec<Bound<'_, Records>>) -> Self {
        let mut merged = self.clone();
        for other in &others {
            let other = other.get();
            merged.spans.extend(&other.spans);
            merged.logs.places.extend(&other.logs.places);
            merged.logs.body.extend_from_slice(&other.logs.body);
        }
        merged
    }

    fn span_stream(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        py.detach(|| self.spans.stream())
    }

    fn log_stream(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        py.detach(|| {
            let bodies: ArrayRef = Arc::new(StringArray::from(self.logs.body.clone()));
            self.logs.places.stream([("body", bodies)])
        })
    }

    fn __repr__(&self) -> String {
        format!("Records(spans={}, logs={})", self.spans(), self.logs())
    }
}
