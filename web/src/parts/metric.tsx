/** One metric as a card: its course is asked for, its present comes from the stream. */

import type { Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { type Ask, useAnswer } from "../ask";
import { MOST_LINES } from "../chart/colours";
import {
  highestNamed,
  type Lines,
  linesOfAnswer,
  type Named,
  namedSeries,
  shownValue,
} from "../chart/data";
import { aligned, secondsOf } from "../course";
import { isLive, type Range, rangeAt } from "../range";
import { useSeen } from "../seen";
import { begin, edge, type Metric, type Now, now, nowOf, streamed } from "../state";
import type { Answer, Attributes } from "../wire";
import { labelOf, nameOf } from "../words";
import { ChartCard } from "./card";
import { latestOf, type Reading } from "./reading";
import { Nothing, sentence } from "./state";

/** A metric of the stream, a line for each of its series. */
export function LiveCard({ metric }: { metric: Metric }) {
  metric.grown.value;
  return <AskedCard metric={metric.name} by={keysOf(metric)} />;
}

function keysOf(metric: Metric): string[] {
  const keys = new Set<string>();
  for (const { attributes } of metric.series.values())
    for (const key of Object.keys(attributes)) keys.add(key);
  return [...keys].sort();
}

const NONE: Lines = { times: [], columns: [], step: 1 };

interface AskedProps extends Ask {
  title?: string;
  height?: number;
  /** What to say where nothing is stored. */
  nothing?: string;
  most?: number;
}

/** A metric over the chosen range. */
export function AskedCard({ title, height, nothing, most = MOST_LINES, ...ask }: AskedProps) {
  const place = useRef<HTMLLIElement>(null);
  const { data, trouble, range } = useAnswer(ask, useSeen(place));
  const answer = data.value;
  const { all, shown } = useMemo(() => {
    const named = answer === null ? [] : namedSeries(answer).filter(isThere);
    return { all: named, shown: highestNamed(named, most) };
  }, [answer, most]);
  const lines = useMemo(
    () => (answer === null ? NONE : linesOfAnswer(shown, answer)),
    [answer, shown],
  );
  const shared = sharedKeys(all.map(({ attributes }) => attributes));
  const name = title ?? nameOf(ask.metric);
  if (answer !== null && all.length === 0 && trouble.value === "")
    return <EmptyCard title={name} words={nothing ?? emptyWords(answer.notes)} place={place} />;
  if (answer === null && trouble.value !== "")
    return <EmptyCard title={name} words={sentence(trouble.value)} place={place} />;
  const only = shown.length === 1 ? shown[0] : undefined;
  return (
    <ChartCard
      place={place}
      title={name}
      metric={ask.metric}
      unit={answer === null ? "" : unitOf(answer)}
      {...(answer === null ? {} : { level: answer.privacy_level })}
      legend={shown.map((series) => ({
        label: labelOf(series.attributes, all.length > 1 ? shared : new Set()),
        latest: () => figureOf(series, all, answer, ask),
      }))}
      lines={() => lines}
      exact={() => (answer === null ? NONE : linesOfAnswer(shown, answer, true))}
      span={() => spanOf(answer, range)}
      follow={() => {
        data.value;
        range.value;
        if (isLive.value) edge.value;
      }}
      notes={(answer?.notes ?? []).filter((note) => !note.startsWith("sampled down"))}
      samplingRate={answer?.sampling_rate ?? 1}
      more={all.length - shown.length}
      explore={{
        ...(ask.by === undefined ? {} : { by: ask.by.join(",") }),
        ...(ask.aggregation === undefined ? {} : { agg: ask.aggregation }),
      }}
      {...(height === undefined ? {} : { height })}
      {...(only === undefined ? {} : { bounds: () => boundsOf(only, answer, ask) })}
    />
  );
}

const isThere = ({ points }: Named) => points.length > 0;

/** Whole buckets of what is shown: live charts grow together. */
export function spanOf(answer: Answer | null, range: Signal<Range | null>): Range {
  const span = isLive.value
    ? { start: begin.value, end: edge.value }
    : (range.value ?? rangeAt(now.peek()));
  return answer === null ? span : aligned(span, secondsOf(answer.interval));
}

/** The one number of a series that stands beside its chart, and in tables: now as the stream tells it, else the newest that was asked for. */
export function figureOf(
  series: Named,
  all: readonly Named[],
  answer: Answer | null,
  ask: Ask,
): Reading {
  if (answer === null) return { value: null, when: "" };
  const told = toldOf(series, answer, ask);
  if (told !== undefined)
    return {
      value: shownValue(told.value, answer.privacy_level),
      over: told.over === true,
      when: "now",
    };
  const latest = wholeOf(series, answer) ?? latestOf(series, all, answer);
  return { ...latest, value: shownValue(latest.value, answer.privacy_level) };
}

/** A percentile of a range is that of all in it; what is live has a newest value instead. */
function wholeOf({ overall }: Named, { aggregation }: Answer): Reading | null {
  if (isLive.value || overall === null || !/^p\d/.test(aggregation)) return null;
  return { ...overall, when: `${aggregation.slice(1)} % within, over the whole range` };
}

/** What the stream tells of by type, unless something else was asked for. */
const TOLD: Record<string, string> = {
  counter: "rate",
  histogram: "p95",
  gauge: "avg",
  updowncounter: "avg",
};

function toldOf({ attributes }: Named, answer: Answer, ask: Ask): Now | undefined {
  const metric = isLive.value ? streamed(answer.metric) : undefined;
  if (metric === undefined || TOLD[answer.type] !== answer.aggregation) return undefined;
  const adds = answer.type === "counter" || answer.type === "updowncounter";
  const filters = Object.entries(ask.filters ?? {});
  const single = filters.filter((one): one is [string, string] => typeof one[1] === "string");
  if (single.length < filters.length) return undefined;
  return nowOf(metric, { ...attributes, ...Object.fromEntries(single) }, adds);
}

function boundsOf(series: Named, answer: Answer | null, ask: Ask) {
  const told = answer === null ? undefined : toldOf(series, answer, ask);
  const last = told ?? series.points.at(-1);
  return { lower: last?.lower ?? null, upper: last?.upper ?? null };
}

/** A rate is of what was counted, a second. */
export function unitOf({ unit, aggregation }: { unit: string; aggregation: string }): string {
  if (aggregation === "rate" || aggregation === "sum_rate") return `${unit}/s`;
  return aggregation === "count" ? "" : unit;
}

export function emptyWords(notes: readonly string[]): string {
  const none = notes.find((note) => note.startsWith("no data") || note.startsWith("nothing of"));
  const others = notes.filter((note) => note !== none);
  const why = notes.some((note) => note.includes("has no buckets"))
    ? []
    : ["no data in this range"];
  return [...(none === undefined ? why : [none]), ...others].map(sentence).join(" ");
}

interface EmptyProps {
  title: string;
  words: string;
  place?: RefObject<HTMLLIElement | null>;
}

export function EmptyCard({ title, words, place }: EmptyProps) {
  return (
    <li class="card metric" ref={place ?? null}>
      <div class="metric-head">
        <h3>{title}</h3>
      </div>
      <Nothing>{words}</Nothing>
    </li>
  );
}

/** Keys on which all series agree tell nothing apart. */
export function sharedKeys(all: readonly Attributes[]): ReadonlySet<string> {
  const [first = {}, ...others] = all;
  const agreed = Object.entries(first).filter(([key, value]) =>
    others.every((attributes) => attributes[key] === value),
  );
  return new Set(all.length > 1 ? agreed.map(([key]) => key) : []);
}
