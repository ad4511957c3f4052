/** The slowest methods and the kinds of error, over the chosen range. */

import { query } from "../api";
import { type Ask, SLOW_PAUSE, toQuestion, useAsked } from "../ask";
import { type Change, changeOf } from "../changes";
import { namedSeries } from "../chart/data";
import { keysOf, known, storedMetrics } from "../known";
import { moment, type Range } from "../range";
import { address } from "../route";
import type { Answer, Attributes } from "../wire";
import { figureText, number } from "../words";
import { Loading, Nothing, Trouble } from "./state";
import { TableCard } from "./table-card";

const MOST = 15;
const MOST_METRICS = 8;
const POINTS = 60;

export interface Method {
  service: string;
  method: string;
  metric: string;
  unit: string;
  slow: number;
  change: Change | null;
}

const DURATION = /(request|call|server|client|calls|metrics)\.duration$/;
/** Client sides and our own requests are measured elsewhere too. */
const TOLD_TWICE = /^(blackhole\.|traces\.service\.graph)|client/;
const ERRORS = /\.errors\.total$/;

export const isDuration = (metric: string) => DURATION.test(metric) && !TOLD_TWICE.test(metric);

const METHOD_KEYS = ["rpc.method", "method", "http.route", "span.name", "http.request.method"];

/** What a person calls it: “Resolve”, “GET /users”. */
export function methodOf(attributes: Attributes): string {
  for (const key of METHOD_KEYS) {
    const value = attributes[key];
    if (value != null && value !== "") return String(value).split("/").at(-1) ?? String(value);
  }
  const others = Object.entries(attributes).filter(([key]) => key !== "service.name");
  return others.map(([, value]) => String(value)).join(" · ") || "all";
}

/** Asks for each of these metrics, grouped by all attributes that say what was called. */
async function askEach(
  metrics: readonly string[],
  keep: (key: string) => boolean,
  ask: Omit<Ask, "metric">,
  range: Range,
  signal: AbortSignal,
): Promise<Answer[]> {
  const answers = await Promise.all(
    metrics.slice(0, MOST_METRICS).map(async (metric) => {
      const by = (await keysOf(metric, signal)).map(({ key }) => key).filter(keep);
      return query(toQuestion({ ...ask, metric, by }, range), signal);
    }),
  );
  return answers;
}

const TELLING = new Set(["service.name", ...METHOD_KEYS]);

async function askMethods(range: Range, signal: AbortSignal): Promise<Method[]> {
  const metrics = storedMetrics()
    .map(({ metric }) => metric)
    .filter(isDuration);
  const answers = await askEach(
    metrics,
    (key) => TELLING.has(key),
    { points: POINTS },
    range,
    signal,
  );
  return methodsOf(answers);
}

export function methodsOf(answers: readonly Answer[]): Method[] {
  const found = answers.flatMap((answer) =>
    namedSeries(answer).flatMap(({ attributes, points }) => {
      const samples = points.flatMap(({ timestamp, value }) =>
        value === null ? [] : [{ time: Date.parse(timestamp) / 1000, value }],
      );
      if (samples.length === 0) return [];
      const change = changeOf(samples);
      const sorted = samples.map(({ value }) => value).sort((a, b) => a - b);
      return [
        {
          service: String(attributes["service.name"] ?? ""),
          method: methodOf(attributes),
          metric: answer.metric,
          unit: answer.unit,
          slow: change?.after ?? sorted[Math.floor(sorted.length / 2)] ?? 0,
          change,
        },
      ];
    }),
  );
  const seconds = (one: Method) => one.slow * (/^(ms|milliseconds)$/.test(one.unit) ? 1e-3 : 1);
  const best = new Map<string, Method>();
  for (const one of found.sort((a, b) => seconds(b) - seconds(a))) {
    const key = `${one.service} ${one.method}`;
    if (!best.has(key)) best.set(key, one);
  }
  return [...best.values()].slice(0, MOST);
}

export function SlowestMethods() {
  const ready = known.value !== null;
  const { data, trouble } = useAsked(
    `methods ${ready}`,
    async (range, signal) => (ready ? askMethods(range, signal) : null),
    SLOW_PAUSE / 3,
  );
  const methods = data.value;
  if (methods === null)
    return trouble.value === "" ? <Loading height={200} /> : <Trouble words={trouble.value} />;
  if (methods.length === 0)
    return (
      <Nothing>
        No durations of requests in this range. A service sends them as NAME.request.duration,
        rpc.server.duration or http.server.request.duration, or as spans.
      </Nothing>
    );
  return (
    <TableCard label="Slowest methods">
      <table>
        <thead>
          <tr>
            <th scope="col">Method</th>
            <th scope="col">Service</th>
            <th scope="col" class="right">
              95 % within
            </th>
            <th scope="col">How it is</th>
          </tr>
        </thead>
        <tbody>
          {methods.map((one) => (
            <tr key={`${one.service} ${one.method}`}>
              <th scope="row">
                <a href={address("/explore", { metric: one.metric, by: "service.name,method" })}>
                  {one.method}
                </a>
              </th>
              <td>{one.service}</td>
              <td class="right">{figureText(one.slow, one.unit)}</td>
              <td class={one.change !== null && one.change.after > one.change.before ? "bad" : ""}>
                {changeWords(one.change, one.unit)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableCard>
  );
}

function changeWords(change: Change | null, unit: string): string {
  if (change === null) return "Steady";
  const what = change.after > change.before ? "Slower" : "Faster";
  return `${what} since ${moment(change.since)} (was ${figureText(change.before, unit)})`;
}

interface ErrorKind {
  service: string;
  what: string;
  kind: string;
  count: number;
}

export function errorsOf(answers: readonly Answer[]): ErrorKind[] {
  return answers
    .flatMap((answer) =>
      answer.series.map(({ attributes, points }) => ({
        service: String(attributes["service.name"] ?? answer.metric.split(".")[0]),
        what: methodOf({ method: attributes["method"] ?? "" }),
        kind: String(attributes["error_type"] ?? attributes["error.type"] ?? "error"),
        count: points.reduce((sum, { value }) => sum + (value ?? 0), 0),
      })),
    )
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST);
}

export function ErrorKinds() {
  const ready = known.value !== null;
  const { data, trouble } = useAsked(
    `errors ${ready}`,
    async (range, signal) => {
      if (!ready) return null;
      const metrics = storedMetrics()
        .map(({ metric }) => metric)
        .filter((name) => ERRORS.test(name));
      return errorsOf(await askEach(metrics, () => true, { aggregation: "sum" }, range, signal));
    },
    SLOW_PAUSE / 3,
  );
  const errors = data.value;
  if (errors === null)
    return trouble.value === "" ? <Loading height={160} /> : <Trouble words={trouble.value} />;
  if (errors.length === 0) return <Nothing>No errors in this range.</Nothing>;
  const most = errors[0]?.count ?? 1;
  return (
    <TableCard label="Errors by kind">
      <table>
        <thead>
          <tr>
            <th scope="col">Error</th>
            <th scope="col">Service</th>
            <th scope="col">Method</th>
            <th scope="col" class="right">
              How many
            </th>
          </tr>
        </thead>
        <tbody>
          {errors.map(({ service, what, kind, count }) => (
            <tr key={`${service} ${what} ${kind}`}>
              <th scope="row">
                <code>{kind}</code>
              </th>
              <td>{service}</td>
              <td>{what}</td>
              <td class="right">
                <meter min={0} max={most} value={count} aria-label={`${kind}: ${number(count)}`} />{" "}
                {number(count)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableCard>
  );
}
