//! Closes a metric's window: clamps every unit, folds groups of too few units into `other`, and sums.

use std::collections::{BTreeMap, HashSet};

use crate::treatment::RuleConfig;
use crate::window::{Place, Window};

const OTHER: u32 = 0;

/// One value of a closed window.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    pub group: u32,
    pub value: f64,
    pub buckets: Option<Vec<u64>>,
}

/// One group while it is being closed: who is in it, and what each of them says.
#[derive(Default)]
struct Group {
    units: HashSet<u64>,
    events: f64,
    values: BTreeMap<(u32, u64), f64>,
}

impl Group {
    fn size(&self) -> f64 {
        // Counts of units are far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "as said")]
        let units = self.units.len() as f64;
        units + self.events
    }

    fn absorb(&mut self, other: Self, mean: bool) {
        self.units.extend(other.units);
        self.events += other.events;
        for (cell, value) in other.values {
            let mine = self.values.entry(cell).or_default();
            *mine = if mean && cell.1 != EVENTS { value } else { *mine + value };
        }
    }
}

/// The one unit of a bucket in which events count for themselves.
const EVENTS: u64 = 0;

pub fn close(rule: &RuleConfig, window: Window) -> Vec<Closed> {
    if window.overflown {
        return Vec::new();
    }
    let mut groups = gather(window);
    if rule.k > 0 {
        fold(&mut groups, rule.k, rule.gauge);
    }
    let close = |(group, members)| finish(rule, group, &members);
    groups.into_iter().map(close).collect()
}

fn gather(window: Window) -> BTreeMap<u32, Group> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for (unit, cells) in window.units {
        for cell in cells {
            let group = groups.entry(cell.place.group).or_default();
            group.units.insert(unit);
            group.values.insert((cell.place.bucket, unit), cell.value);
        }
    }
    for (Place { group, bucket }, sum) in window.events {
        let group = groups.entry(group).or_default();
        group.events += sum.count;
        *group.values.entry((bucket, EVENTS)).or_default() += sum.value;
    }
    groups
}

/// Folds until `other` hides at least `k` units, so that no subtraction finds a small group; else nothing is left.
fn fold(groups: &mut BTreeMap<u32, Group>, k: usize, mean: bool) {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let enough = k as f64;
    let mut by_size: Vec<(f64, u32)> =
        groups.iter().map(|(group, members)| (members.size(), *group)).collect();
    by_size.retain(|(_, group)| *group != OTHER);
    by_size.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut other = groups.remove(&OTHER).unwrap_or_default();
    for (size, group) in by_size {
        let hidden = other.size() > 0.0 && other.size() < enough;
        if (size < enough || hidden)
            && let Some(members) = groups.remove(&group)
        {
            other.absorb(members, mean);
        }
    }
    if other.size() >= enough {
        groups.insert(OTHER, other);
    }
}

fn finish(rule: &RuleConfig, group: u32, members: &Group) -> Closed {
    let clamp = |unit: u64, value: f64| match value {
        // Opposite infinities met, or nothing that can be bounded was said.
        _ if value.is_nan() => 0.0_f64.clamp(rule.lower, rule.upper),
        _ if rule.by_event && unit == EVENTS => value,
        _ => value.clamp(rule.lower, rule.upper),
    };
    let cells = members.values.iter().map(|((bucket, unit), value)| (*bucket, clamp(*unit, *value)));
    if let Some(boundaries) = &rule.boundaries {
        let length = boundaries.len() + 1;
        let buckets = totals(length, cells);
        let value = buckets.iter().sum();
        let buckets = Some(buckets.into_iter().map(whole).collect());
        return Closed { group, value, buckets };
    }
    let sum: f64 = cells.map(|(_, value)| value).sum();
    let value = if rule.gauge && members.size() > 0.0 { sum / members.size() } else { sum };
    Closed { group, value: nearest(&rule.snap, value), buckets: None }
}

fn totals(length: usize, cells: impl Iterator<Item = (u32, f64)>) -> Vec<f64> {
    let mut buckets = vec![0.0; length];
    for (bucket, value) in cells {
        if let Some(total) = buckets.get_mut(bucket as usize) {
            *total += value;
        }
    }
    buckets
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The nearest of `steps`, the lower one of two; the value itself without any.
fn nearest(steps: &[f64], value: f64) -> f64 {
    let distance = |step: &f64| (step - value).abs();
    let best = steps.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    best.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Update;

    fn rule(k: usize) -> RuleConfig {
        RuleConfig { k, upper: 10.0, ..RuleConfig::default() }
    }

    fn window(sizes: &[(u32, u64)]) -> Window {
        let mut window = Window::default();
        let mut unit = 0;
        for (group, size) in sizes {
            for _ in 0..*size {
                unit += 1;
                window.unit(&rule(0), unit, Place { group: *group, bucket: 0 }, Update::Add(1.0));
            }
        }
        window
    }

    fn closed(sizes: &[(u32, u64)]) -> Vec<(u32, f64)> {
        let values = close(&rule(5), window(sizes));
        values.into_iter().map(|value| (value.group, value.value)).collect()
    }

    #[test]
    fn small_groups_go_into_other() {
        assert_eq!(closed(&[(1, 9), (2, 3), (3, 2)]), [(0, 5.0), (1, 9.0)]);
    }

    #[test]
    fn a_small_other_takes_the_next_group_with_it() {
        assert_eq!(closed(&[(1, 9), (2, 6), (3, 2)]), [(0, 8.0), (1, 9.0)]);
        assert_eq!(closed(&[(0, 1), (1, 9)]), [(0, 10.0)]);
    }

    #[test]
    fn too_few_altogether_are_withheld() {
        assert_eq!(closed(&[(1, 2), (2, 2)]), []);
    }

    #[test]
    fn values_go_to_the_nearest_step() {
        let steps = [0.0, 1.0, 5.0];
        assert_eq!(vec![0.0, 0.0, 5.0], Vec::from([0.4, 0.5, 7.0].map(|value| nearest(&steps, value))));
    }
}
