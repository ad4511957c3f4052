//! Tells repeated points from late ones, beyond the times that a stream remembers.

use std::collections::HashSet;

use crate::apply::Times;
use crate::batch::Batch;
use crate::lookup::Place;

/// Points by stream and time.
pub type Points = HashSet<(u32, i64)>;

/// What the store has of the doubtful points of a request, and what the request itself has brought so far.
pub struct Repeats<'a> {
    batch: &'a Batch,
    places: &'a [Place],
    times: Times,
    stored: &'a Points,
    /// Slots and times.
    met: HashSet<(u32, i64)>,
    read: usize,
}

impl<'a> Repeats<'a> {
    /// `remembered`: points, by slot and time, that the streams themselves knew before the request.
    pub fn new(
        batch: &'a Batch,
        places: &'a [Place],
        times: Times,
        stored: &'a Points,
        remembered: HashSet<(u32, i64)>,
    ) -> Self {
        Self { batch, places, times, stored, met: remembered, read: 0 }
    }

    /// Whether point `index`, at `time` in `slot`, was known before or stands in the request before.
    #[cold]
    pub fn contain(&mut self, index: usize, slot: u32, stream: Option<u32>, time: i64) -> bool {
        let before = self.batch.contents.points[self.read..index].iter().zip(&self.places[self.read..index]);
        let times = self.times;
        self.met.extend(before.filter_map(|(point, place)| match place {
            Place::Slot(slot) => times.of(point.time).ok().map(|time| (*slot, time)),
            Place::Refused(_) | Place::Nowhere(_) => None,
        }));
        self.read = index;
        stream.is_some_and(|stream| self.stored.contains(&(stream, time))) || self.met.contains(&(slot, time))
    }
}
