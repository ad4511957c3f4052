/** Turns answers and tracks into the columns of a chart, with gaps where nothing was measured. */

import { type Column, columns, median, type Track } from "../track";
import type { Answer, AnswerPoint, Attributes, PrivacyLevel } from "../wire";

export interface Lines {
  times: ArrayLike<number>;
  columns: Column[];
  lower?: Column[];
  upper?: Column[];
  /** The extremes of what each value is the average of. */
  least?: Column[];
  most?: Column[];
}

export interface Named {
  key: string;
  attributes: Attributes;
  latest: number | null;
  points: AnswerPoint[];
}

/** More bands than so many hide each other. */
const MOST_BANDS = 3;

/** A silence longer than so many usual steps is a gap. */
const GAP = 2.5;

export function linesOfTracks(tracks: readonly Track[], level: PrivacyLevel): Lines {
  const [times, ...found] = columns(tracks);
  return { times, columns: found.map((column) => drawn(column, level)) };
}

export function namedSeries(answer: Answer): Named[] {
  return answer.series.map(({ attributes, points }) => ({
    key: JSON.stringify(Object.entries(attributes).sort()),
    attributes,
    latest: points.at(-1)?.value ?? null,
    points,
  }));
}

/** The most telling series: those with the highest peaks, by name so that colours hold. */
export function highestNamed(all: readonly Named[], most: number): Named[] {
  if (all.length <= most) return [...all];
  const peaks = new Map(all.map((series) => [series, peak(series.points)]));
  return [...all]
    .sort((a, b) => (peaks.get(b) ?? 0) - (peaks.get(a) ?? 0))
    .slice(0, most)
    .sort((a, b) => a.key.localeCompare(b.key));
}

export function peak(points: readonly AnswerPoint[]): number {
  return points.reduce((top, { value }) => Math.max(top, value ?? top), Number.NEGATIVE_INFINITY);
}

/** `exact`: as they are, for a table or a file; else as they are drawn. */
export function linesOfAnswer(series: readonly Named[], answer: Answer, exact = false): Lines {
  const level = exact ? "public" : answer.privacy_level;
  const step = secondsOf(answer.interval);
  const pick = (of: (point: AnswerPoint) => number | null) => {
    const [times, ...found] = columns(series.map(({ points }) => gapped(points, step, of)));
    return { times, found };
  };
  const { times, found } = pick((point) => point.value);
  const values = found.map((column) => drawn(column, level));
  if ((exact || series.length <= MOST_BANDS) && series.some(hasExtremes))
    return {
      times,
      columns: values,
      least: pick((point) => point.min ?? point.value).found,
      most: pick((point) => point.max ?? point.value).found,
    };
  const randomised = series.some(({ points }) => points.some((point) => point.lower != null));
  if (!randomised) return { times, columns: values };
  return {
    times,
    columns: values,
    lower: pick((point) => point.lower ?? point.value).found.map((column) => drawn(column, level)),
    upper: pick((point) => point.upper ?? point.value).found.map((column) => drawn(column, level)),
  };
}

const hasExtremes = ({ points }: Named) => points.some(({ max }) => max != null);

/** What is shown of a value with noise: nothing is below zero. */
export function shownValue(value: number | null, level: PrivacyLevel): number | null {
  return value === null || level !== "highly_sensitive" ? value : Math.max(0, value);
}

/** Noise may go below zero; that is kept and exported as it is, and only the drawing stops at zero. */
function drawn(column: Column, level: PrivacyLevel): Column {
  if (level !== "highly_sensitive") return column;
  return column.map((value) => (value == null ? value : Math.max(0, value)));
}

function gapped(
  points: readonly AnswerPoint[],
  step: number,
  of: (point: AnswerPoint) => number | null,
): { times: number[]; values: (number | null)[] } {
  const raw = points.map(({ timestamp }) => Date.parse(timestamp) / 1000);
  const usual = Math.max(step, median(raw.slice(1).map((time, index) => time - (raw[index] ?? 0))));
  const times: number[] = [];
  const values: (number | null)[] = [];
  points.forEach((point, index) => {
    const time = raw[index] ?? 0;
    const before = raw[index - 1];
    if (before !== undefined && time - before > GAP * usual) {
      times.push(before + usual / 2);
      values.push(null);
    }
    times.push(time);
    values.push(of(point));
  });
  return { times, values };
}

const SECONDS: Record<string, number> = { ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `5m`, `1h30m` → seconds. */
export function secondsOf(words: string): number {
  let total = 0;
  for (const [, count, unit] of words.matchAll(/([\d.]+)\s*(ms|s|m|h|d)/g))
    total += Number(count) * (SECONDS[unit ?? "s"] ?? 1);
  return total || 1;
}
