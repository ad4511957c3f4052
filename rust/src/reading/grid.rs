//! The borders of the buckets, and where between them a moment lies.

/// Buckets as they were asked for, and what of them is within the range.
#[derive(Debug, Clone)]
pub struct Grid {
    edges: Vec<i64>,
    borders: Vec<i64>,
    step: i64,
}

impl Grid {
    /// `edges` rise strictly; nothing before `start` or from `end` on is looked at.
    pub fn new(edges: Vec<i64>, start: i64, end: i64) -> Self {
        let borders: Vec<i64> = edges.iter().map(|edge| (*edge).clamp(start, end.max(start))).collect();
        let lengths = |pair: &[i64]| pair[1] - pair[0];
        let step = edges.windows(2).map(lengths).next().unwrap_or(1);
        let even = edges.windows(2).all(|pair| lengths(pair) == step);
        Self { edges, borders, step: if even { step } else { 0 } }
    }

    pub fn buckets(&self) -> usize {
        self.borders.len() - 1
    }

    #[inline]
    pub fn first(&self) -> i64 {
        self.borders[0]
    }

    #[inline]
    pub fn end(&self) -> i64 {
        self.borders[self.buckets()]
    }

    /// Beginning and end of a bucket within the range.
    #[inline]
    pub fn within(&self, bucket: usize) -> (i64, i64) {
        (self.borders[bucket], self.borders[bucket + 1])
    }

    /// Beginning and end of a bucket as asked for.
    pub fn whole(&self, bucket: usize) -> (i64, i64) {
        (self.edges[bucket], self.edges[bucket + 1])
    }

    /// The bucket that a moment lies in, which is from `first` on and before `end`.
    #[inline]
    pub fn of(&self, time: i64) -> usize {
        let last = self.buckets() - 1;
        if self.step > 0 {
            // Edges and times are small enough for their difference to fit.
            let place = (time - self.edges[0]) / self.step;
            return usize::try_from(place).unwrap_or(0).min(last);
        }
        self.edges.partition_point(|edge| *edge <= time).saturating_sub(1).min(last)
    }

    /// The same, which is fast where it lies in the bucket that is hinted at.
    #[inline]
    pub fn near(&self, hint: usize, time: i64) -> usize {
        match self.edges.get(hint..hint + 2) {
            Some([from, until]) if *from <= time && time < *until => hint,
            _ => self.of(time),
        }
    }

    /// The same for the bucket that a moment at its very end belongs to.
    #[inline]
    pub fn up_to(&self, time: i64) -> usize {
        self.of(time - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lie_in_buckets_of_any_length() {
        for edges in [vec![0, 10, 20, 30], vec![0, 10, 25, 30]] {
            let second = edges[1]..edges[2];
            let grid = Grid::new(edges, 5, 28);
            assert_eq!((grid.first(), grid.end(), grid.buckets()), (5, 28, 3));
            assert_eq!([5, 9, 10].map(|time| grid.of(time)), [0, 0, 1]);
            assert_eq!([10, 11].map(|time| grid.up_to(time)), [0, 1]);
            assert_eq!([0, 1, 2, 9].map(|hint| grid.near(hint, 10)), [1; 4]);
            assert_eq!((grid.of(second.end - 1), grid.of(second.end)), (1, 2));
            assert_eq!((grid.within(2).1, grid.whole(2).1), (28, 30));
        }
    }
}
