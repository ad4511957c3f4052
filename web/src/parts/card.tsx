/** A chart with its name, newest values, legend, and what can be done with it: explore, export, read as a table. */

import { type Signal, untracked, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type uPlot from "uplot";
import { Chart, type Pointed } from "../chart/chart";
import type { Lines } from "../chart/data";
import type { Tail } from "../chart/ends";
import { download, toCsv, toPng } from "../chart/export";
import { clock } from "../chart/options";
import type { Range } from "../range";
import { address } from "../route";
import type { PrivacyLevel } from "../wire";
import { figure, figureText, levelOf } from "../words";
import { Badge } from "./badge";
import { DataTable } from "./data-table";

export interface Legend {
  label: string;
  /** Read where it is shown, so that a new value renders no more than itself. */
  latest: () => number | null;
}

export interface Bounds {
  lower: number | null;
  upper: number | null;
}

interface Props {
  title: string;
  /** The name of the metric, where the chart is of one. */
  metric?: string;
  unit: string;
  level?: PrivacyLevel;
  legend: Legend[];
  lines: () => Lines;
  /** The same as they are, where the drawing stops at zero. */
  exact?: () => Lines;
  span: () => Range;
  follow: () => void;
  grow?: { follow: () => void; tracks: readonly Tail[] };
  notes?: readonly string[];
  more?: number;
  height?: number;
  samplingRate?: number;
  bounds?: (() => Bounds) | undefined;
  actions?: ComponentChildren;
  explore?: Record<string, string>;
}

export function ChartCard(props: Props) {
  const { title, metric, unit, level, legend, notes = [], more = 0 } = props;
  const pointed = useSignal<Pointed | null>(null);
  const asTable = useSignal(false);
  const plot = useRef<uPlot | null>(null);
  const names = legend.map(({ label }) => label);
  const png = async () => {
    if (plot.current !== null) download(`${title}.png`, await toPng(plot.current, title, names));
  };
  return (
    <li class="card metric">
      <Head {...props} />
      {legend.length === 1 && legend[0] !== undefined && (
        <Newest only={legend[0]} pointed={pointed} unit={unit} bounds={props.bounds} />
      )}
      {asTable.value ? (
        <DataTable
          lines={(props.exact ?? props.lines)()}
          names={names}
          unit={unit}
          caption={title}
        />
      ) : (
        <Chart
          lines={props.lines}
          span={props.span}
          follow={props.follow}
          grow={props.grow}
          count={Math.max(1, legend.length)}
          unit={unit}
          label={chartWords(title, legend, unit)}
          {...(props.height === undefined ? {} : { height: props.height })}
          onPoint={(point) => {
            pointed.value = point;
          }}
          onReady={(made) => {
            plot.current = made;
          }}
        />
      )}
      {legend.length > 1 && (
        <LegendList legend={legend} unit={unit} pointed={pointed} more={more} />
      )}
      {notes.map((note) => (
        <p class="note" key={note}>
          {level === undefined ? note : plainNote(note)}
        </p>
      ))}
      <div class="tools">
        {metric !== undefined && (
          <a href={address("/explore", { metric, ...props.explore })}>Explore</a>
        )}
        <button
          type="button"
          aria-pressed={asTable.value}
          onClick={() => {
            asTable.value = !asTable.value;
          }}
        >
          Table
        </button>
        <button
          type="button"
          onClick={() => download(`${title}.csv`, toCsv((props.exact ?? props.lines)(), names))}
        >
          CSV
        </button>
        {!asTable.value && (
          <button type="button" onClick={png}>
            PNG
          </button>
        )}
        {props.actions}
      </div>
    </li>
  );
}

function Head({ title, metric, level, samplingRate = 1 }: Props) {
  const known = level === undefined ? null : levelOf(level);
  return (
    <div class="metric-head">
      <h3 title={metric ?? title}>{title}</h3>
      {samplingRate < 1 && (
        <Badge
          kind="warn"
          words={`Under load one in ${Math.round(1 / samplingRate)} points was kept. Sums are exact; other values are of what was kept.`}
        >
          1 in {Math.round(1 / samplingRate)}
        </Badge>
      )}
      {known !== null && (
        <Badge kind={level ?? "plain"} words={known.words}>
          {known.label}
        </Badge>
      )}
    </div>
  );
}

const NOISE =
  "Each value has random noise; its bar holds the true sum 19 times in 20. What one person adds is cut to a limit first.";

/** The service's notes in the words of this page. */
function plainNote(note: string): string {
  if (note.startsWith("every value has random noise")) return NOISE;
  return note.replace(
    "are withheld: their points are absent",
    "are not shown, to protect the people in them",
  );
}

function chartWords(title: string, legend: Legend[], unit: string): string {
  const values = legend
    .slice(0, 6)
    .map(
      ({ label, latest }) =>
        `${label === "" ? "now" : label} ${figureText(untracked(latest), unit)}`,
    );
  return `Chart: ${title}; ${values.join(", ")}`;
}

function boundsWords(bounds: Bounds | undefined, unit: string): string {
  if (bounds?.lower == null || bounds.upper == null) return "";
  const [low, high] = [Math.max(0, bounds.lower), bounds.upper];
  return ` probably between ${figureText(low, unit)} and ${figureText(high, unit)}`;
}

interface NewestProps {
  only: Legend;
  unit: string;
  pointed: Signal<Pointed | null>;
  bounds: Props["bounds"];
}

function Newest({ only, unit, pointed, bounds }: NewestProps) {
  const at = pointed.value;
  const { text, unit: suffix } = figure(at === null ? only.latest() : at.values[0], unit);
  return (
    <p class="newest">
      <span class="big">{text}</span> <span class="unit">{suffix}</span>{" "}
      <span class="quiet">
        {only.label}
        {at === null ? boundsWords(bounds?.(), unit) : ` at ${clock(at.time)}`}
      </span>
    </p>
  );
}

function LegendList({
  legend,
  unit,
  pointed,
  more,
}: {
  legend: Legend[];
  unit: string;
  pointed: Signal<Pointed | null>;
  more: number;
}) {
  const at = pointed.value;
  return (
    <ul class="legend">
      {legend.map(({ label, latest }, index) => (
        <li key={label}>
          <Swatch index={index} />
          <span class="legend-name" title={label}>
            {label || "all"}
          </span>
          <b>{figureText(at === null ? latest() : at.values[index], unit)}</b>
        </li>
      ))}
      {more > 0 && <li class="quiet">and {more} more</li>}
    </ul>
  );
}

export function Swatch({ index }: { index: number }) {
  return (
    <svg class={`swatch line-${(index % 6) + 1}`} viewBox="0 0 22 4" aria-hidden="true">
      <line x1="0" y1="2" x2="22" y2="2" />
    </svg>
  );
}
