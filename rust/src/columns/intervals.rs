//! Over what time increments were counted, for rows that do not say so by the row before them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::ArrowError;

use super::{Columns, Place};
use crate::since::Piece;

/// What a row has beside its values.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub row: usize,
    pub piece: Piece,
    /// A first row adds nothing, and what it is merged with grew since its time.
    pub baseline: bool,
}

/// Of some rows, in their order.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<Origin>);

impl Origins {
    pub fn push(&mut self, row: usize, piece: Piece, baseline: bool) {
        self.0.push(Origin { row, piece, baseline });
    }

    pub fn extend(&mut self, other: &Self, rows: usize) {
        self.0.extend(other.0.iter().map(|origin| Origin { row: origin.row + rows, ..*origin }));
    }

    pub fn of(&self, row: usize) -> Option<Origin> {
        self.0.binary_search_by_key(&row, |origin| origin.row).ok().map(|place| self.0[place])
    }

    /// Something was added to a row: if it was a baseline, it is one no more.
    pub fn grow(&mut self, row: usize) {
        if let Ok(place) = self.0.binary_search_by_key(&row, |origin| origin.row) {
            self.0[place].baseline = false;
        }
    }

    fn told(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter().filter(|origin| !origin.baseline)
    }

    pub fn count(&self) -> usize {
        self.told().count()
    }
}

#[derive(Default)]
struct Intervals {
    places: Vec<Place>,
    pieces: Vec<Piece>,
    value: Vec<f64>,
    total: Vec<Option<f64>>,
}

impl Columns {
    /// One row for each increment that did not just grow since the row before.
    #[expect(clippy::cast_precision_loss, reason = "the store keeps doubles")]
    pub fn interval_record(&self) -> Result<RecordBatch, ArrowError> {
        let mut found = Intervals::default();
        let (points, histograms) = (&self.points, &self.histograms);
        for Origin { row, piece, .. } in points.origins.told() {
            found.push(points.places.at(*row), *piece, points.value[*row], None);
        }
        for Origin { row, piece, .. } in histograms.origins.told() {
            let count = histograms.count[*row] as f64;
            found.push(histograms.places.at(*row), *piece, count, histograms.sum[*row]);
        }
        found.record()
    }
}

impl Intervals {
    fn push(&mut self, place: Place, piece: Piece, value: f64, total: Option<f64>) {
        self.places.push(place);
        self.pieces.push(piece);
        self.value.push(value);
        self.total.push(total);
    }

    fn record(&self) -> Result<RecordBatch, ArrowError> {
        let times = |of: fn(&Piece) -> i64| self.pieces.iter().map(of);
        let columns: [(&str, ArrayRef); 8] = [
            ("series", Arc::new(UInt32Array::from_iter_values(self.places.iter().map(|place| place.series)))),
            ("stream", Arc::new(UInt32Array::from_iter_values(self.places.iter().map(|place| place.stream)))),
            (
                "time",
                Arc::new(TimestampNanosecondArray::from_iter_values(
                    self.places.iter().map(|place| place.time),
                )),
            ),
            ("since", Arc::new(TimestampNanosecondArray::from_iter_values(times(|piece| piece.since)))),
            ("value", Arc::new(Float64Array::from(self.value.clone()))),
            ("total", Arc::new(Float64Array::from(self.total.clone()))),
            (
                "estimated",
                Arc::new(BooleanArray::from(
                    self.pieces.iter().map(|piece| piece.estimated).collect::<Vec<_>>(),
                )),
            ),
            ("period", Arc::new(Int64Array::from_iter_values(times(|piece| piece.period)))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
    }
}
