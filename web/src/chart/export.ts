/** Turns a chart into a file: a picture with its title and legend, or its values as CSV. */

import type uPlot from "uplot";
import { paint } from "./colours";
import { ESTIMATED, type Lines, OVER, PARTIAL } from "./data";

/** RFC 4180; cells that a spreadsheet would run as a formula are made text. */
export function toCsv({ times, columns, step: _, ...more }: Lines, names: readonly string[]): Blob {
  const heads = names.map((name) => name || "value");
  const { lower, upper, least, most } = more;
  const all = {
    "": columns,
    " lower": lower,
    " upper": upper,
    " min": least,
    " max": most,
    " partial": flagged(more.marks, PARTIAL),
    " estimated": flagged(more.marks, ESTIMATED),
    " over": flagged(more.marks, OVER),
  };
  const found = Object.entries(all).filter(([, kind]) => kind !== undefined);
  const kinds = found.map(([, kind = []]) => kind);
  const head = ["time", ...found.flatMap(([suffix]) => heads.map((name) => `${name}${suffix}`))];
  const rows = Array.from(times, (time, at) => [
    new Date(time * 1000).toISOString(),
    ...kinds.flatMap((kind) => kind.map((column) => column[at] ?? "")),
  ]);
  return rowsToCsv([head, ...rows]);
}

/** A column of 1 where a value has the flag; none where no value has it. */
function flagged(marks: Lines["marks"], flag: number): (1 | undefined)[][] | undefined {
  const found = marks?.map((column) => column.map((flags) => ((flags & flag) > 0 ? 1 : undefined)));
  return found?.some((column) => column.includes(1)) === true ? found : undefined;
}

export function rowsToCsv(rows: readonly (readonly unknown[])[]): Blob {
  const text = rows.map((row) => row.map(cell).join(",")).join("\r\n");
  return new Blob([`${text}\r\n`], { type: "text/csv;charset=utf-8" });
}

export function cell(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text =
    value == null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const MARGIN = 16;
const TITLE = 22;
const ROW = 18;

export function toPng(plot: uPlot, title: string, names: readonly string[]): Promise<Blob> {
  const source = plot.ctx.canvas;
  const ratio = source.width / plot.width;
  const shown = names.filter((name) => name !== "");
  const height = plot.height + 2 * MARGIN + TITLE + shown.length * ROW;
  const canvas = document.createElement("canvas");
  canvas.width = (plot.width + 2 * MARGIN) * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d");
  if (ctx === null) return Promise.reject(new Error("this browser cannot draw"));
  const colour = paint(plot.root);
  const family = getComputedStyle(plot.root).fontFamily;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = colour("--card");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = colour("--ink");
  ctx.font = `600 14px ${family}`;
  ctx.fillText(title, MARGIN, MARGIN + 12);
  ctx.drawImage(source, MARGIN, MARGIN + TITLE, plot.width, plot.height);
  ctx.font = `12px ${family}`;
  shown.forEach((name, index) => {
    const y = MARGIN + TITLE + plot.height + ROW * (index + 0.7);
    ctx.fillStyle = colour(`--chart-${(index % 6) + 1}`);
    ctx.fillRect(MARGIN, y - 5, 14, 3);
    ctx.fillStyle = colour("--ink");
    ctx.fillText(name, MARGIN + 22, y);
  });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("nothing was drawn"))));
  });
}

export function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\p{L}\p{N}. _-]+/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
