//! Turns values of the unit that was sent into the unit in which they are stored.

use crate::batch::{Kind, Number};
use crate::columns::Distribution;

/// By what values are multiplied; where it is one part of a whole number, they are divided, which is exact more often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    multiply: f64,
    divide: f64,
}

impl Scale {
    pub fn of(factor: f64) -> Self {
        let parts = factor.recip();
        if factor < 1.0 && (parts - parts.round()).abs() < parts * 1e-12 {
            return Self { multiply: 1.0, divide: parts.round() };
        }
        Self { multiply: factor, divide: 1.0 }
    }

    /// What is too large stays finite: it must be counted as it would have been in the other unit.
    pub fn value(self, value: f64) -> f64 {
        let scaled = value * self.multiply / self.divide;
        if value.is_finite() { scaled.clamp(f64::MIN, f64::MAX) } else { scaled }
    }

    pub fn number(self, number: Number) -> Number {
        Number::Double(self.value(number.as_f64()))
    }

    /// What is compared of a point: a number in the other unit, or a count.
    pub fn amount(self, amount: f64, kind: Kind) -> f64 {
        match kind {
            Kind::Gauge | Kind::Counter | Kind::UpDownCounter => self.value(amount),
            Kind::Histogram | Kind::Exponential | Kind::Summary => amount,
        }
    }

    pub fn distribution(self, state: &mut Distribution) {
        state.sum = state.sum.map(|sum| self.value(sum));
        self.bounds(&mut state.bounds, &mut state.buckets);
    }

    /// Bounds that doubles cannot tell apart any more become one, with what lies below each.
    pub fn bounds(self, bounds: &mut Vec<f64>, buckets: &mut Vec<u64>) {
        let (mut kept, mut counts) = (Vec::with_capacity(bounds.len()), Vec::with_capacity(buckets.len()));
        let mut below = 0_u64;
        for (place, bound) in bounds.iter().map(|bound| self.value(*bound)).enumerate() {
            below = below.saturating_add(buckets.get(place).copied().unwrap_or_default());
            if kept.last().is_some_and(|last| bound <= *last) {
                if let Some(count) = counts.last_mut() {
                    *count += std::mem::take(&mut below);
                }
                continue;
            }
            kept.push(bound);
            counts.push(std::mem::take(&mut below));
        }
        counts.extend(buckets.get(bounds.len()));
        *bounds = kept;
        *buckets = counts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_divided() {
        assert!((Scale::of(1e-9).value(1_234_567_890.0) - 1.234_567_89).abs() < f64::EPSILON);
        assert_eq!(Scale::of(1e-9).value(3e9).to_bits(), 3_f64.to_bits());
        assert_eq!(Scale::of(1000.0).value(0.25).to_bits(), 250_f64.to_bits());
        assert_eq!(Scale::of(1000.0).value(1e308).to_bits(), f64::MAX.to_bits());
    }

    #[test]
    fn bounds_still_rise() {
        let (mut bounds, mut buckets) = (vec![1.0, 1.0 + f64::EPSILON, 2.0], vec![1, 2, 3, 4]);
        Scale::of(1.0 / 3.0).bounds(&mut bounds, &mut buckets);
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((buckets.iter().sum::<u64>(), buckets.len()), (10, bounds.len() + 1));
    }
}
