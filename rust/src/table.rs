//! The known metrics and raw series: where their points go, and what state they have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::batch::{Kind, Number, Reason};
use crate::columns::Distribution;
use crate::delta::History;
use crate::departed::Departed;
use crate::edges::Edges;
use crate::exponential;
use crate::fold::{Closed, close};
use crate::hash::{KeyedMap, Tight, TightMap, low};
use crate::release::{Published, Running, publish};
use crate::treatment::{Path, Remembered, RuleConfig};
use crate::window::{Members, Place, Update, Window};

const MOST_REFUSED_METRICS: usize = 10_000;
/// A metric is known by each unit that it came with, and senders may write anything there.
const MOST_METRICS: usize = 100_000;
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
    pub live: usize,
    pub window: Window,
    members: Members,
    running: Running,
}

impl RuleState {
    fn new(config: Arc<RuleConfig>, window: u64) -> Self {
        Self {
            config,
            live: 0,
            window: Window::new(window),
            members: Members::default(),
            running: Running::default(),
        }
    }

    /// Takes what one privacy unit contributes, if it still counts in this period.
    pub fn unit(&mut self, unit: u64, place: Place, update: Update) {
        let most = self.config.release.as_ref().map_or(0, |release| release.most_windows);
        if most > 0 && !self.members.admit(unit, self.window.number, most) {
            if self.members.overflown {
                self.window.overflow();
            }
            return;
        }
        self.window.unit(&self.config, unit, place, update);
    }

    fn is_released(&self) -> bool {
        self.config.release.is_some()
    }
}

/// One raw series.
pub struct Slot {
    pub path: Path,
    pub rule: u32,
    pub key: u128,
    pub seen: i64,
    /// Whether it was known before, to the store or here: then its first value is not the first one counted.
    pub known: bool,
    /// Whether its points go into windows; stays when the rules are forgotten.
    guarded: bool,
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
            guarded: false,
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
    /// Whether new series of the open path are refused whatever their number: memory is short.
    pub held: bool,
    /// Slots of guarded series: they never count against those of the open path.
    pub guarded: usize,
    departed: Departed,
    window_number: u64,
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
            guarded: 0,
            departed: Departed::default(),
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

    /// Before a request: asks about all metrics again when there are too many to remember.
    pub fn forget_metrics(&mut self) {
        if self.metrics.len() >= MOST_METRICS {
            self.metrics.clear();
            self.refused = 0;
        }
    }

    pub fn accept_metric(&mut self, identity: u128, config: &RuleConfig) -> Verdict {
        let verdict = Verdict::Rule(self.rule(config));
        self.metrics.insert(identity, verdict);
        verdict
    }

    fn rule(&mut self, config: &RuleConfig) -> u32 {
        let next = u32::try_from(self.rules.len()).unwrap_or(NO_RULE);
        let rule = *self.numbers.entry(config.number).or_insert(next);
        if rule == next {
            self.window_number += 1;
            self.rules.push(RuleState::new(Arc::new(config.clone()), self.window_number));
        } else if let Some(known) = self.rules.get_mut(rule as usize)
            && known.is_released()
            && config.release.is_none()
        {
            // The catalogue releases it no more.
            self.window_number += 1;
            *known = RuleState::new(Arc::new(config.clone()), self.window_number);
        }
        rule
    }

    /// Puts a released metric's rule in place, whether or not anything of it came: it is released all the same.
    /// `fresh`: a budget period begins, so who was counted before is forgotten.
    pub fn declare(&mut self, config: &RuleConfig, fresh: bool) {
        let index = self.rule(config);
        let rule = &mut self.rules[index as usize];
        if rule.config.release != config.release {
            rule.running = Running::default();
        }
        if fresh {
            rule.members = Members::default();
        }
        rule.config = Arc::new(config.clone());
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
            slot.known |= path.is_guarded() && self.departed.take(key);
            self.insert(slot)
        });
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.guarded -= usize::from(slot.guarded);
            slot.guarded = path.is_guarded();
            self.guarded += usize::from(slot.guarded);
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
        self.departed.age(before);
        for slot in self.slots.iter().filter(|slot| slot.guarded && slot.seen < before) {
            self.departed.add(slot.key);
        }
        self.remove(|slot| slot.seen < before)
    }

    /// Forgets the raw series of output series that were erased, and what the open windows of released metrics
    /// hold of `numbers`. What such a stream sends next is a baseline, since it began before `created`.
    pub fn erase(&mut self, series: &HashSet<u32>, numbers: &HashSet<u32>, created: i64) -> usize {
        self.created = created;
        for rule in self.rules.iter_mut().filter(|rule| numbers.contains(&rule.config.number)) {
            self.window_number += 1;
            rule.window = Window::new(self.window_number);
        }
        self.remove(|slot| matches!(slot.path, Path::Open { series: of, .. } if series.contains(&of)))
    }

    fn remove(&mut self, is_gone: impl Fn(&Slot) -> bool) -> usize {
        let gone = |slots: &[Slot], index: u32| is_gone(&slots[index as usize]);
        self.raw.retain(|_, index| !gone(&self.slots, *index));
        let gone: Vec<u32> = self.canonical.extract_if(|index| gone(&self.slots, *index)).collect();
        for index in &gone {
            let slot = &mut self.slots[*index as usize];
            self.guarded -= usize::from(slot.guarded);
            if let Some(rule) = self.rules.get_mut(slot.rule as usize) {
                rule.live = rule.live.saturating_sub(1);
            }
            *slot = Slot::new(0, i64::MAX);
        }
        self.free.extend(&gone);
        gone.len()
    }

    /// Everything will be asked again; state stays, and so do the open windows.
    pub fn forget_rules(&mut self) {
        self.metrics.clear();
        self.refused = 0;
        self.numbers.clear();
        for slot in &mut self.slots {
            slot.path = Path::Unasked;
            slot.rule = NO_RULE;
        }
        self.rules.retain(|rule| rule.is_released() || !rule.window.is_empty());
        self.rules.iter_mut().for_each(|rule| rule.live = 0);
        let released = self.rules.iter().zip(0..).filter(|(rule, _)| rule.is_released());
        self.numbers.extend(released.map(|(rule, index)| (rule.config.number, index)));
    }

    /// Closes the windows that are folded.
    pub fn close_window(&mut self) -> Vec<(Arc<RuleConfig>, Closed)> {
        let mut values = Vec::new();
        for rule in self.rules.iter_mut().filter(|rule| !rule.is_released()) {
            self.window_number += 1;
            let window = std::mem::replace(&mut rule.window, Window::new(self.window_number));
            let closed = close(&rule.config, window);
            values.extend(closed.into_iter().map(|value| (rule.config.clone(), value)));
        }
        values
    }

    /// Closes the windows that are released with noise; of other metrics than `numbers` nothing is released.
    pub fn close_release(&mut self, numbers: &[u32]) -> Vec<(Arc<RuleConfig>, Published)> {
        let mut published = Vec::new();
        for rule in &mut self.rules {
            let Some(release) = rule.config.release.clone() else {
                continue;
            };
            self.window_number += 1;
            let window = std::mem::replace(&mut rule.window, Window::new(self.window_number));
            if numbers.contains(&rule.config.number) {
                let values = publish(&rule.config, &release, window, &mut rule.running);
                published.push((rule.config.clone(), values));
            } else {
                rule.running = Running::default();
            }
        }
        published
    }
}
