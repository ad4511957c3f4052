//! Turns rows of one stream that stand close together into one; what they add up to stays the same.

use std::collections::HashMap;

use super::{Columns, Distribution, Histograms, Lists, Merge, Place, Points};

/// Nanoseconds; rows further apart stay apart, so that an increment is not moved to another bucket of an answer.
const MOST_SPAN: u64 = 10_000_000_000;
/// A row to be, open for more of its stream.
struct Run {
    row: usize,
    rows: usize,
    first: i64,
}

/// The open run of each stream.
struct Runs {
    factor: usize,
    open: HashMap<u32, Run>,
}

impl Runs {
    fn new(factor: usize) -> Self {
        Self { factor, open: HashMap::new() }
    }

    /// The row that a row at `place` may be merged into; else it becomes row `next` itself.
    fn join(&mut self, place: Place, next: usize, fits: impl FnOnce(usize) -> bool) -> Option<usize> {
        if let Some(run) = self.open.get_mut(&place.stream)
            && run.rows < self.factor
            && run.first.abs_diff(place.time) <= MOST_SPAN
            && fits(run.row)
        {
            run.rows += 1;
            return Some(run.row);
        }
        self.open.insert(place.stream, Run { row: next, rows: 1, first: place.time });
        None
    }
}

impl Columns {
    /// Up to `factor` rows of a stream become one: increments and histograms add up, of levels the last stays.
    /// Increments that were sent as such stay as they are: only their times tell a repeated one after a restart.
    pub fn thinned(&self, factor: usize) -> Self {
        Self { points: self.points.thinned(factor), histograms: self.histograms.thinned(factor, false) }
    }

    /// All rows of a stream that were counted here, from spans or log records, become one: nobody sends them again.
    pub fn gathered(&self) -> Self {
        Self {
            points: self.points.thinned(usize::MAX),
            histograms: self.histograms.thinned(usize::MAX, true),
        }
    }
}

impl Points {
    fn thinned(&self, factor: usize) -> Self {
        let mut kept = Self::default();
        let mut runs = Runs::new(factor);
        for row in 0..self.value.len() {
            let place = self.places.at(row);
            // What was counted over a time of its own begins a row, which goes on saying so.
            let origin = self.origins.of(row);
            let next = kept.value.len();
            let fits = |into| origin.is_none() && self.is_like(row, &kept, into);
            if let Some(into) = runs.join(place, next, fits) {
                kept.absorb(into, self, row);
                continue;
            }
            kept.push(place, self.value[row], self.state(row), self.merge[row]);
            if let Some(origin) = origin {
                kept.origins.push(next, origin.piece, origin.baseline);
            }
        }
        kept
    }

    fn is_like(&self, row: usize, kept: &Self, into: usize) -> bool {
        self.merge[row] != Merge::Never
            && self.merge[row] == kept.merge[into]
            && self.places.series[row] == kept.places.series[into]
            && self.is_cumulative[row] == kept.is_cumulative[into]
    }

    fn absorb(&mut self, into: usize, from: &Self, row: usize) {
        let is_later = from.places.time[row] >= self.places.time[into];
        self.origins.grow(into);
        if self.merge[into] == Merge::Add {
            self.value[into] += from.value[row];
        } else if is_later {
            self.value[into] = from.value[row];
        }
        if is_later {
            self.places.time[into] = from.places.time[row];
            self.cumulative[into] = from.cumulative[row];
        }
    }

    fn state(&self, row: usize) -> Option<f64> {
        self.is_cumulative[row].then(|| self.cumulative[row])
    }
}

impl Histograms {
    /// `increments`: whether those without a running state are to be added up as well.
    fn thinned(&self, factor: usize, increments: bool) -> Self {
        let read = Reading::of(self);
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut runs = Runs::new(factor);
        for row in 0..self.count.len() {
            let own = self.origins.of(row).is_some();
            let fits = |into: usize| !own && read.alike(members[into][0], row, increments);
            match runs.join(self.places.at(row), members.len(), fits) {
                Some(into) => members[into].push(row),
                None => members.push(vec![row]),
            }
        }
        let mut kept = Columns::default();
        for (next, rows) in members.iter().enumerate() {
            read.merge(rows, &mut kept);
            if let Some(origin) = rows.first().and_then(|first| self.origins.of(*first)) {
                let baseline = origin.baseline && rows.len() == 1;
                kept.histograms.origins.push(next, origin.piece, baseline);
            }
        }
        kept.histograms
    }
}

/// Histogram rows with their lists within reach.
struct Reading<'a> {
    rows: &'a Histograms,
    bounds: Vec<&'a [f64]>,
    buckets: Vec<&'a [u64]>,
    cumulative_bounds: Vec<&'a [f64]>,
    cumulative_buckets: Vec<&'a [u64]>,
}

impl<'a> Reading<'a> {
    fn of(rows: &'a Histograms) -> Self {
        Self {
            rows,
            bounds: lists(&rows.bounds),
            buckets: lists(&rows.buckets),
            cumulative_bounds: lists(&rows.cumulative_bounds),
            cumulative_buckets: lists(&rows.cumulative_buckets),
        }
    }

    fn alike(&self, one: usize, other: usize, increments: bool) -> bool {
        let rows = self.rows;
        let running = [one, other].map(|row| rows.cumulative_count[row].is_some());
        rows.places.series[one] == rows.places.series[other]
            && self.bounds[one] == self.bounds[other]
            && self.buckets[one].len() == self.buckets[other].len()
            && rows.sum[one].is_some() == rows.sum[other].is_some()
            && running == [!increments; 2]
    }

    fn merge(&self, members: &[usize], kept: &mut Columns) {
        let Some((first, more)) = members.split_first() else { return };
        let mut interval = self.interval(*first);
        let mut range = (self.rows.min[*first], self.rows.max[*first]);
        let mut last = *first;
        for row in more {
            range = self.range(&interval, range, *row);
            let added = self.interval(*row);
            interval.count = interval.count.saturating_add(added.count);
            interval.sum = interval.sum.zip(added.sum).map(|(one, other)| one + other);
            for (bucket, more) in interval.buckets.iter_mut().zip(added.buckets) {
                *bucket = bucket.saturating_add(more);
            }
            if self.rows.places.time[*row] >= self.rows.places.time[last] {
                last = *row;
            }
        }
        kept.histogram(self.rows.places.at(last), &interval, range, self.state(last).as_ref());
    }

    fn interval(&self, row: usize) -> Distribution {
        Distribution {
            count: self.rows.count[row],
            sum: self.rows.sum[row],
            bounds: self.bounds[row].to_vec(),
            buckets: self.buckets[row].to_vec(),
        }
    }

    fn state(&self, row: usize) -> Option<Distribution> {
        self.rows.cumulative_count[row].map(|count| Distribution {
            count,
            sum: self.rows.cumulative_sum[row],
            bounds: self.cumulative_bounds[row].to_vec(),
            buckets: self.cumulative_buckets[row].to_vec(),
        })
    }

    /// Least and greatest of what was observed; unknown where either side's is.
    fn range(
        &self,
        so_far: &Distribution,
        (least, greatest): (Option<f64>, Option<f64>),
        row: usize,
    ) -> (Option<f64>, Option<f64>) {
        let (min, max) = (self.rows.min[row], self.rows.max[row]);
        match (so_far.count, self.rows.count[row]) {
            (_, 0) => (least, greatest),
            (0, _) => (min, max),
            _ => (
                least.zip(min).map(|(one, other)| one.min(other)),
                greatest.zip(max).map(|(one, other)| one.max(other)),
            ),
        }
    }
}

fn lists<T>(column: &Lists<T>) -> Vec<&[T]> {
    let mut rest = column.values.as_slice();
    let mut split = |length: &usize| {
        let (list, after) = rest.split_at(*length);
        rest = after;
        list
    };
    column.lengths.iter().map(&mut split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stream: u32, time: i64) -> Place {
        Place { series: 1, stream, time }
    }

    #[test]
    fn increments_of_a_stream_add_up_at_its_last_time() {
        let mut rows = Columns::default();
        for time in 1_i32..=5 {
            rows.point(at(1, time.into()), 2.0, Some(10.0 + f64::from(time)), Merge::Add);
            rows.point(at(2, time.into()), 1.0, None, Merge::Add);
        }
        let thin = rows.thinned(4).points;
        assert_eq!(thin.value, [8.0, 4.0, 2.0, 1.0]);
        assert_eq!(thin.places.time, [4, 4, 5, 5]);
        assert_eq!(thin.state(0), Some(14.0));
    }

    #[test]
    fn of_levels_the_last_of_each_run_stays() {
        let mut rows = Columns::default();
        for time in 1_i32..=5 {
            rows.point(at(1, time.into()), time.into(), None, Merge::Last);
        }
        assert_eq!(rows.thinned(2).points.value, [2.0, 4.0, 5.0]);
    }

    #[test]
    fn what_lies_far_apart_or_is_told_by_its_time_stays_apart() {
        let mut rows = Columns::default();
        for time in [0, 1, 20_000_000_000] {
            rows.point(at(1, time), 1.0, None, Merge::Add);
            rows.point(at(2, time), 1.0, None, Merge::Never);
        }
        let thin = rows.thinned(64).points;
        assert_eq!(thin.value, [2.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(thin.places.stream, [1, 2, 2, 1, 2]);
    }

    #[test]
    fn histograms_of_the_same_bounds_add_up_and_keep_their_last_state() {
        let seen =
            |count: u64| Distribution { count, sum: Some(2.0), bounds: vec![1.0], buckets: vec![count, 0] };
        let mut rows = Columns::default();
        for time in 1_i32..=3 {
            let range = (Some(time.into()), Some(time.into()));
            rows.histogram(
                at(1, time.into()),
                &seen(1),
                range,
                Some(&seen(10 + u64::from(time.unsigned_abs()))),
            );
        }
        rows.histogram(
            at(1, 4),
            &Distribution { bounds: vec![7.0], ..seen(1) },
            (None, None),
            Some(&seen(14)),
        );
        let thin = rows.thinned(8).histograms;
        assert_eq!(thin.count, [3, 1]);
        assert_eq!(thin.sum, [Some(6.0), Some(2.0)]);
        assert_eq!((thin.min[0], thin.max[0]), (Some(1.0), Some(3.0)));
        assert_eq!(thin.buckets.values, [3, 0, 1, 0]);
        assert_eq!(thin.cumulative_count, [Some(13), Some(14)]);
    }

    #[test]
    fn increments_that_were_sent_stay_apart_and_those_counted_here_add_up() {
        let seen = Distribution { count: 2, sum: Some(3.0), bounds: vec![1.0], buckets: vec![1, 1] };
        let mut rows = Columns::default();
        for time in 1_i32..=200 {
            rows.point(at(1, time.into()), 1.0, None, Merge::Add);
            rows.histogram(at(1, time.into()), &seen, (Some(time.into()), Some(time.into())), None);
        }
        assert_eq!(rows.thinned(64).histograms.count.len(), 200);
        let gathered = rows.gathered();
        assert_eq!(gathered.points.value, [200.0]);
        assert_eq!((gathered.histograms.count[0], gathered.histograms.sum[0]), (400, Some(600.0)));
        assert_eq!(gathered.histograms.buckets.values, [200, 200]);
        assert_eq!((gathered.histograms.min[0], gathered.histograms.max[0]), (Some(1.0), Some(200.0)));
        assert_eq!((gathered.histograms.places.time[0], gathered.histograms.count.len()), (200, 1));
    }
}
