//! Turns rows of numbers, and rows and chunks of histograms, into samples: what was stored, and what was sent.

use arrow_array::RecordBatch;
use arrow_array::types::{Float64Type, Int64Type, UInt16Type, UInt32Type, UInt64Type};

use crate::sealed::{Fed, Lists, Numbers, lists, nullable, numbers};

/// One sample; `sent` is NaN where it is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub ns: i64,
    pub value: f64,
    pub sent: f64,
}

/// One interval of a histogram; no bounds and one cell where it has no buckets.
#[derive(Debug)]
pub struct Interval<'a> {
    pub ns: i64,
    pub count: f64,
    pub sum: Option<f64>,
    pub bounds: &'a [f64],
    pub cells: &'a [u64],
    pub sent: Sent<'a>,
}

/// The running state that came with an interval, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent<'a> {
    pub count: Option<f64>,
    pub sum: Option<f64>,
    pub cells: Option<&'a [f64]>,
}

/// Whose the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    pub series: u32,
    pub stream: u32,
}

/// The owners of the rows of a batch.
pub struct Owners<'a> {
    series: &'a [u32],
    stream: &'a [u32],
}

impl<'a> Owners<'a> {
    pub fn of(batch: &'a RecordBatch) -> Fed<Self> {
        let (series, stream) =
            (numbers::<UInt32Type>(batch, "series")?, numbers::<UInt32Type>(batch, "stream")?);
        Ok(Self { series, stream })
    }

    pub fn at(&self, row: usize) -> Owner {
        Owner { series: self.series[row], stream: self.stream[row] }
    }
}

/// When the intervals of a chunk of a histogram ended.
struct Places<'a> {
    start: &'a [i64],
    step: &'a [i64],
    count: &'a [u16],
    offsets: Lists<'a, Int64Type>,
}

impl<'a> Places<'a> {
    fn of(batch: &'a RecordBatch) -> Fed<Self> {
        Ok(Self {
            start: numbers::<Int64Type>(batch, "start")?,
            step: numbers::<Int64Type>(batch, "step")?,
            count: numbers::<UInt16Type>(batch, "count")?,
            offsets: lists(batch, "offsets")?,
        })
    }

    fn times(&self, row: usize) -> Fed<impl Iterator<Item = i64> + use<'a>> {
        let (start, step) = (self.start[row], self.step[row]);
        let offsets = self.offsets.at(row)?.unwrap_or_default();
        Ok((0..i64::from(self.count[row])).zip(0..).map(move |(nth, place)| {
            let away = offsets.get::<usize>(place).copied().unwrap_or(0);
            start.wrapping_add(step.wrapping_mul(nth)).wrapping_add(away)
        }))
    }
}

/// Calls `each` with the owner and the sample of every row: series, stream, time, value, sent.
pub fn points(batch: &RecordBatch, mut each: impl FnMut(Owner, Sample)) -> Fed<()> {
    let owners = Owners::of(batch)?;
    let time = numbers::<Int64Type>(batch, "time")?;
    let value = numbers::<Float64Type>(batch, "value")?;
    let sent = nullable::<Float64Type>(batch, "sent")?;
    for row in 0..batch.num_rows() {
        let sent = sent.at(row).unwrap_or(f64::NAN);
        each(owners.at(row), Sample { ns: time[row], value: value[row], sent });
    }
    Ok(())
}

/// Calls `each` with every interval of the chunks. Columns: as the table `histogram_chunks`.
pub fn histogram_chunks(batch: &RecordBatch, mut each: impl FnMut(Owner, &Interval<'_>)) -> Fed<()> {
    let (owners, places) = (Owners::of(batch)?, Places::of(batch)?);
    let bounds = lists::<Float64Type>(batch, "bounds")?;
    let width = nullable::<UInt32Type>(batch, "width")?;
    let counts = lists::<UInt64Type>(batch, "counts")?;
    let sums = lists::<Float64Type>(batch, "sums")?;
    let buckets = lists::<UInt64Type>(batch, "buckets")?;
    let state = States::of(batch)?;
    for row in 0..batch.num_rows() {
        let counts = counts.at(row)?.ok_or("a chunk has no counts")?;
        let sums = sums.with_gaps(row)?;
        let width = width.at(row).map_or(0, |width| width as usize);
        let cells = buckets.at(row)?.filter(|cells| cells.len() == width * counts.len());
        let edges = bounds.at(row)?.filter(|edges| cells.is_some() && edges.len() + 1 == width);
        let totals = sums.map_or(&[][..], |sums| sums.values);
        let sent = state.back_to_the_first(row, counts, totals, edges.and(cells), edges)?;
        for (nth, ns) in places.times(row)?.enumerate().take(counts.len()) {
            let all = &counts[nth..=nth];
            let (known, inside) = match (edges, cells) {
                (Some(edges), Some(cells)) => (edges, &cells[nth * width..(nth + 1) * width]),
                _ => (&[][..], all),
            };
            let sum = sums.and_then(|sums| sums.at(nth));
            let sent = sent.at(nth);
            each(
                owners.at(row),
                &Interval { ns, count: whole(counts[nth]), sum, bounds: known, cells: inside, sent },
            );
        }
    }
    Ok(())
}

/// The running state that is stored with rows, and with the last point of chunks.
struct States<'a> {
    count: Numbers<'a, UInt64Type>,
    sum: Numbers<'a, Float64Type>,
    bounds: Lists<'a, Float64Type>,
    buckets: Lists<'a, UInt64Type>,
}

/// The running states of all points of a chunk.
struct Running {
    counts: Vec<f64>,
    sums: Vec<f64>,
    cells: Vec<f64>,
    width: usize,
}

impl Running {
    fn at(&self, nth: usize) -> Sent<'_> {
        Sent {
            count: self.counts.get(nth).copied(),
            sum: self.sums.get(nth).copied(),
            cells: (self.width > 0)
                .then(|| self.cells.get(nth * self.width..(nth + 1) * self.width))
                .flatten(),
        }
    }
}

impl<'a> States<'a> {
    fn of(batch: &'a RecordBatch) -> Fed<Self> {
        Ok(Self {
            count: nullable(batch, "cumulative_count")?,
            sum: nullable(batch, "cumulative_sum")?,
            bounds: lists(batch, "cumulative_bounds")?,
            buckets: lists(batch, "cumulative_buckets")?,
        })
    }

    /// From the last point's state backwards, less what each interval added; NaN before a sender began anew.
    fn back_to_the_first(
        &self,
        row: usize,
        counts: &[u64],
        sums: &[f64],
        cells: Option<&[u64]>,
        bounds: Option<&[f64]>,
    ) -> Fed<Running> {
        let counts: Vec<f64> = counts.iter().map(|count| whole(*count)).collect();
        let known = self.count.at(row).map(whole);
        let fitting = bounds.is_some() && self.bounds.at(row)? == bounds;
        let last: Vec<f64> =
            self.buckets.at(row)?.unwrap_or_default().iter().map(|cell| whole(*cell)).collect();
        let width = if fitting && cells.is_some_and(|cells| cells.len() == last.len() * counts.len()) {
            last.len()
        } else {
            0
        };
        let cells: Vec<f64> = cells.unwrap_or_default().iter().map(|cell| whole(*cell)).collect();
        Ok(Running {
            sums: self.sum.at(row).map_or_else(Vec::new, |last| falling(&[last], sums)),
            cells: if width > 0 { falling(&last, &cells) } else { Vec::new() },
            counts: known.map_or_else(Vec::new, |last| falling(&[last], &counts)),
            width,
        })
    }
}

/// The running values of rows of `added`, of which the last row came to `last`.
fn falling(last: &[f64], added: &[f64]) -> Vec<f64> {
    let width = last.len();
    let mut found = vec![f64::NAN; added.len()];
    let mut level = last.to_vec();
    for start in (0..added.len() / width).rev().map(|nth| nth * width) {
        found[start..start + width].copy_from_slice(&level);
        for (place, level) in level.iter_mut().enumerate() {
            *level -= added[start + place];
        }
        if level.iter().any(|level| *level < -1e-9 * last[width - 1].abs()) {
            break;
        }
    }
    found
}

/// Calls `each` with every row. Columns: as the table `recent_histogram_points`, and `time` in ns.
pub fn histogram_points(batch: &RecordBatch, mut each: impl FnMut(Owner, &Interval<'_>)) -> Fed<()> {
    let owners = Owners::of(batch)?;
    let time = numbers::<Int64Type>(batch, "time")?;
    let count = numbers::<UInt64Type>(batch, "count")?;
    let sum = nullable::<Float64Type>(batch, "sum")?;
    let bounds = lists::<Float64Type>(batch, "bounds")?;
    let buckets = lists::<UInt64Type>(batch, "buckets")?;
    let state = States::of(batch)?;
    for row in 0..batch.num_rows() {
        let all = [count[row]];
        let (known, cells) = match (bounds.at(row)?, buckets.at(row)?) {
            (Some(edges), Some(cells)) if cells.len() == edges.len() + 1 => (edges, cells),
            _ => (&[][..], &all[..]),
        };
        let fitting = state.bounds.at(row)?.is_some_and(|bounds| bounds == known);
        let sent: Vec<f64> =
            state.buckets.at(row)?.unwrap_or_default().iter().map(|cell| whole(*cell)).collect();
        let interval = Interval {
            ns: time[row],
            count: whole(all[0]),
            sum: sum.at(row),
            bounds: known,
            cells,
            sent: Sent {
                count: state.count.at(row).map(whole),
                sum: state.sum.at(row),
                cells: (fitting && sent.len() == cells.len()).then_some(&sent),
            },
        };
        each(owners.at(row), &interval);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has doubles only")]
pub fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::falling;

    #[test]
    fn what_was_sent_before_is_told_from_the_last_state_until_a_sender_began_anew() {
        assert_eq!(falling(&[10.0], &[1.0, 2.0, 3.0]), [5.0, 7.0, 10.0]);
        let found = falling(&[4.0], &[9.0, 3.0, 1.0]);
        assert_eq!(found[1..], [3.0, 4.0]);
    }
}
