//! Streams into how they stand now: their periods, whether another has taken their place, whether they are alive.

use std::cmp::Reverse;

use std::collections::HashMap;

use super::lanes::LastRate;
use super::pace::Period;
use super::streams::{Kind, Stream};

/// The moments by which streams are judged.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub now: i64,
    pub start: i64,
    pub end: i64,
    /// No stream counts as dead before this moment and one period.
    pub judged: i64,
}

impl Clock {
    pub fn range(&self) -> i64 {
        self.end - self.start
    }
}

/// The end of a stream, as of now.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Its place among the streams; senders of one raw series have the same.
    pub stream: usize,
    pub group: Option<u32>,
    pub kind: Kind,
    pub last: i64,
    arrived: i64,
    pub period: Period,
    pub rate: Option<LastRate>,
    /// Where another stream took its place.
    pub end: Option<i64>,
    pub alive: bool,
}

impl Tail {
    /// Sends often enough, and has sent lately enough, for the edge to wait for it.
    pub fn is_quick(&self, clock: Clock) -> bool {
        let lately = self.last.saturating_add(self.period.quarters(10)) >= clock.now.min(clock.end);
        self.alive && lately && self.period.at_most_an_eighth_of(clock.range())
    }

    fn silent(&self, quarters: i64, clock: Clock) -> bool {
        let heard = self.arrived.saturating_add(self.period.quarters(quarters));
        heard.max(clock.judged.saturating_add(self.period.quarters(4))) < clock.now
    }
}

/// Every stream of which a point is known.
pub fn tails(streams: &[Stream], clock: Clock) -> Vec<Tail> {
    let (mut tails, mut known) = (Vec::new(), Vec::new());
    for (place, stream) in streams.iter().enumerate() {
        for (tail, period) in ends_of(place, stream) {
            tails.push(tail);
            known.push(period);
        }
    }
    let families = Families::of(streams, &tails);
    settle(&mut tails, known, streams, &families);
    for tail in &mut tails {
        tail.end = families.successor(streams, tail, tail.silent(5, clock));
        let quarters = if tail.kind == Kind::Delta { 6 } else { 10 };
        tail.alive = tail.end.is_none() && !tail.silent(quarters, clock);
    }
    tails
}

fn ends_of(place: usize, stream: &Stream) -> Vec<(Tail, Option<Period>)> {
    let identity = stream.identity;
    let tail = |last, arrived, rate| Tail {
        stream: place,
        group: identity.group,
        kind: identity.kind,
        last,
        arrived,
        period: Period::MINUTE,
        rate,
        end: None,
        alive: false,
    };
    let mut ends: Vec<_> = (stream.lanes.all.iter())
        .map(|trail| (tail(trail.last, trail.arrived, trail.rate), trail.period()))
        .collect();
    let Some(sealed) = stream.sealed else { return ends };
    if stream.lanes.latest().is_none_or(|last| last < sealed.last) {
        // What is fed stops before the stream does: its last rate is the last that is known, from its end on.
        let latest = (0..ends.len()).max_by_key(|place| (ends[*place].0.last, Reverse(*place)));
        let (rate, period) = latest.map_or((None, None), |place| {
            let (before, period) = ends.swap_remove(place);
            (before.rate, period)
        });
        let rate = stream.hourly.or(rate).map(|rate| LastRate { until: rate.until.max(sealed.last), ..rate });
        ends.push((tail(sealed.last, sealed.arrived, rate), sealed.period.or(period)));
    }
    ends
}

/// Periods of streams of one point are those of the streams before them.
fn settle(tails: &mut [Tail], known: Vec<Option<Period>>, streams: &[Stream], families: &Families) {
    let start = |tail: &Tail| streams[tail.stream].identity.start;
    let mut order: Vec<usize> = (0..tails.len()).collect();
    order.sort_by_key(|place| (tails[*place].last, start(&tails[*place])));
    let mut settled = known;
    for place in order {
        let period = settled[place]
            .or_else(|| {
                families.predecessor(&streams[tails[place].stream], place).and_then(|older| settled[older])
            })
            .unwrap_or(Period::MINUTE);
        settled[place] = Some(period);
        tails[place].period = period;
    }
}

#[derive(Hash, PartialEq, Eq)]
enum Name {
    Raw(u64),
    Kin(u64),
}

/// Streams of one raw series, or of kin.
#[derive(Default)]
struct Family {
    /// Known starts, with the place of the stream.
    starts: Vec<(i64, usize)>,
    /// Last points, with the place of the tail; of the same time the first stream is last.
    lasts: Vec<(i64, Reverse<usize>)>,
}

struct Families(HashMap<Name, Family>);

impl Families {
    fn of(streams: &[Stream], tails: &[Tail]) -> Self {
        let mut families: HashMap<Name, Family> = HashMap::new();
        for (place, stream) in streams.iter().enumerate() {
            let Some(start) = stream.identity.start else { continue };
            for name in names(stream) {
                families.entry(name).or_default().starts.push((start, place));
            }
        }
        for (place, tail) in tails.iter().enumerate() {
            for name in names(&streams[tail.stream]) {
                families.entry(name).or_default().lasts.push((tail.last, Reverse(place)));
            }
        }
        for family in families.values_mut() {
            family.starts.sort_unstable();
            family.lasts.sort_unstable();
        }
        Self(families)
    }

    /// When the stream began that took the place of one; kin do so only where it is `silent`.
    fn successor(&self, streams: &[Stream], tail: &Tail, silent: bool) -> Option<i64> {
        let by = |name: Name| {
            let starts = &self.0.get(&name)?.starts;
            let from = starts.partition_point(|(start, _)| *start < tail.last);
            starts[from..].iter().find(|(_, stream)| *stream != tail.stream).map(|(start, _)| *start)
        };
        let own = names(&streams[tail.stream]).filter(|name| silent || matches!(name, Name::Raw(_)));
        own.filter_map(by).min()
    }

    /// The tail, not at `own`, of the stream that the one at `own` took the place of.
    fn predecessor(&self, stream: &Stream, own: usize) -> Option<usize> {
        let start = stream.identity.start?;
        let by = |name: Name| {
            let lasts = &self.0.get(&name)?.lasts;
            let until = lasts.partition_point(|(last, _)| *last <= start);
            lasts[..until].iter().rev().find(|(_, place)| place.0 != own).copied()
        };
        names(stream).filter_map(by).max().map(|(_, place)| place.0)
    }
}

/// Deltas are related to nobody: their senders are told apart by their intervals.
fn names(stream: &Stream) -> impl Iterator<Item = Name> + use<> {
    let identity = stream.identity;
    let related = identity.kind != Kind::Delta;
    let names = [identity.raw.map(Name::Raw), identity.kin.map(Name::Kin)];
    names.into_iter().flatten().filter(move |_| related)
}
