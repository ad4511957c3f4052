/** What the services did over the chosen range, and which of their methods have changed meanwhile. */

import { getServices, query } from "./api";
import { toQuestion } from "./ask";
import type { Change } from "./changes";
import { keyOf } from "./course";
import type { Range } from "./range";
import { changesOf } from "./sides";
import type { Attributes, Filters, Method, ServicesReport } from "./wire";

const MOST_METRICS = 8;
const POINTS = 60;

export interface Call extends Method {
  service: string;
}

/** `changes`: by `callKey`, where a method got slower or faster for good. */
export interface Work {
  report: ServicesReport;
  changes: ReadonlyMap<string, Change>;
}

export const callKey = ({ service, method }: { service: string; method: string }) =>
  `${service}\n${method}`;

/** The methods of all services, the slowest first. */
export function callsOf({ services }: ServicesReport): Call[] {
  return services
    .flatMap(({ service, methods }) => methods.map((method) => ({ ...method, service })))
    .sort((a, b) => (b.p95_ms ?? -1) - (a.p95_ms ?? -1));
}

export async function askWork(range: Range, signal: AbortSignal): Promise<Work> {
  const report = await getServices(range.start, range.end, signal);
  const timed = callsOf(report).filter(({ p95_ms }) => p95_ms !== null);
  const metrics = [...new Set(timed.map(({ metric }) => metric))].slice(0, MOST_METRICS);
  const found = await Promise.all(
    metrics.map(async (metric) => {
      const calls = timed.filter((call) => call.metric === metric);
      const by = keysOf(calls);
      const filters = filtersOf(report, metric);
      const ask = { metric, by, filters, aggregation: "p95", points: POINTS };
      const answer = await query(toQuestion(ask, range), signal);
      const changes = await changesOf(ask, answer, range, signal);
      return changesOfCalls(calls, by, changes, answer.unit);
    }),
  );
  return { report, changes: new Map(found.flat()) };
}

function filtersOf({ services }: ServicesReport, metric: string): Filters {
  const telling = services.find(({ sources }) => sources.durations.includes(metric));
  return telling?.sources.filters ?? {};
}

/** The attributes by which these calls are told apart. */
export function keysOf(calls: readonly Call[]): string[] {
  return ["service.name", ...new Set(calls.flatMap(({ attributes }) => Object.keys(attributes)))];
}

/** What of `changes`, by the key of a series, is of these calls; in milliseconds. */
export function changesOfCalls(
  calls: readonly Call[],
  keys: readonly string[],
  changes: ReadonlyMap<string, Change>,
  unit: string,
): [string, Change][] {
  const factor = FACTORS[unit] ?? 1;
  return calls.flatMap((call) => {
    const all: Attributes = { ...call.attributes, "service.name": call.service };
    const change = changes.get(keyOf(Object.fromEntries(keys.map((key) => [key, all[key] ?? ""]))));
    if (change === undefined) return [];
    const { before, after } = change;
    return [[callKey(call), { ...change, before: before * factor, after: after * factor }]];
  });
}

const FACTORS: Record<string, number> = { s: 1e3, seconds: 1e3, us: 1e-3, ns: 1e-6 };
