//! Turns the bytes of an `ExportMetricsServiceRequest` into points, each under the keyed hash of its raw series.

use crate::batch::{Contents, EMPTY_METRIC, Header, Kind, NO_TEMPORALITY, NOT_TEXT, Pieces, Scope};
use crate::error::{Decoded, Malformed};
use crate::hash::Keyed;
use crate::otlp::wire::{Reader, Span, Wire};

/// Bounds what a request of empty messages, two bytes each, can make of memory.
const MOST_ITEMS: usize = 500_000;
const MOST_BUCKETS: usize = 4_000_000;

pub struct Walker<'a> {
    pub body: &'a [u8],
    pub out: Contents,
    key: Keyed,
}

/// What the points of the metric at hand are hashed and filed under.
#[derive(Clone, Copy)]
pub struct Stream {
    pub prefix: Keyed,
    pub metric: u32,
    pub cumulative: bool,
}

pub fn walk(body: &[u8], key: Keyed) -> Decoded<Contents> {
    let mut request = Reader::new(body)?;
    let mut walker = Walker { body, out: Contents::default(), key };
    walker.out.points.reserve(body.len() / 128);
    while let Some(field) = request.next()? {
        if let (1, Wire::Len(resource)) = field {
            walker.resource_metrics(resource)?;
        }
    }
    Ok(walker.out)
}

impl Walker<'_> {
    fn resource_metrics(&mut self, message: Reader<'_>) -> Decoded<()> {
        let pieces = pieces(message)?;
        let digest = self.digest(0, &pieces);
        let resource = index(&self.out.resources)?;
        self.out.resources.push(pieces);
        let mut fields = message;
        while let Some(field) = fields.next()? {
            if let (2, Wire::Len(scope)) = field {
                self.scope_metrics(scope, resource, digest)?;
            }
        }
        Ok(())
    }

    fn scope_metrics(&mut self, message: Reader<'_>, resource: u32, digest: u128) -> Decoded<()> {
        let pieces = pieces(message)?;
        let digest = self.digest(digest, &pieces);
        let scope = index(&self.out.scopes)?;
        self.out.scopes.push(Scope { resource, pieces });
        let mut fields = message;
        while let Some(field) = fields.next()? {
            if let (2, Wire::Len(metric)) = field {
                self.metric(metric, scope, digest)?;
            }
        }
        Ok(())
    }

    fn digest(&self, above: u128, pieces: &Pieces) -> u128 {
        let whole = |span: &Span| &self.body[span.start as usize..span.end as usize];
        let start = self.key.words(above).part(whole(&pieces.schema_url));
        let parts = pieces.parts.iter();
        parts.fold(start, |hash, part| hash.part(whole(part))).finish()
    }

    fn metric(&mut self, message: Reader<'_>, scope: u32, above: u128) -> Decoded<()> {
        let metric = describe(message)?;
        let number = index(&self.out.headers)?;
        let identity = metric.identity(self.key);
        let shape = u64::from(metric.cumulative) << 8 | metric.kind as u64;
        let stream = Stream {
            prefix: self.key.words(self.key.words(above).words(identity).word(shape).finish()),
            metric: number,
            cumulative: metric.cumulative,
        };
        let before = self.out.points.len();
        self.data(message, &metric, stream)?;
        let points = u32::try_from(self.out.points.len() - before).map_err(|_| Malformed::TooLarge)?;
        self.out.headers.push(Header {
            name: metric.name.span(),
            unit: metric.unit.span(),
            description: metric.description.span(),
            identity,
            scope,
            points,
            kind: metric.kind,
            cumulative: metric.cumulative,
            problem: metric.problem(),
        });
        Ok(())
    }

    /// Walks the points of the data that won the `oneof`.
    fn data(&mut self, mut message: Reader<'_>, metric: &Metric<'_>, stream: Stream) -> Decoded<()> {
        while let Some(field) = message.next()? {
            let (number, Wire::Len(mut data)) = field else {
                continue;
            };
            if number != metric.data || data.position() < metric.data_from {
                continue;
            }
            while let Some(field) = data.next()? {
                if let (1, Wire::Len(point)) = field {
                    self.point(point, metric.kind, stream)?;
                }
            }
        }
        Ok(())
    }

    fn point(&mut self, point: Reader<'_>, kind: Kind, stream: Stream) -> Decoded<()> {
        let out = &self.out;
        if out.points.len() >= MOST_ITEMS || out.doubles.len() + out.counts.len() > MOST_BUCKETS {
            return Err(Malformed::TooLarge);
        }
        match kind {
            Kind::Gauge | Kind::Counter | Kind::UpDownCounter => self.number(point, stream),
            Kind::Histogram => self.histogram(point, stream),
            Kind::Exponential => self.exponential(point, stream),
            Kind::Summary => self.summary(point, stream),
        }
    }
}

fn index<T>(items: &[T]) -> Decoded<u32> {
    match u32::try_from(items.len()) {
        Ok(index) if items.len() < MOST_ITEMS => Ok(index),
        _ => Err(Malformed::TooLarge),
    }
}

/// The resource of `ResourceMetrics`, or the scope of `ScopeMetrics`: the field numbers are the same.
fn pieces(mut message: Reader<'_>) -> Decoded<Pieces> {
    let mut pieces = Pieces { parts: Vec::new(), schema_url: Span::default() };
    while let Some(field) = message.next()? {
        match field {
            (1, Wire::Len(part)) => pieces.parts.push(part.span()),
            // Nothing but its bytes is ever looked at.
            (3, Wire::Len(url)) => pieces.schema_url = url.span(),
            _ => {}
        }
    }
    Ok(pieces)
}

struct Metric<'a> {
    name: Reader<'a>,
    unit: Reader<'a>,
    description: Reader<'a>,
    /// Field number of the data, 0 without any, and the position from which it counts.
    data: u32,
    data_from: u32,
    kind: Kind,
    cumulative: bool,
    temporality: bool,
    readable: bool,
}

impl Metric<'_> {
    fn identity(&self, key: Keyed) -> u128 {
        let names = key.word(self.kind as u64).part(self.name.bytes());
        names.part(self.unit.bytes()).finish()
    }

    fn problem(&self) -> Option<u32> {
        if !self.readable {
            Some(NOT_TEXT)
        } else if self.data == 0 || self.name.bytes().is_empty() {
            Some(EMPTY_METRIC)
        } else if self.temporality {
            None
        } else {
            Some(NO_TEMPORALITY)
        }
    }
}

fn describe(message: Reader<'_>) -> Decoded<Metric<'_>> {
    let empty = Reader::new(&[])?;
    let mut metric = Metric {
        name: empty,
        unit: empty,
        description: empty,
        data: 0,
        data_from: 0,
        kind: Kind::Gauge,
        cumulative: false,
        temporality: true,
        readable: true,
    };
    let mut fields = message;
    while let Some(field) = fields.next()? {
        let (number, Wire::Len(value)) = field else {
            continue;
        };
        match number {
            1 => metric.name = value,
            2 => metric.description = value,
            3 => metric.unit = value,
            5 | 7 | 9 | 10 | 11 if metric.data != number => {
                metric.data = number;
                metric.data_from = value.position();
            }
            _ => {}
        }
    }
    metric.readable = [metric.name, metric.unit, metric.description].iter().all(|text| text.text().is_ok());
    shape(message, &mut metric)?;
    Ok(metric)
}

/// Finds temporality and monotonicity, which may stand behind the points.
fn shape(mut message: Reader<'_>, metric: &mut Metric<'_>) -> Decoded<()> {
    let (mut temporality, mut monotonic) = (0, false);
    while matches!(metric.data, 7 | 9 | 10)
        && let Some(field) = message.next()?
    {
        let (number, Wire::Len(mut data)) = field else {
            continue;
        };
        if number != metric.data || data.position() < metric.data_from {
            continue;
        }
        while let Some(field) = data.next()? {
            match field {
                (2, Wire::Varint(value)) => temporality = value,
                (3, Wire::Varint(value)) => monotonic = value != 0,
                _ => {}
            }
        }
    }
    metric.kind = match metric.data {
        7 if monotonic => Kind::Counter,
        7 => Kind::UpDownCounter,
        9 => Kind::Histogram,
        10 => Kind::Exponential,
        11 => Kind::Summary,
        _ => Kind::Gauge,
    };
    metric.cumulative = temporality == 2 || metric.data == 11;
    metric.temporality = matches!(metric.data, 5 | 11) || matches!(temporality, 1 | 2);
    Ok(())
}
