//! The distances of a stream's points into its period: the median of the last nine.

pub const REMEMBERED: usize = 9;
const LONGEST: i64 = 1 << 57;
pub const SECOND: i64 = 1_000_000_000;

/// A length of time between points, kept twice as long so that the mean of two medians is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(i64);

impl Period {
    /// What is assumed where nothing is known.
    pub const MINUTE: Self = Self(120 * SECOND);

    pub fn of(nanoseconds: i64) -> Self {
        Self(nanoseconds.clamp(0, LONGEST) * 2)
    }

    pub fn nanoseconds(self) -> i64 {
        self.0 / 2
    }

    /// So many quarters of a period, in nanoseconds.
    #[inline]
    pub fn quarters(self, number: i64) -> i64 {
        self.0 * number / 8
    }

    pub fn at_most_an_eighth_of(self, range: i64) -> bool {
        self.0 * 4 <= range
    }
}

/// The last nine distances.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    distances: [i64; REMEMBERED],
    seen: u8,
    next: u8,
    /// None of the distances is shorter.
    least: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { distances: [0; REMEMBERED], seen: 0, next: 0, least: i64::MAX }
    }
}

impl Pace {
    #[inline]
    pub fn push(&mut self, distance: i64) {
        self.distances[usize::from(self.next)] = distance;
        self.least = self.least.min(distance);
        self.next += 1;
        self.seen = self.seen.max(self.next);
        if usize::from(self.next) == REMEMBERED {
            self.next = 0;
            self.least = self.distances.iter().copied().fold(i64::MAX, i64::min);
        }
    }

    /// As if the last nine distances were all the same.
    pub fn fill(&mut self, distance: i64) {
        *self = Self { distances: [distance; REMEMBERED], seen: 9, next: 0, least: distance };
    }

    /// Forgets what was, for the distances of times.
    pub fn replace(&mut self, times: &[i64]) {
        *self = Self::default();
        times.windows(2).for_each(|pair| self.push(pair[1] - pair[0]));
    }

    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    #[inline]
    pub fn least(&self) -> i64 {
        if self.seen == 0 { 0 } else { self.least }
    }

    pub fn period(&self) -> Option<Period> {
        let mut sorted = self.distances;
        let seen = &mut sorted[..usize::from(self.seen)];
        seen.sort_unstable();
        let middle = seen.len() / 2;
        let (low, high) = match seen.len() {
            0 => return None,
            odd if odd % 2 == 1 => (seen[middle], seen[middle]),
            _ => (seen[middle - 1], seen[middle]),
        };
        Some(Period(low.clamp(0, LONGEST) + high.clamp(0, LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(distances: &[i64]) -> Option<i64> {
        let mut pace = Pace::default();
        for distance in distances {
            pace.push(*distance);
        }
        pace.period().map(|period| period.0)
    }

    #[test]
    fn the_period_is_the_median_of_the_last_nine_distances() {
        assert_eq!(period(&[]), None);
        assert_eq!(period(&[7]), Some(14));
        assert_eq!(period(&[7, 10]), Some(17));
        assert_eq!(period(&[100, 100, 100, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Some(10));
    }

    #[test]
    fn no_distance_is_shorter_than_the_least() {
        let mut pace = Pace::default();
        for distance in [5, 3, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8] {
            pace.push(distance);
            assert!(pace.distances[..usize::from(pace.seen)].iter().all(|one| pace.least() <= *one));
        }
        assert_eq!(pace.least(), 8);
    }
}
