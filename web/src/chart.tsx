/** A line chart of the recent past (uPlot), in the colours of the page. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { columns, type Track } from "./track";
import { figureText } from "./words";

/** Also the number of colours in the style sheet. */
export const MOST_LINES = 6;

interface Props {
  tracks: readonly Track[];
  unit: string;
  begin: number;
  end: number;
  label: string;
  height?: number;
  /** The values under the pointer, by track; null when it left. */
  onPoint?: (point: { time: number; values: (number | null | undefined)[] } | null) => void;
}

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const lines = props.tracks.length;

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, lines, latest), [[]], element);
      refresh(plot.current, latest.current);
    };
    draw();
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: latest.current.height ?? 132 });
    });
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [lines]);

  useEffect(() => {
    if (plot.current !== null) refresh(plot.current, props);
  });

  return <div class="chart" ref={place} role="img" aria-label={props.label} />;
}

function refresh(plot: uPlot, { tracks, begin, end }: Props): void {
  plot.batch(() => {
    plot.setData(columns(tracks) as uPlot.AlignedData, false);
    plot.setScale("x", { min: begin, max: end });
  });
}

function options(
  element: HTMLElement,
  lines: number,
  latest: { readonly current: Props },
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--faint"),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: latest.current.height ?? 132,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true, auto: false }, y: { range: (_plot, min, max) => yRange(min, max) } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        space: 90,
        values: (_plot, splits) => splits.map(clock),
      },
      {
        ...axis,
        size: 58,
        gap: 8,
        space: 34,
        values: (_plot, splits) => splits.map((v) => figureText(v, latest.current.unit)),
      },
    ],
    series: [{}, ...Array.from({ length: lines }, (_, index) => line(colour, index, lines))],
    hooks: { setCursor: [(plot) => latest.current.onPoint?.(under(plot))] },
  };
}

function line(colour: (name: string) => string, index: number, lines: number): uPlot.Series {
  const stroke = colour(`--chart-${(index % MOST_LINES) + 1}`);
  return {
    stroke,
    width: 1.75,
    spanGaps: false,
    points: { size: 4, filter: (plot, series) => lonely(plot.data[series] ?? []) },
    ...(lines === 1 ? { fill: `${stroke}1f` } : {}),
  };
}

/** Points that no line shows, because a gap is on both sides. */
export function lonely(column: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  let before: number | null = null;
  let candidate: number | null = null;
  for (let at = 0; at < column.length; at += 1) {
    const value = column[at];
    if (value === undefined) continue;
    if (value === null && candidate !== null) found.push(candidate);
    candidate = value !== null && before === null ? at : null;
    before = value;
  }
  if (candidate !== null) found.push(candidate);
  return found;
}

function under(plot: uPlot): { time: number; values: (number | null | undefined)[] } | null {
  const index = plot.cursor.idx;
  const time = index == null ? undefined : plot.data[0][index];
  if (index == null || time === undefined || (plot.cursor.left ?? -1) < 0) return null;
  return { time, values: plot.data.slice(1).map((column) => nearest(column, index)) };
}

/** The value at `index`, or the last one before it where the track has no point there. */
function nearest(column: ArrayLike<number | null | undefined>, index: number) {
  let at = index;
  while (at > 0 && column[at] === undefined) at -= 1;
  return column[at];
}

/** From zero where that is honest and readable; never flat. */
function yRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  const low = min >= 0 ? 0 : min * 1.1;
  const high = max <= 0 ? 0 : max * 1.15;
  return low === high ? [0, 1] : [low, high];
}

export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}
