//! Changes of levels into the least or the greatest of their sum, bucket by bucket.

use super::grid::Grid;

/// Which of two sums is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    Least,
    Greatest,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    time: i64,
    value: f64,
    streams: i32,
}

/// The sum over streams as far as it is known, and the changes that come next.
#[derive(Debug)]
pub struct Sweep {
    changes: Vec<Change>,
    sum: f64,
    /// What rounding took from the sum.
    lost: f64,
    streams: i32,
    position: i64,
    found: Vec<Option<f64>>,
    extreme: Extreme,
}

impl Sweep {
    pub fn new(extreme: Extreme, buckets: usize) -> Self {
        let found = vec![None; buckets];
        Self { changes: Vec::new(), sum: 0.0, lost: 0.0, streams: 0, position: 0, found, extreme }
    }

    pub fn waiting(&self) -> usize {
        self.changes.len()
    }

    #[inline]
    pub fn change(&mut self, time: i64, value: f64, streams: i32) {
        if value == 0.0 && streams == 0 {
            return;
        }
        self.changes.push(Change { time: time.max(self.position), value, streams });
    }

    /// One level goes over to another, without what rounding their difference would leave.
    #[inline]
    pub fn moves(&mut self, time: i64, from: f64, to: f64) {
        let change = to - from;
        let part = change - to;
        self.change(time, change, 0);
        self.change(time, (to - (change - part)) - (from + part), 0);
    }

    /// Goes on to a moment before which no more changes come.
    pub fn advance(&mut self, grid: &Grid, until: i64) {
        self.changes.sort_by_key(|change| change.time);
        let due = self.changes.partition_point(|change| change.time < until);
        let later = self.changes.split_off(due);
        for change in std::mem::replace(&mut self.changes, later) {
            self.hold(grid, change.time);
            self.add(change);
        }
        self.hold(grid, until);
    }

    fn add(&mut self, change: Change) {
        self.streams += change.streams;
        let sum = self.sum + change.value;
        let part = sum - self.sum;
        self.lost += (self.sum - (sum - part)) + (change.value - part);
        self.sum = sum;
        if self.streams == 0 {
            (self.sum, self.lost) = (0.0, 0.0);
        }
    }

    /// The sum stays what it is up to a moment.
    fn hold(&mut self, grid: &Grid, until: i64) {
        let (from, end) = (self.position.max(grid.first()), until.min(grid.end()));
        self.position = self.position.max(until);
        if self.streams == 0 || end <= from {
            return;
        }
        let sum = self.sum + self.lost;
        for found in &mut self.found[grid.of(from)..=grid.up_to(end)] {
            *found = Some(match (*found, self.extreme) {
                (None, _) => sum,
                (Some(before), Extreme::Least) => before.min(sum),
                (Some(before), Extreme::Greatest) => before.max(sum),
            });
        }
    }

    pub fn finish(mut self, grid: &Grid) -> Vec<Option<f64>> {
        self.advance(grid, i64::MAX);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_counts_and_not_a_stream() {
        let grid = Grid::new(vec![0, 10, 20, 30], 0, 30);
        for (extreme, expected) in [
            (Extreme::Least, [Some(4.0), Some(1.0), None]),
            (Extreme::Greatest, [Some(5.0), Some(5.0), None]),
        ] {
            let mut sweep = Sweep::new(extreme, 3);
            // Four from 2 to 15, one from 8 to 20.
            for (time, value, streams) in [(2, 4.0, 1), (15, -4.0, -1), (8, 1.0, 1), (20, -1.0, -1)] {
                sweep.change(time, value, streams);
            }
            sweep.advance(&grid, 9);
            assert_eq!(sweep.waiting(), 2);
            assert_eq!(sweep.finish(&grid), expected);
        }
    }

    #[test]
    fn nothing_is_left_of_a_level_that_came_and_went() {
        let grid = Grid::new(vec![0, 10, 20], 0, 20);
        let mut sweep = Sweep::new(Extreme::Greatest, 2);
        sweep.change(0, 51.0, 1);
        sweep.change(1, 296_925_249.348_555_7, 1);
        sweep.moves(2, 296_925_249.348_555_7, -310_144_684.627_646_74);
        sweep.change(9, 310_144_684.627_646_74, -1);
        assert_eq!(sweep.finish(&grid)[1], Some(51.0));
    }

    #[test]
    fn changes_of_one_moment_are_one() {
        let grid = Grid::new(vec![0, 10], 0, 10);
        let mut sweep = Sweep::new(Extreme::Greatest, 1);
        for (time, value, streams) in [(0, 10.0, 1), (5, 10.0, 1), (5, -10.0, -1), (10, -10.0, -1)] {
            sweep.change(time, value, streams);
        }
        assert_eq!(sweep.finish(&grid), [Some(10.0)]);
    }
}
