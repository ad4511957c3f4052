//! Turns the values of one number stream, as sent, into what is stored: increments, levels, or the value itself.

use crate::batch::{Kind, Number};
use crate::since::{DISTANCES, Distances};

/// Beside the last: as many as have nine distances before it.
const REMEMBERED_TIMES: usize = DISTANCES + 1;

/// The times of the latest points of a stream: tells late ones and duplicates from new ones.
#[derive(Debug, Clone)]
pub struct History {
    last: i64,
    /// None until there is a second time: a privacy unit often has but one.
    earlier: Option<Box<Earlier>>,
    /// Of the times up to here, not all are remembered.
    forgotten: i64,
}

/// The times before the last, the oldest at `next`.
#[derive(Debug, Clone)]
struct Earlier {
    times: [i64; REMEMBERED_TIMES],
    next: u8,
}

impl Default for Earlier {
    fn default() -> Self {
        Self { times: [i64::MIN; REMEMBERED_TIMES], next: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    New,
    Late,
    Duplicate,
}

impl Default for History {
    fn default() -> Self {
        Self::since(i64::MIN)
    }
}

impl History {
    pub fn since(last: i64) -> Self {
        Self { last, earlier: None, forgotten: i64::MIN }
    }

    /// Continues from what the store remembers: the last time, and those before it, newest first.
    pub fn recalled(last: i64, earlier: &[i64]) -> Self {
        let mut history = Self::since(last);
        for time in earlier.iter().take(REMEMBERED_TIMES).rev() {
            history.remember(*time);
        }
        history.forgotten =
            earlier.iter().take(REMEMBERED_TIMES).fold(last, |oldest, time| oldest.min(*time));
        history
    }

    /// The latest time, if there was a point.
    #[inline]
    pub fn last(&self) -> Option<i64> {
        (self.last > i64::MIN).then_some(self.last)
    }

    /// The latest time before `time`, as far as is remembered.
    pub fn before(&self, time: i64) -> Option<i64> {
        self.times().filter(|known| *known < time).max()
    }

    /// Between the latest times, newest first; `without` is left out.
    pub fn distances(&self, without: Option<i64>) -> Distances {
        let (mut times, mut count) = ([i64::MIN; REMEMBERED_TIMES + 1], 0);
        for time in self.times().filter(|time| Some(*time) != without) {
            times[count] = time;
            count += 1;
        }
        times[..count].sort_unstable();
        let mut distances = Distances::default();
        for pair in times[..count].windows(2).rev().take(DISTANCES) {
            distances.push(pair[1].saturating_sub(pair[0]));
        }
        distances
    }

    fn times(&self) -> impl Iterator<Item = i64> {
        let earlier = self.earlier.iter().flat_map(|earlier| earlier.times.iter().copied());
        [self.last].into_iter().chain(earlier).filter(|time| *time > i64::MIN)
    }

    #[inline]
    pub fn is_late(&self, time: i64) -> bool {
        time <= self.last
    }

    pub fn remembers(&self, time: i64) -> bool {
        time == self.last || self.earlier.as_ref().is_some_and(|earlier| earlier.times.contains(&time))
    }

    /// Whether a point at `time` may be a repeated one that is not remembered.
    #[inline]
    pub fn doubts(&self, time: i64) -> bool {
        time <= self.forgotten && !self.remembers(time)
    }

    /// Moves the end of the stream on by the smallest step, for a change that came late; returns that time.
    pub fn step(&mut self) -> i64 {
        self.remember(self.last);
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// The clock has gone back: times beyond `newest` are none any more. What is not left of them ended at
    /// `otherwise`, and what is sent from here on is new. Says whether there were any.
    pub fn rewind(&mut self, newest: i64, otherwise: i64) -> bool {
        if self.last <= newest {
            return false;
        }
        let mut left: Vec<i64> = self.times().filter(|time| *time <= newest).collect();
        left.sort_unstable_by(|one, other| other.cmp(one));
        let forgotten = self.forgotten;
        *self = match left.split_first() {
            Some((last, earlier)) => Self::recalled(*last, earlier),
            None => Self::since(otherwise),
        };
        self.forgotten = if forgotten <= newest { self.forgotten.max(forgotten) } else { self.last };
        true
    }

    /// `repeated`: whether a doubtful time turned out to be known.
    #[inline]
    pub fn admit(&mut self, time: i64, repeated: bool) -> Order {
        if time > self.last {
            self.remember(self.last);
            self.last = time;
            Order::New
        } else if repeated || self.remembers(time) {
            Order::Duplicate
        } else {
            self.remember(time);
            Order::Late
        }
    }

    /// Of a stream of which what is late adds nothing, so that only times in order are remembered.
    #[inline]
    pub fn advance(&mut self, time: i64) -> Order {
        if time <= self.last {
            return Order::Late;
        }
        self.remember(self.last);
        self.last = time;
        Order::New
    }

    #[inline]
    fn remember(&mut self, time: i64) {
        if time == i64::MIN {
            return;
        }
        let earlier = self.earlier.get_or_insert_default();
        let oldest = &mut earlier.times[usize::from(earlier.next)];
        self.forgotten = self.forgotten.max(*oldest);
        *oldest = time;
        earlier.next += 1;
        if usize::from(earlier.next) == REMEMBERED_TIMES {
            earlier.next = 0;
        }
    }
}

/// What a point adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    Malformed,
    Nothing,
    /// The first value of a stream that began before anyone listened.
    Baseline {
        cumulative: f64,
    },
    Value {
        value: f64,
        cumulative: Option<f64>,
    },
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "the store keeps doubles")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// Exact where both are integers.
    #[expect(clippy::cast_precision_loss, reason = "the difference is exact, its double need not be")]
    fn minus(self, earlier: Self) -> f64 {
        match (self, earlier) {
            (Self::Int(now), Self::Int(then)) => (i128::from(now) - i128::from(then)) as f64,
            _ => self.as_f64() - earlier.as_f64(),
        }
    }
}

/// How a stream says what it says.
#[derive(Clone, Copy)]
pub struct Shape {
    pub kind: Kind,
    pub cumulative: bool,
    /// Whether a first cumulative value counts in full: the stream began under our eyes.
    pub from_start: bool,
}

/// Whether a number can be what such a stream says at all.
#[inline]
pub fn plausible(kind: Kind, number: Number) -> bool {
    match kind {
        Kind::Gauge => true,
        Kind::Counter => number.as_f64().is_finite() && number.as_f64() >= 0.0,
        _ => number.as_f64().is_finite(),
    }
}

/// What a plausible number adds; `last` is the stream's state.
#[inline]
pub fn number(shape: Shape, number: Number, order: Order, last: &mut Option<Number>) -> Change {
    if order == Order::Duplicate || (shape.cumulative && order == Order::Late) {
        return Change::Nothing;
    }
    let value = number.as_f64();
    match (shape.kind, shape.cumulative) {
        (Kind::Counter, true) => increment(shape, number, last),
        (Kind::UpDownCounter, true) => {
            *last = Some(number);
            let cumulative = Some(value);
            Change::Value { value, cumulative }
        }
        (Kind::UpDownCounter, false) => level(number, last),
        (Kind::Gauge, _) if value.is_nan() => Change::Nothing,
        _ => Change::Value { value, cumulative: None },
    }
}

fn increment(shape: Shape, number: Number, last: &mut Option<Number>) -> Change {
    let cumulative = number.as_f64();
    let Some(earlier) = last.replace(number) else {
        return if shape.from_start { full(cumulative) } else { Change::Baseline { cumulative } };
    };
    let value = number.minus(earlier);
    if value < 0.0 {
        return full(cumulative);
    }
    Change::Value { value, cumulative: Some(cumulative) }
}

fn full(value: f64) -> Change {
    Change::Value { value, cumulative: Some(value) }
}

fn level(change: Number, last: &mut Option<Number>) -> Change {
    let sum = match (*last, change) {
        (None, change) => change,
        (Some(Number::Int(level)), Number::Int(change)) if level.checked_add(change).is_some() => {
            Number::Int(level.wrapping_add(change))
        }
        (Some(level), change) => Number::Double(level.as_f64() + change.as_f64()),
    };
    if !sum.as_f64().is_finite() {
        return Change::Malformed;
    }
    *last = Some(sum);
    full(sum.as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: Shape = Shape { kind: Kind::Counter, cumulative: true, from_start: false };

    #[test]
    fn a_history_knows_its_latest_times() {
        let mut history = History::default();
        let mut admit = |time| history.admit(time, false);
        assert_eq!([10, 10, 5, 5, 20, 10].map(&mut admit), {
            use Order::{Duplicate, Late, New};
            [New, Duplicate, Late, Duplicate, New, Duplicate]
        });
    }

    #[test]
    fn a_history_doubts_what_it_has_forgotten_and_nothing_else() {
        let mut history = History::default();
        let doubtful = |history: &History| (0..=20).filter(|time| history.doubts(*time)).count();
        for time in 1..=11 {
            history.admit(time, false);
        }
        assert_eq!(doubtful(&history), 0);
        history.admit(12, false);
        assert_eq!((doubtful(&history), history.doubts(1), history.doubts(2)), (2, true, false));
        assert_eq!(history.admit(1, true), Order::Duplicate);
        assert_eq!(History::recalled(10, &[9, 7]).admit(8, false), Order::Late);
        assert!(History::recalled(10, &[9, 7]).doubts(6) && !History::recalled(10, &[9, 7]).doubts(8));
        assert!(History::recalled(10, &[]).doubts(9));
    }

    #[test]
    fn a_recalled_history_knows_the_times_before_its_last() {
        let mut history = History::recalled(90, &[80, 70, 60]);
        let orders = [90, 80, 70, 60, 50, 91].map(|time| history.admit(time, false));
        assert_eq!(orders[..4], [Order::Duplicate; 4]);
        assert_eq!(orders[4..], [Order::Late, Order::New]);
    }

    #[test]
    fn a_history_that_was_ahead_goes_on_from_what_is_left() {
        let mut history = History::recalled(900, &[890, 70, 60]);
        assert!(history.rewind(100, 40) && !history.rewind(100, 40));
        assert_eq!((history.last(), history.advance(70), history.advance(71)), {
            (Some(70), Order::Late, Order::New)
        });
        let mut ahead = History::recalled(900, &[890]);
        assert!(ahead.rewind(100, 40));
        assert_eq!((ahead.last(), ahead.admit(50, false)), (Some(40), Order::New));
    }

    #[test]
    fn integers_are_subtracted_exactly() {
        let mut last = None;
        let big = (1 << 53) + 1;
        number(COUNTER, Number::Int(big), Order::New, &mut last);
        let change = number(COUNTER, Number::Int(big + 1), Order::New, &mut last);
        assert!(matches!(change, Change::Value { value: 1.0, .. }));
    }

    #[test]
    fn a_lower_value_is_a_reset() {
        let mut last = Some(Number::Int(100));
        let change = number(COUNTER, Number::Int(7), Order::New, &mut last);
        assert_eq!(change, Change::Value { value: 7.0, cumulative: Some(7.0) });
    }

    #[test]
    fn changes_of_a_level_add_up() {
        let shape = Shape { kind: Kind::UpDownCounter, cumulative: false, from_start: false };
        let mut last = Some(Number::Double(2.0));
        let change = number(shape, Number::Int(-3), Order::Late, &mut last);
        assert_eq!(change, Change::Value { value: -1.0, cumulative: Some(-1.0) });
    }
}
