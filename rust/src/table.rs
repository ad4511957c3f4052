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
use crate::kindred::{Descent, Kindred, NOBODY};
use crate::release::{Published, Running, publish};
use crate::scale::Scale;
use crate::since::Pace;
use crate::treatment::{Answer, Path, Remembered, RuleConfig};
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
    key: Tight,
    pub seen: i64,
    /// Whether it was known before, to the store or here: then its first value is not the first one counted.
    pub known: bool,
    /// Whether its points go into windows; stays when the rules are forgotten.
    guarded: bool,
    /// The stream of its last row; 0: it has none.
    pub stream: u32,
    /// By what its values are multiplied to be in the unit of its entry.
    pub factor: f64,
    pub raw: u64,
    pub kin: u64,
    /// Nanoseconds; 0: unknown, until its first point stands for it.
    pub start: i64,
    pub scraped: bool,
    /// The start that it came with last.
    pub latest_start: i64,
    pub next_raw: u32,
    pub next_kin: u32,
    pub pace: Pace,
    uncommon: Option<Box<Uncommon>>,
    pub history: History,
    pub number: Option<Number>,
    pub histogram: Option<Box<Distribution>>,
    /// The level that the open window holds, and that window's number.
    pub level: (u64, f64),
}

/// What few series have, so that the others need no room for it.
#[derive(Default)]
struct Uncommon {
    /// The stream that it takes the place of, as the store knows it.
    elder: Option<Elder>,
    exponential: Option<Box<exponential::State>>,
}

impl Slot {
    fn new(key: u128, now: i64) -> Self {
        Self {
            path: Path::Unasked,
            rule: NO_RULE,
            key: Tight::of(key),
            seen: now,
            known: false,
            guarded: false,
            stream: 0,
            factor: 1.0,
            raw: 0,
            kin: 0,
            start: 0,
            scraped: false,
            latest_start: 0,
            next_raw: NOBODY,
            next_kin: NOBODY,
            pace: Pace::default(),
            uncommon: None,
            history: History::default(),
            number: None,
            histogram: None,
            level: (0, 0.0),
        }
    }

    /// The last value as it was sent, in the unit in which it is stored.
    #[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
    pub fn amount(&self) -> Option<f64> {
        let number = self.number.map(Number::as_f64);
        let count = self.histogram.as_ref().map(|state| state.count);
        number.or(count.or(self.exponential().map(exponential::State::count)).map(|count| count as f64))
    }

    #[inline]
    pub fn key(&self) -> u128 {
        self.key.digest()
    }

    pub fn descent(&self) -> Descent {
        Descent { raw: self.raw, kin: self.kin, start: self.start, scraped: self.scraped }
    }

    pub fn exponential(&self) -> Option<&exponential::State> {
        self.uncommon.as_ref()?.exponential.as_deref()
    }

    /// For the state of exponential histograms alone: it makes room for it.
    pub fn exponential_mut(&mut self) -> &mut Option<Box<exponential::State>> {
        &mut self.uncommon.get_or_insert_default().exponential
    }

    /// Its state goes on in the unit of the entry as it is now.
    fn convert(&mut self, factor: f64) {
        let change = factor / self.factor;
        self.factor = factor;
        if change.to_bits() == 1.0_f64.to_bits() {
            return;
        }
        let scale = Scale::of(change);
        self.number = self.number.map(|number| scale.number(number));
        if let Some(state) = &mut self.histogram {
            scale.distribution(state);
        }
        if let Some(state) = self.uncommon.as_mut().and_then(|uncommon| uncommon.exponential.as_mut()) {
            state.scale_sum(scale);
        }
    }

    fn is_idle(&self, before: i64) -> bool {
        let more = |period: i64| (period.saturating_mul(5) / 2 - HOUR).clamp(0, WEEK - HOUR);
        self.seen < before && self.seen < before - self.pace.period(&self.history).map_or(0, more)
    }

    /// Takes over what is known of a stream whose start has moved on.
    fn inherit(&mut self, from: &mut Self) {
        self.known = true;
        self.history = from.history.clone();
        self.pace = std::mem::take(&mut from.pace);
        self.factor = from.factor;
        self.number = from.number.take();
        self.histogram = from.histogram.take();
        if let Some(state) = from.uncommon.as_mut().and_then(|uncommon| uncommon.exponential.take()) {
            *self.exponential_mut() = Some(state);
        }
        from.known = true;
    }

    /// Continues from what the store remembers.
    fn recall(&mut self, kind: Kind, recall: &Remembered) {
        self.known = true;
        self.stream = recall.stream;
        self.history = History::recalled(recall.time, &recall.earlier);
        match kind {
            Kind::Gauge => {}
            Kind::Exponential => {
                *self.exponential_mut() = exponential::State::recalled(recall).map(Box::new);
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

/// The last point of a stream that another takes the place of.
#[derive(Debug, Clone, Copy)]
pub struct Elder {
    pub time: i64,
    pub amount: f64,
    pub period: i64,
}

impl Elder {
    #[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
    fn remembered(state: &Remembered) -> Option<Self> {
        let amount = state.value.or(state.count.map(|count| count as f64))?;
        let history = History::recalled(state.time, &state.earlier);
        let period = Pace::default().period(&history).unwrap_or_default();
        Some(Self { time: state.time, amount, period })
    }

    fn slot(slot: &Slot) -> Option<Self> {
        let period = slot.pace.period(&slot.history).or(slot.pace.inherited()).unwrap_or_default();
        Some(Self { time: slot.history.last()?, amount: slot.amount()?, period })
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

const HOUR: i64 = 3_600_000_000_000;
const WEEK: i64 = 168 * HOUR;
/// A start that is worked out anew for each export is never twice the same.
const SAME_START: u64 = 1_000_000_000;
const SAME_START_SCRAPED: u64 = 2_000_000_000;

pub fn is_near(start: i64, descent: Descent) -> bool {
    let most = if descent.scraped { SAME_START_SCRAPED } else { SAME_START };
    start.abs_diff(descent.start) <= most
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
    kindred: Kindred,
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
            kindred: Kindred::default(),
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
        self.canonical.find(low(key), |index| self.slots[*index as usize].key() == key).copied()
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
        answer: &Answer,
        descent: Descent,
        (kind, now): (Kind, i64),
    ) -> u32 {
        let path = answer.path;
        let index = self.slot(key).unwrap_or_else(|| self.begin(key, answer, descent, (kind, now)));
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.convert(answer.factor);
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

    #[cold]
    fn begin(&mut self, key: u128, answer: &Answer, descent: Descent, (kind, now): (Kind, i64)) -> u32 {
        let mut slot = Slot::new(key, now);
        Descent { raw: slot.raw, kin: slot.kin, start: slot.start, scraped: slot.scraped } = descent;
        (slot.latest_start, slot.factor) = (descent.start, answer.factor);
        if let Some(before) = self.moved(descent) {
            slot.inherit(&mut self.slots[before as usize]);
        } else if let Some(recall) = &answer.recall {
            slot.recall(kind, recall);
        } else {
            let elder = answer.elder.as_deref().and_then(Elder::remembered);
            if elder.is_some() {
                slot.uncommon.get_or_insert_default().elder = elder;
            }
        }
        slot.known |= answer.path.is_guarded() && self.departed.take(descent, key);
        let index = self.insert(slot);
        if descent.raw != 0 {
            self.kindred.insert(&mut self.slots, index);
        }
        index
    }

    /// Whether anything of its kin is known here, so that the store need not be asked.
    pub fn has_kin(&self, kin: u64) -> bool {
        self.kindred.kin(&self.slots, kin).next().is_some()
    }

    /// The stream whose start is as good as this one.
    pub fn alike(&self, descent: Descent, goes_on: impl Fn(&Slot) -> bool) -> Option<u32> {
        let mut same = self.kindred.same(&self.slots, descent.raw);
        same.find(|index| {
            let slot = &self.slots[*index as usize];
            slot.latest_start != 0 && is_near(slot.latest_start, descent) && goes_on(slot)
        })
    }

    /// A stream that has moved so far, little by little, that a new one takes its place.
    fn moved(&self, descent: Descent) -> Option<u32> {
        let is_other = |slot: &Slot| slot.amount().is_some() && !is_near(slot.start, descent);
        if descent.start == 0 { None } else { self.alike(descent, is_other) }
    }

    /// The stream of the same kin that had come to its end when this one began.
    pub fn elder(&self, index: u32) -> Option<Elder> {
        let slot = &self.slots[index as usize];
        let start = slot.start;
        if start == 0 {
            return None;
        }
        let kin = self.kindred.kin(&self.slots, slot.kin).filter(|other| *other != index);
        let known = kin.filter_map(|other| Elder::slot(&self.slots[other as usize]));
        let stored = slot.uncommon.as_ref().and_then(|uncommon| uncommon.elder);
        known.chain(stored).filter(|elder| elder.time <= start).max_by_key(|elder| elder.time)
    }

    fn insert(&mut self, slot: Slot) -> u32 {
        let key = slot.key();
        let index = if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            index
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        let slots = &self.slots;
        self.canonical.insert_unique(low(key), index, |other| low(slots[*other as usize].key()));
        index
    }

    /// Forgets series not seen since `before`, an hour ago; of those that send seldom, since 2.5 periods.
    pub fn evict(&mut self, before: i64) -> usize {
        self.departed.age(before);
        for slot in self.slots.iter().filter(|slot| slot.guarded && slot.is_idle(before)) {
            self.departed.add(slot.descent(), slot.key());
        }
        self.remove(|slot| slot.is_idle(before))
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
        if !gone.is_empty() {
            let live = self.canonical.iter().copied().collect();
            self.kindred.rebuild(&mut self.slots, live);
        }
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
