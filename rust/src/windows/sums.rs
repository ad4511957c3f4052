//! Adds up without losing digits, as Prometheus does: Kahan's summation with Neumaier's improvement.

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    pub total: f64,
    pub lost: f64,
}

impl Sum {
    pub fn add(&mut self, value: f64) {
        let total = self.total + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.total.abs() >= value.abs() {
            self.lost += (self.total - total) + value;
        } else {
            self.lost += (value - total) + self.total;
        }
        self.total = total;
    }

    pub fn value(self) -> f64 {
        self.total + self.lost
    }
}

/// A mean that goes over to steps of its own when the sum would be too large for a number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mean {
    sum: Sum,
    count: f64,
    stepwise: bool,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count < 2.0 {
            self.sum.total = value;
            return;
        }
        if !self.stepwise {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.total.is_infinite() {
                self.sum = sum;
                return;
            }
            self.stepwise = true;
            let before = self.count - 1.0;
            self.sum = Sum { total: self.sum.total / before, lost: self.sum.lost / before };
        }
        let share = (self.count - 1.0) / self.count;
        self.sum = Sum { total: share * self.sum.total, lost: share * self.sum.lost };
        self.sum.add(value / self.count);
    }

    pub fn value(self) -> f64 {
        if self.stepwise {
            self.sum.value()
        } else {
            self.sum.total / self.count + self.sum.lost / self.count
        }
    }
}

/// Welford's variance.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let away = value - self.mean.value();
        self.mean.add(away / self.count);
        self.squares.add(away * (value - self.mean.value()));
    }

    pub fn value(self) -> f64 {
        self.squares.value() / self.count
    }
}

/// The least-squares line through points; times are seconds from where its level is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    count: f64,
    first: f64,
    moves: bool,
    x: Sum,
    y: Sum,
    xy: Sum,
    xx: Sum,
}

impl Line {
    pub fn add(&mut self, seconds: f64, value: f64) {
        if self.count == 0.0 {
            self.first = value;
        } else {
            #[expect(clippy::float_cmp, reason = "any other value makes it a line that is not level")]
            let other = value != self.first;
            self.moves |= other;
        }
        self.count += 1.0;
        self.x.add(seconds);
        self.y.add(value);
        self.xy.add(seconds * value);
        self.xx.add(seconds * seconds);
    }

    /// The slope, and the level at zero seconds.
    pub fn value(self) -> (f64, f64) {
        if !self.moves {
            return if self.first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, self.first) };
        }
        let (x, y) = (self.x.value(), self.y.value());
        let slope = (self.xy.value() - x * y / self.count) / (self.xx.value() - x * x / self.count);
        (slope, y / self.count - slope * x / self.count)
    }
}

/// Linear between the two values nearest to it; infinite outside [0, 1].
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_unstable_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place"
    )]
    let (rank, lower) = {
        let rank = q * (values.len() - 1) as f64;
        (rank, rank.floor() as usize)
    };
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[(lower + 1).min(values.len() - 1)] * weight
}
