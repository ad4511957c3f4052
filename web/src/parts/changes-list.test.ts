import { expect, it } from "vitest";
import { keyOf } from "../course";
import type { Finding } from "../wire";
import { overOf, type Sentence, sentences, watchedOf, whenWords } from "./changes-list";

const NOW = Date.parse("2026-01-01T10:00:00Z") / 1000;
const finding = (generated_at: string, expires_at: string | null): Finding => ({
  id: 1,
  insight_type: "beyond_limit",
  title: "node: no peers online",
  description: null,
  severity: "critical",
  metrics: ["p2p.peers.online"],
  generated_at,
  expires_at,
});

it("keeps when something that was found began and ended, also when it is over now", () => {
  const over = finding("2026-01-01T09:38:00Z", "2026-01-01T09:51:00Z");
  const found = overOf(
    [
      over,
      finding("2026-01-01T09:38:00Z", "2026-01-01T10:00:45Z"),
      finding("2026-01-01T08:00:00Z", "2026-01-01T08:51:00Z"),
      finding("2026-01-01T08:00:00Z", null),
    ],
    NOW,
  );
  expect(found.map(({ text, since, until, bad }) => [text, since, until, bad])).toEqual([
    ["node: no peers online", NOW - 22 * 60, NOW - 9 * 60, true],
  ]);
  expect(whenWords(found[0] as Sentence)).toMatch(/ to .*, over$/);
});

it("does not call it better that a service takes less: what is dead takes nothing", () => {
  const [watched] = watchedOf([
    {
      service: "node",
      up: true,
      request_rate: null,
      error_rate: null,
      p95_ms: null,
      cpu_percent: 1,
      memory_bytes: null,
      last_seen: null,
      sources: {
        requests: [],
        errors: [],
        durations: [],
        cpu: ["process.cpu.usage"],
        memory: [],
        filters: {},
      },
    },
  ]);
  const answer = {
    metric: "process.cpu.usage",
    type: "gauge",
    unit: "percent",
    privacy_level: "public" as const,
    aggregation: "avg",
    interval: "30s",
    series: [{ attributes: { "service.name": "node" }, points: [] }],
    sampling_rate: 1,
    notes: [],
  };
  const told = (change: { before: number; after: number }) => {
    const changes = new Map([[keyOf({ "service.name": "node" }), { since: 5, ...change }]]);
    return sentences(watched as NonNullable<typeof watched>, answer, changes)[0];
  };
  expect(told({ before: 20, after: 1 })).toMatchObject({ bad: false, good: false, until: null });
  expect(told({ before: 1, after: 20 })).toMatchObject({ bad: true, good: false });
});
