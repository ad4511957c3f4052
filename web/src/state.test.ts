import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { hear, type Metric, network, now, nowOf, services, sparks, status, take } from "./state";
import type { SeriesPoint } from "./wire";

const NOW = Date.parse("2026-01-01T12:00:00Z");

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  network.value = new Map();
  status.value = null;
  now.value = NOW / 1000;
});

afterEach(() => {
  vi.useRealTimers();
});

function point(overrides: Partial<SeriesPoint> = {}): SeriesPoint {
  return {
    metric: "p2p.discovery.latency",
    unit: "ms",
    privacy_level: "internal",
    attributes: { method: "dht" },
    value: 12,
    lower: null,
    upper: null,
    timestamp: new Date(NOW).toISOString(),
    ...overrides,
  };
}

function push(...series: SeriesPoint[]): void {
  take({ type: "p2p_metrics", sequence: 1, timestamp: point().timestamp, data: { series } });
}

const newest = (name: string) => network.value.get(name) as Metric;

const later = (seconds: number) => new Date(NOW + 1000 * seconds).toISOString();

it("tells from when on values are new: all of a new series, else since its point before", () => {
  const told: number[] = [];
  const stop = hear("p2p.discovery.latency", (since) => told.push(since));
  push(point());
  push(point());
  push(point({ timestamp: later(60), value: 13 }));
  expect(told).toEqual([Number.NEGATIVE_INFINITY, NOW / 1000]);
  stop();
  push(point({ timestamp: later(120) }));
  expect(told).toHaveLength(2);
});

it("has no value of a series that is not told of any more", () => {
  push(point(), point({ attributes: { method: "mdns" } }));
  const told: number[] = [];
  hear("p2p.discovery.latency", (since) => told.push(since));
  push(point({ attributes: { method: "mdns" } }));
  const metric = newest("p2p.discovery.latency");
  expect(nowOf(metric, { method: "dht" }, false)?.value).toBeNull();
  expect(nowOf(metric, { method: "mdns" }, false)?.value).toBe(12);
  expect(told).toEqual([NOW / 1000]);
});

it("adds up what adds up, and has no one number of what does not", () => {
  const kinds = ["dht", "mdns"].map((method) => point({ attributes: { method, kind: "a" } }));
  push(...kinds, point({ attributes: { method: "dht", kind: "b" }, value: null }));
  const metric = newest("p2p.discovery.latency");
  expect(nowOf(metric, {}, true)?.value).toBe(24);
  expect(nowOf(metric, { kind: "a" }, true)?.value).toBe(24);
  expect(nowOf(metric, { kind: "b" }, true)?.value).toBeNull();
  expect(nowOf(metric, { kind: "a" }, false)).toBeUndefined();
});

it("shows what was released of the newest window, until there is none for long", () => {
  const window = (peer_type: string, seconds: number, value: number) =>
    point({
      metric: "p2p.peer.connections",
      privacy_level: "sensitive",
      attributes: { peer_type },
      timestamp: later(seconds),
      value,
    });
  push(window("local", -120, 5), window("relay", -120, 9));
  push(window("local", -60, 6));
  const metric = newest("p2p.peer.connections");
  expect(nowOf(metric, { peer_type: "local" }, true)?.value).toBe(6);
  expect(nowOf(metric, { peer_type: "relay" }, true)?.value).toBeNull();
  expect(nowOf(metric, {}, true)?.value).toBe(6);
  push();
  expect(nowOf(metric, {}, true)?.value).toBe(6);
  now.value += 300;
  expect(nowOf(metric, {}, true)?.value).toBeNull();
});

it("keeps series apart by their attributes, whatever the order of the keys", () => {
  push(point({ attributes: { a: "1", b: "2" } }), point({ attributes: { b: "2", a: "1" } }));
  push(point({ attributes: { a: "1", b: "3" } }));
  expect(network.value.get("p2p.discovery.latency")?.series.size).toBe(2);
});

it("remembers the request rate of each service for its sparkline", () => {
  const service = { service: "identity", up: true, request_rate: 5, error_rate: 0 };
  const rest = { p95_ms: null, cpu_percent: null, memory_bytes: null, last_seen: null };
  const data = { services: [{ ...service, ...rest }] };
  take({ type: "service_health", sequence: 2, timestamp: point().timestamp, data });
  expect(services.value).toHaveLength(1);
  expect(sparks.get("identity")?.values).toEqual([5]);
});
