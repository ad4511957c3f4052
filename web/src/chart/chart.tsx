/** The one chart of the page: lines over time with gaps, error bars, a shared cursor and a brush to zoom. */

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { floorTo } from "../course";
import type { Range } from "../range";
import { NEARLY } from "../seen";
import { repaint } from "../theme";
import { bucketAt, type Lines } from "./data";
import { forget, schedule } from "./frame";
import { options } from "./options";

/** The bucket under the cursor: when it begins, and its values; of moments without one there is the time alone. */
export interface Pointed {
  time: number;
  /** Its place in the lines; null where nothing is known. */
  at: number | null;
  lines: Lines;
  /** Moved there by a key, so that it is to be said. */
  byKey: boolean;
}

/** What an element of a chart tells a test: the numbers that are drawn. */
export interface Drawn extends HTMLElement {
  drawn?: Lines;
}

interface Props {
  /** Called before each drawing. */
  lines: () => Lines;
  span: () => Range;
  /** Read, so that a change of what it reads draws anew. */
  follow: () => void;
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

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const drawn = useRef<() => void>(() => undefined);
  latest.current = props;
  // What is to be drawn may have come with this rendering.
  useEffect(() => drawn.current());
  const { count, unit, height = HEIGHT } = props;

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    return mount(element, plot, latest, drawn, { count, unit, height });
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
      onKeyDown={(event) => plot.current !== null && move(plot.current, event, props.lines())}
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
  drawn: { current: () => void },
  fixed: Fixed,
): () => void {
  let seen = true;
  let lines: Lines = { times: [], columns: [], step: 1 };
  let span: Range | null = null;
  const draw = () => {
    if (!seen || plot.current === null || document.hidden) return;
    const [found, wanted] = [latest.current.lines(), latest.current.span()];
    if (found === lines && span?.start === wanted.start && span.end === wanted.end) return;
    [lines, span] = [found, wanted];
    (element as Drawn).drawn = lines;
    refresh(plot.current, lines, span);
  };
  const drawIfNew = () => schedule(draw);
  drawn.current = drawIfNew;
  const drawAnew = () => {
    span = null;
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
        onCursor: (moved) => latest.current.onPoint?.(under(moved, lines)),
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
    drawIfNew();
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
      if (seen) drawIfNew();
    },
    { rootMargin: NEARLY },
  );
  sized.observe(element);
  watched.observe(element);
  document.addEventListener("visibilitychange", drawIfNew);
  return () => {
    stop();
    painted();
    forget(draw);
    drawn.current = () => undefined;
    sized.disconnect();
    watched.disconnect();
    document.removeEventListener("visibilitychange", drawIfNew);
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

function under(plot: uPlot, lines: Lines): Pointed | null {
  const left = plot.cursor.left ?? -1;
  if (left < 0) return null;
  const moment = plot.posToVal(left, "x");
  const at = bucketAt(lines, moment);
  const time = (at === null ? undefined : lines.times[at]) ?? floorTo(moment, lines.step);
  return { time, at, lines, byKey: plot.root === keyed };
}

/** The chart whose cursor a key is moving. */
let keyed: Element | null = null;

/** To the bucket before or after: the cursor stands within it. */
function move(plot: uPlot, event: KeyboardEvent, { times, step }: Lines): void {
  const by = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  if (times.length === 0) return;
  const left = plot.cursor.left ?? -1;
  const under = left < 0 ? null : bucketAt({ times, step: Infinity }, plot.posToVal(left, "x"));
  const from = under ?? (by < 0 ? times.length : -1);
  const at = Math.min(times.length - 1, Math.max(0, from + by));
  const to = { left: plot.valToPos((times[at] ?? 0) + step / 2, "x"), top: 10 };
  keyed = plot.root;
  // The third argument, which uPlot's types leave out, tells the charts that share the cursor.
  (plot.setCursor as (...all: unknown[]) => void)(to, true, true);
  keyed = null;
}
