//! Turns spans into counts and durations by kind, status and a few attributes that name operations, not people.

use std::borrow::Cow;

use crate::batch::Distilled;
use crate::error::Decoded;
use crate::otlp::distill::{Durations, Form, Groups, Labels, records, text_attribute, valid_id};
use crate::otlp::wire::{Reader, Wire};

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
const CALLS: &str = "traces.span.metrics.calls";

#[derive(Default)]
struct Calls {
    calls: u64,
    durations: Durations,
}

struct Span<'a> {
    labels: Labels<'a, 9>,
    start: u64,
    end: u64,
    valid: bool,
}

pub fn distill(request: Reader<'_>, time: u64) -> Decoded<(Vec<u8>, Distilled)> {
    let mut groups: Groups<'_, Calls, 9> = Groups::new();
    let mut distilled = Distilled { metric: CALLS, ..Distilled::default() };
    records(request, |service, record| {
        let span = read(record)?;
        distilled.items += 1;
        if !span.valid {
            distilled.malformed += 1;
            return Ok(());
        }
        let group = groups.group(service, span.labels);
        group.calls += 1;
        if span.start != 0 && span.end >= span.start {
            group.durations.add(span.end - span.start);
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
    Ok((body, distilled))
}

fn read(mut message: Reader<'_>) -> Decoded<Span<'_>> {
    let (mut kind, mut status) = (0, 0);
    let mut span = Span { labels: Labels::default(), start: 0, end: 0, valid: true };
    while let Some(field) = message.next()? {
        match field {
            (1, Wire::Len(id)) => span.valid &= valid_id(id, 16),
            (2, Wire::Len(id)) => span.valid &= valid_id(id, 8),
            (6, Wire::Varint(value)) => kind = value,
            (7, Wire::Fixed64(time)) => span.start = time,
            (8, Wire::Fixed64(time)) => span.end = time,
            (9, Wire::Len(pair)) => attribute(pair, &mut span.labels)?,
            (15, Wire::Len(mut message)) => {
                while let Some(field) = message.next()? {
                    if let (3, Wire::Varint(code)) = field {
                        status = code;
                    }
                }
            }
            _ => {}
        }
    }
    span.labels[0] = Some(Cow::Borrowed(name(&KINDS, kind)));
    span.labels[1] = Some(Cow::Borrowed(name(&STATUSES, status)));
    Ok(span)
}

fn attribute<'a>(pair: Reader<'a>, labels: &mut Labels<'a, 9>) -> Decoded<()> {
    let (key, value) = text_attribute(pair)?;
    let kept = KEYS.iter().skip(2).position(|kept| kept.as_bytes() == key);
    if let (Some(index), Some(value)) = (kept, value) {
        labels[index + 2] = Some(Cow::Borrowed(value));
    }
    Ok(())
}

fn name(names: &[&'static str], number: u64) -> &'static str {
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or(names[0])
}
