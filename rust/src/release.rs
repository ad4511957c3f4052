//! Closes the window of a highly sensitive metric: clamps every unit, sums in whole steps, and adds exact noise.

use std::collections::{BTreeMap, HashMap};

use crate::noise::{Noise, SCALE_PARTS};
use crate::treatment::{Release, RuleConfig};
use crate::window::Window;

/// Coefficients of running totals are whole numbers of this part of 1.
const COEFFICIENT_PARTS: u128 = 1 << 40;

/// What may be seen of a window. The exact sums do not leave this file.
#[derive(Default)]
pub struct Published {
    /// One value for each declared group, or the noisy buckets, or sum and count. None: closed for everybody.
    pub groups: Option<Vec<(u32, Vec<f64>)>>,
    /// The place in the factorisation of a running total.
    pub step: Option<usize>,
}

/// What a running total remembers of its windows: memory only, and each group's own.
#[derive(Default)]
pub struct Running {
    groups: HashMap<u32, Total>,
    step: usize,
}

#[derive(Default)]
struct Total {
    exact: Vec<i128>,
    noisy: Vec<f64>,
    released: f64,
}

/// Always all declared groups, also when nothing came.
pub fn publish(rule: &RuleConfig, release: &Release, window: Window, running: &mut Running) -> Published {
    let step = (!release.coefficients.is_empty()).then(|| running.next(release.coefficients.len()));
    if window.overflown {
        // What is left out of a total is left out for good.
        *running = Running::default();
        return Published::default();
    }
    let scales = Scales::of(release);
    let mut sums = sums(rule, release, window);
    let width = width(rule);
    let mut group = |group: &u32| {
        let exact = sums.remove(group).unwrap_or_else(|| vec![0; width]);
        let values = match step {
            Some(step) => vec![running.total(*group, release, step, exact[0], &scales)],
            None => scales.noisy(rule, release, &exact),
        };
        (*group, values)
    };
    let groups = release.groups.iter().map(&mut group).collect();
    Published { groups: Some(groups), step }
}

/// Values of one group: the buckets of a histogram, sum and count of a gauge, else one.
fn width(rule: &RuleConfig) -> usize {
    match &rule.boundaries {
        Some(boundaries) => boundaries.len() + 1,
        None => 1 + usize::from(rule.gauge),
    }
}

fn sums(rule: &RuleConfig, release: &Release, window: Window) -> BTreeMap<u32, Vec<i128>> {
    let width = width(rule);
    let mut groups: BTreeMap<u32, Vec<i128>> =
        release.groups.iter().map(|group| (*group, vec![0; width])).collect();
    let mut add = |group: u32, index: usize, steps: i128| {
        if let Some(value) = groups.get_mut(&group).and_then(|values| values.get_mut(index)) {
            *value = value.saturating_add(steps);
        }
    };
    for cells in window.units.into_values() {
        for cell in cells {
            let bucket = if rule.boundaries.is_some() { cell.place.bucket as usize } else { 0 };
            add(cell.place.group, bucket, steps(rule, release.grid, cell.value));
            if rule.gauge {
                add(cell.place.group, 1, 1);
            }
        }
    }
    for (place, sum) in window.events {
        add(place.group, place.bucket as usize, sum.whole);
    }
    groups
}

/// One unit's value, clamped, in whole steps that are within the bounds as well.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn steps(rule: &RuleConfig, grid: f64, value: f64) -> i128 {
    let value = if value.is_nan() { 0.0 } else { value };
    let lowest = (rule.lower / grid).ceil();
    let highest = (rule.upper / grid).floor().max(lowest);
    (value.clamp(rule.lower, rule.upper) / grid).round().clamp(lowest, highest) as i128
}

struct Scales {
    value: Option<Noise>,
    count: Option<Noise>,
}

impl Scales {
    fn of(release: &Release) -> Self {
        let running = !release.coefficients.is_empty();
        let finer = if running { COEFFICIENT_PARTS } else { 1 };
        let noise = |scale: u128| Noise::new(release.mechanism, scale.saturating_mul(finer), SCALE_PARTS);
        Self { value: noise(release.scale), count: noise(release.count_scale) }
    }

    fn noisy(&self, rule: &RuleConfig, release: &Release, exact: &[i128]) -> Vec<f64> {
        exact
            .iter()
            .enumerate()
            .map(|(index, exact)| match index {
                1 if rule.gauge => number(sample(self.count.as_ref(), *exact)),
                _ => number(sample(self.value.as_ref(), *exact)) * release.grid,
            })
            .collect()
    }
}

/// Without noise there is no value: what could not be made when the rule was checked cannot be left out now.
fn sample(noise: Option<&Noise>, exact: i128) -> i128 {
    let noise = noise.expect("a scale that was checked");
    exact.saturating_add(noise.sample())
}

#[expect(clippy::cast_precision_loss, reason = "values are doubles from here on")]
fn number(steps: i128) -> f64 {
    steps as f64
}

impl Running {
    /// The place of this window; at the end of the horizon a new factorisation begins at the last total.
    fn next(&mut self, horizon: usize) -> usize {
        if self.step >= horizon {
            *self = Self::default();
        }
        self.step += 1;
        self.step - 1
    }

    /// By how much the released total of a group moves with this window.
    fn total(&mut self, group: u32, release: &Release, step: usize, exact: i128, scales: &Scales) -> f64 {
        let total = self.groups.entry(group).or_default();
        total.exact.push(exact);
        let mixed = convolve(&release.coefficients, &total.exact);
        total.noisy.push(number(sample(scales.value.as_ref(), mixed)) / parts());
        let weights = release.coefficients.iter().map(|weight| number(*weight) / parts());
        let sum: f64 =
            weights.zip(total.noisy.iter().rev()).take(step + 1).map(|(weight, value)| weight * value).sum();
        let released = sum.round() * release.grid;
        let moved = released - total.released;
        total.released = released;
        moved
    }
}

fn parts() -> f64 {
    1_099_511_627_776.0
}

/// The newest value of the product with the Toeplitz matrix, exact.
fn convolve(coefficients: &[i128], values: &[i128]) -> i128 {
    let terms = coefficients.iter().zip(values.iter().rev());
    terms.fold(0, |sum: i128, (weight, value)| sum.saturating_add(weight.saturating_mul(*value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Mechanism;
    use crate::window::{Place, Update};

    fn release(scale: u128) -> Release {
        Release {
            mechanism: Mechanism::Gaussian,
            scale,
            count_scale: scale,
            grid: 0.25,
            groups: vec![3, 4],
            coefficients: Vec::new(),
            most_windows: 0,
        }
    }

    fn window(values: &[(u64, u32, f64)]) -> Window {
        let rule = RuleConfig::default();
        let mut window = Window::default();
        for (unit, group, value) in values {
            window.unit(&rule, *unit, Place { group: *group, bucket: 0 }, Update::Add(*value));
        }
        window
    }

    #[test]
    fn units_are_clamped_and_summed_in_whole_steps() {
        let rule = RuleConfig { lower: -0.3, upper: 1.1, ..RuleConfig::default() };
        let filled = window(&[(1, 3, 9.0), (2, 3, 0.6), (3, 4, -7.0), (4, 9, 1.0), (5, 4, f64::NAN)]);
        // 1.1 is 4 whole steps of a quarter, 0.6 is 2, and -0.3 is -1.
        assert_eq!(sums(&rule, &release(1), filled), BTreeMap::from([(3, vec![6]), (4, vec![-1])]));
    }

    #[test]
    fn every_declared_group_is_released_also_when_nothing_came() {
        let rule = RuleConfig { upper: 1.0, ..RuleConfig::default() };
        let published = publish(&rule, &release(1), Window::default(), &mut Running::default());
        let groups = published.groups.expect("values");
        assert_eq!(groups.iter().map(|(group, _)| *group).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(published.step, None);
    }

    #[test]
    fn gauges_give_a_sum_and_a_count() {
        let rule = RuleConfig { upper: 8.0, gauge: true, ..RuleConfig::default() };
        let filled = window(&[(1, 3, 2.0), (2, 3, 4.0)]);
        assert_eq!(sums(&rule, &release(1), filled)[&3], [24, 2]);
    }

    #[test]
    fn a_full_window_gives_nothing() {
        let mut full = Window::default();
        full.overflow();
        let published = publish(&RuleConfig::default(), &release(1), full, &mut Running::default());
        assert!(published.groups.is_none());
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "small")]
    fn running_totals_follow_the_sums_up_to_noise_that_hardly_grows() {
        let mut weights = vec![1.0_f64];
        for k in 1..64 {
            let k = f64::from(k);
            weights.push(weights[weights.len() - 1] * (2.0 * k - 1.0) / (2.0 * k));
        }
        let coefficients = weights.iter().map(|weight| (weight * parts()).round() as i128).collect();
        let release = Release { coefficients, grid: 1.0, groups: vec![3], ..release(64) };
        let rule = RuleConfig { upper: 1000.0, ..RuleConfig::default() };
        let (mut running, mut total) = (Running::default(), 0.0);
        for step in 0..64 {
            let filled = window(&[(1, 3, 100.0), (2, 3, 7.0)]);
            let published = publish(&rule, &release, filled, &mut running);
            assert_eq!(published.step, Some(step));
            total += published.groups.expect("values")[0].1[0];
        }
        // A scale of 1/16 and a row norm below 2: five deviations are 0.6, and rounding is 0.5.
        assert!((total - 64.0 * 107.0).abs() <= 1.1, "{total}");
        let filled = window(&[(1, 3, 100.0)]);
        assert_eq!(publish(&rule, &release, filled, &mut running).step, Some(0));
    }
}
