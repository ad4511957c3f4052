/** A chart with its name, newest values, legend, and what can be done with it: explore, export, read as a table. */

import { type Signal, untracked, useSignal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useRef } from "preact/hooks";
import type uPlot from "uplot";
import { Chart, type Pointed } from "../chart/chart";
import type { Lines } from "../chart/data";
import { download, toCsv, toPng } from "../chart/export";
import type { Range } from "../range";
import { address } from "../route";
import type { PrivacyLevel } from "../wire";
import { boundText, figure, levelOf } from "../words";
import { Badge } from "./badge";
import { DataTable } from "./data-table";
import { guessWords, type Reading, readingAt, whenPointed } from "./reading";

export interface Legend {
  label: string;
  /** Read where it is shown, so that a new value renders no more than itself. */
  latest: () => Reading;
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
  notes?: readonly string[];
  more?: number;
  height?: number;
  samplingRate?: number;
  bounds?: (() => Bounds) | undefined;
  actions?: ComponentChildren;
  explore?: Record<string, string>;
  /** Its element, for those who watch whether it can be seen. */
  place?: RefObject<HTMLLIElement | null>;
}

export function ChartCard(props: Props) {
  const { title, metric, unit, level, legend, notes = [], more = 0 } = props;
  const pointed = useSignal<Pointed | null>(null);
  const asTable = useSignal(false);
  const plot = useRef<uPlot | null>(null);
  const names = legend.map(({ label }) => label);
  const length = () => {
    const { start, end } = props.span();
    return end - start;
  };
  const png = async () => {
    if (plot.current !== null) download(`${title}.png`, await toPng(plot.current, title, names));
  };
  return (
    <li class="card metric" ref={props.place ?? null}>
      <Head {...props} />
      {legend.length === 1 && legend[0] !== undefined && (
        <Newest
          only={legend[0]}
          pointed={pointed}
          unit={unit}
          length={length}
          bounds={props.bounds}
        />
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
        <LegendList legend={legend} unit={unit} pointed={pointed} length={length} more={more} />
      )}
      <Spoken legend={legend} unit={unit} pointed={pointed} length={length} />
      <Guess lines={props.lines} />
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
  const values = legend.slice(0, 6).map(({ label, latest }) => {
    const { value, over, when } = untracked(latest);
    return `${label === "" ? when : label} ${boundText(value, unit, over)}`;
  });
  return `Chart: ${title}; ${values.join(", ")}`;
}

function boundsWords(bounds: Bounds | undefined, unit: string): string {
  if (bounds?.lower == null || bounds.upper == null) return "";
  const [low, high] = [Math.max(0, bounds.lower), bounds.upper].map((one) =>
    boundText(one, unit, false),
  );
  return `, probably between ${low} and ${high}`;
}

interface ReadProps {
  unit: string;
  pointed: Signal<Pointed | null>;
  /** Seconds that the chart shows. */
  length: () => number;
}

interface NewestProps extends ReadProps {
  only: Legend;
  bounds: Props["bounds"];
}

function Newest({ only, unit, pointed, length, bounds }: NewestProps) {
  const at = pointed.value;
  const read = at === null ? only.latest() : readingAt(at, 0);
  const { text, unit: suffix } = figure(read.value, unit);
  const when = at === null ? read.when : whenPointed(at, length());
  return (
    <p class="newest">
      <span class="big">
        {read.estimated === true && "≈ "}
        {read.over === true ? `> ${text}` : text}
      </span>{" "}
      <span class="unit">{suffix}</span>{" "}
      <span class="quiet">
        {[only.label, when].filter((words) => words !== "").join(" · ")}
        {at === null ? boundsWords(bounds?.(), unit) : ""}
      </span>
    </p>
  );
}

interface ListProps extends ReadProps {
  legend: Legend[];
  more: number;
}

function LegendList({ legend, unit, pointed, length, more }: ListProps) {
  const at = pointed.value;
  const read = legend.map(({ latest }, index) => (at === null ? latest() : readingAt(at, index)));
  const when =
    at === null ? [...new Set(read.map((one) => one.when))].join(", ") : whenPointed(at, length());
  return (
    <>
      <p class="when quiet">{when}</p>
      <ul class="legend">
        {legend.map(({ label }, index) => (
          <li key={label}>
            <Swatch index={index} />
            <span class="legend-name" title={label}>
              {label || "all"}
            </span>
            <b>
              {read[index]?.estimated === true && "≈ "}
              {boundText(read[index]?.value, unit, read[index]?.over)}
            </b>
          </li>
        ))}
        {more > 0 && <li class="quiet">and {more} more</li>}
      </ul>
    </>
  );
}

/** What a key has moved the cursor to, for those who hear the page. */
function Spoken({ legend, unit, pointed, length }: ReadProps & { legend: Legend[] }) {
  const at = pointed.value;
  const words =
    at?.byKey !== true
      ? ""
      : `${whenPointed(at, length())}: ${legend
          .map(({ label }, index) => {
            const { value, over } = readingAt(at, index);
            return `${label} ${boundText(value, unit, over)}`.trim();
          })
          .join(", ")}`;
  return (
    <p class="hidden" aria-live="polite">
      {words}
    </p>
  );
}

/** Says below the chart what its dashes mean, where there are any. */
function Guess({ lines }: Pick<Props, "lines">) {
  const words = guessWords(lines());
  return words === "" ? null : <p class="note">{words}</p>;
}

export function Swatch({ index }: { index: number }) {
  return (
    <svg class={`swatch line-${(index % 6) + 1}`} viewBox="0 0 22 4" aria-hidden="true">
      <line x1="0" y1="2" x2="22" y2="2" />
    </svg>
  );
}
