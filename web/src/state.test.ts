import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { loadHistory, type Metric, network, services, sparks, take } from "./state";
import type { SeriesPoint } from "./wire";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const asked: { url: string; body: Record<string, unknown> }[] = [];

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  asked.length = 0;
  network.value = new Map();
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(init.body)) });
    const points = [590, 300, 10].map((ago) => ({
      timestamp: new Date(NOW - ago * 1000).toISOString(),
      value: ago,
    }));
    return Response.json({ series: [{ attributes: { method: "dht" }, points }] });
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
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

function onlyTrack() {
  return [...(network.value.get("p2p.discovery.latency")?.series.values() ?? [])][0]?.track;
}

it("begins a new metric with its history, then moves with the stream", async () => {
  push(point());
  expect(asked).toHaveLength(0);
  void loadHistory(newest("p2p.discovery.latency"));
  void loadHistory(newest("p2p.discovery.latency"));
  await vi.waitFor(() => expect(onlyTrack()?.values).toEqual([590, null, 300, null, 10, 12]));
  expect(asked[0]?.url).toBe("/api/analytics/query");
  expect(asked[0]?.body).toMatchObject({
    metric: "p2p.discovery.latency",
    interval: "10s",
    group_by: ["method"],
  });
  push(point({ value: 13, timestamp: new Date(NOW + 1000).toISOString() }));
  expect(onlyTrack()?.last).toBe(13);
  expect(asked).toHaveLength(1);
});

it("asks for protected metrics by whole windows", () => {
  push(point({ metric: "p2p.peer.connections", privacy_level: "sensitive" }));
  void loadHistory(newest("p2p.peer.connections"));
  expect(asked[0]?.body).toMatchObject({ interval: "60s" });
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
