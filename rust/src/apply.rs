//! Applies the points of a request, in order, to the series that they belong to: rows, or sums of the window.

use crate::batch::{
    Batch, Header, Kind, MALFORMED_POINT, NO_FIXED_BUCKETS, Number, Point, Reason, TOO_NEW, TOO_OLD, Value,
};
use crate::columns::{self, Columns, Distribution, Merge};
use crate::delta::{self, Change, Order, Shape};
use crate::exponential;
use crate::histogram::{self, Spread};
use crate::lookup::Place;
use crate::records::Kept;
use crate::repeats::Repeats;
use crate::scale::Scale;
use crate::since::{Arrival, Piece};
use crate::table::{RuleState, Slot, Table};
use crate::treatment::{First, Path, RuleConfig};
use crate::window::{self, Update};

const MOST_REFUSALS: usize = 64;

/// The clock of one request, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Times {
    pub now: i64,
    pub oldest: i64,
    pub newest: i64,
}

/// Points refused of one metric for one reason.
pub struct Refusal {
    identity: u128,
    pub name: String,
    pub reason: Reason,
    pub points: u64,
}

#[derive(Default)]
pub struct Applied {
    pub accepted: u64,
    pub guarded: u64,
    pub rejected: u64,
    pub refusals: Vec<Refusal>,
    pub columns: Columns,
    pub kept: Kept,
}

impl Applied {
    pub fn refuse(&mut self, batch: &Batch, header: &Header, reason: Reason, points: u64) {
        self.rejected += points;
        let same = |refusal: &&mut Refusal| refusal.identity == header.identity && refusal.reason == reason;
        if let Some(refusal) = self.refusals.iter_mut().rev().find(same) {
            refusal.points += points;
        } else if self.refusals.len() < MOST_REFUSALS {
            self.refusals.push(Refusal {
                identity: header.identity,
                name: batch.text(header.name).to_owned(),
                reason,
                points,
            });
        }
    }
}

/// One point with all that its value is judged by.
struct Case<'a> {
    batch: &'a Batch,
    point: &'a Point,
    header: &'a Header,
    time: i64,
    repeated: bool,
    shape: Shape,
    /// Since when a first value that counts in full was counted.
    began: Option<i64>,
    /// The unit of the entry is another than that which was sent.
    scale: Option<Scale>,
}

impl Table {
    pub fn apply(
        &mut self,
        batch: &Batch,
        places: &[Place],
        times: Times,
        mut repeats: Repeats<'_>,
    ) -> Applied {
        let mut applied = Applied::default();
        applied.columns.reserve(places.len());
        for ((index, point), place) in batch.contents.points.iter().enumerate().zip(places) {
            let header = &batch.contents.headers[point.metric as usize];
            let weight = batch.weight(point);
            let done = match place {
                Place::Refused(reason) => Err(*reason),
                Place::Nowhere(rule) => {
                    countable(batch, point, &self.rules[*rule as usize].config, times).map(|()| true)
                }
                Place::Slot(slot) => {
                    let it = (index, point, header);
                    self.point(batch, it, *slot, times, &mut repeats, &mut applied.columns)
                }
            };
            match done {
                Ok(true) => applied.guarded += weight,
                Ok(false) => applied.accepted += weight,
                Err(reason) => applied.refuse(batch, header, reason, weight),
            }
        }
        for half in &batch.aside.halves {
            self.edges.meet(half, times.now);
        }
        if !batch.aside.records.is_empty() {
            applied.kept = self.keep(batch, places, times);
        }
        applied
    }

    /// The records whose group is counted on the open path, below the series of that count.
    fn keep(&self, batch: &Batch, places: &[Place], times: Times) -> Kept {
        let mut kept = Kept::of(batch.aside.texts.len());
        let is_count = |(point, _): &(&Point, &Place)| matches!(point.value, Value::Number(_));
        let counts = batch.contents.points.iter().zip(places).filter(is_count);
        let groups: Vec<Option<u32>> = counts
            .map(|(_, place)| match place {
                Place::Slot(slot) => match self.slots[*slot as usize].path {
                    Path::Open { series, .. } => Some(series),
                    _ => None,
                },
                Place::Refused(_) | Place::Nowhere(_) => None,
            })
            .collect();
        for record in &batch.aside.records {
            if let Some(Some(series)) = groups.get(record.group as usize)
                && let Ok(time) = times.of(record.time)
            {
                kept.push(*series, time, &record.what);
            }
        }
        kept
    }

    /// Whether the point was taken into the window rather than the rows.
    #[inline]
    fn point(
        &mut self,
        batch: &Batch,
        (index, point, header): (usize, &Point, &Header),
        number: u32,
        times: Times,
        repeats: &mut Repeats<'_>,
        rows: &mut Columns,
    ) -> Result<bool, Reason> {
        let slot = &mut self.slots[number as usize];
        slot.seen = slot.seen.max(times.now);
        let guarded = match slot.path {
            Path::Drop(reason) => return Err(reason),
            Path::Window { .. } => true,
            Path::Unasked | Path::Open { .. } => false,
        };
        let time = times.of(point.time)?;
        let config = &self.rules[slot.rule as usize].config;
        if guarded {
            countable(batch, point, config, times)?;
        }
        let kind = config.taken_as(header.kind);
        let began = if header.cumulative && slot.history.last().is_none() {
            self.began(batch, (point, time), number, guarded)
        } else {
            None
        };
        let slot = &mut self.slots[number as usize];
        let repeated = !header.cumulative
            && slot.history.doubts(time)
            && repeats.contain(index, number, slot.path.stream(), time);
        let case = Case {
            batch,
            point,
            header,
            time,
            repeated,
            shape: Shape { kind, cumulative: header.cumulative, from_start: began.is_some() },
            began,
            scale: (slot.factor.to_bits() != 1.0_f64.to_bits()).then(|| Scale::of(slot.factor)),
        };
        match case.value(slot, &mut self.rules, rows) {
            // What came before must not show in the answer.
            _ if guarded => Ok(true),
            done => done.map(|()| false),
        }
    }
}

impl Table {
    /// Since when the first value of a cumulative stream was counted; `None`: nobody knows, so it is a baseline.
    #[cold]
    fn began(
        &mut self,
        batch: &Batch,
        (point, time): (&Point, i64),
        number: u32,
        guarded: bool,
    ) -> Option<i64> {
        let elder = self.elder(number);
        let first = self.rules[self.slots[number as usize].rule as usize].config.first;
        let origin = if guarded { self.started } else { self.created };
        let slot = &mut self.slots[number as usize];
        slot.pace.take_over(elder.map_or(0, |elder| elder.period));
        if slot.latest_start == 0 && slot.raw != 0 {
            slot.latest_start = time;
        }
        let start = i64::try_from(point.start).ok().filter(|start| *start > 0 && *start < time);
        match first {
            _ if slot.known => None,
            First::Counts => start.filter(|start| *start >= origin && !slot.scraped),
            First::Baseline => None,
            First::Process => {
                let kind = batch.contents.headers[point.metric as usize].kind;
                let amount = batch.amount(point).map(|amount| Scale::of(slot.factor).amount(amount, kind));
                elder
                    .filter(|elder| amount.is_some_and(|amount| amount < elder.amount))
                    .map(|elder| elder.time)
            }
        }
    }
}

/// Whether a guarded point can be counted at all: decided by the point and the catalogue alone, so that the
/// answer is the same whatever came before, and whether there is a window for it or not.
fn countable(batch: &Batch, point: &Point, rule: &RuleConfig, times: Times) -> Result<(), Reason> {
    times.of(point.time)?;
    let contents = &batch.contents;
    let header = &contents.headers[point.metric as usize];
    // One event more may move all others of the point, where their buckets follow the mean or the range.
    let needs_fixed = rule.by_event && rule.release.is_some();
    let is_sound = match point.value {
        Value::Number(number) => delta::plausible(header.kind, number),
        Value::Histogram(index) => {
            let now = histogram::read(&contents.histograms[index as usize], contents);
            let now = now.ok_or(MALFORMED_POINT)?;
            let is_spread = !now.buckets.is_empty() || now.count == 0;
            if needs_fixed && !is_spread {
                return Err(NO_FIXED_BUCKETS);
            }
            is_spread || now.sum.is_some()
        }
        Value::Exponential(_) if needs_fixed => return Err(NO_FIXED_BUCKETS),
        Value::Exponential(index) => {
            exponential::read(&contents.exponentials[index as usize], contents).is_some()
        }
        Value::NotRecorded => true,
        Value::Missing => false,
    };
    if is_sound { Ok(()) } else { Err(MALFORMED_POINT) }
}

impl Times {
    #[inline]
    pub fn of(self, sent: u64) -> Result<i64, Reason> {
        let time = i64::try_from(sent).map_err(|_| TOO_NEW)?;
        match time {
            0 => Ok(self.now),
            _ if time > self.newest => Err(TOO_NEW),
            _ if time < self.oldest => Err(TOO_OLD),
            _ => Ok(time),
        }
    }
}

impl Case<'_> {
    #[inline]
    fn value(&self, slot: &mut Slot, rules: &mut [RuleState], rows: &mut Columns) -> Result<(), Reason> {
        match self.point.value {
            Value::Number(number) => self.number(number, slot, rules, rows),
            Value::Histogram(_) | Value::Exponential(_) => self.histogram(slot, rules, rows),
            Value::NotRecorded => Ok(()),
            Value::Missing => Err(MALFORMED_POINT),
        }
    }

    #[inline]
    fn order(&self, slot: &mut Slot) -> Order {
        // What was distilled from different requests is never the same, even at the same moment.
        if self.batch.distilled.is_some() {
            slot.history.admit(self.time, false);
            return Order::New;
        }
        if self.shape.cumulative {
            return slot.history.advance(self.time);
        }
        slot.history.admit(self.time, self.repeated)
    }

    /// Over what time it was counted, where that is not since the stream's row before, and where that one is.
    #[inline]
    fn piece(&self, slot: &mut Slot, before: Option<i64>, stream: u32) -> Option<Piece> {
        let follows = slot.stream == stream;
        slot.stream = stream;
        if let Some(since) = self.began {
            return Some(slot.pace.first(self.time, since));
        }
        let arrival = |start| Arrival {
            time: self.time,
            before,
            start,
            late: before.is_some_and(|before| self.time <= before),
            follows,
        };
        if self.shape.cumulative {
            return slot.pace.cumulative(arrival(None), &slot.history);
        }
        let start = i64::try_from(self.point.start).ok().filter(|start| *start > 0 && *start < self.time);
        slot.pace.delta(arrival(start), &slot.history)
    }

    #[inline]
    fn number(
        &self,
        number: Number,
        slot: &mut Slot,
        rules: &mut [RuleState],
        rows: &mut Columns,
    ) -> Result<(), Reason> {
        if !delta::plausible(self.header.kind, number) {
            return Err(MALFORMED_POINT);
        }
        let number = self.scale.map_or(number, |scale| scale.number(number));
        let before = slot.history.last();
        let order = self.order(slot);
        let change = delta::number(self.shape, number, order, &mut slot.number);
        match (slot.path, change) {
            (_, Change::Malformed) => return Err(MALFORMED_POINT),
            (Path::Open { series, stream }, Change::Baseline { cumulative }) => {
                rows.point(self.row(series, stream), 0.0, Some(cumulative), Merge::Add);
                rows.baseline(slot.pace.inherit());
                slot.stream = stream;
            }
            (Path::Open { series, stream }, Change::Value { value, cumulative }) => {
                rows.point(self.row(series, stream), value, cumulative, self.merge());
                if self.shape.kind == Kind::Counter {
                    if let Some(piece) = self.piece(slot, before, stream) {
                        rows.counted(piece);
                    }
                } else if order == Order::Late && self.shape.kind == Kind::UpDownCounter {
                    // It changes the level that the stream has now as well.
                    let time = slot.history.step();
                    rows.point(columns::Place { series, stream, time }, value, cumulative, Merge::Never);
                }
            }
            (Path::Window { group, unit }, Change::Value { value, .. }) => {
                let rule = &mut rules[slot.rule as usize];
                let place = window::Place { group, bucket: 0 };
                self.sum(value, place, unit, &mut slot.level, rule);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a number into the window.
    fn sum(
        &self,
        value: f64,
        place: window::Place,
        unit: Option<u64>,
        level: &mut (u64, f64),
        rule: &mut RuleState,
    ) {
        use Kind::{Counter, Gauge, UpDownCounter};
        let (update, events) = match self.shape.kind {
            // A counter that stands still is not a contribution, and must not help to reach k.
            Counter if value == 0.0 => return,
            Counter => (Update::Add(value), value),
            Gauge | UpDownCounter if !rule.config.gauge => {
                let before = if level.0 == rule.window.number { level.1 } else { 0.0 };
                *level = (rule.window.number, value);
                (Update::Add(value - before), 1.0)
            }
            Gauge | UpDownCounter => (Update::Set(value), 1.0),
            _ => return,
        };
        match (rule.config.by_event, update) {
            (true, Update::Add(value) | Update::Set(value)) => {
                rule.window.event(place, value, events);
            }
            (false, _) => rule.unit(unit.unwrap_or(NO_UNIT), place, update),
        }
    }

    #[cold]
    fn histogram(&self, slot: &mut Slot, rules: &mut [RuleState], rows: &mut Columns) -> Result<(), Reason> {
        let contents = &self.batch.contents;
        let Shape { cumulative, from_start, .. } = self.shape;
        let before = slot.history.last();
        let (spread, now, range) = match self.point.value {
            Value::Exponential(index) => {
                let point = &contents.exponentials[index as usize];
                let mut state = exponential::read(point, contents).ok_or(MALFORMED_POINT)?;
                if let Some(scale) = self.scale {
                    state.scale_sum(scale);
                }
                let order = self.order(slot);
                let last = slot.exponential_mut();
                let (spread, explicit) =
                    exponential::add(state, cumulative, from_start, order, last, self.scale);
                (spread, explicit, (point.plain.min, point.plain.max))
            }
            Value::Histogram(index) => {
                let point = &contents.histograms[index as usize];
                let mut now = histogram::read(point, contents).ok_or(MALFORMED_POINT)?;
                if let Some(scale) = self.scale {
                    scale.distribution(&mut now);
                }
                let order = self.order(slot);
                let spread = histogram::add(&now, cumulative, from_start, order, &mut slot.histogram);
                (spread, now, (point.min, point.max))
            }
            _ => return Err(MALFORMED_POINT),
        };
        let is_baseline = spread == Spread::Baseline;
        let (difference, range) = match spread {
            Spread::Nothing => return Ok(()),
            Spread::Baseline => (Some(histogram::empty(&now)), (None, None)),
            Spread::Interval { difference, full } => (difference, if full { range } else { (None, None) }),
        };
        let in_unit = |value: f64| self.scale.map_or(value, |scale| scale.value(value));
        let range = (range.0.map(in_unit), range.1.map(in_unit));
        let interval = difference.as_ref().unwrap_or(&now);
        match slot.path {
            Path::Open { series, stream } => {
                let exact = slot.exponential().map(exponential::State::stored);
                let state = cumulative.then(|| exact.as_ref().unwrap_or(&now));
                rows.histogram(self.row(series, stream), interval, range, state);
                if is_baseline {
                    rows.baseline_histogram(slot.pace.inherit());
                    slot.stream = stream;
                } else if let Some(piece) = self.piece(slot, before, stream) {
                    rows.counted_histogram(piece);
                }
            }
            Path::Window { group, unit } => {
                spread_out(interval, group, unit, &mut rules[slot.rule as usize]);
            }
            Path::Unasked | Path::Drop(_) => {}
        }
        Ok(())
    }

    #[inline]
    fn merge(&self) -> Merge {
        match self.shape.kind {
            Kind::Counter if self.shape.cumulative || self.batch.distilled.is_some() => Merge::Add,
            Kind::Gauge => Merge::Last,
            Kind::UpDownCounter if self.shape.cumulative => Merge::Last,
            _ => Merge::Never,
        }
    }

    #[inline]
    fn row(&self, series: u32, stream: u32) -> columns::Place {
        columns::Place { series, stream, time: self.time }
    }
}

/// Points without any id count together as one unit.
const NO_UNIT: u64 = u64::MAX;

/// Takes a distribution into the declared buckets of the window.
#[expect(clippy::cast_precision_loss, reason = "sums of a window are doubles")]
fn spread_out(interval: &Distribution, group: u32, unit: Option<u64>, rule: &mut RuleState) {
    if interval.buckets.is_empty() && rule.config.by_event && rule.config.release.is_some() {
        // Its bounds have changed, so one event more might move all others.
        return;
    }
    let add = |rule: &mut RuleState, value: f64, count: u64| {
        let bucket = window::bucket(rule.config.boundaries.as_deref().unwrap_or_default(), value);
        let place = window::Place { group, bucket };
        if rule.config.by_event {
            rule.window.event(place, count as f64, count as f64);
        } else {
            rule.unit(unit.unwrap_or(NO_UNIT), place, Update::Add(count as f64));
        }
    };
    if let Some(sum) = interval.sum
        && interval.buckets.is_empty()
        && interval.count > 0
    {
        add(rule, sum / interval.count as f64, interval.count);
    }
    for (index, count) in interval.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let upper = interval.bounds.get(index).copied().unwrap_or(f64::INFINITY);
        add(rule, upper, *count);
    }
}
