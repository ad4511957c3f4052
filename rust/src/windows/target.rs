//! One series of Prometheus while its samples come in: gathers them in order, and answers each window once.

use std::collections::BTreeMap;
use std::time::Instant;

use super::functions::{Digest, Function, Window, value_of};
use super::points::{Point, Points, View};
use super::rows::Sample;
use crate::sealed::{Chunks, Fed, Unpacked};

/// Room for so many samples is kept, since the next slice needs it again.
const SPARE: usize = 1024;
/// What is no value: the bits by which Prometheus marks a series that ended.
const ABSENT: u64 = 0x7ff0_0000_0000_0002;
const MILLISECOND: i64 = 1_000_000;
/// So many samples are looked at between two looks at the clock.
const MOST_UNWATCHED: usize = 1 << 20;

/// What came of one stream since it was last gathered: chunks (batch and row), and samples.
///
/// `opening`: what it had counted before it was known, where that counts as added with its first sample.
#[derive(Debug, Default)]
pub struct Feed {
    pub opening: f64,
    pub chunks: Vec<(u32, u32)>,
    fresh: Vec<Sample>,
}

/// What all targets use in turn: the chunks of a slice, and room to work in.
pub struct Work<'a> {
    pub chunks: Vec<Chunks<'a>>,
    pub slice: Slice,
    samples: Unpacked,
    room: Points,
}

impl<'a> Work<'a> {
    pub fn new(chunks: Vec<Chunks<'a>>, slice: Slice) -> Self {
        Self { chunks, slice, samples: Unpacked::default(), room: Points::default() }
    }
}

/// A stretch of time, left-open, in nanoseconds; `first`: whether what lies before it was never looked at.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    pub after: i64,
    pub until: i64,
    pub first: bool,
}

impl Slice {
    /// Milliseconds; all of a millisecond is meant.
    pub fn of(after: i64, until: i64, first: bool) -> Self {
        let end_of = |ms: i64| ms.saturating_add(1).saturating_mul(MILLISECOND).saturating_sub(1);
        Self { after: end_of(after), until: end_of(until), first }
    }
}

/// What is asked of every series: a function (none: the samples themselves) of windows, in rising order.
pub struct Question {
    pub function: Option<Function>,
    pub windows: Vec<Window>,
    /// Whether all windows are the same one, of which a digest is enough.
    pub digests: bool,
    pub until: Option<Instant>,
}

impl Question {
    pub fn new(function: Option<Function>, windows: Vec<Window>) -> Self {
        let same = windows.windows(2).all(|pair| pair[0].end == pair[1].end && pair[0].now == pair[1].now);
        Self { digests: same && function.is_some_and(Function::digests), function, windows, until: None }
    }
}

/// `level`: of a counter what it has come to; `as_sent`: its streams follow one another and say what they sent.
#[derive(Debug, Default)]
pub struct Target {
    pub group: usize,
    counter: bool,
    as_sent: bool,
    level: f64,
    feeds: BTreeMap<(usize, u32), Feed>,
    given: Vec<Point>,
    points: Points,
    dropped: usize,
    falls: Vec<usize>,
    newest: Option<f64>,
    digest: Digest,
    answered: usize,
    values: Vec<f64>,
}

impl Target {
    pub fn new(counter: bool, as_sent: bool, level: f64, group: usize) -> Self {
        Self { group, counter, as_sent, level, ..Self::default() }
    }

    pub fn feed(&mut self, column: usize, stream: u32) -> &mut Feed {
        self.feeds.entry((column, stream)).or_default()
    }

    pub fn held(&self) -> usize {
        self.points.len()
    }

    /// A sample of one of its streams, if it lies within the slice.
    pub fn take(&mut self, column: usize, stream: u32, sample: Sample, slice: Slice) {
        if sample.ns > slice.after && sample.ns <= slice.until {
            self.feed(column, stream).fresh.push(sample);
        } else if slice.first && self.counter && sample.ns <= slice.after {
            // What a counter had added before is in its level from the beginning.
            self.level += sample.value;
        }
    }

    /// Samples as Prometheus has them, in the order of time.
    pub fn give(&mut self, times: Vec<i64>, values: Vec<f64>) {
        let points = times.into_iter().zip(values).map(|(ms, value)| Point { ms, value, sent: value });
        self.given.extend(points);
    }

    /// Puts the fresh samples behind the others, in the order of time; gives the place of the first.
    fn gather(&mut self, work: &mut Work<'_>) -> Fed<usize> {
        let start = self.points.len();
        let given = !self.given.is_empty();
        for point in self.given.drain(..) {
            self.points.push(point);
        }
        work.samples.clear();
        let mut feeds = std::mem::take(&mut self.feeds);
        for feed in feeds.values_mut() {
            self.drain(feed, work)?;
        }
        self.feeds = feeds;
        if !work.samples.times.is_sorted() {
            work.samples.sort_from(0);
        }
        self.absorb(&work.samples, start);
        if given {
            self.points.sort_from(start);
        }
        Ok(start)
    }

    /// Moves what came of one stream, in the order of time, to the samples of all.
    fn drain(&mut self, feed: &mut Feed, work: &mut Work<'_>) -> Fed<()> {
        let samples = &mut work.samples;
        let start = samples.times.len();
        for (batch, row) in feed.chunks.drain(..) {
            let first = samples.times.len();
            let chunk = work.chunks[batch as usize].row(row as usize)?;
            if self.as_sent {
                samples.add_with_sent(&chunk)?;
            } else {
                samples.add_any(&chunk)?;
            }
            self.cut(samples, first, work.slice);
        }
        for sample in feed.fresh.drain(..) {
            samples.times.push(sample.ns);
            samples.values.push(sample.value);
            if self.as_sent {
                samples.sent.push(sample.sent);
            }
        }
        if !samples.times[start..].is_sorted() {
            samples.sort_from(start);
        }
        if let Some(first) = samples.values.get_mut(start) {
            *first += std::mem::take(&mut feed.opening);
        }
        Ok(())
    }

    /// Of the samples of a chunk, those that lie within the slice stay.
    fn cut(&mut self, samples: &mut Unpacked, first: usize, slice: Slice) {
        let times = &samples.times[first..];
        let from = if times[0] > slice.after { 0 } else { times.partition_point(|ns| *ns <= slice.after) };
        if slice.first && self.counter {
            // What a counter had added before is in its level from the beginning.
            self.level += samples.values[first..first + from].iter().sum::<f64>();
        }
        let within = times[from..].partition_point(|ns| *ns <= slice.until);
        samples.keep(first, from..from + within);
    }

    /// Samples of one millisecond are one: of levels the last, of increments what they add up to.
    fn absorb(&mut self, samples: &Unpacked, start: usize) {
        let points = &mut self.points;
        points.ms.extend(samples.times.iter().map(|ns| ns.div_euclid(MILLISECOND)));
        if self.counter {
            let mut level = self.level;
            let next = |value: &f64| {
                level += value;
                level
            };
            points.values.extend(samples.values.iter().map(next));
            self.level = level;
        } else {
            points.values.extend_from_slice(&samples.values);
        }
        if self.as_sent {
            points.sent.extend_from_slice(&samples.sent);
        } else {
            let same = points.values.len() - samples.values.len();
            points.sent.extend_from_slice(&points.values[same..]);
        }
        points.thin_from(start);
    }

    /// Answers the windows that end by `until`; calls `each` with a step and its value. False: out of time.
    pub fn advance(
        &mut self,
        question: &Question,
        until: i64,
        work: &mut Work<'_>,
        each: &mut dyn FnMut(usize, Option<f64>),
    ) -> Fed<bool> {
        if work.room.capacity() > self.points.capacity() {
            work.room.clear();
            work.room.extend(self.points.view());
            std::mem::swap(&mut self.points, &mut work.room);
        }
        let start = self.gather(work)?;
        let in_time = match question.function {
            None => true,
            Some(function) if question.digests => {
                self.digest_all(function, question);
                true
            }
            Some(function) => {
                self.note_falls(start);
                self.answer(function, question, until, each)
            }
        };
        self.make_room(work);
        Ok(in_time)
    }

    /// What few are left gets a place of its own, so that the next target has the room.
    fn make_room(&mut self, work: &mut Work<'_>) {
        if self.points.capacity() > SPARE.max(8 * self.points.len()) {
            let mut few = Points::default();
            few.extend(self.points.view());
            self.points.clear();
            work.room = std::mem::replace(&mut self.points, few);
        }
    }

    fn digest_all(&mut self, function: Function, question: &Question) {
        if let Some(window) = question.windows.first() {
            let inside = |point: &Point| point.ms > window.end - window.length && point.ms <= window.end;
            for point in self.points.view().iter().filter(inside) {
                self.digest.add(function, window, point);
            }
        }
        self.points.clear();
    }

    fn note_falls(&mut self, start: usize) {
        let values = &self.points.view().values[start..];
        let (Some(first), Some(last)) = (values.first(), values.last()) else { return };
        let fallen = self.newest.is_some_and(|newest| first < &newest);
        self.newest = Some(*last);
        if fallen {
            self.falls.push(self.dropped + start);
        }
        for (place, pair) in values.windows(2).enumerate() {
            if pair[1] < pair[0] {
                self.falls.push(self.dropped + start + place + 1);
            }
        }
    }

    fn answer(
        &mut self,
        function: Function,
        question: &Question,
        until: i64,
        each: &mut dyn FnMut(usize, Option<f64>),
    ) -> bool {
        let (windows, points) = (&question.windows, self.points.view());
        let (mut first, mut last, mut unwatched) = (Pointer::default(), Pointer::default(), 0);
        while let Some(window) = windows.get(self.answered).filter(|window| window.end <= until) {
            let from = first.move_on(points.ms, window.end - window.length);
            let to = last.move_on(points.ms, window.end).max(from);
            unwatched += function.cost(to - from);
            if unwatched > MOST_UNWATCHED {
                unwatched = 0;
                if question.until.is_some_and(|until| Instant::now() > until) {
                    return false;
                }
            }
            let falls = self.falls_within(from, to);
            each(self.answered, value_of(function, window, points.part(from..to), &falls));
            self.answered += 1;
        }
        self.drop_before(windows.get(self.answered).map(|window| window.end - window.length));
        true
    }

    /// The places within `[first:last]` at which a sample is lower than the one before it there.
    fn falls_within(&self, first: usize, last: usize) -> Vec<usize> {
        if self.falls.is_empty() {
            return Vec::new();
        }
        let (first, last) = (first + self.dropped, last + self.dropped);
        let from = self.falls.partition_point(|place| *place <= first);
        self.falls[from..].iter().take_while(|place| **place < last).map(|place| place - first).collect()
    }

    fn drop_before(&mut self, start: Option<i64>) {
        let gone = match start {
            Some(start) => self.points.view().ms.partition_point(|ms| *ms <= start),
            None => self.points.len(),
        };
        self.points.drop_first(gone);
        self.dropped += gone;
        let fallen = self.falls.partition_point(|place| *place <= self.dropped);
        self.falls.drain(..fallen);
    }

    /// Answers the windows of which a digest was kept.
    pub fn conclude(&mut self, question: &Question, each: &mut dyn FnMut(usize, Option<f64>)) {
        let Some(function) = question.function.filter(|_| question.digests) else { return };
        for (step, window) in question.windows.iter().enumerate() {
            each(step, self.digest.value(function, window));
        }
    }

    /// Keeps the values itself, where there is no group for them.
    pub fn keep(&mut self, value: Option<f64>) {
        self.values.push(value.unwrap_or(f64::from_bits(ABSENT)));
    }

    /// Its values, which it gives up; None where it has none at all.
    pub fn values(&mut self) -> Option<Vec<Option<f64>>> {
        let values = std::mem::take(&mut self.values);
        let present = |value: &f64| (value.to_bits() != ABSENT).then_some(*value);
        values.iter().any(|value| present(value).is_some()).then(|| values.iter().map(present).collect())
    }

    pub fn points(&mut self) -> (Vec<i64>, Vec<f64>) {
        let points = std::mem::take(&mut self.points);
        let View { ms, values, .. } = points.view();
        (ms.to_vec(), values.to_vec())
    }
}

/// A place among times that rise, which moves on about as far each time.
#[derive(Debug, Default)]
struct Pointer {
    place: usize,
    stride: usize,
}

impl Pointer {
    /// Behind the last of the times that lie at or before `until`, which never falls.
    fn move_on(&mut self, times: &[i64], until: i64) -> usize {
        let mut place = (self.place + self.stride).min(times.len());
        while place > self.place && times[place - 1] > until {
            place -= 1;
        }
        while times.get(place).is_some_and(|time| *time <= until) {
            place += 1;
        }
        (self.stride, self.place) = (place - self.place, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_each_place_however_far_it_is() {
        let times = [1, 2, 3, 10, 11, 12, 13, 40];
        let mut pointer = Pointer::default();
        let found = [0, 2, 4, 11, 11, 39, 40, 99].map(|until| pointer.move_on(&times, until));
        assert_eq!(found, [0, 2, 3, 5, 5, 7, 8, 8]);
    }
}
