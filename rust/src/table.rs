//! The known metrics and raw series: where their points go, and what state they have.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::batch::{Kind, Number, Reason};
use crate::columns::Distribution;
use crate::delta::History;
use crate::edges::Edges;
use crate::exponential;
use crate::fold::{Closed, Manner, close};
use crate::hash::{KeyedMap, Tight, TightMap, low};
use crate::treatment::{Path, Remembered, RuleConfig};
use crate::window::Window;

const MOST_REFUSED_METRICS: usize = 10_000;
/// Senders that reorder attributes make further raw forms of a series; beyond this each point pays for itself.
const RAW_FORMS: usize = 4;
const NO_RULE: u32 = u32::MAX;

/// What is known of a metric (name, unit, kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Rule(u32),
    Refused(Reason),
}

/// A rule as the table uses it, and its open window.
pub struct RuleState {
    pub config: Arc<RuleConfig>,
    pub kind: Kind,
    pub live: usize,
    pub window: Window,
}

/// One raw series.
pub struct Slot {
    pub path: Path,
    pub rule: u32,
    pub key: u128,
    pub seen: i64,
    /// Whether the store knew the stream: then its first value here is not the first one counted.
    pub known: bool,
    pub history: History,
    pub number: Option<Number>,
    pub histogram: Option<Box<Distribution>>,
    pub exponential: Option<Box<exponential::State>>,
    /// The level that the open window holds, and that window's number.
    pub level: (u64, f64),
}

impl Slot {
    fn new(key: u128, now: i64) -> Self {
        Self {
            path: Path::Unasked,
            rule: NO_RULE,
            key,
            seen: now,
            known: false,
            history: History::default(),
            number: None,
            histogram: None,
            exponential: None,
            level: (0, 0.0),
        }
    }

    /// Continues from what the store remembers.
    fn recall(&mut self, kind: Kind, recall: &Remembered) {
        self.known = true;
        self.history = History::recalled(recall.time, &recall.earlier);
        match kind {
            Kind::Gauge => {}
            Kind::Exponential => {
                self.exponential = exponential::State::recalled(recall).map(Box::new);
            }
            Kind::Counter | Kind::UpDownCounter => self.number = recall.value.map(recalled),
            Kind::Histogram | Kind::Summary => {
                self.histogram = recall.count.map(|count| {
                    Box::new(Distribution {
                        count,
                        sum: recall.total,
                        bounds: recall.bounds.clone(),
                        buckets: recall.buckets.clone(),
                    })
                });
            }
        }
    }
}

/// Whole numbers continue as such, so that differences stay exact.
#[expect(clippy::cast_possible_truncation, reason = "checked")]
fn recalled(value: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        Number::Int(value as i64)
    } else {
        Number::Double(value)
    }
}

pub struct Table {
    pub max_series: usize,
    pub created: i64,
    pub started: i64,
    pub slots: Vec<Slot>,
    pub rules: Vec<RuleState>,
    pub raw: TightMap<u32>,
    /// Whether new series are refused whatever their number: memory is short.
    pub held: bool,
    pub window_number: u64,
    /// Slots by their own key.
    canonical: HashTable<u32>,
    free: Vec<u32>,
    metrics: KeyedMap<Verdict>,
    refused: usize,
    numbers: HashMap<u32, u32>,
    pub edges: Edges,
}

impl Table {
    pub fn new(max_series: usize, created: i64, started: i64) -> Self {
        Self {
            max_series,
            created,
            started,
            slots: Vec::new(),
            rules: Vec::new(),
            raw: TightMap::default(),
            held: false,
            window_number: 1,
            canonical: HashTable::new(),
            free: Vec::new(),
            metrics: KeyedMap::default(),
            refused: 0,
            numbers: HashMap::new(),
            edges: Edges::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.canonical.len()
    }

    pub fn metric(&self, identity: u128) -> Option<Verdict> {
        self.metrics.get(&identity).copied()
    }

    pub fn refuse_metric(&mut self, identity: u128, reason: Reason) -> Verdict {
        if self.refused >= MOST_REFUSED_METRICS {
            self.metrics.retain(|_, verdict| matches!(verdict, Verdict::Rule(_)));
            self.refused = 0;
        }
        let verdict = Verdict::Refused(reason);
        if self.metrics.insert(identity, verdict).is_none() {
            self.refused += 1;
        }
        verdict
    }

    pub fn accept_metric(&mut self, identity: u128, kind: Kind, config: &RuleConfig) -> Verdict {
        let next = u32::try_from(self.rules.len()).unwrap_or(NO_RULE);
        let rule = *self.numbers.entry(config.number).or_insert(next);
        if rule == next {
            self.rules.push(RuleState {
                config: Arc::new(config.clone()),
                kind,
                live: 0,
                window: Window::default(),
            });
        }
        let verdict = Verdict::Rule(rule);
        self.metrics.insert(identity, verdict);
        verdict
    }

    pub fn slot(&self, key: u128) -> Option<u32> {
        self.canonical.find(low(key), |index| self.slots[*index as usize].key == key).copied()
    }

    pub fn alias(&mut self, raw: u128, slot: u32) {
        if self.raw.len() < self.max_series.saturating_mul(RAW_FORMS) {
            self.raw.insert(Tight::of(raw), slot);
        }
    }

    /// Remembers where a series' points go; a series that was known keeps its state.
    pub fn treat(
        &mut self,
        key: u128,
        rule: u32,
        path: Path,
        recall: Option<&Remembered>,
        (kind, now): (Kind, i64),
    ) -> u32 {
        let index = self.slot(key).unwrap_or_else(|| {
            let mut slot = Slot::new(key, now);
            if let Some(recall) = recall {
                slot.recall(kind, recall);
            }
            self.insert(slot)
        });
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.path = path;
            slot.rule = rule;
        }
        if let Some(state) = self.rules.get_mut(rule as usize) {
            state.live += 1;
        }
        index
    }

    fn insert(&mut self, slot: Slot) -> u32 {
        let key = slot.key;
        let index = if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            index
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        let slots = &self.slots;
        self.canonical.insert_unique(low(key), index, |other| low(slots[*other as usize].key));
        index
    }

    /// Forgets series not seen since `before`.
    pub fn evict(&mut self, before: i64) -> usize {
        let idle = |slots: &[Slot], index: u32| slots[index as usize].seen < before;
        self.raw.retain(|_, index| !idle(&self.slots, *index));
        let gone: Vec<u32> = self.canonical.extract_if(|index| idle(&self.slots, *index)).collect();
        for index in &gone {
            let slot = &mut self.slots[*index as usize];
            if let Some(rule) = self.rules.get_mut(slot.rule as usize) {
                rule.live = rule.live.saturating_sub(1);
            }
            *slot = Slot::new(0, i64::MAX);
        }
        self.free.extend(&gone);
        gone.len()
    }

    /// Everything will be asked again; state stays, and so does the open window.
    pub fn forget_rules(&mut self) {
        self.metrics.clear();
        self.refused = 0;
        self.numbers.clear();
        for slot in &mut self.slots {
            slot.path = Path::Unasked;
            slot.rule = NO_RULE;
        }
        self.rules.retain(|rule| !rule.window.is_empty());
        self.rules.iter_mut().for_each(|rule| rule.live = 0);
    }

    pub fn close_window(&mut self) -> Vec<(Arc<RuleConfig>, Closed)> {
        self.window_number += 1;
        let mut values = Vec::new();
        for rule in &mut self.rules {
            let window = std::mem::take(&mut rule.window);
            let manner = Manner {
                mean: rule.kind == Kind::Gauge,
                histogram: matches!(rule.kind, Kind::Histogram | Kind::Exponential | Kind::Summary),
            };
            let closed = close(&rule.config, manner, window);
            values.extend(closed.into_iter().map(|value| (rule.config.clone(), value)));
        }
        values
    }
}
