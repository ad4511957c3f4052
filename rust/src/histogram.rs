//! Turns histogram points, cumulative or not, into distributions of their interval.

use crate::batch::{Contents, Histogram};
use crate::columns::Distribution;
use crate::delta::Order;
use crate::treatment::increasing;

/// What a histogram point adds.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    Nothing,
    /// The first state of a stream that began before anyone listened.
    Baseline,
    Interval {
        /// `None`: the point itself.
        difference: Option<Distribution>,
        /// Whether the point's min and max are those of the interval.
        full: bool,
    },
}

/// The point's distribution, unless it contradicts itself.
pub fn read(point: &Histogram, contents: &Contents) -> Option<Distribution> {
    let buckets = contents.counts(point.buckets);
    let bounds = match buckets {
        // Bounds without counts say nothing.
        [] => &[],
        _ => contents.doubles(point.bounds),
    };
    let fits = buckets.is_empty() || buckets.len() == bounds.len() + 1;
    if !fits || !increasing(bounds) {
        return None;
    }
    if !buckets.is_empty() && total(buckets) != Some(point.count) {
        return None;
    }
    Some(Distribution {
        count: point.count,
        sum: point.sum,
        bounds: bounds.to_vec(),
        buckets: buckets.to_vec(),
    })
}

pub fn total(counts: &[u64]) -> Option<u64> {
    counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count))
}

/// What a readable point adds; `last` is the stream's state.
pub fn add(
    now: &Distribution,
    cumulative: bool,
    from_start: bool,
    order: Order,
    last: &mut Option<Box<Distribution>>,
) -> Spread {
    if order == Order::Duplicate || (cumulative && order == Order::Late) {
        return Spread::Nothing;
    }
    if !cumulative {
        return Spread::Interval { difference: None, full: true };
    }
    let Some(earlier) = last.replace(Box::new(now.clone())) else {
        return if from_start { Spread::Interval { difference: None, full: true } } else { Spread::Baseline };
    };
    let difference = subtract(now, &earlier);
    Spread::Interval { full: difference.is_none(), difference }
}

/// `None` after a reset. Where the bounds have changed nobody knows the buckets of what was added.
fn subtract(now: &Distribution, earlier: &Distribution) -> Option<Distribution> {
    let count = now.count.checked_sub(earlier.count)?;
    let sum = now.sum.zip(earlier.sum).map(|(now, earlier)| now - earlier);
    if now.bounds != earlier.bounds || now.buckets.len() != earlier.buckets.len() {
        return Some(Distribution { count, sum, ..Distribution::default() });
    }
    let buckets = differences(&now.buckets, &earlier.buckets)?;
    Some(Distribution { count, sum, bounds: now.bounds.clone(), buckets })
}

pub fn differences(now: &[u64], earlier: &[u64]) -> Option<Vec<u64>> {
    let pairs = now.iter().zip(earlier);
    pairs.map(|(now, earlier)| now.checked_sub(*earlier)).collect()
}

/// The same buckets with nothing in them, for a row that only makes a baseline durable.
pub fn empty(like: &Distribution) -> Distribution {
    Distribution {
        count: 0,
        sum: like.sum.map(|_| 0.0),
        bounds: like.bounds.clone(),
        buckets: vec![0; like.buckets.len()],
    }
}
