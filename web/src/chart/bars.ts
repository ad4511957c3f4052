/** Draws how far a private value may be from the truth, as bars, and between which values an average lies, as a band. */

import type uPlot from "uplot";
import { DASHES } from "./colours";
import type { Lines } from "./data";

const CAP = 3;
const DENSE = 9;

export function drawErrorBars(
  plot: uPlot,
  { times, lower, upper }: Lines,
  colour: (name: string) => string,
): void {
  if (lower === undefined || upper === undefined) return;
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  const apart = plot.bbox.width / ratio / Math.max(1, times.length);
  clip(plot);
  lower.forEach((lows, line) => {
    ctx.strokeStyle = colour(`--chart-${(line % DASHES.length) + 1}`);
    ctx.lineWidth = (apart < DENSE ? Math.max(1, apart - 1) : 1.5) * ratio;
    ctx.globalAlpha = apart < DENSE ? 0.2 : lower.length > 2 ? 0.3 : 0.65;
    ctx.beginPath();
    for (let at = 0; at < times.length; at += 1) {
      const low = lows[at];
      const high = upper[line]?.[at];
      if (low == null || high == null) continue;
      const x =
        plot.valToPos(times[at] ?? 0, "x", true) + (lower.length > 1 ? line * 3 * ratio : 0);
      bar(
        ctx,
        x,
        plot.valToPos(low, "y", true),
        plot.valToPos(high, "y", true),
        apart < DENSE || lower.length > 2 ? 0 : CAP * ratio,
      );
    }
    ctx.stroke();
  });
  ctx.restore();
}

/** Until `restore` nothing is drawn beside the plot. */
function clip({ ctx, bbox }: uPlot): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
}

/** Beneath the lines: from the least to the greatest value of what each point is the average of. */
export function drawBands(
  plot: uPlot,
  { times, least, most }: Lines,
  colour: (name: string) => string,
): void {
  if (least === undefined || most === undefined) return;
  const { ctx } = plot;
  clip(plot);
  ctx.globalAlpha = 0.18;
  least.forEach((lows, line) => {
    ctx.fillStyle = colour(`--chart-${(line % DASHES.length) + 1}`);
    for (const [from, to] of unbroken(lows)) {
      const at = Array.from({ length: to - from }, (_, index) => from + index).filter(
        (index) => lows[index] != null,
      );
      const x = (index: number) => plot.valToPos(times[index] ?? 0, "x", true);
      const y = (value: number | null | undefined) => plot.valToPos(value ?? 0, "y", true);
      ctx.beginPath();
      for (const index of at) ctx.lineTo(x(index), y(most[line]?.[index]));
      for (const index of at.reverse()) ctx.lineTo(x(index), y(lows[index]));
      ctx.fill();
    }
  });
  ctx.restore();
}

/** From where to where (not included) there is no gap; undefined is another line's moment and no gap. */
export function unbroken(column: ArrayLike<number | null | undefined>): [number, number][] {
  const found: [number, number][] = [];
  let from = 0;
  for (let at = 0; at <= column.length; at += 1) {
    if (at < column.length && column[at] !== null) continue;
    if (at > from) found.push([from, at]);
    from = at + 1;
  }
  return found;
}

function bar(
  ctx: CanvasRenderingContext2D,
  x: number,
  low: number,
  high: number,
  cap: number,
): void {
  ctx.moveTo(x, low);
  ctx.lineTo(x, high);
  if (cap === 0) return;
  ctx.moveTo(x - cap, low);
  ctx.lineTo(x + cap, low);
  ctx.moveTo(x - cap, high);
  ctx.lineTo(x + cap, high);
}
