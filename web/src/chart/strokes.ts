/** Turns a line's column into stretches to draw: measured, estimated (dashed), and still going on (lighter); nothing in gaps. */

import type uPlot from "uplot";
import { DASHES } from "./colours";
import { ESTIMATED, type Lines, OVER, PARTIAL } from "./data";

type Column = ArrayLike<number | null | undefined>;

export interface Stretch {
  style: "measured" | "estimated" | "partial";
  /** Indices of its values; a single one is a point that no line shows. */
  at: number[];
}

/** Stretches that follow one another share the value between them. */
export function stretches(column: Column, flags: ArrayLike<number> = []): Stretch[] {
  const found: Stretch[] = [];
  let current = null as Stretch | null;
  for (let index = 0; index < column.length; index += 1) {
    const value = column[index];
    if (value === undefined) continue;
    if (value === null) {
      current = null;
      continue;
    }
    const before = current?.at.at(-1);
    const style = styleOf((flags[index] ?? 0) | estimatedOf(flags, before));
    if (current !== null && (current.style === style || current.at.length === 1)) {
      current.style = style;
      current.at.push(index);
      continue;
    }
    current = { style, at: before === undefined ? [index] : [before, index] };
    found.push(current);
  }
  return found;
}

const estimatedOf = (flags: ArrayLike<number>, at: number | undefined) =>
  at === undefined ? 0 : (flags[at] ?? 0) & ESTIMATED;

function styleOf(flags: number): Stretch["style"] {
  if ((flags & ESTIMATED) !== 0) return "estimated";
  return (flags & PARTIAL) !== 0 ? "partial" : "measured";
}

const WIDTH = 1.75;
const GUESSED: readonly number[] = [3, 4];
const OPACITY: Record<Stretch["style"], number> = { measured: 1, estimated: 0.75, partial: 0.45 };

export function drawLines(plot: uPlot, lines: Lines, colour: (name: string) => string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = "round";
  lines.columns.forEach((column, line) => {
    const paint = colour(`--chart-${(line % DASHES.length) + 1}`);
    const found = stretches(column, lines.marks?.[line]);
    const place = (at: number): [number, number] => [
      plot.valToPos(lines.times[at] ?? 0, "x", true),
      plot.valToPos(column[at] ?? 0, "y", true),
    ];
    if (lines.columns.length === 1) fill(plot, found, place, paint);
    for (const stretch of found) draw(ctx, stretch, place, paint, DASHES[line % DASHES.length]);
    bounds(ctx, lines.marks?.[line] ?? [], column, place, paint);
  });
  ctx.restore();
}

type Place = (at: number) => [number, number];

function draw(
  ctx: CanvasRenderingContext2D,
  { style, at }: Stretch,
  place: Place,
  paint: string,
  dash: readonly number[] = [],
): void {
  const ratio = devicePixelRatio;
  ctx.globalAlpha = OPACITY[style];
  const [only] = at;
  if (at.length === 1 && only !== undefined) {
    ctx.fillStyle = paint;
    ctx.beginPath();
    ctx.arc(...place(only), 2 * ratio, 0, 7);
    ctx.fill();
    return;
  }
  ctx.strokeStyle = paint;
  ctx.lineWidth = WIDTH * ratio;
  ctx.setLineDash((style === "estimated" ? GUESSED : dash).map((length) => length * ratio));
  ctx.beginPath();
  for (const index of at) ctx.lineTo(...place(index));
  ctx.stroke();
}

/** The space under an only line, lightly. */
function fill(plot: uPlot, found: readonly Stretch[], place: Place, paint: string): void {
  const { ctx } = plot;
  const floor = plot.valToPos(Math.max(0, plot.scales["y"]?.min ?? 0), "y", true);
  ctx.fillStyle = paint;
  for (const { style, at } of found) {
    const [first, last] = [at[0], at.at(-1)];
    if (first === undefined || last === undefined || at.length === 1) continue;
    ctx.globalAlpha = 0.12 * OPACITY[style];
    ctx.beginPath();
    ctx.moveTo(place(first)[0], floor);
    for (const index of at) ctx.lineTo(...place(index));
    ctx.lineTo(place(last)[0], floor);
    ctx.fill();
  }
}

const ARROW = 4;

/** An arrow up where the value is a lower bound. */
function bounds(
  ctx: CanvasRenderingContext2D,
  flags: ArrayLike<number>,
  column: Column,
  place: Place,
  paint: string,
): void {
  const size = ARROW * devicePixelRatio;
  ctx.globalAlpha = 1;
  ctx.fillStyle = paint;
  for (let at = 0; at < flags.length; at += 1) {
    if (((flags[at] ?? 0) & OVER) === 0 || column[at] == null) continue;
    const [x, y] = place(at);
    ctx.beginPath();
    ctx.moveTo(x, y - 2 * size);
    ctx.lineTo(x - size, y - size / 2);
    ctx.lineTo(x + size, y - size / 2);
    ctx.fill();
  }
}
