//! The samples of one series of Prometheus: one a millisecond, column by column, in the order of time.

use std::ops::Range;

/// A sample as Prometheus has it: milliseconds, the value, and of a counter the value as it was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    pub ms: i64,
    pub value: f64,
    pub sent: f64,
}

/// Some samples that follow each other.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub ms: &'a [i64],
    pub values: &'a [f64],
    pub sent: &'a [f64],
}

impl<'a> View<'a> {
    pub fn len(&self) -> usize {
        self.ms.len()
    }

    #[inline]
    pub fn at(&self, place: usize) -> Point {
        Point { ms: self.ms[place], value: self.values[place], sent: self.sent[place] }
    }

    #[inline]
    pub fn part(&self, range: Range<usize>) -> Self {
        Self { ms: &self.ms[range.clone()], values: &self.values[range.clone()], sent: &self.sent[range] }
    }

    pub fn iter(self) -> impl Iterator<Item = Point> + 'a {
        (0..self.len()).map(move |place| self.at(place))
    }
}

/// What is there, of which the first `gone` are not meant any more.
#[derive(Debug, Default)]
pub struct Points {
    pub ms: Vec<i64>,
    pub values: Vec<f64>,
    pub sent: Vec<f64>,
    gone: usize,
}

impl Points {
    pub fn len(&self) -> usize {
        self.ms.len() - self.gone
    }

    pub fn capacity(&self) -> usize {
        self.ms.capacity()
    }

    pub fn view(&self) -> View<'_> {
        let Self { ms, values, sent, gone } = self;
        View { ms: &ms[*gone..], values: &values[*gone..], sent: &sent[*gone..] }
    }

    pub fn push(&mut self, point: Point) {
        self.ms.push(point.ms);
        self.values.push(point.value);
        self.sent.push(point.sent);
    }

    pub fn clear(&mut self) {
        self.truncate(0);
        self.gone = 0;
    }

    fn truncate(&mut self, length: usize) {
        self.ms.truncate(length);
        self.values.truncate(length);
        self.sent.truncate(length);
    }

    pub fn extend(&mut self, view: View<'_>) {
        self.ms.extend_from_slice(view.ms);
        self.values.extend_from_slice(view.values);
        self.sent.extend_from_slice(view.sent);
    }

    /// The first ones go; what is behind them is moved only when that is little.
    pub fn drop_first(&mut self, count: usize) {
        self.gone += count;
        if self.gone >= self.len() {
            self.ms.drain(..self.gone);
            self.values.drain(..self.gone);
            self.sent.drain(..self.gone);
            self.gone = 0;
        }
    }

    /// From a place on, puts them in the order of time.
    pub fn sort_from(&mut self, start: usize) {
        let tail = self.view().part(start..self.len());
        let mut points: Vec<Point> = tail.iter().collect();
        points.sort_by_key(|point| point.ms);
        self.truncate(self.gone + start);
        for point in points {
            self.push(point);
        }
    }

    /// From a place on, of those of one millisecond the last one stays.
    pub fn thin_from(&mut self, start: usize) {
        let from = self.gone + start;
        let tail = &self.ms[from.min(self.ms.len())..];
        if tail.array_windows().all(|[one, next]| one != next) {
            return;
        }
        let mut kept = from;
        for place in from..self.ms.len() {
            if self.ms.get(place + 1) != Some(&self.ms[place]) {
                self.ms[kept] = self.ms[place];
                self.values[kept] = self.values[place];
                self.sent[kept] = self.sent[place];
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(ms: &[i64]) -> Points {
        let mut points = Points::default();
        for (ms, value) in ms.iter().zip(0_u8..) {
            points.push(Point { ms: *ms, value: value.into(), sent: value.into() });
        }
        points
    }

    #[test]
    fn of_one_millisecond_the_last_stays() {
        let mut some = points(&[1, 1, 2, 3, 3, 3]);
        some.thin_from(1);
        assert_eq!((some.ms, some.values), (vec![1, 1, 2, 3], vec![0.0, 1.0, 2.0, 5.0]));
    }

    #[test]
    fn what_is_gone_is_not_seen_again() {
        let mut some = points(&[1, 2, 3, 5, 4]);
        some.drop_first(1);
        some.sort_from(2);
        assert_eq!((some.len(), some.view().ms), (4, &[2, 3, 4, 5][..]));
        some.drop_first(3);
        assert_eq!((some.len(), some.view().ms, some.ms.len()), (1, &[5][..], 1));
        some.clear();
        assert_eq!(some.len(), 0);
    }
}
