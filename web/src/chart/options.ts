/** How a chart looks and what it does with the pointer (uPlot), in the colours of the page. */

import type uPlot from "uplot";
import { moment, zoomOut, zoomTo } from "../range";
import { figureText } from "../words";
import { drawBands, drawErrorBars } from "./bars";
import { DASHES, paint } from "./colours";
import { bucketAt, type Lines } from "./data";
import { drawLines } from "./strokes";

/** All charts of a page share their cursor. */
const SHARED = "time";
const LEAST_BRUSH = 6;

export interface Look {
  unit: string;
  height: number;
  lines: number;
  zoomable: boolean;
  latest: () => Lines;
  onCursor: (plot: uPlot) => void;
}

export function options(element: HTMLElement, look: Look): uPlot.Options {
  const colour = paint(element);
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: colour("--faint"), font, ticks: { show: false } };
  const grid = { stroke: colour("--line"), width: 1 };
  return {
    width: Math.max(element.clientWidth, 40),
    height: look.height,
    padding: [8, 14, 0, 0],
    legend: { show: false },
    cursor: cursor(look),
    scales: {
      x: { time: true, auto: false },
      y: { range: (_plot, min, max) => yRange(min, max, look.latest()) },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        space: 84,
        values: (_plot, splits) => timeTexts(splits),
      },
      {
        ...axis,
        grid,
        size: 60,
        gap: 8,
        space: 34,
        values: (_plot, splits) => splits.map((v) => figureText(v, look.unit)),
      },
    ],
    series: [{}, ...Array.from({ length: look.lines }, (_, at) => line(colour, at))],
    hooks: {
      setCursor: [look.onCursor],
      setSelect: look.zoomable ? [brush] : [],
      drawAxes: [(plot) => drawBands(plot, look.latest(), colour)],
      draw: [
        (plot) => drawLines(plot, look.latest(), colour),
        (plot) => drawErrorBars(plot, look.latest(), colour),
      ],
    },
  };
}

function cursor(look: Look): uPlot.Cursor {
  return {
    y: false,
    drag: { x: look.zoomable, y: false, setScale: false },
    points: { size: 6 },
    // Of the bucket that the cursor is in, and of no other.
    dataIdx: (_plot, _series, _nearest, time) => bucketAt(look.latest(), time) as number,
    sync: { key: SHARED, setSeries: false, scales: ["x", null] },
    bind: {
      dblclick: () => () => {
        zoomOut();
        return null;
      },
    },
  };
}

function brush(plot: uPlot): void {
  const { left, width } = plot.select;
  if (width < LEAST_BRUSH) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoomTo(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
}

/** Its stretches are drawn by `drawLines`: uPlot knows its colour, for the cursor. */
function line(colour: (name: string) => string, index: number): uPlot.Series {
  return {
    stroke: colour(`--chart-${(index % DASHES.length) + 1}`),
    paths: () => null,
    points: { show: false },
  };
}

/** From zero where that is honest and readable; never flat; error bars and bands fit in. */
export function yRange(min: number | null, max: number | null, lines?: Lines): [number, number] {
  let low = min;
  let high = max;
  for (const column of lines?.lower ?? lines?.least ?? [])
    for (const value of column) if (value != null && low !== null) low = Math.min(low, value);
  for (const column of lines?.upper ?? lines?.most ?? [])
    for (const value of column) if (value != null && high !== null) high = Math.max(high, value);
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high))
    return [0, 1];
  const bottom = low >= 0 ? 0 : low * 1.1;
  const top = high <= 0 ? 0 : high * 1.15;
  return bottom === top ? [0, 1] : [bottom, top];
}

const DAY = 86_400;

function timeTexts(splits: readonly number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  if (step > 0 && step < 60)
    return splits.map((time) =>
      new Date(time * 1000).toLocaleTimeString([], { hour12: false, timeStyle: "medium" }),
    );
  const far = (splits.at(-1) ?? 0) - (splits[0] ?? 0) > DAY;
  return splits.map((time) => (far ? moment(time) : clock(time)));
}

export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}
