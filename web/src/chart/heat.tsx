/** A heat map of a distribution over time: darker where more happened. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exactly } from "../moments";
import { moment, type Range } from "../range";
import { repaint } from "../theme";
import { figureText, number } from "../words";
import { paint } from "./colours";
import type { Heat } from "./heat-data";

interface Props {
  heat: Heat;
  span: Range;
  label: string;
}

const ROW = 18;
const AXIS = 68;
const FOOT = 20;
/** In a shorter time minutes alone would come twice. */
const SHORT = 400;

export function HeatMap({ heat, span, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const under = useSignal("");
  const height = heat.bounds.length * ROW + FOOT;
  const painted = repaint.value;
  // Other colours are another drawing.
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const draw = () => drawHeat(element, heat, span, height);
    draw();
    const sized = new ResizeObserver(draw);
    sized.observe(element.parentElement ?? element);
    return () => sized.disconnect();
  }, [heat, span, height, painted]);
  return (
    <div class="heat">
      <canvas
        ref={canvas}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={`${label}. ${heatWords(heat)}`}
        onMouseMove={(event) => {
          under.value = cellWords(heat, span, event);
        }}
        onMouseLeave={() => {
          under.value = "";
        }}
      />
      <p class="quiet">{under.value || heatWords(heat)}</p>
    </div>
  );
}

function drawHeat(canvas: HTMLCanvasElement, heat: Heat, span: Range, height: number): void {
  const width = canvas.parentElement?.clientWidth ?? 300;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  canvas.style.width = `${width}px`;
  const ctx = canvas.getContext("2d");
  if (ctx === null) return;
  const colour = paint(canvas.parentElement ?? canvas);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  ctx.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  const perSecond = (width - AXIS) / (span.end - span.start);
  heat.cells.forEach((line, row) => {
    const y = (heat.bounds.length - 1 - row) * ROW;
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour("--faint");
    ctx.fillText(boundWords(heat, row), 0, y + ROW * 0.7);
    ctx.fillStyle = colour("--heat");
    line.forEach((count, column) => {
      if (count === 0) return;
      const x = AXIS + ((heat.times[column] ?? 0) - span.start) * perSecond;
      const left = Math.max(x, AXIS);
      ctx.globalAlpha = 0.12 + 0.88 * Math.sqrt(count / heat.most);
      ctx.fillRect(left, y, Math.max(x + heat.step * perSecond - left - 1, 1), ROW - 1);
    });
  });
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour("--faint");
  for (let part = 0; part <= 3; part += 1) {
    const length = span.end - span.start;
    const text = moment(span.start + (length * part) / 3, length < SHORT);
    const x = AXIS + ((width - AXIS) * part) / 3;
    ctx.textAlign = part === 0 ? "left" : part === 3 ? "right" : "center";
    ctx.fillText(text, x, height - 5);
  }
  ctx.textAlign = "left";
}

function boundWords({ bounds, unit }: Heat, row: number): string {
  const bound = bounds[row] ?? 0;
  if (Number.isFinite(bound)) return `≤ ${figureText(bound, unit)}`;
  return `> ${figureText(bounds[row - 1] ?? 0, unit)}`;
}

function cellWords(heat: Heat, span: Range, event: MouseEvent): string {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const row = heat.bounds.length - 1 - Math.floor((event.clientY - box.top) / ROW);
  const part = (event.clientX - box.left - AXIS) / (box.width - AXIS);
  const time = span.start + part * (span.end - span.start);
  const column = heat.times.findIndex((start) => time >= start && time < start + heat.step);
  const count = heat.cells[row]?.[column];
  if (count === undefined) return "";
  const when = exactly(heat.times[column] ?? 0, span.end - span.start);
  return `${when}: ${number(count)} took ${boundWords(heat, row)}`;
}

/** Where half and nearly all lie, in words. */
export function heatWords(heat: Heat): string {
  const totals = heat.cells.map((line) => line.reduce((sum, count) => sum + count, 0));
  const all = totals.reduce((sum, count) => sum + count, 0);
  if (all === 0) return "Nothing was measured.";
  const within = (share: number) => {
    let sum = 0;
    const row = totals.findIndex((count) => {
      sum += count;
      return sum >= share * all;
    });
    return boundWords(heat, row < 0 ? totals.length - 1 : row);
  };
  return `${number(all)} measured; half ${within(0.5)}, nearly all ${within(0.95)}.`;
}
