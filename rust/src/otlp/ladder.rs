//! Turns durations into buckets that are fine and the same everywhere, so that sums of them stay exact.
//!
//! From 1 µs to 11 days each bound is at most a twentieth above the one before, so that no percentile is off by more
//! than 5 %. All are decimals of three digits, among them those that OpenTelemetry and its Collector use by default,
//! so that what was counted between those adds up with what is counted between these.

/// Bounds of a decade.
const A_DECADE: u16 = 65;
const DECADES: u16 = 12;
/// The bucket of what is longer than the last bound; buckets are counted from 0, up to 1 µs.
pub const OPEN: u16 = A_DECADE * DECADES + 1;
const LOWEST_NS: u64 = 1_000;

/// Where the length of a step changes: hundredths of the decade's lower end, the bounds before, the step.
const STEPS: [(u64, u16, u64); 4] = [(100, 0, 5), (200, 20, 10), (400, 40, 20), (500, 45, 25)];
const MOST_HUNDREDTHS: usize = 1_000;

/// By hundredths of a decade's lower end, which of its bounds is the lowest that is not below.
const PLACES: [u8; MOST_HUNDREDTHS + 1] = places();

#[expect(clippy::cast_possible_truncation, reason = "at most the bounds of a decade")]
const fn places() -> [u8; MOST_HUNDREDTHS + 1] {
    let mut places = [0; MOST_HUNDREDTHS + 1];
    let mut kind = 0;
    while kind < STEPS.len() {
        let (from, before, step) = STEPS[kind];
        let mut hundredths = from as usize + 1;
        while hundredths <= MOST_HUNDREDTHS {
            let steps = (hundredths as u64 - from).div_ceil(step);
            places[hundredths] = (before as u64 + steps) as u8;
            hundredths += 1;
        }
        kind += 1;
    }
    places
}

/// The bucket of a duration: that of the lowest bound that it does not exceed.
#[inline]
pub fn rung(nanoseconds: u64) -> u16 {
    if nanoseconds <= LOWEST_NS {
        return 0;
    }
    let power = (nanoseconds - 1).ilog10();
    // By constants, since a division by what is only known later takes three times as long.
    let hundredths = match power {
        3 => nanoseconds.div_ceil(10),
        4 => nanoseconds.div_ceil(100),
        5 => nanoseconds.div_ceil(1_000),
        6 => nanoseconds.div_ceil(10_000),
        7 => nanoseconds.div_ceil(100_000),
        8 => nanoseconds.div_ceil(1_000_000),
        9 => nanoseconds.div_ceil(10_000_000),
        10 => nanoseconds.div_ceil(100_000_000),
        11 => nanoseconds.div_ceil(1_000_000_000),
        12 => nanoseconds.div_ceil(10_000_000_000),
        13 => nanoseconds.div_ceil(100_000_000_000),
        14 => nanoseconds.div_ceil(1_000_000_000_000),
        _ => return OPEN,
    };
    let place = usize::try_from(hundredths).ok().and_then(|at| PLACES.get(at)).copied().unwrap_or_default();
    let decade = u16::try_from(power - LOWEST_NS.ilog10()).unwrap_or(DECADES);
    decade * A_DECADE + u16::from(place)
}

/// The upper bound of a bucket that has one, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub fn bound(rung: u16) -> f64 {
    let Some(above) = rung.checked_sub(1) else { return LOWEST_NS as f64 / 1e6 };
    let (decade, place) = (above / A_DECADE, above % A_DECADE + 1);
    let (from, before, step) =
        STEPS.iter().rev().copied().find(|(_, before, _)| place > *before).unwrap_or(STEPS[0]);
    let hundredths = from + u64::from(place - before) * step;
    // Of whole numbers the quotient is the decimal itself.
    (hundredths * 10_u64.pow(u32::from(decade) + 1)) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanoseconds(rung: u16) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bound")]
        let whole = (bound(rung) * 1e6).round() as u64;
        whole
    }

    #[test]
    fn each_bound_is_at_most_a_twentieth_above_the_one_before() {
        for rung in 1..OPEN {
            let ratio = bound(rung) / bound(rung - 1);
            assert!(ratio > 1.0 && ratio <= 1.05 + 1e-12, "{rung}: {ratio}");
        }
        assert!((bound(0) - 1e-3).abs() < f64::EPSILON);
        assert!(bound(OPEN - 1) > 10.0 * 86_400_000.0);
    }

    #[test]
    fn a_duration_lies_in_its_bucket() {
        for rung in 0..OPEN {
            let end = nanoseconds(rung);
            assert_eq!([super::rung(end), super::rung(end + 1)], [rung, rung + 1], "{end}");
        }
        assert_eq!([super::rung(0), super::rung(1), super::rung(u64::MAX)], [0, 0, OPEN]);
    }

    #[test]
    fn the_bounds_that_others_use_are_among_them() {
        let collector = [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000];
        let sdk = [5, 25, 75, 250, 500, 750, 2500, 7500];
        for milliseconds in collector.iter().chain(&sdk) {
            let rung = super::rung(milliseconds * 1_000_000);
            assert_eq!(nanoseconds(rung), milliseconds * 1_000_000);
        }
    }
}
