import { expect, it } from "vitest";
import type { Answer } from "../wire";
import { errorsOf, methodOf, methodsOf } from "./methods";
import { peersOf, verdict } from "./peers";
import { fileName } from "./save";
import { linesOfSql } from "./sql-result";
import { graphOf, layOut } from "./topology";

const many = (value: (at: number) => number) =>
  Array.from({ length: 40 }, (_, at) => ({
    timestamp: new Date(at * 60_000).toISOString(),
    value: value(at),
  }));

function answer(
  metric: string,
  series: [Record<string, string>, (at: number) => number][],
): Answer {
  return {
    metric,
    type: "histogram",
    unit: "ms",
    privacy_level: "internal",
    aggregation: "p95",
    interval: "1m",
    series: series.map(([attributes, value]) => ({ attributes, points: many(value) })),
    sampling_rate: 1,
    notes: [],
  };
}

it("says which kind of peer got slow, and since when", () => {
  const ping = answer("p2p.ping.latency", [
    [{ peer_type: "relay" }, (at) => (at < 25 ? 90 : 480)],
    [{ peer_type: "local" }, () => 4],
  ]);
  const searches = answer("p2p.discovery.latency", [
    [{ peer_type: "relay", success: "true" }, () => 3],
    [{ peer_type: "relay", success: "false" }, () => 1],
  ]);
  const all = peersOf(null, ping, null, searches);
  expect(all.map(({ type }) => type)).toEqual(["local", "relay"]);
  const relay = all[1] as (typeof all)[number];
  expect(relay.failed).toBe(0.25);
  expect(relay.ping?.change?.since).toBe(25 * 60);
  expect(verdict(relay, all).words).toMatch(/^Slower to reach since .*90 ms → 480 ms/);
  expect(verdict(all[0] as (typeof all)[number], all)).toEqual({ words: "Steady", bad: false });
});

it("orders methods by what they take, whatever their unit, each once", () => {
  const seconds = {
    ...answer("rpc.server.duration", [[{ "rpc.method": "Slow" }, () => 2]]),
    unit: "s",
  };
  const milli = answer("node.request.duration", [[{ method: "/demo.Node/Fast" }, () => 30]]);
  expect(methodsOf([milli, seconds, milli]).map(({ method }) => method)).toEqual(["Slow", "Fast"]);
  expect(methodOf({ "service.name": "node" })).toBe("all");
});

it("counts errors by kind", () => {
  const errors = answer("node.errors.total", [
    [{ method: "Fetch", error_type: "NOT_FOUND" }, () => 2],
    [{ method: "Store" }, () => 0],
  ]);
  expect(errorsOf([errors])).toEqual([
    { service: "node", what: "Fetch", kind: "NOT_FOUND", count: 80 },
  ]);
});

it("draws kinds and regions, never peers, and the same network the same way", () => {
  const graph = graphOf([
    answer("p2p.peer.connections", [
      [{ peer_type: "relay", region: "eu" }, () => 4],
      [{ peer_type: "relay", region: "us" }, () => 2],
      [{ peer_type: "local" }, () => 1],
    ]),
  ]);
  expect(graph.places.map(({ label, count }) => [label, count])).toEqual([
    ["this node", 0],
    ["relay", 6],
    ["eu", 4],
    ["us", 2],
    ["local", 1],
  ]);
  const [once, again] = [layOut(graph.places, graph.ties), layOut(graph.places, graph.ties)];
  expect(once.map(({ x, y }) => [x, y])).toEqual(again.map(({ x, y }) => [x, y]));
  for (const { x = 1e9, y = 1e9 } of once) expect(Math.hypot(x, y)).toBeLessThan(400);
});

it("draws SQL where there is one number a time, and else only lists it", () => {
  const shape = {
    columns: ["t", "n"],
    types: ["TIMESTAMP", "DOUBLE"],
    truncated: false,
    elapsed_ms: 1,
  };
  const rows = [
    ["2026-01-01T00:01:00Z", 2],
    ["2026-01-01T00:00:00Z", 1],
  ];
  expect(linesOfSql({ ...shape, rows })?.lines.columns).toEqual([[1, 2]]);
  expect(linesOfSql({ ...shape, rows: [...rows, ["2026-01-01T00:00:00Z", 3]] })).toBeNull();
  expect(linesOfSql({ ...shape, types: ["VARCHAR", "DOUBLE"], rows })).toBeNull();
});

it("makes a file's name of any title", () => {
  expect(["Was ist langsam?", "Évidence 2", "../../etc", "???"].map(fileName)).toEqual([
    "was-ist-langsam",
    "evidence-2",
    "etc",
    "",
  ]);
});
