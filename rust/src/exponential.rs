//! Turns exponential histogram points into explicit distributions of their interval.

use crate::batch::{Buckets, Contents, Exponential};
use crate::columns::Distribution;
use crate::delta::Order;
use crate::histogram::{Spread, differences, total};
use crate::otlp::points::NO_BUCKETS;
use crate::scale::Scale;
use crate::treatment::Remembered;

/// Buckets kept on either side of zero; a point with more is brought to a smaller scale.
const MOST_BUCKETS: usize = 320;
const SCALES: std::ops::RangeInclusive<i32> = -10..=20;
/// Powers of two beyond this are no doubles, so no sender can have counted anything there.
const MOST_EXPONENT: i64 = 1100;

/// Consecutive buckets from index `offset` on, the outermost of which are not empty.
#[derive(Debug, Clone, Default, PartialEq)]
struct Side {
    offset: i32,
    counts: Vec<u64>,
}

/// The buckets of a point, or of a cumulative stream so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
    count: u64,
    sum: Option<f64>,
}

/// The point's buckets, unless it contradicts itself.
pub fn read(point: &Exponential, contents: &Contents) -> Option<State> {
    let threshold = point.zero_threshold;
    let sane = SCALES.contains(&point.scale) && threshold.is_finite() && threshold >= 0.0;
    if !sane {
        return None;
    }
    let mut state = State {
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: threshold,
        positive: side(point.positive, point.scale, contents)?,
        negative: side(point.negative, point.scale, contents)?,
        count: point.plain.count,
        sum: point.plain.sum,
    };
    if state.total()? != state.count {
        return None;
    }
    while state.positive.counts.len().max(state.negative.counts.len()) > MOST_BUCKETS {
        state.halve();
    }
    Some(state)
}

fn side(buckets: Buckets, scale: i32, contents: &Contents) -> Option<Side> {
    if buckets.offset == NO_BUCKETS {
        return None;
    }
    let counts = contents.counts(buckets.counts);
    let Some(first) = counts.iter().position(|count| *count > 0) else {
        return Some(Side::default());
    };
    let last = counts.iter().rposition(|count| *count > 0)?;
    let most = if scale >= 0 { MOST_EXPONENT << scale } else { MOST_EXPONENT };
    let lowest = i64::from(buckets.offset) + i64::try_from(first).ok()?;
    let highest = i64::from(buckets.offset) + i64::try_from(last).ok()?;
    if lowest < -most || highest > most {
        return None;
    }
    Some(Side { offset: i32::try_from(lowest).ok()?, counts: counts[first..=last].to_vec() })
}

impl Side {
    /// Merges pairs of buckets, as a scale smaller by one has them.
    fn halve(&mut self) {
        let lowest = self.offset.div_euclid(2);
        let mut merged = Vec::with_capacity(self.counts.len() / 2 + 1);
        let odd = self.offset.rem_euclid(2) == 1;
        let (single, pairs) = self.counts.split_at(usize::from(odd && !self.counts.is_empty()));
        merged.extend(single);
        // The total fits 64 bits, so every part of it does.
        merged.extend(pairs.chunks(2).map(|pair| pair.iter().fold(0_u64, |sum, n| sum.wrapping_add(*n))));
        *self = Self { offset: lowest, counts: merged };
    }

    /// The counts from bucket `offset` on, `length` of them.
    fn aligned(&self, offset: i32, length: usize) -> Option<Vec<u64>> {
        let skip = usize::try_from(i64::from(self.offset) - i64::from(offset)).ok()?;
        let mut counts = vec![0; length];
        let place = counts.get_mut(skip..skip.checked_add(self.counts.len())?)?;
        place.copy_from_slice(&self.counts);
        Some(counts)
    }

    fn minus(&self, earlier: &Self) -> Option<Self> {
        if earlier.counts.is_empty() {
            return Some(self.clone());
        }
        // A bucket that was filled and is no more is a reset, so the earlier must fit into the new.
        let counts = earlier.aligned(self.offset, self.counts.len())?;
        Some(Self { offset: self.offset, counts: differences(&self.counts, &counts)? })
    }
}

impl State {
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Buckets stay as they were sent: bounds in another unit are no powers of their base.
    pub fn scale_sum(&mut self, scale: Scale) {
        self.sum = self.sum.map(|sum| scale.value(sum));
    }

    fn total(&self) -> Option<u64> {
        let sides = total(&self.positive.counts)?.checked_add(total(&self.negative.counts)?)?;
        sides.checked_add(self.zero_count)
    }

    fn halve(&mut self) {
        self.scale -= 1;
        self.positive.halve();
        self.negative.halve();
    }

    fn at_scale(&self, scale: i32) -> Self {
        let mut state = self.clone();
        while state.scale > scale {
            state.halve();
        }
        state
    }

    /// What the store keeps of a cumulative stream, so that it goes on exactly where it was: as bounds scale,
    /// zero threshold and the two offsets; as buckets zero count, number of positive buckets, and all buckets.
    pub fn stored(&self) -> Distribution {
        let (positive, negative) = (&self.positive, &self.negative);
        let offsets = [positive.offset, negative.offset].map(f64::from);
        let mut buckets = vec![self.zero_count, positive.counts.len() as u64];
        buckets.extend(positive.counts.iter().chain(&negative.counts));
        let bounds = vec![f64::from(self.scale), self.zero_threshold, offsets[0], offsets[1]];
        Distribution { count: self.count, sum: self.sum, bounds, buckets }
    }

    /// The inverse of `stored`; `None` without a state, or where it contradicts itself.
    pub fn recalled(stored: &Remembered) -> Option<Self> {
        let [scale, zero_threshold, positive, negative] = *stored.bounds.first_chunk::<4>()?;
        let [zero_count, length, counts @ ..] = &*stored.buckets else { return None };
        let (above, below) = counts.split_at_checked(usize::try_from(*length).ok()?)?;
        let side = |offset, counts: &[u64]| Some(Side { offset: whole(offset)?, counts: counts.to_vec() });
        let state = Self {
            scale: whole(scale).filter(|scale| SCALES.contains(scale))?,
            zero_count: *zero_count,
            zero_threshold,
            positive: side(positive, above)?,
            negative: side(negative, below)?,
            count: stored.count?,
            sum: stored.total,
        };
        (state.total()? == state.count).then_some(state)
    }

    /// The upper edge of the bucket that `threshold` cuts in two, else `threshold` itself.
    fn beyond(&self, threshold: f64) -> f64 {
        let mut beyond = threshold;
        for side in [&self.positive, &self.negative] {
            for index in 0..side.counts.len() {
                let edge = |index| self.edge(side, index).unwrap_or_default();
                if edge(index) < threshold && threshold < edge(index + 1) {
                    beyond = beyond.max(edge(index + 1));
                }
            }
        }
        beyond
    }

    /// Moves what lies below `threshold`, an edge of buckets, into the bucket of zero.
    fn widened(mut self, threshold: f64) -> Self {
        let below = |side: &Side| {
            let edges = 1..=side.counts.len();
            edges.take_while(|index| self.edge(side, *index).is_some_and(|edge| edge <= threshold)).count()
        };
        let counts = [below(&self.positive), below(&self.negative)];
        for (side, below) in [&mut self.positive, &mut self.negative].into_iter().zip(counts) {
            let moved = side.counts.drain(..below).fold(0_u64, u64::wrapping_add);
            self.zero_count = self.zero_count.wrapping_add(moved);
            side.offset = side.offset.wrapping_add(i32::try_from(below).unwrap_or(i32::MAX));
        }
        self.zero_threshold = threshold;
        self
    }

    /// `None` after a reset.
    fn minus(&self, earlier: &Self) -> Option<Self> {
        let scale = self.scale.min(earlier.scale);
        let (mut now, mut earlier) = (self.at_scale(scale), earlier.at_scale(scale));
        if differ(now.zero_threshold, earlier.zero_threshold) {
            let threshold = now.zero_threshold.max(earlier.zero_threshold);
            let threshold = now.beyond(threshold).max(earlier.beyond(threshold));
            (now, earlier) = (now.widened(threshold), earlier.widened(threshold));
        }
        Some(Self {
            scale,
            zero_count: now.zero_count.checked_sub(earlier.zero_count)?,
            zero_threshold: now.zero_threshold,
            positive: now.positive.minus(&earlier.positive)?,
            negative: now.negative.minus(&earlier.negative)?,
            count: now.count.checked_sub(earlier.count)?,
            sum: now.sum.zip(earlier.sum).map(|(now, earlier)| now - earlier),
        })
    }

    /// The same counts in buckets with explicit, upper-inclusive bounds, in the unit in which they are stored.
    pub fn scaled(&self, scale: Option<Scale>) -> Distribution {
        let mut explicit = self.explicit();
        if let Some(scale) = scale {
            scale.bounds(&mut explicit.bounds, &mut explicit.buckets);
        }
        explicit
    }

    fn explicit(&self) -> Distribution {
        let mut ladder = Ladder::default();
        if let (Some(lowest), negative) =
            (self.edge(&self.negative, self.negative.counts.len()), &self.negative)
        {
            ladder.rung(-lowest, 0);
            for (index, count) in negative.counts.iter().enumerate().rev() {
                ladder.rung(-self.edge(negative, index).unwrap_or_default(), *count);
            }
        }
        if self.zero_count > 0 {
            ladder.rung(self.zero_threshold, self.zero_count);
        }
        if let Some(edge) = self.edge(&self.positive, 0) {
            ladder.rung(edge, 0);
        }
        for (index, count) in self.positive.counts.iter().enumerate() {
            let edge = self.edge(&self.positive, index + 1).unwrap_or(f64::INFINITY);
            ladder.rung(edge, *count);
        }
        ladder.buckets.push(ladder.open);
        Distribution { count: self.count, sum: self.sum, bounds: ladder.bounds, buckets: ladder.buckets }
    }

    /// The lower edge of bucket `index` of a side that is not empty.
    #[expect(clippy::cast_precision_loss, reason = "indexes are below 2^31")]
    fn edge(&self, side: &Side, index: usize) -> Option<f64> {
        let exponent = (f64::from(side.offset) + index as f64) * f64::from(-self.scale).exp2();
        (!side.counts.is_empty()).then(|| exponent.exp2())
    }
}

/// Ascending bounds; what lies between bounds that doubles cannot tell apart falls into the next bucket.
#[derive(Default)]
struct Ladder {
    bounds: Vec<f64>,
    buckets: Vec<u64>,
    open: u64,
}

impl Ladder {
    fn rung(&mut self, upper: f64, count: u64) {
        self.open = self.open.wrapping_add(count);
        let above = self.bounds.last().is_none_or(|last| upper > *last);
        if upper.is_finite() && above {
            self.bounds.push(upper);
            self.buckets.push(std::mem::take(&mut self.open));
        }
    }
}

/// What a readable point adds; `last` is the stream's state. The answer holds explicit buckets.
pub fn add(
    now: State,
    cumulative: bool,
    from_start: bool,
    order: Order,
    last: &mut Option<Box<State>>,
    scale: Option<Scale>,
) -> (Spread, Distribution) {
    let explicit = now.scaled(scale);
    if order == Order::Duplicate || (cumulative && order == Order::Late) {
        return (Spread::Nothing, explicit);
    }
    let whole = Spread::Interval { difference: None, full: true };
    if !cumulative {
        return (whole, explicit);
    }
    let earlier = last.take();
    let spread = match &earlier {
        None if from_start => whole,
        None => Spread::Baseline,
        Some(earlier) => match now.minus(earlier) {
            Some(difference) => Spread::Interval { difference: Some(difference.scaled(scale)), full: false },
            None => whole,
        },
    };
    *last = Some(Box::new(now));
    (spread, explicit)
}

fn differ(a: f64, b: f64) -> bool {
    a.to_bits() != b.to_bits()
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
fn whole(value: f64) -> Option<i32> {
    let is_whole = value.fract() == 0.0 && value.abs() <= f64::from(i32::MAX);
    is_whole.then_some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(scale: i32, offset: i32, counts: &[u64]) -> State {
        State {
            scale,
            positive: Side { offset, counts: counts.to_vec() },
            count: counts.iter().sum(),
            ..State::default()
        }
    }

    #[test]
    fn scale_zero_has_powers_of_two() {
        let explicit = state(0, 0, &[1, 2]).explicit();
        assert_eq!(explicit.bounds, [1.0, 2.0, 4.0]);
        assert_eq!(explicit.buckets, [0, 1, 2, 0]);
    }

    #[test]
    fn negative_values_stand_below_zero() {
        let mut both = state(0, 0, &[3]);
        both.negative = Side { offset: 1, counts: vec![1, 2] };
        both.zero_count = 5;
        let explicit = both.explicit();
        assert_eq!(explicit.bounds, [-8.0, -4.0, -2.0, 0.0, 1.0, 2.0]);
        assert_eq!(explicit.buckets, [0, 2, 1, 5, 0, 3, 0]);
    }

    fn remembered(state: &State) -> Remembered {
        let Distribution { count, sum, bounds, buckets } = state.stored();
        Remembered { count: Some(count), total: sum, bounds, buckets, ..Remembered::default() }
    }

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let mut both = state(-3, 7, &[3, 0, 1]);
        both.negative = Side { offset: -9, counts: vec![1, 2] };
        (both.zero_count, both.zero_threshold, both.sum) = (5, 0.25, Some(1.5));
        both.count += 8;
        assert_eq!(State::recalled(&remembered(&both)), Some(both));
        assert_eq!(State::recalled(&remembered(&State::default())), Some(State::default()));
    }

    #[test]
    fn a_state_that_contradicts_itself_is_none() {
        assert_eq!(State::recalled(&Remembered::default()), None);
        let mut wrong = remembered(&state(0, 0, &[1, 2]));
        wrong.count = Some(4);
        assert_eq!(State::recalled(&wrong), None);
    }

    #[test]
    fn a_wider_threshold_takes_buckets_into_zero() {
        let mut now = state(0, 2, &[4]);
        (now.zero_count, now.zero_threshold, now.count) = (6, 4.0, 10);
        let difference = now.minus(&state(0, 0, &[1, 2, 3]));
        let counts = difference.map(|d| (d.zero_count, d.positive.counts, d.count));
        assert_eq!(counts, Some((3, vec![1], 4)));
    }

    #[test]
    fn halving_merges_pairs_from_even_indexes() {
        let mut side = Side { offset: -3, counts: vec![1, 2, 3, 4] };
        side.halve();
        assert_eq!(side, Side { offset: -2, counts: vec![1, 5, 4] });
    }

    #[test]
    fn subtraction_goes_to_the_smaller_scale() {
        let difference = state(0, 0, &[5, 5]).minus(&state(1, 0, &[1, 1, 2]));
        assert_eq!(difference.map(|d| d.positive.counts), Some(vec![3, 3]));
        assert_eq!(state(0, 0, &[5]).minus(&state(0, 3, &[1])), None);
    }
}
