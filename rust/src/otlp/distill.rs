//! Counts records of one request by what little is kept of them, and writes the counts as a metrics request.

use crate::error::{Decoded, Malformed};
use crate::hash::{KeyedMap, fleeting};
use crate::otlp::ladder;
use crate::otlp::wire::{Reader, Wire};
use crate::otlp::write::Writer;

/// Distinct groups of one request; further ones are one group with `other` for every value.
const MOST_GROUPS: usize = 2_000;
/// Spans or log records of one request that are kept as such.
pub const MOST_RECORDS: usize = 10_000;
const OTHER: &str = "other";
const DELTA: u64 = 1;

pub type Labels<'a, const N: usize> = [Option<&'a str>; N];

/// Groups by the resource's `service.name` and `N` labels, in the order in which they were met.
pub struct Groups<'a, T, const N: usize> {
    places: KeyedMap<usize>,
    met: Vec<Group<'a, T, N>>,
    parts: Vec<u8>,
}

struct Group<'a, T, const N: usize> {
    service: Option<&'a str>,
    labels: Labels<'a, N>,
    content: T,
}

impl<'a, T: Default, const N: usize> Groups<'a, T, N> {
    pub fn new() -> Self {
        Self { places: KeyedMap::default(), met: Vec::new(), parts: Vec::new() }
    }

    /// The group's place in the order in which groups are written, and what it holds.
    pub fn group(&mut self, mut service: Option<&'a str>, labels: &Labels<'a, N>) -> (u32, &mut T) {
        let mut key = self.key(service, labels);
        let mut labels = *labels;
        if self.met.len() >= MOST_GROUPS && !self.places.contains_key(&key) {
            for value in labels.iter_mut().chain([&mut service]).flatten() {
                *value = OTHER;
            }
            key = self.key(service, &labels);
        }
        let place = *self.places.entry(key).or_insert_with(|| {
            self.met.push(Group { service, labels, content: T::default() });
            self.met.len() - 1
        });
        (u32::try_from(place).unwrap_or(u32::MAX), &mut self.met[place].content)
    }

    /// Of all parts at once, since to hash them one by one takes three times as long.
    fn key(&mut self, service: Option<&str>, labels: &Labels<'_, N>) -> u128 {
        self.parts.clear();
        for value in labels.iter().chain([&service]) {
            let length = value.map_or(u64::MAX, |value| value.len() as u64);
            self.parts.extend_from_slice(&length.to_le_bytes());
            self.parts.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        fleeting().digest(&self.parts)
    }

    /// Writes one `ResourceMetrics` for each group; `metrics` writes what stands in its `ScopeMetrics`.
    pub fn write(&self, mut metrics: impl FnMut(&mut Writer, &Labels<'a, N>, &T)) -> Vec<u8> {
        let mut out = Writer::default();
        for Group { service, labels, content } in &self.met {
            out.message(1, |resource_metrics| {
                if let Some(service) = service {
                    resource_metrics.message(1, |resource| resource.attribute(1, "service.name", service));
                }
                resource_metrics.message(2, |scope_metrics| metrics(scope_metrics, labels, content));
            });
        }
        out.finish()
    }
}

/// What the metrics of distilled records are called, and the keys of their labels.
pub struct Form<'a> {
    pub name: &'a str,
    pub unit: &'a str,
    pub keys: &'a [&'a str],
    pub time: u64,
}

impl Form<'_> {
    /// A delta counter with one point.
    pub fn counter(&self, out: &mut Writer, labels: &[Option<&str>], count: u64) {
        self.metric(out, 7, |sum| {
            sum.message(1, |point| {
                self.attributes(point, 7, labels);
                point.fixed64(3, self.time);
                point.fixed64(6, count);
            });
            sum.varint(2, DELTA);
            sum.varint(3, 1);
        });
    }

    pub fn metric(&self, out: &mut Writer, data: u32, content: impl FnOnce(&mut Writer)) {
        out.message(2, |metric| {
            metric.bytes(1, self.name.as_bytes());
            metric.bytes(3, self.unit.as_bytes());
            metric.message(data, content);
        });
    }

    pub fn attributes(&self, point: &mut Writer, number: u32, labels: &[Option<&str>]) {
        for (key, value) in self.keys.iter().zip(labels) {
            if let Some(value) = value {
                point.attribute(number, key, value);
            }
        }
    }

    /// A delta histogram with one point.
    pub fn histogram(&self, out: &mut Writer, labels: &[Option<&str>], spread: &Durations) {
        self.metric(out, 9, |histogram| {
            histogram.message(1, |point| {
                self.attributes(point, 9, labels);
                point.fixed64(3, self.time);
                spread.write(point);
            });
            histogram.varint(2, DELTA);
        });
    }
}

/// Buckets that are sorted at once: to look each one up takes longer.
const MOST_FRESH: usize = 512;

/// How often each bucket was met, of those that were; in the order of their bounds, but for the `fresh` ones.
#[derive(Default)]
pub struct Durations {
    fresh: Vec<u16>,
    met: Vec<(u16, u64)>,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Durations {
    #[expect(clippy::cast_precision_loss, reason = "a duration")]
    pub fn add(&mut self, nanoseconds: u64) {
        let value = nanoseconds as f64 / 1e6;
        self.fresh.push(ladder::rung(nanoseconds));
        if self.fresh.len() >= MOST_FRESH {
            self.met = self.counted();
            self.fresh.clear();
        }
        self.sum += value;
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    pub fn count(&self) -> u64 {
        self.met.iter().map(|(_, count)| count).sum::<u64>() + self.fresh.len() as u64
    }

    fn counted(&self) -> Vec<(u16, u64)> {
        let mut all = self.met.clone();
        let mut fresh = self.fresh.clone();
        fresh.sort_unstable();
        all.extend(fresh.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)));
        all.sort_by_key(|(rung, _)| *rung);
        all.chunk_by(|(a, _), (b, _)| a == b)
            .map(|same| (same[0].0, same.iter().map(|(_, count)| count).sum()))
            .collect()
    }

    /// Bounds around the buckets that were met, and none between others: what lies there has a count of 0.
    fn spread(&self) -> (Vec<f64>, Vec<u64>) {
        let (mut bounds, mut counts) = (Vec::new(), Vec::new());
        let (mut last, mut open) = (None, 0);
        for (rung, count) in self.counted() {
            let below = rung.checked_sub(1);
            if let Some(below) = below.filter(|_| last != below) {
                bounds.push(ladder::bound(below));
                counts.push(0);
            }
            if rung == ladder::OPEN {
                open = count;
            } else {
                bounds.push(ladder::bound(rung));
                counts.push(count);
            }
            last = Some(rung);
        }
        counts.push(open);
        (bounds, counts)
    }

    fn write(&self, point: &mut Writer) {
        let (bounds, counts) = self.spread();
        point.fixed64(4, self.count());
        point.fixed64(5, self.sum.to_bits());
        point.message(6, |packed| {
            for count in counts {
                packed.raw_fixed64(count);
            }
        });
        point.message(7, |packed| {
            for bound in bounds {
                packed.raw_fixed64(bound.to_bits());
            }
        });
        if let Some((low, high)) = self.range {
            point.fixed64(11, low.to_bits());
            point.fixed64(12, high.to_bits());
        }
    }
}

/// The key of a `KeyValue`, and its value if that is a string.
pub fn text_attribute(mut pair: Reader<'_>) -> Decoded<(&[u8], Option<&str>)> {
    let (mut key, mut text) = (&[][..], None);
    while let Some(field) = pair.next()? {
        match field {
            (1, Wire::Len(name)) => key = name.bytes(),
            (2, Wire::Len(mut value)) => {
                while let Some(field) = value.next()? {
                    text = match field {
                        (1, Wire::Len(string)) => Some(string.text()?),
                        (2..=7, _) => None,
                        _ => text,
                    };
                }
            }
            _ => {}
        }
    }
    Ok((key, text))
}

/// The `service.name` of `ResourceSpans` or `ResourceLogs`.
pub fn service(mut message: Reader<'_>) -> Decoded<Option<&str>> {
    let mut service = None;
    while let Some(field) = message.next()? {
        let (1, Wire::Len(mut resource)) = field else {
            continue;
        };
        while let Some(field) = resource.next()? {
            if let (1, Wire::Len(pair)) = field
                && let (b"service.name", Some(name)) = text_attribute(pair)?
            {
                service = Some(name);
            }
        }
    }
    Ok(service)
}

/// Calls `each` with every span or log record and the service it belongs to, where that can be read.
pub fn records<'a>(
    mut request: Reader<'a>,
    mut each: impl FnMut(Option<Option<&'a str>>, Reader<'a>) -> Decoded<()>,
) -> Decoded<()> {
    while let Some(field) = request.next()? {
        let (1, Wire::Len(mut resource)) = field else {
            continue;
        };
        let service = readable(service(resource))?;
        while let Some(field) = resource.next()? {
            let (2, Wire::Len(mut scope)) = field else {
                continue;
            };
            while let Some(field) = scope.next()? {
                if let (2, Wire::Len(record)) = field {
                    each(service, record)?;
                }
            }
        }
    }
    Ok(())
}

/// `None` where a text is not UTF-8: that costs the record which it is a part of, and not the request.
pub fn readable<T>(found: Decoded<T>) -> Decoded<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Malformed::Utf8) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Ids are not kept, but a record with a broken one is not a record; an absent one is forgiven.
pub fn valid_id(id: Reader<'_>, length: usize) -> bool {
    id.bytes().is_empty() || id.bytes().len() == length
}
