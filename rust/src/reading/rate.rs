//! What grew, piece by piece, into rates: spread evenly over the time in which it grew, bucket by bucket.

use super::grid::Grid;
use super::relations::{Clock, Tail};
use super::streams::Kind;

/// It grew evenly from `since` to `time`.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub since: i64,
    pub time: i64,
    pub amount: f64,
    pub estimated: bool,
}

pub const PARTIAL: u8 = 1;
pub const ESTIMATED: u8 = 2;

/// One bucket of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filled {
    pub bucket: usize,
    pub value: f64,
    pub samples: u32,
    pub flags: u8,
    /// Nanoseconds that the value is of.
    pub covered: i64,
}

/// Lengths of time as a double: exact up to 104 days, and in the sixteenth digit beyond.
#[expect(clippy::cast_precision_loss, reason = "as said")]
#[inline]
pub fn length(nanoseconds: i64) -> f64 {
    nanoseconds as f64
}

/// What all pieces of a group come to.
#[derive(Debug, Default)]
struct Cells {
    grown: Vec<f64>,
    touched: Vec<u8>,
    samples: Vec<u32>,
    /// What pieces that cover whole buckets change from one bucket to the next: a rate, and how many there are.
    slopes: Vec<f64>,
    covering: Vec<i32>,
    guessing: Vec<i32>,
}

const TOUCHED: u8 = 1;
/// Pieces that cover more whole buckets than these are noted where they begin and end.
const FEW: usize = 4;

impl Cells {
    fn new(buckets: usize) -> Self {
        Self {
            grown: vec![0.0; buckets],
            touched: vec![0; buckets],
            samples: vec![0; buckets],
            slopes: vec![0.0; buckets + 1],
            covering: vec![0; buckets + 1],
            guessing: vec![0; buckets + 1],
        }
    }

    #[inline]
    fn add(&mut self, bucket: usize, amount: f64, estimated: bool) {
        self.grown[bucket] += amount;
        self.touched[bucket] |= TOUCHED | (u8::from(estimated) * ESTIMATED);
    }

    #[inline]
    fn spread(&mut self, grid: &Grid, piece: Piece) {
        let (from, until) = (piece.since.max(grid.first()), piece.time.min(grid.end()));
        if until <= from {
            return;
        }
        let (head, tail) = (grid.of(from), grid.up_to(until));
        let rate = piece.amount / length(piece.time - piece.since);
        if head == tail {
            let whole = from == piece.since && until == piece.time;
            let amount = if whole { piece.amount } else { rate * length(until - from) };
            return self.add(head, amount, piece.estimated);
        }
        self.add(head, rate * length(grid.within(head).1 - from), piece.estimated);
        self.add(tail, rate * length(until - grid.within(tail).0), piece.estimated);
        self.cover(grid, head + 1..tail, rate, piece.estimated);
    }

    fn cover(&mut self, grid: &Grid, buckets: std::ops::Range<usize>, rate: f64, estimated: bool) {
        if buckets.len() <= FEW {
            for bucket in buckets {
                let (from, until) = grid.within(bucket);
                self.add(bucket, rate * length(until - from), estimated);
            }
            return;
        }
        for (bucket, sign) in [(buckets.start, 1), (buckets.end, -1)] {
            self.slopes[bucket] += rate * f64::from(sign);
            self.covering[bucket] += sign;
            self.guessing[bucket] += if estimated { sign } else { 0 };
        }
    }

    /// Pieces one after the other, of which the first begins at the first of `times`.
    fn run(&mut self, grid: &Grid, times: &[i64], values: &[f64]) {
        let mut place = 0;
        while place < values.len() {
            let since = times[place];
            if since >= grid.first() {
                let bucket = grid.of(since);
                let whole = before(&times[place + 1..], grid.within(bucket).1 + 1);
                if whole > 0 {
                    self.add(bucket, sum(&values[place..place + whole]), false);
                    place += whole;
                    continue;
                }
            }
            self.spread(
                grid,
                Piece { since, time: times[place + 1], amount: values[place], estimated: false },
            );
            place += 1;
        }
    }

    /// Adds what covers whole buckets to each of them.
    fn flatten(&mut self, grid: &Grid) {
        let (mut slope, mut lost, mut covering, mut guessing) = (0.0, 0.0, 0, 0);
        for bucket in 0..grid.buckets() {
            // Two sums, so that nothing is left of a rate that came and went.
            let change = self.slopes[bucket];
            let sum: f64 = slope + change;
            let part = sum - slope;
            lost += (slope - (sum - part)) + (change - part);
            slope = sum;
            covering += self.covering[bucket];
            guessing += self.guessing[bucket];
            if covering > 0 {
                let (from, until) = grid.within(bucket);
                self.add(bucket, (slope + lost) * length(until - from), guessing > 0);
            } else {
                (slope, lost) = (0.0, 0.0);
            }
        }
    }
}

/// How many of some times, which rise, are before a moment; fast where it is none, or all.
#[inline]
pub fn before(times: &[i64], moment: i64) -> usize {
    match (times.first(), times.last()) {
        (Some(first), _) if *first >= moment => 0,
        (_, Some(last)) if *last < moment => times.len(),
        _ => times.partition_point(|time| *time < moment),
    }
}

/// Four sums at once, since each addition waits for the one before.
fn sum(values: &[f64]) -> f64 {
    let (fours, rest) = values.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        for (sum, value) in sums.iter_mut().zip(four) {
            *sum += value;
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

#[derive(Debug)]
struct Group {
    cells: Option<Cells>,
    /// The first moment that is known of it.
    known: i64,
    /// The edge is not before this moment: what ended by then needs not be kept.
    safe: i64,
    /// What ended later: how much of it counts is known with the edge.
    kept: Vec<Piece>,
}

/// Rates of groups of streams.
#[derive(Debug)]
pub struct Rates {
    grid: Grid,
    groups: Vec<Group>,
}

impl Rates {
    pub fn new(grid: Grid, groups: usize, clock: Clock) -> Self {
        // An edge is at most 2.5 periods back, and a period that sets it at most an eighth of the range.
        let safe = clock.now.min(clock.end).saturating_sub(clock.range() / 16 * 5 + 16);
        let group = || Group { cells: None, known: i64::MAX, safe, kept: Vec::new() };
        Self { grid, groups: std::iter::repeat_with(group).take(groups).collect() }
    }

    /// Of this group something is known from this moment on.
    #[inline]
    pub fn known(&mut self, group: u32, time: i64) {
        let group = &mut self.groups[group as usize];
        group.known = group.known.min(time);
    }

    /// Counts a point by its time.
    #[inline]
    pub fn sample(&mut self, group: u32, time: i64) {
        self.sampled(group, time, 1);
    }

    /// Counts points of about the same time.
    #[inline]
    pub fn sampled(&mut self, group: u32, time: i64, points: u32) {
        if time >= self.grid.first() && time < self.grid.end() {
            let bucket = self.grid.of(time);
            let cells = &mut self.groups[group as usize].cells;
            cells.get_or_insert_with(|| Cells::new(self.grid.buckets())).samples[bucket] += points;
        }
    }

    #[inline]
    pub fn piece(&mut self, group: u32, piece: Piece) {
        let group = &mut self.groups[group as usize];
        group.known = group.known.min(piece.since);
        if piece.time <= self.grid.first() || piece.since >= self.grid.end() {
            return;
        }
        if piece.time > group.safe {
            group.kept.push(piece);
        } else {
            let cells = group.cells.get_or_insert_with(|| Cells::new(self.grid.buckets()));
            cells.spread(&self.grid, piece);
        }
    }

    /// Points of one stream in the order of time, each of which grew since the one before; the first since `before`.
    pub fn run(&mut self, group: u32, before: Option<i64>, times: &[i64], values: &[f64]) {
        let Some((first, rest)) = times.split_first() else { return };
        self.known(group, before.unwrap_or(*first));
        self.samples(group, times);
        if let Some(since) = before {
            let piece = Piece { since, time: *first, amount: values[0], estimated: false };
            self.piece(group, piece);
        }
        // Pieces, of which the first begins at the first time, that are within the range.
        let from = rest.partition_point(|time| *time <= self.grid.first());
        let until = times.partition_point(|time| *time < self.grid.end()).min(rest.len());
        let sure = rest
            .partition_point(|time| *time <= self.groups[group as usize].safe)
            .clamp(from, until.max(from));
        if from >= until {
            return;
        }
        let cells = &mut self.groups[group as usize].cells;
        let cells = cells.get_or_insert_with(|| Cells::new(self.grid.buckets()));
        cells.run(&self.grid, &times[from..=sure], &values[from + 1..=sure]);
        for place in sure..until {
            let piece =
                Piece { since: times[place], time: rest[place], amount: values[place + 1], estimated: false };
            self.piece(group, piece);
        }
    }

    /// Counts points, in the order of time, each by its time.
    fn samples(&mut self, group: u32, times: &[i64]) {
        let from = times.partition_point(|time| *time < self.grid.first());
        let until = times.partition_point(|time| *time < self.grid.end());
        let mut times = &times[from.min(until)..until];
        if times.is_empty() {
            return;
        }
        let cells = &mut self.groups[group as usize].cells;
        let cells = cells.get_or_insert_with(|| Cells::new(self.grid.buckets()));
        while let Some(first) = times.first() {
            let bucket = self.grid.of(*first);
            let count = 1 + before(&times[1..], self.grid.within(bucket).1);
            cells.samples[bucket] += u32::try_from(count).unwrap_or(u32::MAX);
            times = &times[count..];
        }
    }

    /// Every stream of a group has got as far as this, or will not set its edge.
    pub fn settled(&mut self, group: u32, time: i64) {
        let group = &mut self.groups[group as usize];
        if time <= group.safe {
            return;
        }
        group.safe = time;
        let cells = group.cells.get_or_insert_with(|| Cells::new(self.grid.buckets()));
        group.kept.retain(|piece| {
            let later = piece.time > time;
            if !later {
                cells.spread(&self.grid, *piece);
            }
            later
        });
    }

    /// The buckets of every group, given how its streams stand.
    pub fn finish(&mut self, tails: &[Tail], clock: Clock) -> Vec<(u32, Vec<Filled>)> {
        let edges = edges(tails, self.groups.len(), clock).into_iter().zip(&self.groups);
        // What was spread already stays, whatever came after all.
        let edge = |((quick, any), group): ((Option<i64>, i64), &Group)| {
            quick.map_or(any, |edge| edge.max(group.safe))
        };
        let edges: Vec<i64> = edges.map(|edge_of| edge(edge_of).min(clock.end)).collect();
        let mut held: Vec<Vec<Piece>> = vec![Vec::new(); self.groups.len()];
        for tail in tails {
            if let (Some(group), true, Some(rate)) = (tail.group, tail.alive, tail.rate) {
                let edge = edges[group as usize];
                if rate.until < edge {
                    let amount = rate.per_nanosecond * length(edge - rate.until);
                    let piece = Piece { since: rate.until, time: edge, amount, estimated: false };
                    held[group as usize].push(piece);
                }
            }
        }
        let groups = self.groups.iter_mut().zip(edges).zip(held).zip(0..);
        let filled =
            groups.map(|(((group, edge), held), number)| (number, group.finish(&self.grid, edge, held)));
        filled.filter(|(_, filled)| !filled.is_empty()).collect()
    }
}

impl Group {
    fn finish(&mut self, grid: &Grid, edge: i64, held: Vec<Piece>) -> Vec<Filled> {
        let mut cells = self.cells.take().unwrap_or_else(|| Cells::new(grid.buckets()));
        for piece in self.kept.drain(..).chain(held) {
            cells.spread_until(grid, piece, edge);
        }
        cells.flatten(grid);
        let filled = |bucket| self.filled(grid, &cells, bucket, edge);
        (0..grid.buckets()).filter_map(filled).collect()
    }

    fn filled(&self, grid: &Grid, cells: &Cells, bucket: usize, edge: i64) -> Option<Filled> {
        let ((from, until), (first, end)) = (grid.within(bucket), grid.whole(bucket));
        let (from, until) = (from.max(self.known), until.min(edge));
        let touched = cells.touched[bucket];
        if until <= from || touched == 0 {
            return None;
        }
        let value = cells.grown[bucket] / length(until - from) * 1e9;
        let partial = u8::from(from > first || until < end) * PARTIAL;
        let (samples, flags) = (cells.samples[bucket], partial | (touched & ESTIMATED));
        Some(Filled { bucket, value, samples, flags, covered: until - from })
    }
}

impl Cells {
    /// Spreads what of a piece lies before the edge.
    fn spread_until(&mut self, grid: &Grid, piece: Piece, edge: i64) {
        if piece.time <= edge {
            self.spread(grid, piece);
        } else if piece.since < edge {
            let part = length(edge - piece.since) / length(piece.time - piece.since);
            self.spread(grid, Piece { time: edge, amount: piece.amount * part, ..piece });
        }
    }
}

/// Behind these moments nothing is known of a group as a whole.
fn edges(tails: &[Tail], groups: usize, clock: Clock) -> Vec<(Option<i64>, i64)> {
    #[derive(Clone, Copy)]
    struct Lasts {
        quick: Option<i64>,
        deltas: Option<i64>,
        any: i64,
    }
    let mut lasts = vec![Lasts { quick: None, deltas: None, any: i64::MIN }; groups];
    for tail in tails {
        let Some(lasts) = tail.group.and_then(|group| lasts.get_mut(group as usize)) else { continue };
        lasts.any = lasts.any.max(tail.last);
        if !tail.is_quick(clock) {
        } else if tail.kind == Kind::Delta {
            lasts.deltas = lasts.deltas.max(Some(tail.last));
        } else {
            lasts.quick = Some(lasts.quick.map_or(tail.last, |last| last.min(tail.last)));
        }
    }
    let edge = |lasts: Lasts| lasts.quick.into_iter().chain(lasts.deltas).min();
    lasts.into_iter().map(|lasts| (edge(lasts), lasts.any)).collect()
}
