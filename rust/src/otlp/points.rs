//! Turns the bytes of one data point of any kind into a `Point`.

use crate::batch::{Buckets, Exponential, Histogram, Number, Point, Value};
use crate::error::{Decoded, Malformed};
use crate::otlp::metrics::{Stream, Walker};
use crate::otlp::wire::{Reader, Span, Wire, zigzag};

const NO_RECORDED_VALUE: u64 = 1;
/// Far above the 160 of the SDKs; a point with more is malformed, and its buckets are not kept.
const MOST_EXPONENTIAL_BUCKETS: usize = 4096;
pub const NO_BUCKETS: i32 = i32::MIN;

/// What points of every kind have; `number` is the field number of their attributes.
struct Common {
    number: u32,
    attributes: Span,
    scattered: bool,
    start: u64,
    time: u64,
    flags: u64,
}

impl Common {
    fn new(number: u32) -> Self {
        Self { number, attributes: Span::default(), scattered: false, start: 0, time: 0, flags: 0 }
    }

    #[inline]
    fn attribute(&mut self, start: u32, end: u32) {
        if self.attributes.end == start {
            self.attributes.end = end;
        } else if self.attributes.is_empty() {
            self.attributes = Span { start, end };
        } else {
            self.scattered = true;
        }
    }
}

impl Walker<'_> {
    pub fn number(&mut self, point: Reader<'_>, stream: Stream) -> Decoded<()> {
        let mut common = Common::new(7);
        let mut value = Value::Missing;
        let mut fields = point;
        loop {
            let start = fields.position();
            let Some(field) = fields.next()? else { break };
            match field {
                (7, Wire::Len(_)) => common.attribute(start, fields.position()),
                (2, Wire::Fixed64(time)) => common.start = time,
                (3, Wire::Fixed64(time)) => common.time = time,
                (4, Wire::Fixed64(bits)) => {
                    value = Value::Number(Number::Double(f64::from_bits(bits)));
                }
                (6, Wire::Fixed64(bits)) => value = Value::Number(Number::Int(bits.cast_signed())),
                (8, Wire::Varint(flags)) => common.flags = flags,
                _ => {}
            }
        }
        self.push(point, &common, value, stream)
    }

    pub fn histogram(&mut self, point: Reader<'_>, stream: Stream) -> Decoded<()> {
        let mut common = Common::new(9);
        let mut histogram = Histogram::default();
        let (doubles, counts) = (self.out.doubles.len(), self.out.counts.len());
        let mut fields = point;
        loop {
            let start = fields.position();
            let Some(field) = fields.next()? else { break };
            match field {
                (9, Wire::Len(_)) => common.attribute(start, fields.position()),
                (2, Wire::Fixed64(time)) => common.start = time,
                (3, Wire::Fixed64(time)) => common.time = time,
                (4, Wire::Fixed64(count)) => histogram.count = count,
                (5, Wire::Fixed64(bits)) => histogram.sum = number_of(bits),
                (6, Wire::Fixed64(count)) => self.out.counts.push(count),
                (6, Wire::Len(packed)) => fixed(packed, |count| self.out.counts.push(count))?,
                (7, Wire::Fixed64(bits)) => self.out.doubles.push(f64::from_bits(bits)),
                (7, Wire::Len(packed)) => {
                    fixed(packed, |bits| self.out.doubles.push(f64::from_bits(bits)))?;
                }
                (10, Wire::Varint(flags)) => common.flags = flags,
                (11, Wire::Fixed64(bits)) => histogram.min = number_of(bits),
                (12, Wire::Fixed64(bits)) => histogram.max = number_of(bits),
                _ => {}
            }
        }
        self.close_at_infinity(doubles, counts);
        histogram.bounds = span(doubles, self.out.doubles.len())?;
        histogram.buckets = span(counts, self.out.counts.len())?;
        let value = Value::Histogram(number(self.out.histograms.len())?);
        self.out.histograms.push(histogram);
        self.push(point, &common, value, stream)
    }

    /// A last bound of +Inf is what the last bucket has anyway: what is above it joins the one below.
    fn close_at_infinity(&mut self, doubles: usize, counts: usize) {
        let bounds = self.out.doubles.len() - doubles;
        if bounds == 0 || self.out.doubles.last() != Some(&f64::INFINITY) {
            return;
        }
        self.out.doubles.pop();
        if self.out.counts.len() - counts == bounds + 1
            && let Some([.., below, above]) = self.out.counts.get_mut(counts..)
            && let Some(both) = below.checked_add(*above)
        {
            *below = both;
            self.out.counts.truncate(counts + bounds);
        }
    }

    pub fn summary(&mut self, point: Reader<'_>, stream: Stream) -> Decoded<()> {
        let mut common = Common::new(7);
        let mut summary = Histogram::default();
        let mut fields = point;
        // Quantiles are not kept: they cannot be merged, over time or over series.
        summary.sum = Some(0.0);
        loop {
            let start = fields.position();
            let Some(field) = fields.next()? else { break };
            match field {
                (7, Wire::Len(_)) => common.attribute(start, fields.position()),
                (2, Wire::Fixed64(time)) => common.start = time,
                (3, Wire::Fixed64(time)) => common.time = time,
                (4, Wire::Fixed64(count)) => summary.count = count,
                (5, Wire::Fixed64(bits)) => summary.sum = number_of(bits),
                (8, Wire::Varint(flags)) => common.flags = flags,
                _ => {}
            }
        }
        let value = Value::Histogram(number(self.out.histograms.len())?);
        self.out.histograms.push(summary);
        self.push(point, &common, value, stream)
    }

    pub fn exponential(&mut self, point: Reader<'_>, stream: Stream) -> Decoded<()> {
        let mut common = Common::new(1);
        let mut histogram = Exponential::default();
        let mut fields = point;
        loop {
            let start = fields.position();
            let Some(field) = fields.next()? else { break };
            match field {
                (1, Wire::Len(_)) => common.attribute(start, fields.position()),
                (2, Wire::Fixed64(time)) => common.start = time,
                (3, Wire::Fixed64(time)) => common.time = time,
                (4, Wire::Fixed64(count)) => histogram.plain.count = count,
                (5, Wire::Fixed64(bits)) => histogram.plain.sum = number_of(bits),
                (6, Wire::Varint(value)) => histogram.scale = sint32(value),
                (7, Wire::Fixed64(count)) => histogram.zero_count = count,
                (10, Wire::Varint(flags)) => common.flags = flags,
                (12, Wire::Fixed64(bits)) => histogram.plain.min = number_of(bits),
                (13, Wire::Fixed64(bits)) => histogram.plain.max = number_of(bits),
                (14, Wire::Fixed64(bits)) => histogram.zero_threshold = f64::from_bits(bits),
                _ => {}
            }
        }
        histogram.positive = self.buckets(point, 8)?;
        histogram.negative = self.buckets(point, 9)?;
        let value = Value::Exponential(number(self.out.exponentials.len())?);
        self.out.exponentials.push(histogram);
        self.push(point, &common, value, stream)
    }

    /// The buckets in field `wanted`; pieces of a repeated message merge.
    fn buckets(&mut self, mut point: Reader<'_>, wanted: u32) -> Decoded<Buckets> {
        let before = self.out.counts.len();
        let mut offset = 0;
        while let Some(field) = point.next()? {
            let (number, Wire::Len(mut message)) = field else {
                continue;
            };
            while number == wanted
                && let Some(field) = message.next()?
            {
                match field {
                    (1, Wire::Varint(value)) => offset = sint32(value),
                    (2, Wire::Varint(count)) => self.out.counts.push(count),
                    (2, Wire::Len(packed)) => varints(packed, |count| self.out.counts.push(count))?,
                    _ => {}
                }
            }
        }
        if self.out.counts.len() - before > MOST_EXPONENTIAL_BUCKETS {
            self.out.counts.truncate(before);
            offset = NO_BUCKETS;
        }
        Ok(Buckets { offset, counts: span(before, self.out.counts.len())? })
    }

    #[inline]
    fn push(&mut self, point: Reader<'_>, common: &Common, value: Value, stream: Stream) -> Decoded<()> {
        let prefix = if stream.cumulative { stream.prefix.word(common.start) } else { stream.prefix };
        let (attributes, key) = if common.scattered {
            self.gather(point, common.number, prefix)?
        } else {
            let range = common.attributes.start as usize..common.attributes.end as usize;
            (common.attributes, prefix.digest(&self.body[range]))
        };
        let recorded = common.flags & NO_RECORDED_VALUE == 0;
        self.out.points.push(Point {
            key,
            time: common.time,
            start: common.start,
            value: if recorded { value } else { Value::NotRecorded },
            attributes,
            metric: stream.metric,
        });
        Ok(())
    }

    /// Copies attributes that other fields stand between.
    #[cold]
    fn gather(
        &mut self,
        mut point: Reader<'_>,
        wanted: u32,
        prefix: crate::hash::Keyed,
    ) -> Decoded<(Span, u128)> {
        let before = self.out.gathered.len();
        loop {
            let start = point.position() as usize;
            let Some((number, _)) = point.next()? else {
                break;
            };
            if number == wanted {
                let field = &self.body[start..point.position() as usize];
                self.out.gathered.extend_from_slice(field);
            }
        }
        let key = prefix.digest(&self.out.gathered[before..]);
        let after = self.body.len() + self.out.gathered.len();
        Ok((span(self.body.len() + before, after)?, key))
    }
}

fn fixed(mut packed: Reader<'_>, mut each: impl FnMut(u64)) -> Decoded<()> {
    while !packed.bytes().is_empty() {
        each(packed.fixed64()?);
    }
    Ok(())
}

fn varints(mut packed: Reader<'_>, mut each: impl FnMut(u64)) -> Decoded<()> {
    while !packed.bytes().is_empty() {
        each(packed.varint()?);
    }
    Ok(())
}

/// A sum, least or greatest value that is no number is unknown: the counts beside it are none the worse.
fn number_of(bits: u64) -> Option<f64> {
    Some(f64::from_bits(bits)).filter(|value| value.is_finite())
}

fn number(length: usize) -> Decoded<u32> {
    u32::try_from(length).map_err(|_| Malformed::TooLarge)
}

fn span(start: usize, end: usize) -> Decoded<Span> {
    Ok(Span { start: number(start)?, end: number(end)? })
}

/// Protobuf keeps the low 32 bits of an over-long `sint32`.
#[expect(clippy::cast_possible_truncation, reason = "that is the rule")]
fn sint32(value: u64) -> i32 {
    zigzag(value & u64::from(u32::MAX)) as i32
}
