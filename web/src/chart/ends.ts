/** Draws what has come since the last drawing at the end of each line, so that a new point costs a point. */

import type uPlot from "uplot";

export interface Tail {
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
}

export class Ends {
  private drawn: number[] = [];

  /** All that `tracks` hold is drawn. */
  note(tracks: readonly Tail[]): void {
    this.drawn = tracks.map(({ times }) => times.at(-1) ?? 0);
  }

  /** Draws the new ends. False where the whole must be drawn, since they do not fit into what is shown. */
  extend(plot: uPlot, tracks: readonly Tail[]): boolean {
    if (tracks.length !== this.drawn.length || tracks.length !== plot.series.length - 1)
      return false;
    const fresh = tracks.map((track, index) => newOf(track, this.drawn[index] ?? 0));
    if (!fresh.every((points) => fits(plot, points))) return false;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    fresh.forEach((points, index) => {
      if (points.length > 1) stroke(plot, index + 1, points);
    });
    ctx.restore();
    this.note(tracks);
    return true;
  }
}

type Point = readonly [number, number | null];

/** The last point that was drawn, and those after it. */
export function newOf({ times, values }: Tail, drawn: number): Point[] {
  let at = times.length - 1;
  while (at > 0 && (times[at] ?? 0) > drawn) at -= 1;
  const found: Point[] = [];
  for (; at >= 0 && at < times.length; at += 1) found.push([times[at] ?? 0, values[at] ?? null]);
  return found;
}

function fits(plot: uPlot, points: readonly Point[]): boolean {
  const { x, y } = plot.scales;
  const [low, high, end] = [y?.min ?? 0, y?.max ?? 0, x?.max ?? 0];
  return points
    .slice(1)
    .every(([time, value]) => time <= end && (value === null || (value >= low && value <= high)));
}

function stroke(plot: uPlot, series: number, points: readonly Point[]): void {
  const { ctx } = plot;
  const { stroke: colour, width = 1, dash } = plot.series[series] ?? {};
  ctx.strokeStyle = (typeof colour === "function" ? colour(plot, series) : colour) ?? "#888";
  ctx.lineWidth = width * devicePixelRatio;
  ctx.setLineDash(dash ?? []);
  ctx.beginPath();
  let before: number | null = null;
  for (const [time, value] of points) {
    if (value !== null) {
      const [x, y] = [plot.valToPos(time, "x", true), plot.valToPos(value, "y", true)];
      if (before === null) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
    }
    before = value;
  }
  ctx.stroke();
}
