/** One metric as a card: live from the stream where the range is the last minutes, else asked for. */

import { useEffect, useMemo } from "preact/hooks";
import { type Ask, useAnswer } from "../ask";
import { MOST_LINES } from "../chart/colours";
import { highestNamed, linesOfAnswer, linesOfTracks, namedSeries, shownValue } from "../chart/data";
import { isLive, rangeAt } from "../range";
import { begin, edge, loadHistory, type Metric, now, type Series } from "../state";
import type { Attributes, PrivacyLevel } from "../wire";
import { labelOf, nameOf } from "../words";
import { ChartCard } from "./card";
import { Nothing, sentence } from "./state";

const LIVE_SPAN = () => ({ start: begin.value, end: edge.value });

function latestOf(metric: Metric, series: Series): number | null {
  metric.told.value;
  return series.latest.value;
}

/** A metric of the stream, as its series come. */
export function LiveCard({ metric }: { metric: Metric }) {
  if (!isLive.value) return <AskedCard metric={metric.name} by={keysOf(metric)} />;
  return <StreamCard metric={metric} />;
}

function keysOf(metric: Metric): string[] {
  const keys = new Set<string>();
  for (const { attributes } of metric.series.values())
    for (const key of Object.keys(attributes)) keys.add(key);
  return [...keys];
}

function StreamCard({ metric }: { metric: Metric }) {
  useEffect(() => void loadHistory(metric), [metric]);
  metric.grown.value;
  const all = [...metric.series.values()];
  const shown = highest(all, MOST_LINES);
  const shared = sharedKeys(all.map(({ attributes }) => attributes));
  const only = shown.length === 1 ? shown[0] : undefined;
  return (
    <ChartCard
      title={nameOf(metric.name)}
      metric={metric.name}
      unit={metric.unit}
      level={metric.level}
      legend={shown.map((series) => ({
        label: labelOf(series.attributes, all.length > 1 ? shared : new Set()),
        latest: () => shownValue(latestOf(metric, series), metric.level),
      }))}
      lines={() =>
        linesOfTracks(
          shown.map(({ track }) => track),
          metric.level,
        )
      }
      exact={() =>
        linesOfTracks(
          shown.map(({ track }) => track),
          "public",
        )
      }
      span={LIVE_SPAN}
      follow={() => {
        metric.grown.value;
        edge.value;
      }}
      grow={{ follow: () => metric.changed.value, tracks: shown.map(({ track }) => track) }}
      more={all.length - shown.length}
      explore={{ by: keysOf(metric).join(",") }}
      {...(only === undefined ? {} : { bounds: () => only.latest })}
    />
  );
}

const NONE = { times: [], columns: [] };

interface AskedProps extends Ask {
  title?: string;
  height?: number;
  /** What to say where nothing is stored. */
  nothing?: string;
  most?: number;
}

/** A metric over the chosen range. */
export function AskedCard({ title, height, nothing, most = MOST_LINES, ...ask }: AskedProps) {
  const { data, trouble, range } = useAnswer(ask);
  const answer = data.value;
  const { all, shown } = useMemo(() => {
    const named =
      answer === null ? [] : namedSeries(answer).filter(({ points }) => points.length > 0);
    return { all: named, shown: highestNamed(named, most) };
  }, [answer, most]);
  const shared = sharedKeys(all.map(({ attributes }) => attributes));
  const name = title ?? nameOf(ask.metric);
  if (answer !== null && all.length === 0 && trouble.value === "")
    return <EmptyCard title={name} words={nothing ?? emptyWords(answer.notes)} />;
  if (answer === null && trouble.value !== "")
    return <EmptyCard title={name} words={sentence(trouble.value)} />;
  const last = shown.length === 1 ? shown[0]?.points.at(-1) : undefined;
  return (
    <ChartCard
      title={name}
      metric={ask.metric}
      unit={answer === null ? "" : unitOf(answer)}
      {...(answer === null ? {} : { level: answer.privacy_level as PrivacyLevel })}
      legend={shown.map(({ attributes, latest }) => ({
        label: labelOf(attributes, all.length > 1 ? shared : new Set()),
        latest: () => shownValue(latest, answer?.privacy_level ?? "public"),
      }))}
      lines={() => (answer === null ? NONE : linesOfAnswer(shown, answer))}
      exact={() => (answer === null ? NONE : linesOfAnswer(shown, answer, true))}
      span={() => (isLive.value ? LIVE_SPAN() : (range.value ?? rangeAt(now.peek())))}
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
      {...(last === undefined
        ? {}
        : { bounds: () => ({ lower: last.lower ?? null, upper: last.upper ?? null }) })}
    />
  );
}

/** A rate is of what was counted, a second. */
export function unitOf({ unit, aggregation }: { unit: string; aggregation: string }): string {
  if (aggregation === "rate") return `${unit}/s`;
  return aggregation === "count" ? "" : unit;
}

function emptyWords(notes: readonly string[]): string {
  const none = notes.find((note) => note.startsWith("no data") || note.startsWith("nothing of"));
  const others = notes.filter((note) => note !== none);
  return [none ?? "no data in this range", ...others].map(sentence).join(" ");
}

export function EmptyCard({ title, words }: { title: string; words: string }) {
  return (
    <li class="card metric">
      <div class="metric-head">
        <h3>{title}</h3>
      </div>
      <Nothing>{words}</Nothing>
    </li>
  );
}

/** Those with the highest peaks, in the order of their names, so that a line keeps its colour while values move. */
export function highest(all: readonly Series[], most: number): Series[] {
  const byName = (a: Series, b: Series) => a.key.localeCompare(b.key);
  if (all.length <= most) return [...all].sort(byName);
  const peaks = new Map(all.map((series) => [series, peak(series)]));
  const sorted = [...all].sort((a, b) => (peaks.get(b) ?? 0) - (peaks.get(a) ?? 0));
  return sorted.slice(0, most).sort(byName);
}

function peak({ track }: Series): number {
  return track.values.reduce<number>((top, value) => Math.max(top, value ?? top), -Infinity);
}

/** Keys on which all series agree tell nothing apart. */
export function sharedKeys(all: readonly Attributes[]): ReadonlySet<string> {
  const [first = {}, ...others] = all;
  const agreed = Object.entries(first).filter(([key, value]) =>
    others.every((attributes) => attributes[key] === value),
  );
  return new Set(all.length > 1 ? agreed.map(([key]) => key) : []);
}
