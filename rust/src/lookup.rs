//! Finds the slot of every point of a request, and collects the series that Python has to be asked about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::apply::Times;
use crate::batch::{
    Batch, Header, Kind, MALFORMED_POINT, METRIC_SERIES_LIMIT, Pieces, Point, Reason, SERIES_LIMIT,
};
use crate::error::Decoded;
use crate::hash::{Keyed, KeyedMap, KeyedSet, Tight, low};
use crate::kindred::Descent;
use crate::otlp::values::{Attributes, ResourceValues, ScopeValues, text};
use crate::scale::Scale;
use crate::table::{Slot, Table, Verdict, is_near};
use crate::treatment::{Answer, Family, NewSeries, Path};
use crate::window::MOST_UNITS;

/// Where one point goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Slot(u32),
    Refused(Reason),
    /// Guarded, of this rule, and one too many: its window is closed for everybody, and nobody is told.
    Nowhere(u32),
}

/// What Python has answered during this request, by the key of the series.
pub type Answers = KeyedMap<Answer>;

/// The places of all points, or what to ask about first.
pub struct Found {
    pub places: Vec<Place>,
    pub unknown: Vec<NewSeries>,
    /// Streams and times of points that the store may have, as far as the streams remember.
    pub doubtful: Vec<(u32, i64)>,
    /// Slots and times of points that are remembered now, and may be forgotten while the request is applied.
    pub remembered: HashSet<(u32, i64)>,
}

/// The metric at hand as Python sees it, and the hash of all that its series have in common.
#[derive(Clone)]
struct Known {
    family: Arc<Family>,
    prefix: Keyed,
    /// As `prefix`, without what tells one process from the next.
    kindred: Keyed,
}

/// The hash of something's canonical form, and that of what its kin has in common with it.
#[derive(Clone, Copy)]
struct Digests {
    own: u128,
    kin: u128,
}

/// Values and their hashes; `None` if they cannot be read.
type Hashed<T> = Option<(Arc<T>, Digests)>;

pub struct Lookup<'a> {
    batch: &'a Batch,
    verdicts: &'a [Verdict],
    answers: &'a Answers,
    times: Times,
    resources: HashMap<u32, Hashed<ResourceValues>>,
    scopes: HashMap<u32, Hashed<ScopeValues>>,
    known: HashMap<u32, Option<Known>>,
    /// Raw forms met in this request that stay without a slot.
    met: KeyedMap<Place>,
    asked: KeyedSet,
    /// Raw series that are asked about, with the start and the key under which they are.
    asked_raw: HashMap<u64, (i64, u128)>,
    asked_of_rule: HashMap<u32, usize>,
    /// Of what is asked, series of guarded metrics.
    asked_guarded: usize,
    unknown: Vec<NewSeries>,
    doubtful: Vec<(u32, i64)>,
    remembered: HashSet<(u32, i64)>,
}

/// The end of the name under which the Collector sends what it has read from Prometheus pages.
const SCRAPER: &str = "prometheusreceiver";
/// Stands for a place until Python has answered.
const PENDING: Place = Place::Slot(u32::MAX);

impl<'a> Lookup<'a> {
    pub fn new(batch: &'a Batch, verdicts: &'a [Verdict], answers: &'a Answers, times: Times) -> Self {
        Self {
            batch,
            verdicts,
            answers,
            times,
            resources: HashMap::new(),
            scopes: HashMap::new(),
            known: HashMap::new(),
            met: KeyedMap::default(),
            asked: KeyedSet::default(),
            asked_raw: HashMap::new(),
            asked_of_rule: HashMap::new(),
            asked_guarded: 0,
            unknown: Vec::new(),
            doubtful: Vec::new(),
            remembered: HashSet::new(),
        }
    }

    pub fn run(mut self, table: &mut Table) -> Found {
        let points = &self.batch.contents.points;
        let mut places = Vec::with_capacity(points.len());
        for point in points {
            let place = match self.verdicts[point.metric as usize] {
                Verdict::Refused(reason) => Place::Refused(reason),
                Verdict::Rule(rule) => match table.raw.get(&Tight::of(point.key)) {
                    Some(slot) if table.slots[*slot as usize].path != Path::Unasked => Place::Slot(*slot),
                    _ => self.unmet(table, point, rule),
                },
            };
            if let Place::Slot(slot) = place
                && place != PENDING
            {
                self.doubt(table, slot, point);
            }
            places.push(place);
        }
        Found { places, unknown: self.unknown, doubtful: self.doubtful, remembered: self.remembered }
    }

    /// Of a cumulative stream, what is late adds nothing anyway.
    #[inline]
    fn doubt(&mut self, table: &Table, number: u32, point: &Point) {
        if self.batch.contents.headers[point.metric as usize].cumulative || self.batch.distilled.is_some() {
            return;
        }
        let slot = &table.slots[number as usize];
        let Ok(time) = self.times.of(point.time) else {
            return;
        };
        if !slot.history.is_late(time) {
            return;
        }
        match slot.path.stream() {
            Some(stream) if slot.history.doubts(time) => self.doubtful.push((stream, time)),
            _ if slot.history.remembers(time) => drop(self.remembered.insert((number, time))),
            _ => {}
        }
    }

    #[cold]
    fn unmet(&mut self, table: &mut Table, point: &Point, rule: u32) -> Place {
        if let Some(place) = self.met.get(&point.key) {
            return *place;
        }
        let place = self.resolve(table, point, rule).unwrap_or(Place::Refused(MALFORMED_POINT));
        match place {
            Place::Slot(slot) if place != PENDING && is_its_start(table, slot, point) => {
                table.alias(point.key, slot);
            }
            _ => {}
        }
        self.met.insert(point.key, place);
        place
    }

    /// `None`: the attributes of the point, or of its resource or scope, cannot be read.
    fn resolve(&mut self, table: &mut Table, point: &Point, rule: u32) -> Option<Place> {
        let header = &self.batch.contents.headers[point.metric as usize];
        let known = self.family(point.metric, header, table, rule)?;
        let attributes = self.attributes(point, header).ok()?;
        let mut canonical = Vec::new();
        attributes.canonical(&mut canonical);
        let start = if header.cumulative { point.start } else { 0 };
        let guarded = table.rules[rule as usize].config.guarded;
        let descent = known.descent(&attributes, &canonical, header, start, guarded);
        let key = known.prefix.word(start).digest(&canonical);
        let key = self.goes_on(table, (point, header), descent, key);
        let slot = table.slot(key);
        if let Some(slot) = slot
            && table.slots[slot as usize].path != Path::Unasked
        {
            return Some(Place::Slot(slot));
        }
        if let Some(answer) = self.answers.get(&key) {
            let kind = table.rules[rule as usize].config.taken_as(header.kind);
            let descent = if header.cumulative { descent } else { Descent::default() };
            let slot = table.treat(key, rule, answer, descent, (kind, self.times.now));
            return Some(Place::Slot(slot));
        }
        if self.asked.contains(&key) {
            return Some(PENDING);
        }
        if guarded {
            if slot.is_none() && self.too_many_guarded(table, rule) {
                table.rules[rule as usize].window.overflow();
                return Some(Place::Nowhere(rule));
            }
        } else if let Some(reason) = self.over_limit(table, rule, slot.is_some()) {
            return Some(Place::Refused(reason));
        }
        self.asked.insert(key);
        *self.asked_of_rule.entry(rule).or_default() += 1;
        self.asked_guarded += usize::from(guarded);
        self.asked_raw.insert(descent.raw, (descent.start, key));
        let (value, alone) = (self.batch.amount(point), slot.is_none() && !table.has_kin(descent.kin));
        self.unknown.push(NewSeries { key, descent, value, alone, family: known.family, attributes });
        Some(PENDING)
    }

    /// The key under which a series is known whose start is not quite this one, else its own.
    fn goes_on(
        &self,
        table: &Table,
        (point, header): (&Point, &Header),
        descent: Descent,
        key: u128,
    ) -> u128 {
        if !header.cumulative || descent.start == 0 || table.slot(key).is_some() {
            return key;
        }
        let (time, amount) = (self.times.of(point.time).ok(), self.batch.amount(point));
        let goes_on = |slot: &Slot| {
            let is_late = time.is_some_and(|time| slot.history.is_late(time));
            let amount = amount.map(|amount| Scale::of(slot.factor).amount(amount, header.kind));
            let has_fallen = amount.zip(slot.amount()).is_some_and(|(now, last)| now < last);
            is_near(slot.start, descent) && (is_late || !has_fallen || header.kind == Kind::UpDownCounter)
        };
        if let Some(slot) = table.alike(descent, goes_on) {
            return table.slots[slot as usize].key();
        }
        match self.asked_raw.get(&descent.raw) {
            Some((start, asked)) if is_near(*start, descent) => *asked,
            _ => key,
        }
    }

    /// Guarded series are in none of these numbers: an answer on an open one would tell how many there are.
    fn over_limit(&self, table: &Table, rule: u32, in_table: bool) -> Option<Reason> {
        let state = &table.rules[rule as usize];
        let asked = self.asked_of_rule.get(&rule).copied().unwrap_or_default();
        if state.live + asked >= state.config.series_limit {
            return Some(METRIC_SERIES_LIMIT);
        }
        let open = table.len() - table.guarded + self.unknown.len() - self.asked_guarded;
        let full = !in_table && (table.held || open >= table.max_series);
        full.then_some(SERIES_LIMIT)
    }

    /// An answer that said so would tell how many there are.
    fn too_many_guarded(&self, table: &Table, rule: u32) -> bool {
        let state = &table.rules[rule as usize];
        let asked = self.asked_of_rule.get(&rule).copied().unwrap_or_default();
        state.live + asked >= state.config.series_limit.max(MOST_UNITS)
            || table.guarded + self.asked_guarded >= table.max_series.max(MOST_UNITS)
    }

    fn attributes(&self, point: &Point, header: &Header) -> Decoded<Attributes> {
        Attributes::read([self.batch.bytes(point.attributes)], header.kind.attributes_field())
    }

    fn family(&mut self, metric: u32, header: &Header, table: &Table, rule: u32) -> Option<Known> {
        if let Some(known) = self.known.get(&metric) {
            return known.clone();
        }
        let known = self.describe(header, table.rules[rule as usize].config.number);
        self.known.insert(metric, known.clone());
        known
    }

    fn describe(&mut self, header: &Header, rule: u32) -> Option<Known> {
        let batch = self.batch;
        let (resource, scope, above) = self.scope(header.scope)?;
        let family = Family {
            rule,
            name: batch.text(header.name).to_owned(),
            unit: batch.text(header.unit).to_owned(),
            kind: header.kind,
            cumulative: header.cumulative,
            resource,
            scope,
        };
        let shape = u64::from(header.cumulative) << 8 | header.kind as u64;
        let names = |above| batch.key.words(above).word(shape).part(family.name.as_bytes());
        let prefix = |above| batch.key.words(names(above).part(family.unit.as_bytes()).finish());
        let (prefix, kindred) = (prefix(above.own), prefix(above.kin));
        Some(Known { family: Arc::new(family), prefix, kindred })
    }

    /// A scope and its resource; hashed once, as requests may repeat small metrics below large resources.
    fn scope(&mut self, index: u32) -> Option<(Arc<ResourceValues>, Arc<ScopeValues>, Digests)> {
        let batch = self.batch;
        let scope = &batch.contents.scopes[index as usize];
        let above = self.resources.entry(scope.resource).or_insert_with(|| {
            let pieces = &batch.contents.resources[scope.resource as usize];
            let values = ResourceValues::read(&parts(batch, pieces)).ok()?;
            let (mut canonical, mut kindred) = (Vec::new(), Vec::new());
            text(batch.bytes(pieces.schema_url), &mut canonical);
            text(batch.bytes(pieces.schema_url), &mut kindred);
            values.canonical(&mut canonical);
            values.kindred(&mut kindred);
            let digests = Digests { own: batch.key.digest(&canonical), kin: batch.key.digest(&kindred) };
            Some((Arc::new(values), digests))
        });
        let (resource, above) = above.clone()?;
        let found = self.scopes.entry(index).or_insert_with(|| {
            let values = ScopeValues::read(&parts(batch, &scope.pieces)).ok()?;
            let mut canonical = Vec::new();
            text(batch.bytes(scope.pieces.schema_url), &mut canonical);
            values.canonical(&mut canonical);
            let digest = |above| batch.key.words(above).digest(&canonical);
            Some((Arc::new(values), Digests { own: digest(above.own), kin: digest(above.kin) }))
        });
        let (scope, digests) = found.clone()?;
        Some((resource, scope, digests))
    }
}

impl Known {
    fn descent(
        &self,
        attributes: &Attributes,
        canonical: &[u8],
        header: &Header,
        start: u64,
        guarded: bool,
    ) -> Descent {
        let raw = low(self.prefix.word(0).digest(canonical));
        let mut kindred = Vec::new();
        attributes.kindred(&mut kindred);
        let kin = if guarded { raw } else { low(self.kindred.digest(&kindred)) };
        let start = if header.cumulative { i64::try_from(start).unwrap_or_default() } else { 0 };
        Descent { raw, kin, start, scraped: self.family.scope.name.ends_with(SCRAPER) }
    }
}

/// Whether a slot came with just this start before, or is about to: starts that differ each time are not remembered.
fn is_its_start(table: &mut Table, slot: u32, point: &Point) -> bool {
    let slot = &mut table.slots[slot as usize];
    let Ok(start) = i64::try_from(point.start) else { return true };
    if slot.raw == 0 || slot.start == start || slot.latest_start == start {
        return true;
    }
    slot.latest_start = start;
    false
}

fn parts<'a>(batch: &'a Batch, pieces: &Pieces) -> Vec<&'a [u8]> {
    pieces.parts.iter().map(|span| batch.bytes(*span)).collect()
}
