//! Turns spans into counts and durations by kind, status and a few attributes that name operations, not people.

use std::sync::Arc;

use crate::batch::{Aside, Distilled};
use crate::edges::Half;
use crate::error::Decoded;
use crate::hash::{fleeting, low};
use crate::otlp::distill::{
    Durations, Form, Groups, Labels, MOST_RECORDS, readable, records, text_attribute, valid_id,
};
use crate::otlp::wire::{Reader, Wire};
use crate::records::{Record, What};

const KEYS: [&str; 9] = [
    "span.kind",
    "status.code",
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "http.request.method",
    "http.route",
    "db.system.name",
    "messaging.system",
];
const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUSES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const PRODUCER: u64 = 4;
const CONSUMER: u64 = 5;
const ERROR: u64 = 2;
const CALLS: &str = "traces.span.metrics.calls";
/// As few as a span that is a half of a call has, so that the halves seldom have to move.
const BYTES_A_SPAN: usize = 200;

#[derive(Default)]
struct Calls {
    calls: u64,
    durations: Durations,
}

#[derive(Default)]
struct Span<'a> {
    labels: Labels<'a, 9>,
    trace: &'a [u8],
    id: &'a [u8],
    parent: &'a [u8],
    kind: u64,
    status: u64,
    start: u64,
    end: u64,
    broken: bool,
}

/// The services of one request, each held once.
#[derive(Default)]
struct Services<'a>(Option<(&'a str, Arc<str>)>);

impl<'a> Services<'a> {
    fn hold(&mut self, service: &'a str) -> Arc<str> {
        match &self.0 {
            Some((last, held)) if *last == service => held.clone(),
            _ => {
                let held: Arc<str> = service.into();
                self.0 = Some((service, held.clone()));
                held
            }
        }
    }
}

pub fn distill(request: Reader<'_>, time: u64, keep: bool) -> Decoded<(Vec<u8>, Distilled, Aside)> {
    let mut groups: Groups<'_, Calls, 9> = Groups::new();
    let mut distilled = Distilled { metric: CALLS, ..Distilled::default() };
    let (mut aside, mut services) = (Aside::default(), Services::default());
    let mut span = Span::default();
    records(request, |service, record| {
        distilled.items += 1;
        let read = readable(read(record, &mut span))?;
        let Some(service) = service.filter(|_| read.is_some() && !span.broken) else {
            distilled.malformed += 1;
            return Ok(());
        };
        if let Some(service) = service
            && let Some((key, client)) = span.call()
        {
            let (nanoseconds, failed) = (span.nanoseconds(), span.status == ERROR);
            let service = services.hold(service);
            if aside.halves.is_empty() {
                aside.halves.reserve(request.bytes().len() / BYTES_A_SPAN + 1);
            }
            aside.halves.push(Half { key, client, service, nanoseconds, failed });
        }
        let (nanoseconds, record) = (span.nanoseconds(), keep.then(|| span.record()));
        let (group, calls) = groups.group(service, &span.labels);
        calls.calls += 1;
        if let Some(nanoseconds) = nanoseconds {
            calls.durations.add(nanoseconds);
        }
        if let Some(record) = record.filter(|_| aside.records.len() < MOST_RECORDS) {
            aside.records.push(Record { group, ..record });
        }
        Ok(())
    })?;
    let calls = Form { name: CALLS, unit: "{call}", keys: &KEYS, time };
    let duration = Form { name: "traces.span.metrics.duration", unit: "ms", ..calls };
    let body = groups.write(|out, labels, group| {
        calls.counter(out, labels, group.calls);
        if group.durations.count() > 0 {
            duration.histogram(out, labels, &group.durations);
        }
    });
    Ok((body, distilled, aside))
}

impl Span<'_> {
    fn nanoseconds(&self) -> Option<u64> {
        (self.start != 0).then(|| self.end.checked_sub(self.start)).flatten()
    }

    /// The call between services that the span is one side of, and whether it is the caller's.
    fn call(&self) -> Option<(u128, bool)> {
        let (client, caller) = match self.kind {
            CLIENT | PRODUCER => (true, self.id),
            SERVER | CONSUMER => (false, self.parent),
            _ => return None,
        };
        let mut call = [0; 24];
        call[..16].copy_from_slice(<&[u8; 16]>::try_from(self.trace).ok()?);
        call[16..].copy_from_slice(<&[u8; 8]>::try_from(caller).ok()?);
        Some((fleeting().digest(&call), client))
    }

    fn record(&self) -> Record {
        let hashed = |id: &[u8]| (!id.is_empty()).then(|| low(fleeting().digest(id)));
        let what = What::Span {
            nanoseconds: self.nanoseconds(),
            trace: hashed(self.trace),
            span: hashed(self.id),
            parent: hashed(self.parent),
        };
        Record { group: 0, time: self.start, what }
    }
}

/// Into a span that is there, since to hand one on takes as long as to read it.
fn read<'a>(mut message: Reader<'a>, span: &mut Span<'a>) -> Decoded<()> {
    *span = Span::default();
    while let Some(field) = message.next()? {
        match field {
            (1, Wire::Len(id)) => {
                span.broken |= !valid_id(id, 16);
                span.trace = id.bytes();
            }
            (2, Wire::Len(id)) => {
                span.broken |= !valid_id(id, 8);
                span.id = id.bytes();
            }
            (4, Wire::Len(id)) => span.parent = id.bytes(),
            (6, Wire::Varint(value)) => span.kind = value,
            (7, Wire::Fixed64(time)) => span.start = time,
            (8, Wire::Fixed64(time)) => span.end = time,
            (9, Wire::Len(pair)) => attribute(pair, &mut span.labels)?,
            (15, Wire::Len(mut message)) => {
                while let Some(field) = message.next()? {
                    if let (3, Wire::Varint(code)) = field {
                        span.status = code;
                    }
                }
            }
            _ => {}
        }
    }
    span.labels[0] = Some(name(&KINDS, span.kind));
    span.labels[1] = Some(name(&STATUSES, span.status));
    Ok(())
}

fn attribute<'a>(pair: Reader<'a>, labels: &mut Labels<'a, 9>) -> Decoded<()> {
    let (key, value) = text_attribute(pair)?;
    let kept = KEYS.iter().skip(2).position(|kept| kept.as_bytes() == key);
    if let (Some(index), Some(value)) = (kept, value) {
        labels[index + 2] = Some(value);
    }
    Ok(())
}

fn name(names: &[&'static str], number: u64) -> &'static str {
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or(names[0])
}
