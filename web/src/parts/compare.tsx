/** One metric now and before: the chosen range over an earlier one of the same length. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { query } from "../api";
import { useAsked } from "../ask";
import { howMuch } from "../changes";
import { type Lines, linesOfAnswer, namedSeries } from "../chart/data";
import { aligned, askWhole, ceilTo, secondsOf } from "../course";
import { moment, type Range } from "../range";
import { columns, median } from "../track";
import type { Answer, MetricInfo } from "../wire";
import { boundText, nameOf } from "../words";
import { ChartCard } from "./card";
import { EmptyCard, unitOf } from "./metric";
import type { Reading } from "./reading";
import { sentence } from "./state";

const BEFORE: readonly (readonly [string, string, number])[] = [
  ["same", "just before", 0],
  ["1h", "an hour earlier", 3600],
  ["24h", "a day earlier", 86_400],
  ["7d", "a week earlier", 604_800],
];
/** Both are of the whole range, which does not change its middle quickly. */
const PAUSE = 5000;

interface Both {
  now: Answer;
  before: Answer;
  offset: number;
}

export function Compare({ metrics }: { metrics: readonly MetricInfo[] }) {
  const metric = useSignal(metrics[0]?.metric ?? "");
  const before = useSignal("same");
  const [, , seconds = 0] = BEFORE.find(([key]) => key === before.value) ?? ["", "", 0];
  const { data, trouble, range } = useAsked(
    `compare ${metric.value} ${seconds}`,
    (span, signal) => askBoth(metric.value, span, seconds, signal),
    PAUSE,
  );
  const both = data.value;
  const choices = (
    <div class="choices">
      <label>
        Metric{" "}
        <select
          value={metric.value}
          onChange={({ currentTarget }) => {
            metric.value = currentTarget.value;
          }}
        >
          {metrics.map(({ metric: name }) => (
            <option key={name} value={name}>
              {nameOf(name)} ({name})
            </option>
          ))}
        </select>
      </label>
      <label>
        beside{" "}
        <select
          value={before.value}
          onChange={({ currentTarget }) => {
            before.value = currentTarget.value;
          }}
        >
          {BEFORE.map(([key, words]) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
  const lines = useMemo(() => (both === null ? null : overlaid(both)), [both]);
  const words = trouble.value === "" ? "Asking…" : sentence(trouble.value);
  return (
    <>
      {choices}
      <ul class="cards">
        {both === null ? (
          <EmptyCard title={nameOf(metric.value)} words={words} />
        ) : (
          <ChartCard
            title={`${nameOf(both.now.metric)}: ${difference(both)}`}
            metric={both.now.metric}
            unit={unitOf(both.now)}
            level={both.now.privacy_level}
            legend={[
              { label: "now", latest: () => wholeOf(both.now) },
              {
                label: beforeWords(both, range.value),
                latest: () => wholeOf(both.before),
              },
            ]}
            lines={() => lines ?? overlaid(both)}
            span={() => aligned(range.value ?? { start: 0, end: 1 }, secondsOf(both.now.interval))}
            follow={() => {
              data.value;
              range.value;
            }}
            height={200}
          />
        )}
      </ul>
    </>
  );
}

async function askBoth(
  metric: string,
  span: Range,
  seconds: number,
  signal: AbortSignal,
): Promise<Both> {
  const now = await askWhole({ metric }, span, query, null, signal);
  const step = secondsOf(now.interval);
  const offset = ceilTo(seconds || span.end - span.start, step);
  const earlier = { start: span.start - offset, end: span.end - offset };
  const before = await askWhole({ metric, interval: now.interval }, earlier, query, now, signal);
  return { now, before, offset };
}

/** Both on the time of the later one. */
export function overlaid({ now, before, offset }: Both): Lines {
  const [a, b] = [now, before].map((answer) =>
    linesOfAnswer(namedSeries(answer).slice(0, 1), answer),
  );
  const track = (lines: Lines | undefined, by: number) => ({
    times: Array.from(lines?.times ?? [], (time) => time + by),
    values: (lines?.columns[0] ?? []).map((value) => value ?? null),
  });
  const [times, ...found] = columns([track(a, 0), track(b, offset)]);
  return { times, columns: found, step: secondsOf(now.interval) };
}

/** What the whole range comes to; where the service does not say, half of the values are lower. */
export function wholeOf(answer: Answer): Reading {
  const [series] = answer.series;
  if (series?.overall !== undefined) return { ...series.overall, when: "over the whole range" };
  const values = (series?.points ?? []).flatMap(({ value }) => (value === null ? [] : [value]));
  return {
    value: values.length === 0 ? null : median(values),
    when: "half of the values are lower",
  };
}

function difference(both: Both): string {
  const [is, was] = [wholeOf(both.now), wholeOf(both.before)];
  if (is.value === null || was.value === null) return "nothing to compare with";
  const unit = unitOf(both.now);
  const figures = [was, is].map(({ value, over }) => boundText(value, unit, over)).join(" → ");
  if (is.over === true || was.over === true) return figures;
  if (is.value === was.value) return "as before";
  return `${howMuch({ before: was.value, after: is.value, since: 0 })} (${figures})`;
}

function beforeWords({ offset }: Both, range: Range | null): string {
  return range === null ? "before" : `from ${moment(range.start - offset)}`;
}
