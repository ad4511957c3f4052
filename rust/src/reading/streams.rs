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
}

impl Streams {
    /// False where the number is taken.
    pub fn add(&mut self, number: u32, identity: Identity) -> bool {
        let stream = Stream {
            identity,
            sealed: None,
            lanes: Lanes::default(),
            hourly: None,
            expected: None,
            entries: Vec::new(),
        };
        let new = self.places.insert(number, self.all.len()).is_none();
        self.all.push(stream);
        new
    }

    #[inline]
    pub fn place(&self, number: u32) -> Option<usize> {
        self.places.get(&number).copied()
    }
}
