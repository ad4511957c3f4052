//! Sums the guarded points of one window per privacy unit and group; the bounds on a unit hold from the first point.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::treatment::RuleConfig;

/// A table of units that is full closes its metric's window for everybody: bounding never depends on other units.
pub const MOST_UNITS: usize = 200_000;
const MOST_CELLS: usize = 1_000_000;

/// One bucket of one group; numbers are in bucket 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub group: u32,
    pub bucket: u32,
}

#[derive(Clone, Copy)]
pub struct Cell {
    pub place: Place,
    /// Decides which cells of a unit stay; depends on nothing but the unit and the place.
    rank: u64,
    pub value: f64,
}

/// How a point changes a unit's value.
#[derive(Clone, Copy)]
pub enum Update {
    Add(f64),
    Set(f64),
}

/// What is counted when events themselves are the units.
#[derive(Debug, Clone, Copy, Default)]
pub struct Events {
    pub value: f64,
    pub count: f64,
    /// The value in whole events: no sum is so large that one more would be lost.
    pub whole: i128,
}

/// The open window of one metric.
#[derive(Default)]
pub struct Window {
    /// Unlike that of any other window of the table.
    pub number: u64,
    pub units: HashMap<u64, Vec<Cell>>,
    pub events: HashMap<Place, Events>,
    pub overflown: bool,
    cells: usize,
    order: RandomState,
}

impl Window {
    pub fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.events.is_empty() && !self.overflown
    }

    /// Counts `events` events, whose values add `value`.
    pub fn event(&mut self, place: Place, value: f64, events: f64) {
        if self.overflown || (self.events.len() >= MOST_CELLS && !self.events.contains_key(&place)) {
            return self.overflow();
        }
        let sum = self.events.entry(place).or_default();
        sum.value += value;
        sum.count += events;
        sum.whole = sum.whole.saturating_add(whole(value));
    }

    pub fn unit(&mut self, rule: &RuleConfig, unit: u64, place: Place, update: Update) {
        let known = self.units.contains_key(&unit);
        if self.overflown || self.cells >= MOST_CELLS || (!known && self.units.len() >= MOST_UNITS) {
            return self.overflow();
        }
        let rank = self.order.hash_one((unit, place));
        let cells = self.units.entry(unit).or_default();
        let before = cells.len();
        if before == 0 {
            cells.reserve_exact(1); // most units have one
        }
        match cells.binary_search_by_key(&place, |cell| cell.place) {
            Ok(index) => update.apply(&mut cells[index].value),
            Err(index) => {
                let mut value = 0.0;
                update.apply(&mut value);
                cells.insert(index, Cell { place, rank, value });
                keep_lowest(cells, rule.max_groups);
            }
        }
        self.cells += cells.len() - before;
    }

    /// Nothing more is counted, and nothing is released of what was.
    pub fn overflow(&mut self) {
        *self = Self { overflown: true, number: self.number, ..Self::default() };
    }
}

impl Update {
    fn apply(self, value: &mut f64) {
        match self {
            Self::Add(change) => *value += change,
            Self::Set(level) => *value = level,
        }
    }
}

/// Keeps the cells of lowest rank, whatever order they came in: a cell once dropped can never come back.
fn keep_lowest(cells: &mut Vec<Cell>, most: usize) {
    if most == 0 || cells.len() <= most {
        return;
    }
    let highest = cells.iter().enumerate().max_by_key(|(_, cell)| cell.rank);
    if let Some((index, _)) = highest {
        cells.remove(index);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(value: f64) -> i128 {
    value.round() as i128
}

/// In how many windows of a period each unit was counted, where that is limited.
#[derive(Default)]
pub struct Members {
    windows: HashMap<u64, (u32, u64)>,
    /// There were more units than can be told apart: nobody is counted until the next period.
    pub overflown: bool,
}

impl Members {
    /// Whether the unit counts in the window of this number, as one of at most `most` of the period.
    pub fn admit(&mut self, unit: u64, window: u64, most: u32) -> bool {
        if !self.windows.contains_key(&unit) && self.windows.len() >= MOST_UNITS {
            self.overflown = true;
            return false;
        }
        let (counted, last) = self.windows.entry(unit).or_insert((0, window.wrapping_sub(1)));
        if *last != window {
            if *counted >= most {
                return false;
            }
            *counted += 1;
            *last = window;
        }
        true
    }
}

/// The declared bucket, upper-inclusive, that a value falls into.
pub fn bucket(boundaries: &[f64], value: f64) -> u32 {
    let index = boundaries.partition_point(|bound| *bound < value);
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(groups: &[u32], window: &mut Window) -> Vec<u32> {
        let rule = RuleConfig { max_groups: 2, ..RuleConfig::default() };
        for group in groups {
            window.unit(&rule, 7, Place { group: *group, bucket: 0 }, Update::Add(1.0));
        }
        window.units[&7].iter().map(|cell| cell.place.group).collect()
    }

    #[test]
    fn the_groups_that_stay_do_not_depend_on_the_order() {
        let mut forward = Window::default();
        let mut backward = Window { order: forward.order.clone(), ..Window::default() };
        let first = kept(&[1, 2, 3, 4, 5, 1, 2], &mut forward);
        assert_eq!(first, kept(&[5, 4, 2, 3, 1, 4], &mut backward));
        assert_eq!(first.len(), 2);
    }

    #[test]
    fn a_full_table_forgets_everybody() {
        let rule = RuleConfig::default();
        let mut window = Window::default();
        for unit in 0..=MOST_UNITS as u64 {
            window.unit(&rule, unit, Place { group: 1, bucket: 0 }, Update::Add(1.0));
        }
        assert!(window.overflown && window.units.is_empty());
    }

    #[test]
    fn a_unit_counts_in_so_many_windows_and_no_more() {
        let mut members = Members::default();
        let admitted = |members: &mut Members, window| members.admit(7, window, 2);
        assert!(admitted(&mut members, 1) && admitted(&mut members, 1) && admitted(&mut members, 4));
        assert!(!admitted(&mut members, 5) && !admitted(&mut members, 6) && members.admit(8, 6, 2));
    }

    #[test]
    fn boundaries_are_upper_inclusive() {
        assert_eq!([1.0, 1.5, 2.0, 2.5].map(|value| bucket(&[1.0, 2.0], value)), [0, 1, 1, 2]);
    }
}
