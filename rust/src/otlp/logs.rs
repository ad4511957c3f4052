//! Turns log records into counts by severity and event name; bodies are looked at only where they are kept.

use std::collections::HashMap;

use crate::batch::{Aside, Distilled};
use crate::error::Decoded;
use crate::otlp::distill::{Form, Groups, Labels, MOST_RECORDS, readable, records, text_attribute, valid_id};
use crate::otlp::wire::{Reader, Wire};
use crate::records::{Record, What};

const KEYS: [&str; 2] = ["severity", "event.name"];
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const COUNT: &str = "log.record.count";

/// A longer body is not kept: it is a dump, not a message.
const LONGEST_BODY: usize = 2000;
/// All different bodies of one request together.
const MOST_TEXT: usize = 1 << 20;

struct LogRecord<'a> {
    labels: Labels<'a, 2>,
    time: u64,
    body: Option<Reader<'a>>,
    valid: bool,
}

pub fn distill(request: Reader<'_>, time: u64, keep: bool) -> Decoded<(Vec<u8>, Distilled, Aside)> {
    let mut groups: Groups<'_, u64, 2> = Groups::new();
    let mut distilled = Distilled { metric: COUNT, ..Distilled::default() };
    let (mut kept, mut bodies) = (Vec::new(), Bodies::default());
    records(request, |service, message| {
        distilled.items += 1;
        let read = readable(read(message))?.filter(|record| record.valid);
        let body = match &read {
            Some(LogRecord { body: Some(body), .. }) if keep => readable(text(*body))?,
            _ => Some(None),
        };
        let (Some(service), Some(record), Some(body)) = (service, read, body) else {
            distilled.malformed += 1;
            return Ok(());
        };
        let (group, count) = groups.group(service, &record.labels);
        *count += 1;
        if keep && kept.len() < MOST_RECORDS {
            let body = body.and_then(|body| bodies.place(body));
            kept.push(Record { group, time: record.time, what: What::Log { body } });
        }
        Ok(())
    })?;
    let count = Form { name: COUNT, unit: "{record}", keys: &KEYS, time };
    let body = groups.write(|out, labels, records| count.counter(out, labels, *records));
    Ok((body, distilled, Aside { halves: Vec::new(), records: kept, texts: bodies.texts }))
}

/// The different bodies of a request.
#[derive(Default)]
struct Bodies<'a> {
    places: HashMap<&'a str, u32>,
    texts: Vec<String>,
    bytes: usize,
}

impl<'a> Bodies<'a> {
    fn place(&mut self, body: &'a str) -> Option<u32> {
        if let Some(place) = self.places.get(body) {
            return Some(*place);
        }
        self.bytes += body.len();
        if body.len() > LONGEST_BODY || self.bytes > MOST_TEXT {
            return None;
        }
        let place = u32::try_from(self.texts.len()).ok()?;
        self.places.insert(body, place);
        self.texts.push(body.to_owned());
        Some(place)
    }
}

/// A body's text; `None` if it is of any other kind.
fn text(mut body: Reader<'_>) -> Decoded<Option<&str>> {
    let mut text = None;
    while let Some(field) = body.next()? {
        text = match field {
            (1, Wire::Len(string)) => Some(string.text()?),
            (2..=7, _) => None,
            _ => text,
        };
    }
    Ok(text)
}

fn read(mut message: Reader<'_>) -> Decoded<LogRecord<'_>> {
    let (mut number, mut valid) = (0, true);
    let (mut time, mut observed, mut body) = (0, 0, None);
    let (mut named, mut attribute) = (None, None);
    while let Some(field) = message.next()? {
        match field {
            (1, Wire::Fixed64(value)) => time = value,
            (2, Wire::Varint(value)) => number = value,
            (5, Wire::Len(value)) => body = Some(value),
            (11, Wire::Fixed64(value)) => observed = value,
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
    let event = named.or(attribute);
    let labels = [Some(severity(number)), event];
    let time = if time == 0 { observed } else { time };
    Ok(LogRecord { labels, time, body, valid })
}

/// The severity numbers come in ranges of four.
fn severity(number: u64) -> &'static str {
    let range = usize::try_from(number.wrapping_sub(1) / 4).unwrap_or(usize::MAX);
    SEVERITIES.get(range).copied().unwrap_or("UNSPECIFIED")
}
