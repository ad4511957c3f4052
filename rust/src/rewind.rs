//! Takes back what the series of a clock that ran ahead have heard of later than now.

use crate::since::USUAL_PERIOD;
use crate::table::Table;

const LONGEST_PERIOD: i64 = 3_600_000_000_000;

impl Table {
    /// The clock has gone back to `now`: no stream was heard of later than `newest`. Returns how many were.
    ///
    /// They keep their values, so that the next one counts what came since.
    pub fn rewind(&mut self, now: i64, newest: i64) -> usize {
        let mut rewound = 0;
        for slot in self.slots.iter_mut().filter(|slot| slot.seen < i64::MAX) {
            let period = slot.pace.period(&slot.history).unwrap_or(USUAL_PERIOD);
            let before = now.saturating_sub(period.clamp(1, LONGEST_PERIOD));
            rewound += usize::from(slot.history.rewind(newest, before));
            slot.seen = slot.seen.min(now);
        }
        rewound
    }
}
