//! Batches of rows, as the store hands them on, into what the engine takes.

use arrow_array::RecordBatch;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};

use super::engine::{Arrived, Engine, HOUR, Hours, Rows};
use super::fold::moment;
use super::pace::Period;
use super::streams::{self, Entry, Identity, Kind};
use crate::sealed::{self, Fed, LATEST, Numbers, Unpacked, lists, nullable, numbers, truths};

fn optional(time: Option<i64>, name: &str) -> Fed<Option<i64>> {
    time.map(|time| moment(time, name)).transpose()
}

pub fn streams(engine: &mut Engine, batch: &RecordBatch) -> Fed<()> {
    let number = numbers::<UInt32Type>(batch, "stream")?;
    let series = numbers::<UInt32Type>(batch, "series")?;
    let kind = numbers::<UInt8Type>(batch, "kind")?;
    let raw = nullable::<UInt64Type>(batch, "raw")?;
    let kin = nullable::<UInt64Type>(batch, "kin")?;
    let start = nullable::<Int64Type>(batch, "start")?;
    for row in 0..batch.num_rows() {
        let (group, factor) = engine.streams.of_series(series[row])?;
        let identity = Identity {
            group: Some(group),
            kind: Kind::of(kind[row]).ok_or("kind must be 0, 1 or 2")?,
            raw: raw.at(row),
            kin: kin.at(row),
            start: optional(start.at(row), "start")?,
            factor,
        };
        engine.stream(number[row], identity)?;
    }
    Ok(())
}

pub fn ends(engine: &mut Engine, batch: &RecordBatch) -> Fed<()> {
    let number = numbers::<UInt32Type>(batch, "stream")?;
    let last = numbers::<Int64Type>(batch, "last")?;
    let period = nullable::<Int64Type>(batch, "period")?;
    let arrived = numbers::<Int64Type>(batch, "arrived")?;
    for row in 0..batch.num_rows() {
        let sealed = streams::Sealed {
            last: moment(last[row], "last")?,
            period: period.at(row).map(Period::of),
            arrived: moment(arrived[row], "arrived")?,
        };
        engine.sealed(number[row], sealed);
    }
    Ok(())
}

pub fn intervals(engine: &mut Engine, batch: &RecordBatch) -> Fed<()> {
    let number = numbers::<UInt32Type>(batch, "stream")?;
    let time = numbers::<Int64Type>(batch, "time")?;
    let since = numbers::<Int64Type>(batch, "since")?;
    let value = numbers::<Float64Type>(batch, "value")?;
    let estimated = truths(batch, "estimated")?;
    let period = nullable::<Int64Type>(batch, "period")?;
    for row in 0..batch.num_rows() {
        let entry = Entry {
            time: moment(time[row], "time")?,
            since: moment(since[row], "since")?.min(time[row]),
            value: value[row],
            estimated: estimated.value(row),
            period: period.at(row).map(Period::of),
            counted: false,
        };
        engine.entry(number[row], entry);
    }
    Ok(())
}

/// Recent rows: those of one stream are beside each other, in the order of time.
pub fn points(engine: &mut Engine, batch: &RecordBatch) -> Fed<()> {
    let number = numbers::<UInt32Type>(batch, "stream")?;
    let time = numbers::<Int64Type>(batch, "time")?;
    let value = numbers::<Float64Type>(batch, "value")?;
    let arrived = numbers::<Int64Type>(batch, "arrived")?;
    for (time, arrived) in time.iter().zip(arrived) {
        moment(*time, "time")?;
        moment(*arrived, "arrived")?;
    }
    let mut runs = Vec::new();
    let mut from = 0;
    for rows in number.chunk_by(|one, next| one == next) {
        let until = from + rows.len();
        if !time[from..until].is_sorted() {
            return Err("points are not in the order of stream and time".into());
        }
        if let Some(place) = engine.place(rows[0]) {
            runs.push((place, from..until));
        }
        from = until;
    }
    engine.begin(runs.iter().map(|(place, rows)| (*place, time[rows.start], time[rows.end - 1])));
    for (place, rows) in runs {
        let before = engine.row_before(place, time[rows.start]);
        let arrived = Arrived::Each(&arrived[rows.clone()]);
        engine.run(place, before, Rows { times: &time[rows.clone()], values: &value[rows], arrived });
    }
    Ok(())
}

/// The columns of the table of chunks.
struct Chunks<'a> {
    points: sealed::Chunks<'a>,
    stream: &'a [u32],
    since: Numbers<'a, Int64Type>,
    last: &'a [i64],
    period: Numbers<'a, Int64Type>,
    arrived: &'a [i64],
}

impl<'a> Chunks<'a> {
    fn of(batch: &'a RecordBatch) -> Fed<Self> {
        Ok(Self {
            points: sealed::Chunks::of(batch)?,
            stream: numbers::<UInt32Type>(batch, "stream")?,
            since: nullable(batch, "since")?,
            last: numbers::<Int64Type>(batch, "last")?,
            period: nullable(batch, "period")?,
            arrived: numbers::<Int64Type>(batch, "arrived")?,
        })
    }
}

/// A chunk: its stream's place, the batch and the row.
type Place = (usize, usize, usize);

/// The chunks of several batches.
struct Sealed<'a>(Vec<Chunks<'a>>);

impl Sealed<'_> {
    fn start(&self, (_, batch, row): Place) -> i64 {
        self.0[batch].points.start[row]
    }

    fn last(&self, (_, batch, row): Place) -> i64 {
        self.0[batch].last[row]
    }

    /// By stream, and of each in the order of time.
    fn order(&self, engine: &Engine) -> Vec<Place> {
        let rows = self.0.iter().enumerate().flat_map(|(batch, chunks)| {
            let streams = chunks.stream.iter().enumerate();
            streams.filter_map(move |(row, stream)| Some((engine.place(*stream)?, batch, row)))
        });
        let mut order: Vec<Place> = rows.collect();
        order.sort_by_key(|chunk| (chunk.0, self.start(*chunk)));
        order
    }

    /// How many chunks of the first one's stream lie within each other: histograms whose bounds change are sealed
    /// into one chunk for each, so that a row's neighbour may be in another.
    fn overlapping(&self, order: &[Place]) -> usize {
        let mut last = self.last(order[0]);
        let others = order[1..].iter().take_while(|chunk| {
            let within = chunk.0 == order[0].0 && self.start(**chunk) <= last;
            last = last.max(self.last(**chunk));
            within
        });
        1 + others.count()
    }

    /// The points of some chunks of one stream, in the order of time; returns the chunk that ends last.
    fn unpack(&self, into: &mut Unpacked, some: &[Place], levels: bool) -> Fed<Place> {
        let mut latest = some[0];
        into.clear();
        for chunk in some {
            into.add(&self.0[chunk.1].points.row(chunk.2)?, levels)?;
            if self.last(*chunk) >= self.last(latest) {
                latest = *chunk;
            }
        }
        if some.len() > 1 {
            into.sort_from(0);
        }
        Ok(latest)
    }
}

pub fn points_in(batch: &RecordBatch) -> Fed<usize> {
    Ok(numbers::<UInt16Type>(batch, "count")?.iter().map(|count| usize::from(*count)).sum())
}

/// Chunks may come in any order.
pub fn chunks(engine: &mut Engine, batches: &[RecordBatch]) -> Fed<()> {
    let sealed = Sealed(batches.iter().map(Chunks::of).collect::<Fed<_>>()?);
    let order = sealed.order(engine);
    engine.begin(order.iter().map(|chunk| (chunk.0, sealed.start(*chunk), sealed.last(*chunk))));
    let mut unpacked = Unpacked::default();
    let mut rest = &order[..];
    while let Some(&(place, batch, row)) = rest.first() {
        let (some, others) = rest.split_at(sealed.overlapping(rest));
        let since = optional(sealed.0[batch].since.at(row), "since")?;
        let last = sealed.unpack(&mut unpacked, some, engine.folds_levels())?;
        let end = &sealed.0[last.1];
        let period = end.period.at(last.2).map(Period::of);
        let arrived = moment(end.arrived[last.2], "arrived")?;
        let first = unpacked.times[0];
        let before = since.filter(|since| *since < first).or_else(|| engine.row_before(place, first));
        if let (Some(_), Some(period)) = (since, period) {
            engine.expect(place, period);
        }
        let arrived = Arrived::Late(arrived - unpacked.times[unpacked.times.len() - 1]);
        engine.run(place, before, Rows { times: &unpacked.times, values: &unpacked.values, arrived });
        engine.told(place, sealed.last(last), period);
        rest = others;
    }
    Ok(())
}

/// What grew in whole hours: of what a chunk's points come to, without unpacking them.
pub fn hours(engine: &mut Engine, batch: &RecordBatch) -> Fed<()> {
    let number = numbers::<UInt32Type>(batch, "stream")?;
    let hour = numbers::<Int64Type>(batch, "hour")?;
    let grown = lists::<Float64Type>(batch, "grown")?;
    let samples = lists::<UInt16Type>(batch, "samples")?;
    let sample_hour = numbers::<Int64Type>(batch, "sample_hour")?;
    let first = nullable::<Int64Type>(batch, "first")?;
    for row in 0..batch.num_rows() {
        let Some(place) = engine.place(number[row]) else { continue };
        let sums = Hours {
            from: beginning(hour[row], "hour")?,
            grown: grown.at(row)?.ok_or("grown has nulls")?,
            first: optional(first.at(row), "first")?,
            counted_from: beginning(sample_hour[row], "sample_hour")?,
            samples: samples.at(row)?.ok_or("samples has nulls")?,
        };
        if sums.grown.len().max(sums.samples.len()) > MOST_HOURS {
            return Err("a chunk has more hours than there are".into());
        }
        engine.hours(place, &sums)?;
    }
    Ok(())
}

const MOST_HOURS: usize = 1 << 18;

fn beginning(hour: i64, name: &str) -> Fed<i64> {
    let time = hour.checked_mul(HOUR).filter(|time| *time < LATEST / 2);
    moment(time.unwrap_or(-1), name)
}
