//! The streams that a question is about: which group they belong to, who they are related to, and how far they got.

use std::collections::HashMap;

use super::lanes::{Lanes, LastRate};
use super::pace::Period;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cumulative,
    Delta,
    Level,
}

impl Kind {
    pub fn of(number: u8) -> Option<Self> {
        [Self::Cumulative, Self::Delta, Self::Level].get(usize::from(number)).copied()
    }
}

/// What is known of a stream's sealed end without unpacking it.
#[derive(Debug, Clone, Copy)]
pub struct Sealed {
    pub last: i64,
    pub period: Option<Period>,
    pub arrived: i64,
}

/// An increment that did not begin at the row before it, or is estimated, or is long.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub time: i64,
    pub since: i64,
    pub value: f64,
    pub estimated: bool,
    pub period: Option<Period>,
    /// Its row has come, or sums of hours hold it.
    pub counted: bool,
}

/// Who a stream is, as the store knows it.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub group: Option<u32>,
    pub kind: Kind,
    pub raw: Option<u64>,
    pub kin: Option<u64>,
    pub start: Option<i64>,
    /// By what its values are multiplied: they were stored in another unit.
    pub factor: f64,
}

#[derive(Debug)]
pub struct Stream {
    pub identity: Identity,
    pub sealed: Option<Sealed>,
    /// The last times of what of it is sealed, or of rows that are not all read.
    pub ends: Vec<i64>,
    pub lanes: Lanes,
    /// What the last hour of sums came to.
    pub hourly: Option<LastRate>,
    /// The period as the store knows it, until the stream's own points tell it.
    pub expected: Option<Period>,
    /// By time.
    pub entries: Vec<Entry>,
}

impl Stream {
    /// The time of the last point, whether it was fed or is only known.
    pub fn latest(&self) -> Option<i64> {
        self.lanes.latest().max(self.sealed.map(|sealed| sealed.last))
    }

    /// The entry of the row at a time, which then does not count by itself.
    pub fn entry(&mut self, time: i64) -> Option<Entry> {
        if self.entries.is_empty() {
            return None;
        }
        let place = self.entries.binary_search_by_key(&time, |entry| entry.time).ok()?;
        self.entries[place].counted = true;
        Some(self.entries[place])
    }

    /// Whether a row between two times, both included, has an entry.
    pub fn has_entries(&self, from: i64, until: i64) -> bool {
        let place = self.entries.partition_point(|entry| entry.time < from);
        self.entries.get(place).is_some_and(|entry| entry.time <= until)
    }
}

/// All streams of a question, by their numbers.
#[derive(Debug, Default)]
pub struct Streams {
    pub all: Vec<Stream>,
    places: HashMap<u32, usize>,
    /// Of each series its group, and by what its values are multiplied.
    series: HashMap<u32, (u32, f64)>,
}

impl Streams {
    pub fn name_series(&mut self, series: u32, group: u32, factor: f64) {
        self.series.insert(series, (group, factor));
    }

    pub fn of_series(&self, series: u32) -> Result<(u32, f64), String> {
        self.series.get(&series).copied().ok_or_else(|| format!("series {series} is not known"))
    }

    /// False where the number is taken.
    pub fn add(&mut self, number: u32, identity: Identity) -> bool {
        let stream = Stream {
            identity,
            sealed: None,
            ends: Vec::new(),
            lanes: Lanes::default(),
            hourly: None,
            expected: None,
            entries: Vec::new(),
        };
        let new = self.places.insert(number, self.all.len()).is_none();
        self.all.push(stream);
        new
    }

    /// Whether what ended within this time, its end included, tells more than what comes after it does: how a stream
    /// goes on that ended there, and which of the senders of increments is which.
    pub fn need_what_ended(&self, after: i64, until: i64) -> bool {
        let ended = |stream: &Stream| stream.ends.iter().any(|end| (after + 1..=until).contains(end));
        self.all.iter().any(|stream| stream.identity.kind == Kind::Delta || ended(stream))
    }

    #[inline]
    pub fn place(&self, number: u32) -> Option<usize> {
        self.places.get(&number).copied()
    }
}
