import { expect, it } from "vitest";
import { changesOf } from "../sides";
import type { Answer, Question } from "../wire";
import { boundText } from "../words";
import { wholeOf } from "./compare";
import { connectedOf } from "./connected";
import { emptyWords } from "./metric";
import { findings, peersOf, recentOf, withConnected } from "./peers";
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
    series: series.map(([attributes, value]) => ({
      attributes,
      points: many(value),
      overall: { value: value(0) },
    })),
    sampling_rate: 1,
    notes: [],
  };
}

it("says which kind of peer got slow, and since when, of each side as a whole", async () => {
  const ping = answer("p2p.ping.latency", [
    [{ peer_type: "relay" }, (at) => (at < 25 ? 90 : 480)],
    [{ peer_type: "local" }, () => 4],
  ]);
  const searches = answer("p2p.discovery.latency", [
    [{ peer_type: "relay", success: "true" }, () => 3],
    [{ peer_type: "relay", success: "false" }, () => 1],
  ]);
  const side = ({ start_time }: Question) => {
    const value = start_time === 0 ? 120 : 450;
    const series = ping.series.map((one) => ({ ...one, overall: { value } }));
    return Promise.resolve({ ...ping, series });
  };
  const range = { start: 0, end: 40 * 60 };
  const ask = { metric: ping.metric, by: ["peer_type"] };
  const changes = await changesOf(ask, ping, range, new AbortController().signal, side);
  const all = peersOf(null, { answer: ping, changes }, searches);
  expect(all.map(({ type }) => type)).toEqual(["local", "relay"]);
  const relay = all[1] as (typeof all)[number];
  expect(relay.failed).toBe(0.25);
  expect(relay.ping?.change?.since).toBe(25 * 60);
  expect(findings(relay, all).map(({ words }) => words)).toEqual([
    expect.stringMatching(/^Slower to reach since .*120 ms → 450 ms/),
  ]);
  expect(findings(all[0] as (typeof all)[number], all)).toEqual([{ words: "Steady", bad: false }]);
});

it("calls no kind steady of which half fails, or nothing comes any more, whatever was usual", () => {
  const end = 40 * 60;
  const counts = (good: (at: number) => number, bad: (at: number) => number) =>
    answer("p2p.ping.latency", [
      [{ peer_type: "relay", success: "true" }, good],
      [{ peer_type: "relay", success: "false" }, bad],
    ]);
  const relay = { type: "relay", discovery: null, ping: null, failed: null };
  const words = (pings: Answer) => {
    const one = { ...relay, ...recentOf("relay", null, pings, end) };
    return findings(one, [one])[0];
  };
  expect(
    words(
      counts(
        () => 5,
        () => 1,
      ),
    )?.words,
  ).toBe("Steady");
  expect(
    words(
      counts(
        () => 5,
        () => 5,
      ),
    ),
  ).toEqual({ words: "50 % of the pings fail", bad: true });
  expect(
    words(
      counts(
        (at) => (at < 28 ? 5 : 0),
        () => 0,
      ),
    ),
  ).toMatchObject({ bad: true });
  expect(
    words(
      counts(
        (at) => (at < 28 ? 5 : 0),
        () => 0,
      ),
    )?.words,
  ).toMatch(/^Nothing measured since/);
});

it("says of a kind all that is wrong with it, each with its since, and the worst first", () => {
  const searches = answer("p2p.discovery.latency", [
    [{ peer_type: "relay", success: "true" }, (at) => (at < 30 ? 9 : 1)],
    [{ peer_type: "relay", success: "false" }, (at) => (at < 30 ? 1 : 3)],
  ]);
  const change = { before: 100, after: 40, since: 20 * 60 };
  const slower = { before: 100, after: 400, since: 25 * 60 };
  const relay = {
    type: "relay",
    discovery: { now: 40, change },
    ping: { now: 400, change: slower },
    failed: 0.4,
    ...recentOf("relay", searches, null, 40 * 60),
  };
  expect(relay.failing?.searches).toEqual({ share: 0.75, since: 30 * 60 });
  const said = findings(relay, [relay]);
  expect(said.map(({ bad }) => bad)).toEqual([true, true, false]);
  expect(said[0]?.words).toMatch(/^75 % of the searches fail since /);
  expect(said[1]?.words).toMatch(/^Slower to reach since /);
  expect(said[2]?.words).toMatch(/^Faster to find since /);
});

it("has one number of connected peers for table, picture and chart", () => {
  const connections = {
    ...answer("p2p.peer.connections", [[{ peer_type: "local" }, (at) => at % 7]]),
    type: "updowncounter",
    aggregation: "avg",
  };
  const connected = connectedOf(connections);
  expect(connected).toEqual([{ type: "local", count: 39 % 7 }]);
  const graph = graphOf(
    [connections, { ...connections, metric: "p2p.peer.connection" }],
    connected,
  );
  expect(graph.places.map(({ label, count }) => [label, count])).toEqual([
    ["this node", 0],
    ["local", 39 % 7],
  ]);
  expect(withConnected([], connected).map(({ type }) => type)).toEqual(["local"]);
});

it("counts no connection of a kind that is no longer told of", () => {
  const connections = {
    ...answer("p2p.peer.connections", [
      [{ peer_type: "local" }, () => 5],
      [{ peer_type: "relay" }, () => 9],
    ]),
    aggregation: "avg",
  };
  connections.series[1]?.points.splice(20);
  expect(connectedOf(connections)).toEqual([
    { type: "local", count: 5 },
    { type: "relay", count: null },
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

it("says what the whole range came to, and of a bucket without an end where it begins", () => {
  const slow = answer("node.request.duration", [[{ method: "Slow" }, () => 30]]);
  const series = slow.series.map((one) => ({ ...one, overall: { value: 199, over: true } }));
  expect(boundText(199, "ms", true)).toBe("> 199 ms");
  expect(wholeOf({ ...slow, series })).toMatchObject({ value: 199, over: true });
});

it("says of a metric without buckets what to ask, and not that there is nothing", () => {
  expect(emptyWords(["m has no buckets: ask avg"])).toBe("M has no buckets: ask avg.");
  expect(emptyWords([])).toBe("No data in this range.");
});
