/** Draws how far a private value may be from the truth: a bar a point, or a band where points are dense. */

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
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
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
