/** Turns answers into the columns of a chart, with gaps where nothing is known. */

import { keyOf, secondsOf } from "../course";
import { type Column, columns, median } from "../track";
import type { Answer, AnswerPoint, Attributes, Overall, PrivacyLevel } from "../wire";

export interface Lines {
  times: ArrayLike<number>;
  /** Null is a gap, undefined a time that the line goes past. */
  columns: Column[];
  /** From its time on a value is of so many seconds. */
  step: number;
  /** What is to be said of each value, as flags; absent where there is nothing to say of any. */
  marks?: number[][];
  lower?: Column[];
  upper?: Column[];
  /** The extremes of what each value is the average of. */
  least?: Column[];
  most?: Column[];
}

/** Flags of a value: its interval goes on; nothing was sent meanwhile; it is a lower bound. */
export const PARTIAL = 1;
export const ESTIMATED = 2;
export const OVER = 4;

export interface Named {
  key: string;
  attributes: Attributes;
  latest: number | null;
  overall: Overall | null;
  points: AnswerPoint[];
}

/** More bands than so many hide each other. */
const MOST_BANDS = 3;

/** A silence longer than so many usual steps is a gap. */
const GAP = 2.5;
/** Steps on each side of a silence that tell what is usual. */
const RHYTHM = 5;

export function namedSeries(answer: Answer): Named[] {
  return answer.series.map(({ attributes, points, overall }) => ({
    key: keyOf(attributes),
    attributes,
    latest: points.at(-1)?.value ?? null,
    overall: overall ?? null,
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
  const least = isFilled(answer) ? step : 0;
  const courses = series.map(({ points }) => courseOf(points, step, least));
  const pick = (of: (point: AnswerPoint) => number | null) => {
    const tracks = courses.map(({ times, points }) => ({
      times,
      values: points.map((point) => (point === null ? null : of(point))),
    }));
    const [times, ...found] = columns(tracks);
    return { times, found: found.map(inGaps) };
  };
  const { times, found } = pick((point) => point.value);
  const values = found.map((column) => drawn(column, level));
  const lines: Lines = { times, columns: values, step };
  if (series.some(isMarked))
    lines.marks = pick(flagsOf).found.map((column) => column.map((flags) => flags ?? 0));
  if ((exact || series.length <= MOST_BANDS) && series.some(hasExtremes))
    return {
      ...lines,
      least: pick((point) => point.min ?? point.value).found,
      most: pick((point) => point.max ?? point.value).found,
    };
  const randomised = series.some(({ points }) => points.some((point) => point.lower != null));
  if (!randomised) return lines;
  return {
    ...lines,
    lower: pick((point) => point.lower ?? point.value).found.map((column) => drawn(column, level)),
    upper: pick((point) => point.upper ?? point.value).found.map((column) => drawn(column, level)),
  };
}

const hasExtremes = ({ points }: Named) => points.some(({ max }) => max != null);

const isMarked = ({ points }: Named) => points.some((point) => flagsOf(point) > 0);

function flagsOf({ partial, estimated, over }: AnswerPoint): number {
  return (partial ? PARTIAL : 0) | (estimated ? ESTIMATED : 0) | (over ? OVER : 0);
}

/** Whether each bucket has a value of which anything is known: counts are spread, levels hold, windows follow one another. */
function isFilled({ type, aggregation, privacy_level }: Answer): boolean {
  if (privacy_level === "sensitive" || privacy_level === "highly_sensitive") return true;
  if (aggregation === "rate" || aggregation === "sum_rate") return true;
  return type === "updowncounter" && ["avg", "min", "max", "last"].includes(aggregation);
}

/** What is shown of a value with noise: nothing is below zero. */
export function shownValue(value: number | null, level: PrivacyLevel): number | null {
  return value === null || level !== "highly_sensitive" ? value : Math.max(0, value);
}

/** Noise may go below zero; that is kept and exported as it is, and only the drawing stops at zero. */
function drawn(column: Column, level: PrivacyLevel): Column {
  if (level !== "highly_sensitive") return column;
  return column.map((value) => (value == null ? value : Math.max(0, value)));
}

interface Course {
  times: number[];
  points: (AnswerPoint | null)[];
}

/** Its points with a null in each gap. `filled`: the step of what has a value at each; 0: a gap is what is long for this sender. */
function courseOf(points: readonly AnswerPoint[], step: number, filled: number): Course {
  const raw = points.map(({ timestamp }) => Date.parse(timestamp) / 1000);
  const course: Course = { times: [], points: [] };
  points.forEach((point, index) => {
    const [time, before] = [raw[index] ?? 0, raw[index - 1]];
    if (before !== undefined && time - before > 1.5 * step) {
      const longest = filled > 0 ? 1.5 * filled : GAP * Math.max(step, usual(raw, index));
      if (time - before > longest) {
        course.times.push(before + step);
        course.points.push(null);
      }
    }
    course.times.push(time);
    course.points.push(point);
  });
  return course;
}

/** The usual step around the one that ends at `index`, on the slower side of it. */
function usual(times: readonly number[], index: number): number {
  const steps = (from: number, to: number) =>
    times
      .slice(Math.max(1, from), to)
      .map((time, at) => time - (times[Math.max(1, from) + at - 1] ?? 0));
  const [before, after] = [steps(index - RHYTHM, index), steps(index + 1, index + 1 + RHYTHM)];
  return Math.max(0, ...[before, after].filter(({ length }) => length > 0).map(median));
}

/** A gap reaches from value to value, whatever moments other lines have meanwhile. */
function inGaps(column: Column): Column {
  const filled = [...column];
  let from = -1;
  let broken = false;
  column.forEach((value, at) => {
    if (value === undefined) return;
    if (value === null) broken = true;
    else {
      if (broken) filled.fill(null, from + 1, at);
      from = at;
      broken = false;
    }
  });
  return filled;
}

/** The index of the bucket that `time` is in, or null where no bucket is known there. */
export function bucketAt(
  { times, step }: Pick<Lines, "times" | "step">,
  time: number,
): number | null {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  const at = low - 1;
  return at >= 0 && time < (times[at] ?? 0) + step ? at : null;
}

/** Seconds of the estimated stretch that `at` is in; 0 where it is measured. */
export function estimatedFor({ times, step, marks }: Lines, line: number, at: number): number {
  const flags = marks?.[line] ?? [];
  const is = (index: number) => ((flags[index] ?? 0) & ESTIMATED) !== 0;
  if (!is(at)) return 0;
  let [from, to] = [at, at];
  while (is(from - 1)) from -= 1;
  while (is(to + 1)) to += 1;
  return (times[to] ?? 0) + step - (times[from] ?? 0);
}
