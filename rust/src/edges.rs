//! Joins the two spans of a call, the caller's and the callee's, into counts and durations by pair of services.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hash::KeyedMap;
use crate::otlp::distill::{Durations, Form};
use crate::otlp::write::Writer;

/// A span whose other side has not come until then stays alone.
const PATIENCE_NS: i64 = 15_000_000_000;
/// Spans of one generation that may wait; of two generations the older one is dropped as a whole.
const MOST_WAITING: usize = 25_000;
/// Pairs of services between two readings; calls of further ones are of `other` to `other`.
const MOST_EDGES: usize = 2_000;
const OTHER: &str = "other";
const KEYS: [&str; 2] = ["client", "server"];

/// One side of a call: a span of kind client or producer, or of kind server or consumer.
#[derive(Debug, Clone)]
pub struct Half {
    /// Keyed hash of the trace and of the calling span.
    pub key: u128,
    pub client: bool,
    pub service: Arc<str>,
    pub nanoseconds: Option<u64>,
    pub failed: bool,
}

#[derive(Default)]
struct Calls {
    total: u64,
    failed: u64,
    client: Durations,
    server: Durations,
}

#[derive(Default)]
pub struct Edges {
    young: KeyedMap<(i64, Half)>,
    old: KeyedMap<(i64, Half)>,
    turned: i64,
    calls: HashMap<(Arc<str>, Arc<str>), Calls>,
}

impl Edges {
    pub fn meet(&mut self, half: &Half, now: i64) {
        self.turn(now);
        let is_other = |(_, waiting): &&(i64, Half)| waiting.client != half.client;
        let first = [&mut self.young, &mut self.old].into_iter().find_map(|generation| {
            generation.get(&half.key).filter(is_other)?;
            generation.remove(&half.key)
        });
        if let Some((arrived, first)) = first
            && now.saturating_sub(arrived) <= PATIENCE_NS
        {
            return self.join(&first, half);
        }
        if self.young.len() < MOST_WAITING {
            self.young.insert(half.key, (now, half.clone()));
        }
    }

    fn turn(&mut self, now: i64) {
        if now.saturating_sub(self.turned) > PATIENCE_NS {
            self.turned = now;
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn join(&mut self, one: &Half, two: &Half) {
        let (client, server) = if one.client { (one, two) } else { (two, one) };
        let mut edge = (client.service.clone(), server.service.clone());
        if self.calls.len() >= MOST_EDGES && !self.calls.contains_key(&edge) {
            edge = (OTHER.into(), OTHER.into());
        }
        let calls = self.calls.entry(edge).or_default();
        calls.total += 1;
        calls.failed += u64::from(client.failed || server.failed);
        for (half, durations) in [(client, &mut calls.client), (server, &mut calls.server)] {
            if let Some(nanoseconds) = half.nanoseconds {
                durations.add(nanoseconds);
            }
        }
    }

    /// The calls since the last time, as a metrics request; `None` without any.
    pub fn take(&mut self, now: i64) -> Option<Vec<u8>> {
        self.turn(now);
        if self.calls.is_empty() {
            return None;
        }
        let time = u64::try_from(now).unwrap_or_default();
        let form = |name| Form { name, unit: "ms", keys: &KEYS, time };
        let total = Form { unit: "{request}", ..form("traces.service.graph.request.total") };
        let failed = Form { name: "traces.service.graph.request.failed", ..total };
        let mut out = Writer::default();
        for ((client, server), calls) in self.calls.drain() {
            let labels = [Some(&*client), Some(&*server)];
            out.message(1, |resource| {
                resource.message(2, |scope| {
                    total.counter(scope, &labels, calls.total);
                    if calls.failed > 0 {
                        failed.counter(scope, &labels, calls.failed);
                    }
                    for (name, durations) in [
                        ("traces.service.graph.request.client", &calls.client),
                        ("traces.service.graph.request.server", &calls.server),
                    ] {
                        if durations.count() > 0 {
                            form(name).histogram(scope, &labels, durations);
                        }
                    }
                });
            });
        }
        Some(out.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(key: u128, client: bool) -> Half {
        let service = if client { "front" } else { "back" };
        Half { key, client, service: service.into(), nanoseconds: Some(2_000_000), failed: false }
    }

    fn total(edges: &Edges) -> u64 {
        edges.calls.values().map(|calls| calls.total).sum()
    }

    #[test]
    fn both_sides_make_a_call_in_any_order_and_only_once() {
        for first in [true, false] {
            let mut edges = Edges::default();
            edges.meet(&half(1, first), 0);
            edges.meet(&half(1, first), 0);
            assert_eq!(total(&edges), 0);
            edges.meet(&half(1, !first), 1);
            assert_eq!(edges.calls.keys().next(), Some(&("front".into(), "back".into())));
            edges.meet(&half(1, !first), 1);
            assert_eq!(total(&edges), 1);
        }
    }

    #[test]
    fn a_side_that_stays_alone_is_dropped() {
        let mut edges = Edges::default();
        edges.meet(&half(1, true), 0);
        edges.meet(&half(1, false), PATIENCE_NS + 1);
        assert_eq!(total(&edges), 0);
        edges.meet(&half(2, true), 4 * PATIENCE_NS);
        edges.turn(8 * PATIENCE_NS);
        assert_eq!((edges.young.len(), edges.old.len()), (0, 1));
        edges.turn(12 * PATIENCE_NS);
        assert_eq!((edges.young.len(), edges.old.len()), (0, 0));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut edges = Edges::default();
        for key in 0..2 * MOST_WAITING as u128 {
            edges.meet(&half(key, true), 0);
        }
        assert_eq!(edges.young.len(), MOST_WAITING);
    }

    #[test]
    fn what_is_taken_is_gone() {
        let mut edges = Edges::default();
        edges.meet(&half(1, true), 0);
        edges.meet(&half(1, false), 0);
        assert!(edges.take(5).is_some_and(|body| !body.is_empty()));
        assert_eq!(edges.take(6), None);
    }
}
