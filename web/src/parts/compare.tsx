/** One metric now and before: the chosen range over an earlier one of the same length. */

import { useSignal } from "@preact/signals";
import { query } from "../api";
import { toQuestion, useAsked } from "../ask";
import { howMuch } from "../changes";
import { type Lines, linesOfAnswer, namedSeries } from "../chart/data";
import { moment, type Range } from "../range";
import { columns, median } from "../track";
import type { Answer, MetricInfo } from "../wire";
import { figureText, nameOf } from "../words";
import { ChartCard } from "./card";
import { EmptyCard, unitOf } from "./metric";
import { sentence } from "./state";

const BEFORE: readonly (readonly [string, string, number])[] = [
  ["same", "just before", 0],
  ["1h", "an hour earlier", 3600],
  ["24h", "a day earlier", 86_400],
  ["7d", "a week earlier", 604_800],
];
const POINTS = 80;

interface Both {
  now: Answer;
  before: Answer;
  offset: number;
}

export function Compare({ metrics }: { metrics: readonly MetricInfo[] }) {
  const metric = useSignal(metrics[0]?.metric ?? "");
  const before = useSignal("same");
  const [, , seconds = 0] = BEFORE.find(([key]) => key === before.value) ?? ["", "", 0];
  const { data, trouble, range } = useAsked(`compare ${metric.value} ${seconds}`, (span, signal) =>
    askBoth(metric.value, span, seconds, signal),
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
              { label: "now", latest: () => middle(both.now) },
              { label: beforeWords(both, range.value), latest: () => middle(both.before) },
            ]}
            lines={() => overlaid(both)}
            span={() => range.value ?? { start: 0, end: 1 }}
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
  const offset = seconds || span.end - span.start;
  const earlier = { start: span.start - offset, end: span.end - offset };
  const ask = { metric, points: POINTS };
  const [now, before] = await Promise.all([
    query(toQuestion(ask, span), signal),
    query(toQuestion(ask, earlier), signal),
  ]);
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
  return { times, columns: found };
}

function middle(answer: Answer): number | null {
  const values = (answer.series[0]?.points ?? []).flatMap(({ value }) =>
    value === null ? [] : [value],
  );
  return values.length === 0 ? null : median(values);
}

function difference(both: Both): string {
  const [after, before] = [middle(both.now), middle(both.before)];
  if (after === null || before === null) return "nothing to compare with";
  if (after === before) return "as before";
  const unit = unitOf(both.now);
  return `${howMuch({ before, after, since: 0 })} (${figureText(before, unit)} → ${figureText(after, unit)})`;
}

function beforeWords({ offset }: Both, range: Range | null): string {
  return range === null ? "before" : `from ${moment(range.start - offset)}`;
}
