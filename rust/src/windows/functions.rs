//! Turns the samples of one series in a window into one value, as the functions of Prometheus do.

use super::points::{Point, View};
use super::sums::{Line, Mean, Sum, Variance, quantile};

/// A sample is expected this much later than the average distance, before the series is held to have ended.
const PATIENCE: f64 = 1.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Resets,
    Changes,
    Deriv,
    PredictLinear,
    Smoothing,
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Present,
    First,
    Last,
    Stddev,
    Stdvar,
    Quantile,
    Mad,
    StampOfFirst,
    StampOfLast,
    StampOfMin,
    StampOfMax,
}

impl Function {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "irate" => Self::Irate,
            "idelta" => Self::Idelta,
            "resets" => Self::Resets,
            "changes" => Self::Changes,
            "deriv" => Self::Deriv,
            "predict_linear" => Self::PredictLinear,
            "double_exponential_smoothing" => Self::Smoothing,
            "sum_over_time" => Self::Sum,
            "avg_over_time" => Self::Avg,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "count_over_time" => Self::Count,
            "present_over_time" => Self::Present,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "stddev_over_time" => Self::Stddev,
            "stdvar_over_time" => Self::Stdvar,
            "quantile_over_time" => Self::Quantile,
            "mad_over_time" => Self::Mad,
            "ts_of_first_over_time" => Self::StampOfFirst,
            "ts_of_last_over_time" => Self::StampOfLast,
            "ts_of_min_over_time" => Self::StampOfMin,
            "ts_of_max_over_time" => Self::StampOfMax,
            _ => return None,
        })
    }

    /// Whether its value can be had from what a `Digest` keeps.
    pub fn digests(self) -> bool {
        !matches!(self, Self::Quantile | Self::Mad | Self::Smoothing)
    }

    /// About how many samples it looks at for a window of so many.
    pub fn cost(self, samples: usize) -> usize {
        match self {
            Self::Quantile | Self::Mad => samples * 16,
            _ if self.needs_ends_only() => 1,
            _ => samples,
        }
    }

    /// Whether its value follows from the ends of a window alone.
    fn needs_ends_only(self) -> bool {
        matches!(
            self,
            Self::Rate
                | Self::Increase
                | Self::Delta
                | Self::Irate
                | Self::Idelta
                | Self::Count
                | Self::Present
                | Self::First
                | Self::Last
                | Self::StampOfFirst
                | Self::StampOfLast
        )
    }
}

/// Where a window ends, how long it is, and what is asked beside it; milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub end: i64,
    pub length: i64,
    pub now: i64,
    pub numbers: [f64; 2],
}

/// What the functions of changes need to know of a window.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    count: u64,
    first: Point,
    before_last: Point,
    last: Point,
    fallen: f64,
}

/// What most functions need to know of the samples that a window has had so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Digest {
    ends: Ends,
    times: u64,
    best: Point,
    sum: Sum,
    mean: Mean,
    variance: Variance,
    line: Line,
}

impl Digest {
    pub fn add(&mut self, function: Function, window: &Window, point: Point) {
        let first = self.ends.count == 0;
        let before = self.ends.last;
        self.ends.add(point);
        if first {
            self.best = point;
        }
        if function.needs_ends_only() {
            return;
        }
        let (value, best) = (point.value, self.best.value);
        match function {
            Function::Sum if first => self.sum.total = value,
            Function::Sum => self.sum.add(value),
            Function::Avg => self.mean.add(value),
            Function::Stddev | Function::Stdvar => self.variance.add(value),
            Function::Min | Function::StampOfMin if value < best || best.is_nan() => self.best = point,
            Function::Max | Function::StampOfMax if value > best || best.is_nan() => self.best = point,
            Function::Resets if !first => self.times += u64::from(point.sent < before.sent),
            Function::Changes if !first => self.times += u64::from(differs(before.sent, point.sent)),
            Function::Deriv => self.line.add(seconds(point.ms - self.ends.first.ms), value),
            Function::PredictLinear => self.line.add(seconds(point.ms - window.now), value),
            _ => {}
        }
    }

    /// None where there are too few samples.
    pub fn value(&self, function: Function, window: &Window) -> Option<f64> {
        if function.needs_ends_only() {
            return self.ends.value(function, window);
        }
        let least = if matches!(function, Function::Deriv | Function::PredictLinear) { 2 } else { 1 };
        if self.ends.count < least {
            return None;
        }
        Some(match function {
            Function::Resets | Function::Changes => float(self.times),
            Function::Deriv => self.line.value().0,
            Function::PredictLinear => {
                let (slope, level) = self.line.value();
                slope * window.numbers[0] + level
            }
            Function::Sum => self.sum.value(),
            Function::Avg => self.mean.value(),
            Function::Stddev => self.variance.value().sqrt(),
            Function::Stdvar => self.variance.value(),
            Function::StampOfMin | Function::StampOfMax => seconds(self.best.ms),
            _ => self.best.value,
        })
    }
}

impl Ends {
    fn add(&mut self, point: Point) {
        if self.count == 0 {
            self.first = point;
        } else if point.value < self.last.value {
            self.fallen += self.last.value;
        }
        self.before_last = self.last;
        self.last = point;
        self.count += 1;
    }

    fn value(&self, function: Function, window: &Window) -> Option<f64> {
        let (first, last) = (self.first, self.last);
        match function {
            Function::Count if self.count > 0 => return Some(float(self.count)),
            Function::Present if self.count > 0 => return Some(1.0),
            Function::First if self.count > 0 => return Some(first.value),
            Function::Last if self.count > 0 => return Some(last.value),
            Function::StampOfFirst if self.count > 0 => return Some(seconds(first.ms)),
            Function::StampOfLast if self.count > 0 => return Some(seconds(last.ms)),
            _ => {}
        }
        if self.count < 2 {
            return None;
        }
        match function {
            Function::Rate => Some(self.extrapolated(window, true, true)),
            Function::Increase => Some(self.extrapolated(window, true, false)),
            Function::Delta => Some(self.extrapolated(window, false, false)),
            Function::Irate => Some(self.instant(true)),
            Function::Idelta => Some(self.instant(false)),
            _ => None,
        }
    }

    /// The change between the first and the last sample, out to the edges (Prometheus: extrapolatedRate).
    fn extrapolated(&self, window: &Window, counter: bool, per_second: bool) -> f64 {
        let mut change = self.last.value - self.first.value;
        if counter {
            change += self.fallen;
        }
        let sampled = seconds(self.last.ms - self.first.ms);
        let average = sampled / float(self.count - 1);
        let mut to_start = seconds(self.first.ms - (window.end - window.length));
        let mut to_end = seconds(window.end - self.last.ms);
        if to_start >= average * PATIENCE {
            to_start = average / 2.0;
        }
        if counter && change > 0.0 && self.first.sent >= 0.0 {
            to_start = to_start.min(sampled * (self.first.sent / change));
        }
        if to_end >= average * PATIENCE {
            to_end = average / 2.0;
        }
        let mut factor = (sampled + to_start + to_end) / sampled;
        if per_second {
            factor /= seconds(window.length);
        }
        change * factor
    }

    /// The change between the last two samples; of counters a second.
    fn instant(&self, counter: bool) -> f64 {
        let (before, after) = (self.before_last, self.last);
        if !counter {
            return after.value - before.value;
        }
        let change = if after.value < before.value { after.value } else { after.value - before.value };
        change / seconds(after.ms - before.ms)
    }
}

/// The value of a window that has these samples; `falls`: the places in it that are lower than the one before.
pub fn value_of(function: Function, window: &Window, points: View<'_>, falls: &[usize]) -> Option<f64> {
    let count = points.len();
    if count == 0 {
        return None;
    }
    match function {
        Function::Quantile => return Some(quantile(window.numbers[0], &mut points.values.to_vec())),
        Function::Mad => {
            let middle = quantile(0.5, &mut points.values.to_vec());
            let mut away: Vec<f64> = points.values.iter().map(|value| (value - middle).abs()).collect();
            return Some(quantile(0.5, &mut away));
        }
        Function::Smoothing => return smoothed(points.values, window.numbers),
        _ => {}
    }
    if function.needs_ends_only() {
        let ends = Ends {
            count: count as u64,
            first: points.at(0),
            before_last: points.at(count.saturating_sub(2)),
            last: points.at(count - 1),
            fallen: falls.iter().map(|place| points.values[place - 1]).sum(),
        };
        return ends.value(function, window);
    }
    let mut digest = Digest::default();
    for point in points.iter() {
        digest.add(function, window, point);
    }
    digest.value(function, window)
}

fn smoothed(values: &[f64], [smoothing, trend]: [f64; 2]) -> Option<f64> {
    let (first, second) = (values.first()?, values.get(1)?);
    let (mut before, mut level, mut change) = (0.0, *first, second - first);
    for (place, value) in values[1..].iter().enumerate() {
        if place > 0 {
            change = trend * (level - before) + (1.0 - trend) * change;
        }
        (before, level) = (level, smoothing * value + (1.0 - smoothing) * (level + change));
    }
    Some(level)
}

fn differs(before: f64, after: f64) -> bool {
    #[expect(clippy::float_cmp, reason = "any change is one")]
    let other = after != before;
    other && !(before.is_nan() && after.is_nan())
}

#[expect(clippy::cast_precision_loss, reason = "times in milliseconds are below 2^53")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a count of samples")]
fn float(count: u64) -> f64 {
    count as f64
}
