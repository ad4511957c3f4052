//! Levels, each held until the next, into the mean, the extremes or the last of their sum, bucket by bucket.

use super::grid::Grid;
use super::lanes::Trail;
use super::rate::{Filled, PARTIAL, before, length};
use super::relations::Tail;
use super::streams::Stream;
use super::sweep::{Extreme, Sweep};

/// What is asked of the sum over streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Mean,
    Extreme(Extreme),
    Last,
}

/// One value from a moment to another.
#[derive(Debug, Clone, Copy)]
struct Hold {
    from: i64,
    until: i64,
    value: f64,
}

/// Where a stream's level has got to.
#[derive(Debug, Clone, Copy, Default)]
struct Track {
    /// The last level, which holds nobody knows how long.
    open: Option<(i64, f64)>,
    /// From when to when it held without a gap, and its last level in there.
    run: Option<Hold>,
    /// Where it was last, to find the next bucket by.
    bucket: usize,
}

/// Until when the last level of a stream holds that goes on at `next`.
#[inline]
pub fn held_until(trail: &Trail, next: i64) -> i64 {
    // Of a first point the period is the second's, so it holds until that.
    if trail.pace.is_empty() || (next - trail.last) / 2 <= trail.pace.least() {
        return next;
    }
    let period = trail.pace.period();
    period.map_or(next, |period| next.min(trail.last.saturating_add(period.quarters(10))))
}

#[derive(Debug)]
enum Sum {
    /// Level times time of each bucket, and when there was any.
    Mean {
        sums: Vec<f64>,
        runs: Runs,
    },
    Extreme(Sweep),
    /// Of each bucket until when its last sum held, and that sum.
    Last(Vec<(i64, f64)>),
}

/// So many changes are kept before extremes are taken of them.
const MANY_CHANGES: usize = 1 << 20;

#[derive(Debug)]
struct Group {
    samples: Vec<u32>,
    sum: Sum,
}

/// Levels of groups of streams.
#[derive(Debug)]
pub struct Levels {
    grid: Grid,
    asked: Asked,
    groups: Vec<Option<Group>>,
    /// By the place of the stream.
    tracks: Vec<Track>,
}

impl Levels {
    pub fn new(grid: Grid, asked: Asked, groups: usize) -> Self {
        let groups = std::iter::repeat_with(|| None).take(groups).collect();
        Self { grid, asked, groups, tracks: Vec::new() }
    }

    fn group(&mut self, group: u32) -> &mut Group {
        let (asked, buckets) = (self.asked, self.grid.buckets());
        self.groups[group as usize].get_or_insert_with(|| Group::new(asked, buckets))
    }

    fn track(&mut self, stream: usize) -> &mut Track {
        if stream >= self.tracks.len() {
            self.tracks.resize(stream + 1, Track::default());
        }
        &mut self.tracks[stream]
    }

    /// The next level of a stream; the one before, if there is one, held `until` then.
    #[inline]
    pub fn level(&mut self, stream: usize, group: u32, point: (i64, f64), until: Option<i64>) {
        let track = self.track(stream);
        let hint = track.bucket;
        if let (Some((from, value)), Some(until)) = (track.open.replace(point), until) {
            self.hold(stream, group, Hold { from, until, value });
        }
        if point.0 >= self.grid.first() && point.0 < self.grid.end() {
            let bucket = self.grid.near(hint, point.0);
            self.group(group).samples[bucket] += 1;
        }
    }

    /// Levels of a stream, each of which held until the next; the first is the one that it has got to.
    pub fn run(&mut self, stream: usize, group: u32, times: &[i64], values: &[f64]) {
        let ([first, next, ..], [.., last]) = (times, times) else { return };
        self.hold(stream, group, Hold { from: *first, until: *next, value: values[0] });
        let track = &mut self.tracks[stream];
        let end = times.len() - 1;
        track.open = Some((*last, values[end]));
        if let Some(group) = &mut self.groups[group as usize] {
            track.bucket = group.run(&self.grid, &times[1..], &values[..end], track.bucket);
            group.count(&self.grid, &times[1..]);
        }
        if let Some(run) = &mut track.run {
            (run.until, run.value) = (*last, values[end - 1]);
        }
    }

    fn hold(&mut self, stream: usize, group: u32, hold: Hold) {
        if hold.until <= hold.from {
            return;
        }
        let (asked, buckets) = (self.asked, self.grid.buckets());
        let group = self.groups[group as usize].get_or_insert_with(|| Group::new(asked, buckets));
        let track = &mut self.tracks[stream];
        let run = track.run;
        let gone_on = run.filter(|run| run.until == hold.from);
        let from = gone_on.map_or(hold.from, |run| run.from);
        track.run = Some(Hold { from, ..hold });
        track.bucket = group.add(&self.grid, hold, track.bucket);
        if gone_on.is_none() {
            group.end(run);
        }
        if let Sum::Extreme(sweep) = &mut group.sum {
            match gone_on {
                Some(run) => sweep.moves(hold.from, run.value, hold.value),
                None => sweep.change(hold.from, hold.value, 1),
            }
        }
    }

    /// What comes next begins at a moment: of what lies before, extremes are taken, if that is much.
    pub fn advance(&mut self, streams: &[Stream], first: i64) {
        let waiting = self.groups.iter().flatten().map(|group| match &group.sum {
            Sum::Extreme(sweep) => sweep.waiting(),
            _ => 0,
        });
        if waiting.sum::<usize>() < MANY_CHANGES {
            return;
        }
        let mut until = first;
        for (place, stream) in streams.iter().enumerate().take(self.tracks.len()) {
            if let (Some((from, value)), Some(group)) = (self.tracks[place].open, stream.identity.group) {
                let period = stream.lanes.all.first().and_then(Trail::period);
                let held = period.map(|period| from.saturating_add(period.quarters(10)));
                match held.filter(|held| *held < first) {
                    // It fell silent.
                    Some(held) => {
                        self.hold(place, group, Hold { from, until: held, value });
                        self.tracks[place].open = None;
                    }
                    None => until = until.min(from),
                }
            }
        }
        for group in self.groups.iter_mut().flatten() {
            if let Sum::Extreme(sweep) = &mut group.sum {
                sweep.advance(&self.grid, until);
            }
        }
    }

    /// The last levels hold for 2.5 periods, or until another stream took their place.
    pub fn finish(&mut self, tails: &[Tail]) -> Vec<(u32, Vec<Filled>)> {
        for tail in tails {
            let track = self.tracks.get(tail.stream).copied().unwrap_or_default();
            if let (Some(group), Some((from, value))) = (tail.group, track.open) {
                let until = from.saturating_add(tail.period.quarters(10));
                let end = tail.end.filter(|_| tail.last == from).unwrap_or(i64::MAX);
                self.hold(tail.stream, group, Hold { from, until: until.min(end), value });
                let run = self.tracks[tail.stream].run.take();
                if let Some(group) = &mut self.groups[group as usize] {
                    group.end(run);
                }
            }
        }
        let groups = self.groups.iter_mut().zip(0..);
        let filled = groups.filter_map(|(group, number)| Some((number, group.take()?.finish(&self.grid))));
        filled.filter(|(_, filled)| !filled.is_empty()).collect()
    }

    /// The level of a stream whose last point was at a time.
    pub fn last(&self, stream: usize, time: i64) -> Option<f64> {
        self.tracks.get(stream)?.open.filter(|(from, _)| *from == time).map(|(_, value)| value)
    }
}

impl Group {
    fn new(asked: Asked, buckets: usize) -> Self {
        let sum = match asked {
            Asked::Mean => Sum::Mean { sums: vec![0.0; buckets], runs: Runs::default() },
            Asked::Extreme(extreme) => Sum::Extreme(Sweep::new(extreme, buckets)),
            Asked::Last => Sum::Last(vec![(i64::MIN, 0.0); buckets]),
        };
        Self { samples: vec![0; buckets], sum }
    }

    /// Adds one level to every bucket in which it held; returns the last of them.
    #[inline]
    fn add(&mut self, grid: &Grid, hold: Hold, hint: usize) -> usize {
        let (from, until) = (hold.from.max(grid.first()), hold.until.min(grid.end()));
        if until <= from || matches!(self.sum, Sum::Extreme(_)) {
            return hint;
        }
        let mut bucket = grid.near(hint, from);
        loop {
            let (first, end) = grid.within(bucket);
            self.add_to(bucket, from.max(first), until.min(end), hold.value);
            if until <= end {
                return bucket;
            }
            bucket += 1;
        }
    }

    /// Levels that follow each other: all but the first of `values` from one of `times` to the next.
    fn run(&mut self, grid: &Grid, times: &[i64], values: &[f64], hint: usize) -> usize {
        if let Sum::Extreme(sweep) = &mut self.sum {
            for (from, pair) in times.iter().zip(values.windows(2)) {
                sweep.moves(*from, pair[0], pair[1]);
            }
            return hint;
        }
        let (values, mut hint, mut place) = (&values[1..], hint, 0);
        while place < values.len() {
            let (from, until) = (times[place], times[place + 1]);
            if from >= grid.first() && from < grid.end() {
                hint = grid.near(hint, from);
                let end = grid.within(hint).1;
                let whole = before(&times[place + 1..], end + 1);
                if whole > 0 {
                    self.add_all(hint, &times[place..=place + whole], &values[place..place + whole]);
                    place += whole;
                    continue;
                }
            }
            hint = self.add(grid, Hold { from, until, value: values[place] }, hint);
            place += 1;
        }
        hint
    }

    /// Levels of one bucket.
    fn add_all(&mut self, bucket: usize, times: &[i64], values: &[f64]) {
        if let Sum::Mean { sums, .. } = &mut self.sum {
            sums[bucket] += held(times, values);
        } else {
            // One that ended earlier is none that was last.
            let last = values.len() - 1;
            self.add_to(bucket, times[last], times[last + 1], values[last]);
        }
    }

    /// Counts points, in the order of time.
    fn count(&mut self, grid: &Grid, times: &[i64]) {
        let from = before(times, grid.first());
        let mut times = &times[from..before(times, grid.end()).max(from)];
        while let Some(first) = times.first() {
            let bucket = grid.of(*first);
            let count = 1 + before(&times[1..], grid.within(bucket).1);
            self.samples[bucket] += u32::try_from(count).unwrap_or(u32::MAX);
            times = &times[count..];
        }
    }

    #[inline]
    fn add_to(&mut self, bucket: usize, from: i64, until: i64, value: f64) {
        match &mut self.sum {
            Sum::Mean { sums, .. } => sums[bucket] += value * length(until - from),
            Sum::Last(lasts) if until > lasts[bucket].0 => lasts[bucket] = (until, value),
            Sum::Last(lasts) if until == lasts[bucket].0 => lasts[bucket].1 += value,
            Sum::Last(_) | Sum::Extreme(_) => {}
        }
    }

    /// A stream has had no level since the end of a run.
    fn end(&mut self, run: Option<Hold>) {
        let Some(run) = run else { return };
        match &mut self.sum {
            Sum::Mean { runs, .. } => runs.add(run.from, run.until),
            Sum::Extreme(sweep) => sweep.change(run.until, -run.value, -1),
            Sum::Last(_) => {}
        }
    }

    fn finish(self, grid: &Grid) -> Vec<Filled> {
        let values = match self.sum {
            Sum::Extreme(sweep) => sweep.finish(grid),
            Sum::Last(lasts) => {
                lasts.into_iter().map(|(until, value)| (until > i64::MIN).then_some(value)).collect()
            }
            Sum::Mean { sums, runs } => {
                let means = sums.into_iter().zip(runs.covered(grid));
                means.map(|(sum, covered)| (covered > 0).then(|| sum / length(covered))).collect()
            }
        };
        let filled = |(bucket, value): (usize, Option<f64>)| {
            let ((from, until), whole) = (grid.within(bucket), grid.whole(bucket));
            let flags = u8::from((from, until) != whole) * PARTIAL;
            Some(Filled {
                bucket,
                value: value?,
                samples: self.samples[bucket],
                flags,
                covered: until - from,
            })
        };
        values.into_iter().enumerate().filter_map(filled).collect()
    }
}

/// Levels times how long they held; four sums at once, since each addition waits for the one before.
fn held(times: &[i64], values: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    for (place, value) in values.iter().enumerate() {
        sums[place % 4] += value * length(times[place + 1].wrapping_sub(times[place]));
    }
    sums.iter().sum()
}

/// Stretches of time in which at least one stream had a level.
#[derive(Debug, Default)]
struct Runs {
    all: Vec<(i64, i64)>,
    merged: usize,
}

const MANY: usize = 4096;

impl Runs {
    fn add(&mut self, from: i64, until: i64) {
        self.all.push((from, until));
        if self.all.len() > MANY + 2 * self.merged {
            self.merge();
        }
    }

    fn merge(&mut self) {
        self.all.sort_unstable();
        self.all.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        self.merged = self.all.len();
    }

    /// How much of each bucket they cover.
    fn covered(mut self, grid: &Grid) -> Vec<i64> {
        self.merge();
        let mut covered = vec![0; grid.buckets()];
        for (from, until) in self.all {
            let (from, until) = (from.max(grid.first()), until.min(grid.end()));
            if until > from {
                for (bucket, covered) in covered.iter_mut().enumerate().skip(grid.of(from)) {
                    let (first, end) = grid.within(bucket);
                    if first >= until {
                        break;
                    }
                    *covered += (until.min(end) - from.max(first)).max(0);
                }
            }
        }
        covered
    }
}
