//! The points of one raw series into streams: of deltas each sender is one, told by where its intervals go on.

use std::cmp::Reverse;

use super::pace::{Pace, Period, SECOND};

/// What grew last, and until when that is known.
#[derive(Debug, Clone, Copy)]
pub struct LastRate {
    pub per_nanosecond: f64,
    pub until: i64,
}

/// Where a stream has got to.
#[derive(Debug, Clone, Copy)]
pub struct Trail {
    pub last: i64,
    pub arrived: i64,
    pub pace: Pace,
    /// The period that the store knows as of the last point.
    pub told: Option<Period>,
    pub rate: Option<LastRate>,
}

impl Trail {
    pub fn new(last: i64, arrived: i64) -> Self {
        Self { last, arrived, pace: Pace::default(), told: None, rate: None }
    }

    pub fn period(&self) -> Option<Period> {
        self.told.or_else(|| self.pace.period())
    }

    pub fn grew(&mut self, since: i64, time: i64, amount: f64) {
        if time > since {
            // A quotient of lengths of time needs no more than a double's digits.
            #[expect(clippy::cast_precision_loss, reason = "as said")]
            let per_nanosecond = amount / (time - since) as f64;
            self.rate = Some(LastRate { per_nanosecond, until: time });
        }
    }
}

/// The senders of a raw series, each where it has got to.
#[derive(Debug, Default)]
pub struct Lanes {
    pub all: Vec<Trail>,
    /// Places in `all` by the last time; of the same time the one that began first is last.
    order: Vec<u32>,
    /// The last time of any point of increments; a late one moves its sender back.
    reached: Option<i64>,
}

impl Lanes {
    /// The trail that an interval from `since` on goes on with: the latest that had ended by then; none: a new one.
    pub fn take(&mut self, since: Option<i64>, time: i64, arrived: i64) -> &mut Trail {
        let last = |place: &u32| self.all[*place as usize].last;
        let fitting = match since {
            Some(since) => self.order.partition_point(|place| last(place) <= since.saturating_add(SECOND)),
            None => self.order.len(),
        };
        let (lane, distance) = if fitting == 0 {
            self.all.push(Trail::new(time, arrived));
            (self.all.len() - 1, since.map(|since| time - since))
        } else {
            let lane = self.order.remove(fitting - 1) as usize;
            (lane, Some(time - since.unwrap_or(self.all[lane].last)))
        };
        self.place(lane, time);
        self.reached = self.reached.max(Some(time));
        let trail = &mut self.all[lane];
        (trail.last, trail.arrived, trail.told) = (time, arrived, None);
        if let Some(distance) = distance {
            trail.pace.push(distance);
        }
        trail
    }

    /// The one trail of a stream whose senders need not be told apart; new ones begin at a time.
    pub fn only(&mut self, time: i64, arrived: i64) -> &mut Trail {
        if self.all.is_empty() {
            self.all.push(Trail::new(time, arrived));
            self.order.push(0);
        }
        &mut self.all[0]
    }

    fn place(&mut self, lane: usize, time: i64) {
        let Ok(number) = u32::try_from(lane) else { return };
        let key = |place: &u32| (self.all[*place as usize].last, Reverse(*place));
        let at = self.order.partition_point(|place| key(place) < (time, Reverse(number)));
        self.order.insert(at, number);
    }

    pub fn latest(&self) -> Option<i64> {
        self.reached.max(self.order.last().map(|place| self.all[*place as usize].last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(points: &[(Option<i64>, i64)]) -> Vec<i64> {
        let mut lanes = Lanes::default();
        for (since, time) in points {
            lanes.take(since.map(|since| since * SECOND), time * SECOND, 0);
        }
        lanes.all.iter().map(|lane| lane.last / SECOND).collect()
    }

    #[test]
    fn an_interval_goes_on_where_the_latest_before_it_ended() {
        assert_eq!(lanes(&[(Some(0), 10), (Some(10), 20), (Some(21), 30)]), [30]);
        assert_eq!(lanes(&[(Some(0), 60), (Some(30), 90), (Some(60), 120), (Some(90), 150)]), [120, 150]);
        assert_eq!(lanes(&[(Some(0), 60), (Some(30), 90), (None, 95)]), [60, 95]);
        assert_eq!(lanes(&[(Some(0), 10), (Some(9), 20)]), [20]);
        assert_eq!(lanes(&[(Some(0), 10), (Some(8), 20)]), [10, 20]);
    }
}
