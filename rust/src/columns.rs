//! Rows for the store, and their way out as Arrow streams.

mod intervals;
mod thin;

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    ArrayRef, Float64Array, ListArray, RecordBatch, RecordBatchIterator, TimestampNanosecondArray,
    UInt32Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::since::Piece;
use intervals::Origins;

/// What becomes of a row and an earlier one of its stream when rows are to be fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Increments, told from their repetition by their own times: both stay.
    Never,
    /// Increments: they are added up.
    Add,
    /// Levels: the later one stays.
    Last,
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub series: u32,
    pub stream: u32,
    pub time: i64,
}

#[derive(Debug, Clone, Default)]
struct Places {
    series: Vec<u32>,
    stream: Vec<u32>,
    time: Vec<i64>,
}

impl Places {
    #[inline]
    fn push(&mut self, place: Place) {
        self.series.push(place.series);
        self.stream.push(place.stream);
        self.time.push(place.time);
    }

    fn at(&self, row: usize) -> Place {
        Place { series: self.series[row], stream: self.stream[row], time: self.time[row] }
    }

    fn extend(&mut self, other: &Self) {
        self.series.extend_from_slice(&other.series);
        self.stream.extend_from_slice(&other.stream);
        self.time.extend_from_slice(&other.time);
    }

    fn columns(&self) -> [(&'static str, ArrayRef); 3] {
        [
            ("series", Arc::new(UInt32Array::from(self.series.clone()))),
            ("stream", Arc::new(UInt32Array::from(self.stream.clone()))),
            ("time", Arc::new(TimestampNanosecondArray::from(self.time.clone()))),
        ]
    }
}

/// A column of lists; `None` is null.
#[derive(Debug, Clone)]
struct Lists<T> {
    values: Vec<T>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { values: Vec::new(), lengths: Vec::new(), valid: Vec::new() }
    }
}

impl<T: Copy> Lists<T> {
    fn push(&mut self, list: Option<&[T]>) {
        let items = list.unwrap_or_default();
        self.values.extend_from_slice(items);
        self.lengths.push(items.len());
        self.valid.push(list.is_some());
    }

    fn extend(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
        self.lengths.extend_from_slice(&other.lengths);
        self.valid.extend_from_slice(&other.valid);
    }

    fn array(&self, kind: DataType, values: impl FnOnce(Vec<T>) -> ArrayRef) -> Result<ArrayRef, ArrowError> {
        let field = Arc::new(Field::new("item", kind, true));
        let offsets = OffsetBuffer::from_lengths(self.lengths.iter().copied());
        let valid = NullBuffer::from(self.valid.clone());
        let list = ListArray::try_new(field, offsets, values(self.values.clone()), Some(valid))?;
        Ok(Arc::new(list))
    }
}

fn doubles(lists: &Lists<f64>) -> Result<ArrayRef, ArrowError> {
    lists.array(DataType::Float64, |values| Arc::new(Float64Array::from(values)))
}

fn counts(lists: &Lists<u64>) -> Result<ArrayRef, ArrowError> {
    lists.array(DataType::UInt64, |values| Arc::new(UInt64Array::from(values)))
}

#[derive(Debug, Clone, Default)]
struct Points {
    places: Places,
    value: Vec<f64>,
    cumulative: Vec<f64>,
    is_cumulative: Vec<bool>,
    merge: Vec<Merge>,
    origins: Origins,
}

/// Count, sum and buckets, of an interval or since the start of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    pub count: u64,
    pub sum: Option<f64>,
    pub bounds: Vec<f64>,
    pub buckets: Vec<u64>,
}

#[derive(Debug, Clone, Default)]
struct Histograms {
    places: Places,
    count: Vec<u64>,
    sum: Vec<Option<f64>>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    bounds: Lists<f64>,
    buckets: Lists<u64>,
    cumulative_count: Vec<Option<u64>>,
    cumulative_sum: Vec<Option<f64>>,
    cumulative_bounds: Lists<f64>,
    cumulative_buckets: Lists<u64>,
    origins: Origins,
}

/// Rows for the store, in Arrow form.
#[pyclass(frozen, module = "blackhole._core")]
#[derive(Debug, Clone, Default)]
pub struct Columns {
    points: Points,
    histograms: Histograms,
}

impl Columns {
    pub fn reserve(&mut self, rows: usize) {
        let Points { places, value, cumulative, is_cumulative, merge, .. } = &mut self.points;
        places.series.reserve(rows);
        places.stream.reserve(rows);
        places.time.reserve(rows);
        value.reserve(rows);
        cumulative.reserve(rows);
        is_cumulative.reserve(rows);
        merge.reserve(rows);
    }

    #[inline]
    pub fn point(&mut self, place: Place, value: f64, cumulative: Option<f64>, merge: Merge) {
        self.points.push(place, value, cumulative, merge);
    }

    /// Of the last point: over what time it was counted.
    #[cold]
    pub fn counted(&mut self, piece: Piece) {
        let row = self.points.value.len() - 1;
        self.points.origins.push(row, piece, false);
    }

    /// The last point is the first of its stream, and adds nothing.
    #[cold]
    pub fn baseline(&mut self, period: i64) {
        let row = self.points.value.len() - 1;
        let since = self.points.places.time[row];
        self.points.origins.push(row, Piece { since, estimated: false, period }, true);
    }

    pub fn counted_histogram(&mut self, piece: Piece) {
        let row = self.histograms.count.len() - 1;
        self.histograms.origins.push(row, piece, false);
    }

    pub fn baseline_histogram(&mut self, period: i64) {
        let row = self.histograms.count.len() - 1;
        let since = self.histograms.places.time[row];
        self.histograms.origins.push(row, Piece { since, estimated: false, period }, true);
    }

    pub fn histogram(
        &mut self,
        place: Place,
        interval: &Distribution,
        range: (Option<f64>, Option<f64>),
        cumulative: Option<&Distribution>,
    ) {
        let rows = &mut self.histograms;
        rows.places.push(place);
        rows.count.push(interval.count);
        rows.sum.push(interval.sum);
        rows.min.push(range.0);
        rows.max.push(range.1);
        rows.bounds.push(Some(&interval.bounds));
        rows.buckets.push(Some(&interval.buckets));
        rows.cumulative_count.push(cumulative.map(|state| state.count));
        rows.cumulative_sum.push(cumulative.and_then(|state| state.sum));
        rows.cumulative_bounds.push(cumulative.map(|state| &*state.bounds));
        rows.cumulative_buckets.push(cumulative.map(|state| &*state.buckets));
    }

    /// Stream and time of every row.
    fn keys(&self) -> impl Iterator<Item = (u32, i64)> {
        [&self.points.places, &self.histograms.places]
            .into_iter()
            .flat_map(|places| places.stream.iter().copied().zip(places.time.iter().copied()))
    }

    fn extend(&mut self, other: &Self) {
        self.points.extend(&other.points);
        self.histograms.extend(&other.histograms);
    }
}

impl Points {
    #[inline]
    fn push(&mut self, place: Place, value: f64, cumulative: Option<f64>, merge: Merge) {
        self.places.push(place);
        self.value.push(value);
        self.cumulative.push(cumulative.unwrap_or_default());
        self.is_cumulative.push(cumulative.is_some());
        self.merge.push(merge);
    }

    fn extend(&mut self, other: &Self) {
        self.origins.extend(&other.origins, self.value.len());
        self.places.extend(&other.places);
        self.value.extend_from_slice(&other.value);
        self.cumulative.extend_from_slice(&other.cumulative);
        self.is_cumulative.extend_from_slice(&other.is_cumulative);
        self.merge.extend_from_slice(&other.merge);
    }

    fn record(&self) -> Result<RecordBatch, ArrowError> {
        let valid = NullBuffer::from(self.is_cumulative.clone());
        let cumulative = Float64Array::try_new(ScalarBuffer::from(self.cumulative.clone()), Some(valid))?;
        let values: [(&str, ArrayRef); 2] = [
            ("value", Arc::new(Float64Array::from(self.value.clone()))),
            ("cumulative", Arc::new(cumulative)),
        ];
        let columns = self.places.columns().into_iter().chain(values);
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
    }
}

impl Histograms {
    fn extend(&mut self, other: &Self) {
        self.origins.extend(&other.origins, self.count.len());
        self.places.extend(&other.places);
        self.count.extend_from_slice(&other.count);
        self.sum.extend_from_slice(&other.sum);
        self.min.extend_from_slice(&other.min);
        self.max.extend_from_slice(&other.max);
        self.bounds.extend(&other.bounds);
        self.buckets.extend(&other.buckets);
        self.cumulative_count.extend_from_slice(&other.cumulative_count);
        self.cumulative_sum.extend_from_slice(&other.cumulative_sum);
        self.cumulative_bounds.extend(&other.cumulative_bounds);
        self.cumulative_buckets.extend(&other.cumulative_buckets);
    }

    fn record(&self) -> Result<RecordBatch, ArrowError> {
        let values: [(&str, ArrayRef); 10] = [
            ("count", Arc::new(UInt64Array::from(self.count.clone()))),
            ("sum", Arc::new(Float64Array::from(self.sum.clone()))),
            ("min", Arc::new(Float64Array::from(self.min.clone()))),
            ("max", Arc::new(Float64Array::from(self.max.clone()))),
            ("bounds", doubles(&self.bounds)?),
            ("buckets", counts(&self.buckets)?),
            ("cumulative_count", Arc::new(UInt64Array::from(self.cumulative_count.clone()))),
            ("cumulative_sum", Arc::new(Float64Array::from(self.cumulative_sum.clone()))),
            ("cumulative_bounds", doubles(&self.cumulative_bounds)?),
            ("cumulative_buckets", counts(&self.cumulative_buckets)?),
        ];
        let columns = self.places.columns().into_iter().chain(values);
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
    }
}

fn stream(record: Result<RecordBatch, ArrowError>) -> PyResult<ArrowStream> {
    record.map(ArrowStream).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

#[pymethods]
impl Columns {
    #[staticmethod]
    fn of_window(time_ns: i64, values: Vec<(u32, f64)>) -> Self {
        let mut columns = Self::default();
        for (series, value) in values {
            columns.point(Place { series, stream: 0, time: time_ns }, value, None, Merge::Never);
        }
        columns
    }

    #[getter]
    fn points(&self) -> usize {
        self.points.value.len()
    }

    #[getter]
    fn histograms(&self) -> usize {
        self.histograms.count.len()
    }

    #[getter]
    fn intervals(&self) -> usize {
        self.points.origins.count() + self.histograms.origins.count()
    }

    #[expect(clippy::needless_pass_by_value, reason = "extracted from Python")]
    fn merge(&self, py: Python<'_>, others: Vec<Bound<'_, Columns>>) -> Self {
        let others: Vec<&Columns> = others.iter().map(Bound::get).collect();
        py.detach(|| {
            let mut merged = self.clone();
            for other in others {
                merged.extend(other);
            }
            merged
        })
    }

    fn thin(&self, py: Python<'_>, factor: usize) -> Self {
        py.detach(|| self.thinned(factor))
    }

    fn gather(&self, py: Python<'_>) -> Self {
        py.detach(|| self.gathered())
    }

    fn find(&self, py: Python<'_>, wanted: Vec<(u32, i64)>) -> Vec<(u32, i64)> {
        let wanted: HashSet<_> = wanted.into_iter().collect();
        py.detach(|| self.keys().filter(|key| wanted.contains(key)).collect())
    }

    fn streams(&self, py: Python<'_>, among: Vec<u32>) -> HashSet<u32> {
        let among: HashSet<_> = among.into_iter().collect();
        py.detach(|| self.keys().map(|(stream, _)| stream).filter(|key| among.contains(key)).collect())
    }

    fn point_stream(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        stream(py.detach(|| self.points.record()))
    }

    fn histogram_stream(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        stream(py.detach(|| self.histograms.record()))
    }

    fn interval_stream(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        stream(py.detach(|| self.interval_record()))
    }

    fn __repr__(&self) -> String {
        format!("Columns(points={}, histograms={})", self.points(), self.histograms())
    }
}

/// One record batch behind the Arrow `PyCapsule` interface; it can be exported any number of times.
#[pyclass(frozen, module = "blackhole._core")]
pub struct ArrowStream(pub RecordBatch);

#[pymethods]
impl ArrowStream {
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        // Dropping the stream calls its release function, unless a consumer has taken it over.
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
    }
}
