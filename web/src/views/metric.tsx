/** One metric as a card: its name, its newest value, its chart, and who the lines are. */

import { useState } from "preact/hooks";
import { Chart, clock, MOST_LINES } from "../chart";
import { begin, type Metric, now, type Series, span } from "../state";
import { figure, figureText, labelOf, levelOf, nameOf } from "../words";
import { Badge } from "./badge";

interface Pointed {
  time: number;
  values: (number | null | undefined)[];
}

export function MetricCard({ metric }: { metric: Metric }) {
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const all = [...metric.series.values()];
  const shown = highest(all, MOST_LINES);
  const shared = sharedKeys(all);
  const level = levelOf(metric.level);
  const name = nameOf(metric.name);
  return (
    <li class="card metric">
      <div class="metric-head">
        <h3 title={metric.name}>{name}</h3>
        <Badge kind={metric.level} words={level.words}>
          {level.label}
        </Badge>
      </div>
      {shown.length === 1 && shown[0] !== undefined && (
        <Newest series={shown[0]} unit={metric.unit} pointed={pointed} />
      )}
      <Chart
        tracks={shown.map((series) => series.track)}
        unit={metric.unit}
        begin={begin.value}
        end={now.value}
        label={`${name} over ${span.value}`}
        onPoint={setPointed}
      />
      {shown.length > 1 && (
        <ul class="legend">
          {shown.map((series, index) => (
            <li key={series.key}>
              <span class={`swatch swatch-${index + 1}`} aria-hidden="true" />
              <span class="legend-name" title={labelOf(series.attributes, new Set())}>
                {labelOf(series.attributes, shared) || "all"}
              </span>
              <b>
                {figureText(pointed ? pointed.values[index] : series.latest.value, metric.unit)}
              </b>
            </li>
          ))}
          {all.length > shown.length && <li class="quiet">and {all.length - shown.length} more</li>}
        </ul>
      )}
    </li>
  );
}

interface NewestProps {
  series: Series;
  unit: string;
  pointed: Pointed | null;
}

function Newest({ series, unit, pointed }: NewestProps) {
  const { text, unit: suffix } = figure(pointed ? pointed.values[0] : series.latest.value, unit);
  const { lower, upper } = series.latest;
  return (
    <p class="newest">
      <span class="big">{text}</span> <span class="unit">{suffix}</span>{" "}
      <span class="quiet">{labelOf(series.attributes, new Set())}</span>
      {pointed !== null && <span class="quiet"> at {clock(pointed.time)}</span>}
      {pointed === null && lower !== null && upper !== null && (
        <span class="quiet">
          {" "}
          between {figureText(lower, unit)} and {figureText(upper, unit)}
        </span>
      )}
    </p>
  );
}

/** Those with the highest peaks, in the order of their names, so that a line keeps its colour while values move. */
export function highest(all: readonly Series[], most: number): Series[] {
  const peaks = new Map(all.map((series) => [series, peak(series)]));
  const sorted = [...all].sort((a, b) => (peaks.get(b) ?? 0) - (peaks.get(a) ?? 0));
  return sorted.slice(0, most).sort((a, b) => a.key.localeCompare(b.key));
}

function peak({ track }: Series): number {
  return track.values.reduce<number>((top, value) => Math.max(top, value ?? top), -Infinity);
}

/** Keys on which all series agree tell nothing apart. */
function sharedKeys(all: readonly Series[]): ReadonlySet<string> {
  const first = all[0]?.attributes ?? {};
  const agreed = Object.entries(first).filter(([key, value]) =>
    all.every((series) => series.attributes[key] === value),
  );
  return new Set(all.length > 1 ? agreed.map(([key]) => key) : []);
}
