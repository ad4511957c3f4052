//! Turns the times of a stream's points into the time over which each increment was counted.

use crate::delta::History;

/// Of a stream that has no distances yet, nor anything it took the place of.
pub const USUAL_PERIOD: i64 = 60_000_000_000;
/// What is longer says so itself, however regular its stream is.
const LONG: i64 = 600_000_000_000;
/// So many periods without a point, and nobody knows how what was counted is spread.
const MOST_PERIODS: i64 = 5;
pub const DISTANCES: usize = 9;
/// Of one raw series; further ones take the place of who was silent longest.
const MOST_SENDERS: usize = 16;
/// How far an interval may begin before the one that it goes on from ended.
const OVERLAP: i64 = 1_000_000_000;

/// Over what time an increment was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub since: i64,
    /// Whether it is so long that nobody knows how it is spread.
    pub estimated: bool,
    /// Of the stream, as of its end.
    pub period: i64,
}

/// Median of some distances; none has none.
fn median(distances: &mut [i64]) -> Option<i64> {
    distances.sort_unstable();
    let middle = distances.len() / 2;
    let upper = *distances.get(middle)?;
    if distances.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = distances[middle - 1];
    Some(lower + (upper - lower) / 2)
}

/// Some distances, held in place: a burst asks for them at each of its points.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distances {
    values: [i64; DISTANCES],
    count: usize,
}

impl Distances {
    /// Those beyond the nine are left out.
    pub fn push(&mut self, distance: i64) {
        if self.count < DISTANCES {
            self.values[self.count] = distance;
            self.count += 1;
        }
    }

    fn all(&mut self) -> &mut [i64] {
        &mut self.values[..self.count]
    }
}

/// How far apart the points of a stream are.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// Up to this distance the next increment needs no closer look.
    calm: i64,
    apart: Option<Box<Apart>>,
}

/// What few streams have.
#[derive(Debug, Clone, Default)]
struct Apart {
    /// The period of the stream that this one took the place of; 0: nobody's.
    inherited: i64,
    /// How long the first increment's own interval was; 0: it had none.
    first: i64,
    /// Where increments come with intervals of their own that do not follow each other.
    senders: Option<Senders>,
}

/// Where an increment stands.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub time: i64,
    /// The stream's last time before it, if any.
    pub before: Option<i64>,
    /// When its own interval began, where it says so.
    pub start: Option<i64>,
    pub late: bool,
    /// Whether the row before is one of the same stream.
    pub follows: bool,
}

impl Pace {
    /// Of the stream that this one took the place of, or the usual one.
    pub fn inherit(&self) -> i64 {
        self.inherited().unwrap_or(USUAL_PERIOD)
    }

    pub fn inherited(&self) -> Option<i64> {
        self.apart.as_ref().map(|apart| apart.inherited).filter(|period| *period > 0)
    }

    pub fn take_over(&mut self, period: i64) {
        if self.inherited().unwrap_or_default() != period {
            self.apart().inherited = period;
        }
    }

    fn apart(&mut self) -> &mut Apart {
        self.apart.get_or_insert_default()
    }

    fn senders(&self) -> Option<&Senders> {
        self.apart.as_ref()?.senders.as_ref()
    }

    /// Of a first value that counts in full since `since`.
    #[cold]
    pub fn first(&self, time: i64, since: i64) -> Piece {
        let period = self.inherit();
        let since = since.min(time);
        Piece { since, estimated: is_long(time - since, period), period }
    }

    /// `None`: it grew since the stream's row before. `history` has the arrival already.
    #[inline]
    pub fn cumulative(&mut self, arrival: Arrival, history: &History) -> Option<Piece> {
        let distance = arrival.before.map_or(i64::MAX, |before| arrival.time.saturating_sub(before));
        if arrival.follows && distance <= self.calm {
            self.calm = self.calm.min(distance.saturating_mul(MOST_PERIODS));
            return None;
        }
        self.look(arrival, history)
    }

    /// As `cumulative`, of increments as they are sent.
    #[inline]
    pub fn delta(&mut self, arrival: Arrival, history: &History) -> Option<Piece> {
        let goes_on = arrival.start.is_none() || arrival.start == arrival.before;
        if self.senders().is_none() && !arrival.late && (goes_on || arrival.before.is_none()) {
            return self.cumulative(arrival, history);
        }
        let senders = self.apart().senders.get_or_insert_with(|| Senders::of(history, arrival));
        Some(senders.piece(arrival, history))
    }

    /// The last nine, of the times but one.
    fn distances(&self, history: &History, without: Option<i64>) -> Distances {
        let mut distances = history.distances(without);
        if let Some(first) = self.apart.as_ref().map(|apart| apart.first).filter(|first| *first > 0) {
            distances.push(first);
        }
        distances
    }

    /// Median of the last nine distances, if there are any.
    pub fn period(&self, history: &History) -> Option<i64> {
        match self.senders() {
            Some(senders) => senders.period(),
            None => median(self.distances(history, None).all()),
        }
    }

    #[cold]
    fn look(&mut self, arrival: Arrival, history: &History) -> Option<Piece> {
        let Arrival { time, before, follows, .. } = arrival;
        let usual = median(self.distances(history, Some(time)).all()).unwrap_or_else(|| self.inherit());
        let since = arrival.start.or(before).unwrap_or_else(|| time.saturating_sub(usual)).min(time);
        if before.is_none() && arrival.start.is_some() && time > since {
            self.apart().first = time - since;
        }
        let mut distances = self.distances(history, None);
        let period = median(distances.all()).unwrap_or(usual);
        // Sorted by the median.
        let shortest = distances.all().first().map_or(0, |least| least.saturating_mul(MOST_PERIODS));
        self.calm = shortest.min(LONG);
        let estimated = is_long(time - since, usual);
        let is_told = follows && before == Some(since) && !estimated && time - since <= LONG;
        (!is_told).then_some(Piece { since, estimated, period })
    }
}

fn is_long(length: i64, period: i64) -> bool {
    length > period.saturating_mul(MOST_PERIODS)
}

/// One that sends increments: an interval goes on where its last one ended.
#[derive(Debug, Clone)]
struct Sender {
    end: i64,
    distances: Vec<i64>,
}

impl Sender {
    fn period(&self) -> Option<i64> {
        median(&mut self.distances.clone())
    }

    fn add(&mut self, time: i64, distance: i64) {
        self.end = self.end.max(time);
        if self.distances.len() == DISTANCES {
            self.distances.remove(0);
        }
        self.distances.push(distance);
    }
}

/// Those that send increments of one raw series.
#[derive(Debug, Clone)]
struct Senders(Vec<Sender>);

impl Senders {
    /// What came until now was of one.
    fn of(history: &History, arrival: Arrival) -> Self {
        let distances = history.distances(Some(arrival.time)).all().to_vec();
        Self(arrival.before.map(|end| Sender { end, distances }).into_iter().collect())
    }

    /// Of the one that was heard of last.
    fn period(&self) -> Option<i64> {
        self.0.iter().max_by_key(|sender| sender.end).and_then(Sender::period)
    }

    fn piece(&mut self, arrival: Arrival, history: &History) -> Piece {
        let Arrival { time, start, .. } = arrival;
        let place = self.place(start);
        let sender = &mut self.0[place];
        let usual = sender.period().unwrap_or(USUAL_PERIOD);
        let since = start.or_else(|| history.before(time)).unwrap_or_else(|| time.saturating_sub(usual));
        let estimated = is_long(time - since, usual);
        sender.add(time, time - since);
        Piece { since, estimated, period: sender.period().unwrap_or(usual) }
    }

    fn place(&mut self, start: Option<i64>) -> usize {
        let goes_on = |sender: &Sender| start.is_none_or(|start| sender.end <= start.saturating_add(OVERLAP));
        let known = self.0.iter().enumerate().filter(|(_, sender)| goes_on(sender));
        if let Some((place, _)) = known.max_by_key(|(_, sender)| sender.end) {
            return place;
        }
        let new = Sender { end: i64::MIN, distances: Vec::new() };
        if self.0.len() < MOST_SENDERS {
            self.0.push(new);
            return self.0.len() - 1;
        }
        let oldest =
            self.0.iter().enumerate().min_by_key(|(_, sender)| sender.end).map_or(0, |(place, _)| place);
        self.0[oldest] = new;
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sent(history: &mut History, pace: &mut Pace, time: i64, start: Option<i64>) -> Option<Piece> {
        let before = history.last();
        let order = history.admit(time * SECOND, false);
        let arrival = Arrival {
            time: time * SECOND,
            before,
            start: start.map(|start| start * SECOND),
            late: order == crate::delta::Order::Late,
            follows: true,
        };
        pace.delta(arrival, history)
    }

    fn brief(piece: Option<Piece>) -> Option<(i64, bool, i64)> {
        piece.map(|piece| (piece.since / SECOND, piece.estimated, piece.period / SECOND))
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(median(&mut [7, 1, 4, 2]), Some(3));
        assert_eq!(median(&mut [5, 1, 9]), Some(5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn intervals_that_follow_each_other_need_no_word() {
        let (mut history, mut pace) = (History::default(), Pace::default());
        assert_eq!(brief(sent(&mut history, &mut pace, 100, Some(90))), Some((90, false, 10)));
        for time in [110, 120, 130] {
            assert_eq!(sent(&mut history, &mut pace, time, Some(time - 10)), None);
        }
        assert_eq!(brief(sent(&mut history, &mut pace, 200, Some(130))), Some((130, true, 10)));
        assert_eq!(brief(sent(&mut history, &mut pace, 300, Some(290))), Some((290, false, 10)));
    }

    #[test]
    fn senders_side_by_side_have_periods_of_their_own() {
        let (mut history, mut pace) = (History::default(), Pace::default());
        for turn in 0..12 {
            sent(&mut history, &mut pace, 1000 + 10 * turn, Some(990 + 10 * turn));
            if turn % 6 == 5 {
                let time = 1003 + 10 * turn;
                let piece = brief(sent(&mut history, &mut pace, time, Some(time - 60)));
                assert_eq!(piece, Some((time - 60, false, 60)));
            }
        }
    }

    #[test]
    fn what_has_no_interval_grew_since_the_point_before_or_for_a_period() {
        let (mut history, mut pace) = (History::default(), Pace::default());
        assert_eq!(brief(sent(&mut history, &mut pace, 100, None)), Some((40, false, 60)));
        assert_eq!(sent(&mut history, &mut pace, 110, None), None);
        assert_eq!(sent(&mut history, &mut pace, 120, None), None);
        assert_eq!(brief(sent(&mut history, &mut pace, 115, None)), Some((110, false, 10)));
        assert_eq!(brief(sent(&mut history, &mut pace, 50, None)), Some((40, false, 10)));
    }
}
