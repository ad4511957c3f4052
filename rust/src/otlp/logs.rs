//! Turns log records into counts by severity and event name; bodies are never looked at.

use std::borrow::Cow;

use crate::batch::Distilled;
use crate::error::Decoded;
use crate::otlp::distill::{Form, Groups, Labels, records, text_attribute, valid_id};
use crate::otlp::wire::{Reader, Wire};

const KEYS: [&str; 2] = ["severity", "event.name"];
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const COUNT: &str = "log.record.count";

struct Record<'a> {
    labels: Labels<'a, 2>,
    valid: bool,
}

pub fn distill(request: Reader<'_>, time: u64) -> Decoded<(Vec<u8>, Distilled)> {
    let mut groups: Groups<'_, u64, 2> = Groups::new();
    let mut distilled = Distilled { metric: COUNT, ..Distilled::default() };
    records(request, |service, message| {
        let record = read(message)?;
        distilled.items += 1;
        if record.valid {
            *groups.group(service, record.labels) += 1;
        } else {
            distilled.malformed += 1;
        }
        Ok(())
    })?;
    let count = Form { name: COUNT, unit: "{record}", keys: &KEYS, time };
    let body = groups.write(|out, labels, records| count.counter(out, labels, *records));
    Ok((body, distilled))
}

fn read(mut message: Reader<'_>) -> Decoded<Record<'_>> {
    let (mut number, mut valid) = (0, true);
    let (mut named, mut attribute) = (None, None);
    while let Some(field) = message.next()? {
        match field {
            (2, Wire::Varint(value)) => number = value,
            (6, Wire::Len(pair)) => {
                if let (b"event.name", Some(value)) = text_attribute(pair)? {
                    attribute = Some(value);
                }
            }
            (9, Wire::Len(id)) => valid &= valid_id(id, 16),
            (10, Wire::Len(id)) => valid &= valid_id(id, 8),
            (12, Wire::Len(name)) => named = Some(name.text()?).filter(|name| !name.is_empty()),
            _ => {}
        }
    }
    let event = named.or(attribute).map(Cow::Borrowed);
    Ok(Record { labels: [Some(Cow::Borrowed(severity(number))), event], valid })
}

/// The severity numbers come in ranges of four.
fn severity(number: u64) -> &'static str {
    let range = usize::try_from(number.wrapping_sub(1) / 4).unwrap_or(usize::MAX);
    SEVERITIES.get(range).copied().unwrap_or("UNSPECIFIED")
}
