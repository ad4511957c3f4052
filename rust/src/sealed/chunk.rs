//! A sealed chunk into the times and values of its points.

use std::ops::Range;

use super::arrow::Gaps;
use super::{Fed, LATEST};

/// A row of `chunks`, with the lists as they are stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packed<'a> {
    pub start: i64,
    pub step: i64,
    pub count: usize,
    pub offsets: Option<&'a [i64]>,
    pub kind: u8,
    pub scale: u8,
    pub base: i64,
    pub tiny_steps: Option<&'a [i8]>,
    pub short_steps: Option<&'a [i16]>,
    pub steps: Option<&'a [i32]>,
    pub long_steps: Option<&'a [i64]>,
    pub reach: Option<i16>,
    pub far: Option<&'a [i16]>,
    pub reals: Option<&'a [f64]>,
    pub cumulatives: Option<Gaps<'a>>,
}

/// The points of chunks, of each in the order of time.
#[derive(Debug, Default)]
pub struct Unpacked {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    /// Only where it is asked for: the running values as they were sent, NaN where they are not known.
    pub sent: Vec<f64>,
    moved: Vec<i64>,
}

const REALS: u8 = 0;
const LEVELS: [u8; 2] = [1, 2];
const LEVELS_SENT: u8 = 2;
const INCREMENTS: u8 = 3;
const RUNNING: u8 = 4;
/// Beyond, a power of ten is no exact double.
const MOST_DIGITS: u8 = 22;

impl Unpacked {
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.sent.clear();
    }

    /// Adds the points of a chunk. `levels`: whether they are to be levels, or increments.
    pub fn add(&mut self, chunk: &Packed<'_>, levels: bool) -> Fed<()> {
        if chunk.kind != REALS && levels != LEVELS.contains(&chunk.kind) {
            return Err(format!("a chunk is of kind {}, which is not what is asked for", chunk.kind));
        }
        self.unpack::<false>(chunk)
    }

    /// Adds the points of a chunk of any kind.
    pub fn add_any(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        self.unpack::<false>(chunk)
    }

    /// Adds the points of a chunk of any kind, with what was sent.
    pub fn add_with_sent(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        self.unpack::<true>(chunk)
    }

    /// From a place on, puts points of several chunks in the order of time.
    pub fn sort_from(&mut self, start: usize) {
        let mut order: Vec<usize> = (start..self.times.len()).collect();
        order.sort_by_key(|place| self.times[*place]);
        let times: Vec<i64> = order.iter().map(|place| self.times[*place]).collect();
        self.times.truncate(start);
        self.times.extend(times);
        for column in [&mut self.values, &mut self.sent].into_iter().filter(|column| !column.is_empty()) {
            let sorted: Vec<f64> = order.iter().map(|place| column[*place]).collect();
            column.truncate(start);
            column.extend(sorted);
        }
    }

    /// Of the points from a place on, some stay.
    pub fn keep(&mut self, start: usize, some: Range<usize>) {
        if some.start == 0 && start + some.end == self.times.len() {
            return;
        }
        self.times.truncate(start + some.end);
        self.times.drain(start..start + some.start);
        for column in [&mut self.values, &mut self.sent].into_iter().filter(|column| !column.is_empty()) {
            column.truncate(start + some.end);
            column.drain(start..start + some.start);
        }
    }

    fn unpack<const SENT: bool>(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        if chunk.count == 0 {
            return Err("a chunk has no points".into());
        }
        if chunk.kind > RUNNING {
            return Err(format!("a chunk is of kind {}, which is not known", chunk.kind));
        }
        self.unpack_times(chunk)?;
        if chunk.kind == REALS {
            return self.take_reals::<SENT>(chunk);
        }
        self.unpack_steps(chunk)?;
        self.scale::<SENT>(chunk)
    }

    fn unpack_times(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        let Packed { start, step, count, .. } = *chunk;
        let first = self.times.len();
        let mut next = start.wrapping_sub(step);
        let even = || {
            next = next.wrapping_add(step);
            next
        };
        let even = std::iter::repeat_with(even).take(count);
        match chunk.offsets {
            None => self.times.extend(even),
            Some(offsets) if offsets.len() == count => {
                self.times.extend(offsets.iter().zip(even).map(|(offset, time)| time.wrapping_add(*offset)));
            }
            Some(_) => return Err("a chunk has not one offset for each point".into()),
        }
        let times = &self.times[first..];
        let rising = times.is_sorted();
        // Whoever rises from one time to the other is in between all the way.
        let ends = [times[0], times[count - 1]];
        if rising && ends.iter().all(|time| (0..LATEST).contains(time)) {
            Ok(())
        } else {
            Err("the times of a chunk do not rise".into())
        }
    }

    fn take_reals<const SENT: bool>(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        let reals = chunk.reals.filter(|reals| reals.len() == chunk.count);
        let reals = reals.ok_or("a chunk of reals has not one for each point")?;
        self.values.extend_from_slice(reals);
        if SENT {
            let sent = chunk.cumulatives;
            self.sent
                .extend((0..chunk.count).map(|nth| sent.and_then(|sent| sent.at(nth)).unwrap_or(f64::NAN)));
        }
        Ok(())
    }

    fn unpack_steps(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        self.moved.clear();
        match *chunk {
            Packed { tiny_steps: Some(steps), .. } => {
                self.moved.extend(steps.iter().map(|step| i64::from(*step)));
            }
            Packed { short_steps: Some(steps), .. } => {
                self.moved.extend(steps.iter().map(|step| i64::from(*step)));
            }
            Packed { steps: Some(steps), .. } => self.moved.extend(steps.iter().map(|step| i64::from(*step))),
            Packed { long_steps: Some(steps), .. } => self.moved.extend_from_slice(steps),
            _ => {}
        }
        if self.moved.len() != chunk.count {
            return Err("a chunk has not one step for each point".into());
        }
        match chunk.reach {
            Some(reach) => self.reach(i64::from(reach), chunk.far.unwrap_or_default()),
            None => Ok(()),
        }
    }

    /// Puts the steps that are far from the others in the place of their numbers.
    fn reach(&mut self, reach: i64, far: &[i16]) -> Fed<()> {
        let reach = u64::try_from(reach).map_err(|_| "the reach of a chunk is negative")?;
        for step in self.moved.iter_mut().filter(|step| step.unsigned_abs() > reach) {
            let number = usize::try_from(step.unsigned_abs() - reach).unwrap_or(usize::MAX);
            let place = if *step > 0 { Some(number - 1) } else { far.len().checked_sub(number) };
            let found = place.and_then(|place| far.get(place));
            *step = i64::from(*found.ok_or("a step of a chunk is too far")?);
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "the store keeps doubles")]
    fn scale<const SENT: bool>(&mut self, chunk: &Packed<'_>) -> Fed<()> {
        if chunk.scale > MOST_DIGITS {
            return Err("a chunk has more digits than a number".into());
        }
        let p = 10_f64.powi(i32::from(chunk.scale));
        let first = self.sent.len();
        let moved = self.moved.iter();
        match chunk.kind {
            INCREMENTS => self.values.extend(moved.map(|step| *step as f64 / p)),
            RUNNING if chunk.scale == 0 => {
                self.values.extend(moved.map(|step| *step as f64));
                if SENT {
                    levels(&mut self.sent, &self.moved, chunk.base, p)?;
                }
            }
            RUNNING => {
                levels(&mut self.sent, &self.moved, chunk.base, p)?;
                let mut before = chunk.base as f64 / p;
                let grew = |level: &f64| *level - std::mem::replace(&mut before, *level);
                self.values.extend(self.sent[first..].iter().map(grew));
                if !SENT {
                    self.sent.truncate(first);
                }
            }
            _ => levels(&mut self.values, &self.moved, chunk.base, p)?,
        }
        if SENT && chunk.kind == LEVELS_SENT {
            self.sent.extend_from_slice(&self.values[self.values.len() - chunk.count..]);
        } else if SENT && chunk.kind != RUNNING {
            self.sent.resize(first + chunk.count, f64::NAN);
        }
        Ok(())
    }
}

/// What a whole number, and then one step after the other, comes to, divided by a power of ten.
#[expect(clippy::cast_precision_loss, reason = "the store keeps doubles")]
fn levels(into: &mut Vec<f64>, moved: &[i64], base: i64, p: f64) -> Fed<()> {
    let (mut q, mut beyond) = (base, false);
    let next = |step: &i64| {
        let (next, over) = q.overflowing_add(*step);
        beyond |= over;
        q = next;
        q as f64
    };
    #[expect(clippy::float_cmp, reason = "of whole numbers")]
    if p == 1.0 {
        into.extend(moved.iter().map(next));
    } else {
        into.extend(moved.iter().map(next).map(|level| level / p));
    }
    if beyond { Err("the values of a chunk are too great".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use arrow_buffer::NullBuffer;

    use super::*;

    fn unpacked(chunk: &Packed<'_>, levels: bool) -> Fed<(Vec<i64>, Vec<f64>)> {
        let mut unpacked = Unpacked::default();
        unpacked.add(chunk, levels)?;
        Ok((unpacked.times, unpacked.values))
    }

    const CHUNK: Packed<'static> = Packed {
        start: 100,
        step: 10,
        count: 3,
        offsets: None,
        kind: 4,
        scale: 1,
        base: 50,
        tiny_steps: Some(&[5, 0, 10]),
        short_steps: None,
        steps: None,
        long_steps: None,
        reach: None,
        far: None,
        reals: None,
        cumulatives: None,
    };

    #[test]
    fn what_was_sent_comes_with_the_values() {
        let sent = |chunk: &Packed<'_>| {
            let mut unpacked = Unpacked::default();
            unpacked.add_with_sent(chunk).ok()?;
            Some((unpacked.values, unpacked.sent))
        };
        assert_eq!(sent(&CHUNK), Some((vec![0.5, 0.0, 1.0], vec![5.5, 5.5, 6.5])));
        let whole = Packed { scale: 0, ..CHUNK };
        assert_eq!(sent(&whole), Some((vec![5.0, 0.0, 10.0], vec![55.0, 55.0, 65.0])));
        let level = Packed { kind: 2, ..CHUNK };
        assert_eq!(sent(&level), Some((vec![5.5, 5.5, 6.5], vec![5.5, 5.5, 6.5])));
        for unknown in [Packed { kind: 1, ..CHUNK }, Packed { kind: 3, ..CHUNK }] {
            assert!(sent(&unknown).is_some_and(|(_, sent)| sent.iter().all(|one| one.is_nan())));
        }
        let known = NullBuffer::from(vec![false, true, false, true]);
        let cumulatives = Some(Gaps { values: &[7.0, 0.0, 9.0], known: Some(&known), first: 1 });
        let reals = Packed { kind: 0, reals: Some(&[1.0, 2.0, 3.0]), cumulatives, ..CHUNK };
        let (values, sent) = sent(&reals).unwrap_or_default();
        assert_eq!((values, sent[0], sent[1].is_nan(), sent[2]), (vec![1.0, 2.0, 3.0], 7.0, true, 9.0));
    }

    #[test]
    fn points_of_several_chunks_are_put_in_order() {
        let mut unpacked = Unpacked::default();
        let late = Packed { start: 105, ..CHUNK };
        assert!(unpacked.add_with_sent(&late).is_ok() && unpacked.add_with_sent(&CHUNK).is_ok());
        unpacked.sort_from(0);
        assert_eq!(unpacked.times, [100, 105, 110, 115, 120, 125]);
        assert_eq!(unpacked.sent, [5.5, 5.5, 5.5, 5.5, 6.5, 6.5]);
    }

    #[test]
    fn each_kind_has_its_values() {
        let times = vec![100, 110, 120];
        assert_eq!(unpacked(&CHUNK, false), Ok((times.clone(), vec![0.5, 0.0, 1.0])));
        assert_eq!(unpacked(&Packed { kind: 3, ..CHUNK }, false), Ok((times.clone(), vec![0.5, 0.0, 1.0])));
        assert_eq!(unpacked(&Packed { kind: 2, ..CHUNK }, true), Ok((times.clone(), vec![5.5, 5.5, 6.5])));
        let reals = Packed { kind: 0, reals: Some(&[1.0, 2.0, 3.0]), ..CHUNK };
        assert_eq!(unpacked(&reals, true), Ok((times, vec![1.0, 2.0, 3.0])));
        let shifted = Packed { offsets: Some(&[0, -1, 5]), ..CHUNK };
        assert_eq!(unpacked(&shifted, false).map(|(times, _)| times), Ok(vec![100, 109, 125]));
    }

    #[test]
    fn far_steps_are_found_from_both_ends() {
        let chunk = Packed { kind: 3, scale: 0, tiny_steps: Some(&[8, -6, 5]), reach: Some(5), ..CHUNK };
        let values = unpacked(&Packed { far: Some(&[-900, 70, 80, 700]), ..chunk }, false);
        assert_eq!(values.map(|(_, values)| values), Ok(vec![80.0, 700.0, 5.0]));
        assert!(unpacked(&Packed { far: Some(&[1]), ..chunk }, false).is_err());
        assert!(unpacked(&Packed { reach: Some(-1), far: Some(&[1]), ..chunk }, false).is_err());
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for broken in [
            Packed { count: 0, ..CHUNK },
            Packed { count: 4, ..CHUNK },
            Packed { count: 2, ..CHUNK },
            Packed { kind: 5, ..CHUNK },
            Packed { kind: 1, ..CHUNK },
            Packed { kind: 0, ..CHUNK },
            Packed { tiny_steps: None, ..CHUNK },
            Packed { step: -10, ..CHUNK },
            Packed { step: i64::MAX, ..CHUNK },
            Packed { start: i64::MAX, ..CHUNK },
            Packed { start: -5, ..CHUNK },
            Packed { scale: 23, ..CHUNK },
            Packed { offsets: Some(&[0]), ..CHUNK },
            Packed { offsets: Some(&[0, 5, -50]), ..CHUNK },
            Packed { base: i64::MAX, ..CHUNK },
        ] {
            assert!(unpacked(&broken, false).is_err(), "{broken:?}");
        }
    }
}
