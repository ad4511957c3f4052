//! Remembers for a day which guarded series were let go of: what such a one sends next is no first value.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use crate::hash::{Identity, low};

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
    pub fn add(&mut self, key: u128) {
        if self.lots[0].len() < MOST {
            self.lots[0].insert(low(key));
        }
    }

    /// Whether the series was let go of; then it is not asked about again.
    pub fn take(&mut self, key: u128) -> bool {
        self.lots.iter_mut().any(|lot| lot.remove(&low(key)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_remembered_for_a_day_and_forgotten_after_two() {
        let mut departed = Departed::default();
        departed.age(DAY_NS);
        departed.add(7);
        departed.add(8);
        departed.age(2 * DAY_NS - 1);
        assert!(departed.take(7) && !departed.take(7));
        departed.age(2 * DAY_NS);
        assert!(departed.lots[1].contains(&8));
        departed.age(3 * DAY_NS);
        assert!(!departed.take(8));
    }
}
