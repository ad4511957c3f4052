//! Remembers for a day which guarded series were let go of: what such a one sends next is no first value.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use crate::hash::{Identity, low};
use crate::kindred::Descent;

const DAY_NS: i64 = 86_400_000_000_000;
/// Eight bytes a series, twice.
const MOST: usize = 1_000_000;

/// Halves of keyed hashes, in two lots so that the older one can be dropped as a whole.
#[derive(Default)]
pub struct Departed {
    lots: [HashSet<u64, BuildHasherDefault<Identity>>; 2],
    began: i64,
}

impl Departed {
    pub fn add(&mut self, descent: Descent, key: u128) {
        if self.lots[0].len() < MOST {
            self.lots[0].insert(mark(descent, key, 0));
        }
    }

    /// Whether the series was let go of; then it is not asked about again.
    pub fn take(&mut self, descent: Descent, key: u128) -> bool {
        let marks = [0, -1, 1].map(|away| mark(descent, key, away));
        self.lots.iter_mut().any(|lot| marks.iter().any(|mark| lot.remove(mark)))
    }

    /// By time and nothing else: how many others came must not decide what becomes of a series.
    pub fn age(&mut self, now: i64) {
        if now - self.began >= DAY_NS {
            self.lots.swap(0, 1);
            self.lots[0] = HashSet::default();
            self.began = now;
        }
    }
}

/// Of a stream by its start, the same for starts of one second; `away`: how many seconds later.
fn mark(descent: Descent, key: u128, away: i64) -> u64 {
    if descent.raw == 0 {
        return low(key);
    }
    let second = descent.start.div_euclid(1_000_000_000).saturating_add(away).cast_unsigned();
    descent.raw ^ second.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_remembered_for_a_day_and_forgotten_after_two() {
        let mut departed = Departed::default();
        departed.age(DAY_NS);
        let of = Descent::default();
        departed.add(of, 7);
        departed.add(of, 8);
        departed.age(2 * DAY_NS - 1);
        assert!(departed.take(of, 7) && !departed.take(of, 7));
        departed.age(2 * DAY_NS);
        assert!(departed.lots[1].contains(&8));
        departed.age(3 * DAY_NS);
        assert!(!departed.take(of, 8));
    }
}
