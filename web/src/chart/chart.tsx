/** The one chart of the page: lines over time with gaps, error bars, a shared cursor and a brush to zoom. */

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Range } from "../range";
import { repaint } from "../theme";
import type { Lines } from "./data";
import { Ends, type Tail } from "./ends";
import { forget, schedule } from "./frame";
import { options } from "./options";

export interface Pointed {
  time: number;
  values: (number | null | undefined)[];
}

interface Props {
  /** Called before each drawing. */
  lines: () => Lines;
  span: () => Range;
  /** Read, so that a change of what it reads draws anew. */
  follow: () => void;
  /** Lines that grow at their end: what comes is drawn on top of what is there, until the next drawing anew. */
  grow?: { follow: () => void; tracks: readonly Tail[] } | undefined;
  count: number;
  unit: string;
  label: string;
  height?: number;
  zoomable?: boolean;
  /** The values under the pointer, by line; null when it left. */
  onPoint?: (point: Pointed | null) => void;
  onReady?: (plot: uPlot | null) => void;
}

const HEIGHT = 136;
/** What is about to be scrolled to is drawn already. */
const NEARLY = "250px";

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { count, unit, height = HEIGHT } = props;

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    return mount(element, plot, latest, { count, unit, height });
  }, [count, unit, height]);

  return (
    <div
      class="chart"
      ref={place}
      role="img"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the cursor moves with the arrow keys
      tabIndex={0}
      aria-label={`${props.label}. Arrow keys read values, Z zooms out.`}
      style={{ minHeight: `${height}px` }}
      onKeyDown={(event) => plot.current !== null && move(plot.current, event)}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
    />
  );
}

interface Fixed {
  count: number;
  unit: string;
  height: number;
}

/** Makes the plot, draws it whenever what it follows changes while it can be seen, and ends it. */
function mount(
  element: HTMLDivElement,
  plot: { current: uPlot | null },
  latest: { readonly current: Props },
  fixed: Fixed,
): () => void {
  let seen = true;
  let anew = true;
  let lines: Lines = { times: [], columns: [] };
  const ends = new Ends();
  const draw = () => {
    if (!seen || plot.current === null || document.hidden) return;
    const tracks = latest.current.grow?.tracks;
    if (!anew && tracks !== undefined && ends.extend(plot.current, tracks)) return;
    anew = false;
    lines = latest.current.lines();
    refresh(plot.current, lines, latest.current.span());
    ends.note(tracks ?? []);
  };
  const drawAnew = () => {
    anew = true;
    schedule(draw);
  };
  const make = () => {
    plot.current?.destroy();
    plot.current = new uPlot(
      options(element, {
        unit: fixed.unit,
        height: fixed.height,
        lines: fixed.count,
        zoomable: latest.current.zoomable ?? true,
        latest: () => lines,
        onCursor: (moved) => latest.current.onPoint?.(under(moved)),
      }),
      [[]],
      element,
    );
    latest.current.onReady?.(plot.current);
    drawAnew();
  };
  make();
  const stop = effect(() => {
    latest.current.follow();
    drawAnew();
  });
  const stopGrowing = effect(() => {
    latest.current.grow?.follow();
    schedule(draw);
  });
  const painted = repaint.subscribe(() => plot.current !== null && make());
  const sized = new ResizeObserver(() => {
    const width = Math.max(element.clientWidth, 40);
    if (plot.current?.width === width) return;
    plot.current?.setSize({ width, height: fixed.height });
    drawAnew();
  });
  const watched = new IntersectionObserver(
    ([entry]) => {
      seen = entry?.isIntersecting ?? true;
      if (seen) drawAnew();
    },
    { rootMargin: NEARLY },
  );
  sized.observe(element);
  watched.observe(element);
  document.addEventListener("visibilitychange", drawAnew);
  return () => {
    stop();
    stopGrowing();
    painted();
    forget(draw);
    sized.disconnect();
    watched.disconnect();
    document.removeEventListener("visibilitychange", drawAnew);
    plot.current?.destroy();
    plot.current = null;
    latest.current.onReady?.(null);
  };
}

function refresh(plot: uPlot, { times, columns }: Lines, { start, end }: Range): void {
  plot.batch(() => {
    plot.setData([times, ...columns] as unknown as uPlot.AlignedData, false);
    plot.setScale("x", { min: start, max: end });
  });
}

function under(plot: uPlot): Pointed | null {
  const index = plot.cursor.idx;
  const time = index == null ? undefined : plot.data[0][index];
  if (index == null || time === undefined || (plot.cursor.left ?? -1) < 0) return null;
  return { time, values: plot.data.slice(1).map((column) => nearest(column, index)) };
}

/** The value at `index`, or the last one before it where the line has no point there. */
function nearest(column: ArrayLike<number | null | undefined>, index: number) {
  let at = index;
  while (at > 0 && column[at] === undefined) at -= 1;
  return column[at];
}

function move(plot: uPlot, event: KeyboardEvent): void {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const times = plot.data[0];
  if (times.length === 0) return;
  const from = plot.cursor.idx ?? (step < 0 ? times.length : -1);
  const at = Math.min(times.length - 1, Math.max(0, from + step));
  const to = { left: plot.valToPos(times[at] ?? 0, "x"), top: 10 };
  // The third argument, which uPlot's types leave out, tells the charts that share the cursor.
  (plot.setCursor as (...all: unknown[]) => void)(to, true, true);
}
