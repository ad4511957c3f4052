//! Exact noise for whole numbers: discrete Gaussian and discrete Laplace, from the randomness of the system.

use num_bigint::BigInt;
use prio::dp::Rational;
use prio::dp::distributions::{DiscreteGaussian, DiscreteLaplace};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rand::distr::Distribution;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Gaussian,
    Laplace,
}

impl Mechanism {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "discrete_gaussian" => Some(Self::Gaussian),
            "discrete_laplace" => Some(Self::Laplace),
            _ => None,
        }
    }
}

/// A step of the grid has so many parts, in which scales are given.
pub const SCALE_PARTS: u128 = 1024;

/// Noise of one scale, a fraction; the sampler is exact for it.
pub enum Noise {
    Gaussian(DiscreteGaussian),
    Laplace(DiscreteLaplace),
}

/// Beyond this, sums with the noise could not be held.
const LARGEST: u128 = 1 << 100;

impl Noise {
    /// `None` where the scale is 0 or too large.
    pub fn new(mechanism: Mechanism, numerator: u128, denominator: u128) -> Option<Self> {
        if !(1..=LARGEST).contains(&numerator) {
            return None;
        }
        let scale = Rational::from_unsigned(numerator, denominator).ok()?;
        match mechanism {
            Mechanism::Gaussian => DiscreteGaussian::new(scale).ok().map(Self::Gaussian),
            Mechanism::Laplace => DiscreteLaplace::new(scale).ok().map(Self::Laplace),
        }
    }

    /// One sample. A system without randomness ends the release by a panic: no noise, no value.
    pub fn sample(&self) -> i128 {
        let mut source = UnwrapErr(SysRng);
        loop {
            let sample: BigInt = match self {
                Self::Gaussian(law) => law.sample(&mut source),
                Self::Laplace(law) => law.sample(&mut source),
            };
            // More than 2^27 times the scale does not happen; nothing is ever cut off.
            if let Ok(sample) = i128::try_from(sample) {
                return sample;
            }
        }
    }
}

/// Samples of the noise that releases get, for whoever wants to check its law.
#[pyfunction]
#[pyo3(signature = (mechanism, scale, count))]
pub fn noise(py: Python<'_>, mechanism: &str, scale: u128, count: usize) -> PyResult<Vec<i128>> {
    let noise = Mechanism::named(mechanism)
        .and_then(|mechanism| Noise::new(mechanism, scale, SCALE_PARTS))
        .ok_or_else(|| PyValueError::new_err("no such mechanism, or a scale of nothing"))?;
    Ok(py.detach(|| (0..count).map(|_| noise.sample()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_of_nothing_or_of_too_much_is_refused() {
        assert!(Noise::new(Mechanism::Gaussian, 0, 1).is_none());
        assert!(Noise::new(Mechanism::Laplace, u128::MAX, 1).is_none());
        assert!(Noise::new(Mechanism::Laplace, 1, 0).is_none());
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn deviations_are_those_of_the_scale() {
        for (mechanism, deviation) in [(Mechanism::Gaussian, 20.5), (Mechanism::Laplace, 20.5 * 2_f64.sqrt())]
        {
            let noise = Noise::new(mechanism, 41, 2).expect("a scale");
            let squares: f64 = (0..4000).map(|_| (noise.sample() as f64).powi(2)).sum();
            let measured = (squares / 4000.0).sqrt();
            assert!((measured / deviation - 1.0).abs() < 0.15, "{measured} {deviation}");
        }
    }
}
