//! Points, in whichever way they come, into pieces that grew or levels that held, stream by stream.

use std::ops::Range;

use super::lanes::{LastRate, Trail};
use super::level::{Levels, held_until};
use super::pace::{Period, REMEMBERED, SECOND};
use super::rate::{Filled, Piece, Rates, length};
use super::relations::{Clock, Tail, tails};
use super::streams::{Entry, Identity, Kind, Sealed, Stream, Streams};

/// A row as it is stored: an increment or a level.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub time: i64,
    pub value: f64,
    pub arrived: i64,
}

/// Rows of one stream, in the order of time.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub times: &'a [i64],
    pub values: &'a [f64],
    pub arrived: Arrived<'a>,
}

/// When rows arrived: each of them, or all so much after their time.
#[derive(Clone, Copy)]
pub enum Arrived<'a> {
    Each(&'a [i64]),
    Late(i64),
}

impl Rows<'_> {
    #[inline]
    fn point(&self, place: usize) -> Point {
        let time = self.times[place];
        let arrived = match self.arrived {
            Arrived::Each(arrived) => arrived[place],
            Arrived::Late(late) => time.saturating_add(late),
        };
        Point { time, value: self.values[place], arrived }
    }
}

pub const HOUR: i64 = 3600 * SECOND;

/// What a chunk's points come to in hours that follow each other.
pub struct Hours<'a> {
    pub from: i64,
    /// What grew in each hour, by pieces of at most an hour.
    pub grown: &'a [f64],
    /// Since when something grew, where that is known better than by the hour.
    pub first: Option<i64>,
    pub counted_from: i64,
    /// Points by their time.
    pub samples: &'a [u16],
}

#[derive(Debug)]
enum What {
    Rates(Rates),
    Levels(Levels),
}

#[derive(Debug)]
pub struct Engine {
    clock: Clock,
    groups: usize,
    pub streams: Streams,
    what: What,
    /// How all streams stand, once there is nothing more to come.
    tails: Option<Vec<Tail>>,
    finished: bool,
}

impl Engine {
    pub fn of_rates(rates: Rates, clock: Clock, groups: usize) -> Self {
        Self::new(What::Rates(rates), clock, groups)
    }

    pub fn of_levels(levels: Levels, clock: Clock, groups: usize) -> Self {
        Self::new(What::Levels(levels), clock, groups)
    }

    fn new(what: What, clock: Clock, groups: usize) -> Self {
        Self { clock, groups, streams: Streams::default(), what, tails: None, finished: false }
    }

    /// Fails once something was asked, since the answer would not hold.
    pub fn open(&self) -> Result<(), String> {
        if self.tails.is_none() { Ok(()) } else { Err("nothing can be fed once something was asked".into()) }
    }

    pub fn stream(&mut self, number: u32, identity: Identity) -> Result<(), String> {
        self.open()?;
        let level = identity.kind == Kind::Level;
        if level != matches!(self.what, What::Levels(_)) {
            return Err("kind must be 2 for levels, and 0 or 1 for rates".into());
        }
        if identity.group.is_some_and(|group| group as usize >= self.groups) {
            return Err(format!("group of stream {number} is not below groups"));
        }
        if self.streams.add(number, identity) {
            Ok(())
        } else {
            Err(format!("stream {number} is named twice"))
        }
    }

    pub fn place(&self, number: u32) -> Option<usize> {
        self.streams.place(number)
    }

    pub fn folds_levels(&self) -> bool {
        matches!(self.what, What::Levels(_))
    }

    pub fn sealed(&mut self, number: u32, sealed: Sealed) {
        let Some(place) = self.place(number) else { return };
        let stream = &mut self.streams.all[place];
        stream.ends.push(sealed.last);
        if stream.sealed.is_none_or(|before| before.last < sealed.last) {
            stream.sealed = Some(sealed);
        }
        if let (What::Rates(rates), Some(group)) = (&mut self.what, stream.identity.group) {
            rates.known(group, sealed.last);
        }
    }

    pub fn entry(&mut self, number: u32, entry: Entry) {
        if let (Some(place), true) = (self.place(number), entry.value.is_finite()) {
            let stream = &mut self.streams.all[place];
            stream.entries.push(Entry { value: entry.value * stream.identity.factor, ..entry });
        }
    }

    /// What grew in each hour grew evenly in it; pieces longer than an hour are not in there.
    pub fn hours(&mut self, place: usize, hours: &Hours<'_>) -> Result<(), String> {
        let What::Rates(rates) = &mut self.what else { return Err("hours are of increments".into()) };
        let stream = &mut self.streams.all[place];
        let mut from = hours.from;
        let group = stream.identity.group;
        for entry in &mut stream.entries {
            let within = entry.time > from && entry.time <= from + HOUR * length_of(hours.grown);
            if !within || entry.time - entry.since > HOUR {
                continue;
            }
            entry.counted = true;
            if let (Some(group), true) = (group, entry.estimated) {
                // The sums of its hours have what it added, and do not know how it came.
                let Entry { since, time, .. } = *entry;
                rates.piece(group, Piece { since, time, amount: 0.0, estimated: true });
            }
        }
        let Some(group) = group else { return Ok(()) };
        let last = stream.sealed.map_or(i64::MAX, |sealed| sealed.last);
        for amount in hours.grown.iter().map(|amount| amount * stream.identity.factor) {
            let until = from + HOUR;
            let since = hours.first.filter(|first| *first < until).map_or(from, |first| first.max(from));
            let time = if last > since { last.min(until) } else { until };
            if amount.is_finite() {
                rates.piece(group, Piece { since, time, amount, estimated: false });
                if time > since && stream.hourly.is_none_or(|before| before.until <= time) {
                    stream.hourly =
                        Some(LastRate { per_nanosecond: amount / length(time - since), until: time });
                }
            }
            from = until;
        }
        for (hour, samples) in (0..).zip(hours.samples) {
            rates.sampled(group, hours.counted_from + hour * HOUR, (*samples).into());
        }
        Ok(())
    }

    /// No more entries come before the rows of theirs.
    pub fn sort_entries(&mut self) {
        for stream in &mut self.streams.all {
            stream.entries.sort_by_key(|entry| entry.time);
        }
    }

    /// Rows come, of some streams (place, first and last time): what they settle needs not be kept any longer.
    pub fn begin(&mut self, rows: impl Iterator<Item = (usize, i64, i64)>) {
        let (mut first, mut lasts) = (i64::MAX, vec![None; self.streams.all.len()]);
        for (place, from, until) in rows {
            first = first.min(from);
            lasts[place] = lasts[place].max(Some(until));
        }
        match &mut self.what {
            What::Rates(rates) => settle(rates, &self.streams.all, &lasts, self.clock, self.groups),
            What::Levels(levels) => levels.advance(&self.streams.all, first),
        }
    }

    /// The period that the store knows of a stream of which nothing was fed so far.
    pub fn expect(&mut self, place: usize, period: Period) {
        let stream = &mut self.streams.all[place];
        if stream.lanes.all.is_empty() && stream.identity.kind != Kind::Delta {
            stream.expected = Some(period);
        }
    }

    /// The period that the store knows as of a stream's point.
    pub fn told(&mut self, place: usize, time: i64, period: Option<Period>) {
        if let [trail] = &mut self.streams.all[place].lanes.all[..]
            && trail.last == time
        {
            trail.told = period.or(trail.told);
        }
    }

    /// The time of the latest row before one.
    pub fn row_before(&self, place: usize, time: i64) -> Option<i64> {
        let stream = &self.streams.all[place];
        let sealed = stream.sealed.map(|sealed| sealed.last);
        stream.lanes.latest().filter(|last| *last < time).max(sealed.filter(|last| *last < time))
    }

    /// `before`: the row before the first.
    pub fn run(&mut self, place: usize, before: Option<i64>, rows: Rows<'_>) {
        let factor = self.streams.all[place].identity.factor;
        #[expect(clippy::float_cmp, reason = "nothing is to be done where it is exactly one")]
        if factor != 1.0 {
            let values: Vec<f64> = rows.values.iter().map(|value| value * factor).collect();
            return self.rows(place, before, Rows { values: &values, ..rows });
        }
        self.rows(place, before, rows);
    }

    fn rows(&mut self, place: usize, before: Option<i64>, rows: Rows<'_>) {
        let stream = &self.streams.all[place];
        let (Some(first), Some(last)) = (rows.times.first(), rows.times.last()) else { return };
        let new = stream.lanes.latest().is_none_or(|latest| latest < *first);
        let plain =
            new && !stream.has_entries(*first, *last) && rows.values.iter().all(|value| value.is_finite());
        match &mut self.what {
            What::Rates(rates) if plain => run(rates, &mut self.streams.all[place], before, rows),
            What::Levels(levels) if plain => {
                run_levels(levels, &mut self.streams.all[place], place, before, rows);
            }
            _ => self.each(place, before, rows),
        }
    }

    fn each(&mut self, place: usize, before: Option<i64>, rows: Rows<'_>) {
        let mut before = before;
        for number in 0..rows.times.len() {
            let point = rows.point(number);
            let entry = self.streams.all[place].entry(point.time);
            self.row_after(place, point, before, entry);
            before = Some(point.time);
        }
    }

    /// A row that goes on where the stream's row before it ended, unless an entry knows better.
    pub fn row(&mut self, place: usize, point: Point, entry: Option<Entry>) {
        let before = self.row_before(place, point.time);
        self.row_after(place, point, before, entry);
    }

    pub fn row_after(&mut self, place: usize, point: Point, before: Option<i64>, entry: Option<Entry>) {
        let stream = &mut self.streams.all[place];
        if !point.value.is_finite() {
            return;
        }
        match &mut self.what {
            What::Rates(rates) => increment(rates, stream, point, before, entry),
            What::Levels(levels) => level(levels, stream, place, point, before),
        }
    }

    /// What entries add whose rows were not fed.
    fn count_entries(&mut self) {
        let What::Rates(rates) = &mut self.what else { return };
        for stream in &mut self.streams.all {
            for entry in std::mem::take(&mut stream.entries) {
                if !entry.counted {
                    let arrived = entry.time;
                    let before = stream.latest().filter(|last| *last < entry.time);
                    let point = Point { time: entry.time, value: entry.value, arrived };
                    increment(rates, stream, point, before, Some(entry));
                }
            }
        }
    }

    fn tails(&mut self) -> &[Tail] {
        if self.tails.is_none() {
            self.count_entries();
        }
        self.tails.get_or_insert_with(|| tails(&self.streams.all, self.clock))
    }

    pub fn finish(&mut self) -> Result<Vec<(u32, Vec<Filled>)>, String> {
        if std::mem::replace(&mut self.finished, true) {
            return Err("a fold can be finished once".into());
        }
        self.tails();
        let tails = self.tails.as_deref().unwrap_or_default();
        Ok(match &mut self.what {
            What::Rates(rates) => rates.finish(tails, self.clock),
            What::Levels(levels) => levels.finish(tails),
        })
    }

    /// By group the sum of the last rates, or levels, of the streams alive.
    pub fn now(&mut self) -> Vec<Option<f64>> {
        self.tails();
        let mut sums = vec![None; self.groups];
        for tail in self.tails.iter().flatten().filter(|tail| tail.alive) {
            let value = match &self.what {
                What::Rates(_) => tail.rate.map(|rate| rate.per_nanosecond * length(SECOND)),
                What::Levels(levels) => levels.last(tail.stream, tail.last),
            };
            if let (Some(group), Some(value)) = (tail.group, value) {
                let sum = &mut sums[group as usize];
                *sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
        sums
    }

    /// Of streams that are alive and whose period is at most an eighth of the range.
    pub fn longest_period(&mut self) -> i64 {
        let range = self.clock.range();
        let frequent = |tail: &&Tail| tail.alive && tail.period.at_most_an_eighth_of(range);
        self.tails().iter().filter(frequent).map(|tail| tail.period.nanoseconds()).max().unwrap_or(0)
    }
}

fn increment(
    rates: &mut Rates,
    stream: &mut Stream,
    point: Point,
    before: Option<i64>,
    entry: Option<Entry>,
) {
    let since = move_on(stream, point, before, entry);
    let Some(group) = stream.identity.group else { return };
    rates.sample(group, point.time);
    rates.known(group, point.time);
    if let Some(since) = since.filter(|since| *since < point.time) {
        let estimated = entry.is_some_and(|entry| entry.estimated);
        rates.piece(group, Piece { since, time: point.time, amount: point.value, estimated });
    }
}

/// Moves the trail of a stream, or of one of its senders, on to a point; returns since when it grew.
fn move_on(stream: &mut Stream, point: Point, before: Option<i64>, entry: Option<Entry>) -> Option<i64> {
    let since = entry.map(|entry| entry.since).or(before);
    let trail = match stream.identity.kind {
        Kind::Delta => {
            let known = since.filter(|_| !is_made_up(stream, point.time, before, entry));
            (since.is_some() || stream.lanes.all.is_empty())
                .then(|| stream.lanes.take(known, point.time, point.arrived))
        }
        _ => goes_on(stream, point, before),
    };
    if let (Some(trail), Some(since)) = (trail, since) {
        trail.grew(since, point.time, point.value);
        trail.told = entry.and_then(|entry| entry.period);
    }
    since
}

/// Rows without entries, later than all before.
fn run(rates: &mut Rates, stream: &mut Stream, before: Option<i64>, rows: Rows<'_>) {
    // Nine distances say all about the period.
    let skipped = rows.times.len().saturating_sub(11).max(1);
    move_on(stream, rows.point(0), before, None);
    for place in skipped..rows.times.len() {
        move_on(stream, rows.point(place), Some(rows.times[place - 1]), None);
    }
    if let Some(group) = stream.identity.group {
        rates.run(group, before, rows.times, rows.values);
    }
}

fn length_of(hours: &[f64]) -> i64 {
    i64::try_from(hours.len()).unwrap_or(0)
}

/// The first interval of a sender that does not say where it begins was given a minute, which is no distance.
fn is_made_up(stream: &Stream, time: i64, before: Option<i64>, entry: Option<Entry>) -> bool {
    let since = entry.map(|entry| entry.since);
    let minute = time.checked_sub(Period::MINUTE.nanoseconds());
    stream.lanes.all.is_empty() && before.is_none() && since.is_some() && since == minute
}

/// Moves a stream's one trail on, unless the point came late.
fn goes_on(stream: &mut Stream, point: Point, before: Option<i64>) -> Option<&mut Trail> {
    let new = stream.lanes.all.is_empty();
    let expected = stream.expected.take();
    let trail = stream.lanes.only(point.time, point.arrived);
    if let Some(period) = expected {
        trail.pace.fill(period.nanoseconds());
    }
    if !new && point.time <= trail.last {
        return None;
    }
    if let Some(before) = before {
        trail.pace.push(point.time - before);
    }
    (trail.last, trail.arrived, trail.told) = (point.time, point.arrived, None);
    Some(trail)
}

fn level(levels: &mut Levels, stream: &mut Stream, place: usize, point: Point, before: Option<i64>) {
    let until = stream.lanes.all.first().map(|trail| {
        let next = before.filter(|before| *before > trail.last).unwrap_or(point.time);
        held_until(trail, next)
    });
    if goes_on(stream, point, before).is_none() {
        return;
    }
    if let Some(group) = stream.identity.group {
        levels.level(place, group, (point.time, point.value), until);
    }
}

/// So many levels at a time are looked at for gaps between them.
const MANY: usize = 64;

/// The same of levels.
fn run_levels(levels: &mut Levels, stream: &mut Stream, place: usize, before: Option<i64>, rows: Rows<'_>) {
    let Rows { times, values, .. } = rows;
    let each = |stream: &mut Stream, levels: &mut Levels, some: Range<usize>| {
        for number in some {
            let before = if number == 0 { before } else { Some(times[number - 1]) };
            level(levels, stream, place, rows.point(number), before);
        }
    };
    // From the tenth on, nine distances are here.
    let mut reached = times.len().min(1 + REMEMBERED);
    each(stream, levels, 0..reached);
    while reached < times.len() {
        let until = times.len().min(reached + MANY);
        match stream.identity.group {
            Some(group) if is_steady(&times[reached - 1 - REMEMBERED..until]) => {
                levels.run(place, group, &times[reached - 1..until], &values[reached - 1..until]);
                let last = rows.point(until - 1);
                let trail = stream.lanes.only(last.time, last.arrived);
                trail.pace.replace(&times[until - 1 - REMEMBERED..until]);
                (trail.last, trail.arrived, trail.told) = (last.time, last.arrived, None);
            }
            _ => each(stream, levels, reached..until),
        }
        reached = until;
    }
}

/// Whether no distance of times is so much longer than another that a level would not hold for so long.
fn is_steady(times: &[i64]) -> bool {
    let distances = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (least, most) = distances.fold((i64::MAX, 0), |(least, most), one| (least.min(one), most.max(one)));
    least > 0 && most / 2 <= least
}

/// No edge will be before what every stream has got to that may set one.
fn settle(rates: &mut Rates, streams: &[Stream], lasts: &[Option<i64>], clock: Clock, groups: usize) {
    let mut settled = vec![i64::MAX; groups];
    let standing = standing(streams, clock);
    for ((stream, last), standing) in streams.iter().zip(lasts).zip(standing) {
        if let (Some(group), false) = (stream.identity.group, standing.is_silent() && last.is_none()) {
            let known = match stream.identity.kind {
                // Of several senders one that is seldom heard may be the last, and sets no edge.
                Kind::Delta => stream.lanes.latest().min(standing.quick.or(Some(i64::MAX))),
                _ => stream.latest().max(*last).max(stream.identity.start),
            };
            settled[group as usize] = settled[group as usize].min(known.unwrap_or(0));
        }
    }
    for (group, time) in (0..).zip(settled) {
        if time < i64::MAX {
            rates.settled(group, time);
        }
    }
}

/// Whether points of a stream are known, and how far the first of those got that would make it set an edge.
#[derive(Clone, Copy, Default)]
struct Standing {
    known: bool,
    quick: Option<i64>,
}

impl Standing {
    /// Points are known, but none that would make it set an edge.
    fn is_silent(self) -> bool {
        self.known && self.quick.is_none()
    }
}

fn standing(streams: &[Stream], clock: Clock) -> Vec<Standing> {
    let mut standing = vec![Standing::default(); streams.len()];
    for tail in tails(streams, clock) {
        let found = &mut standing[tail.stream];
        found.known = true;
        if tail.is_quick(clock) {
            found.quick = Some(found.quick.map_or(tail.last, |last| last.min(tail.last)));
        }
    }
    standing
}
