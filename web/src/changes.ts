/** Finds when a series changed its level for good: what got slower, since when, and by how much. */

import { median } from "./track";
import { boundText } from "./words";

export interface Sample {
  time: number;
  value: number;
}

export interface Change {
  before: number;
  after: number;
  since: number;
  /** Where only is known that it was more. */
  beforeOver?: boolean;
  afterOver?: boolean;
}

const LEAST_SIDE = 5;
const RATIO = 1.5;
/** So many times the usual scatter. */
const SPREADS = 4;
/** Of the samples on each side of the change, so many must be on its side of the middle. */
const HOLDING = 0.8;

/** The step that explains the samples best, or null where there is none that lasts. Samples come in order of time. */
export function changeOf(samples: readonly Sample[]): Change | null {
  const values = samples.map(({ value }) => value);
  let least = Infinity;
  let place = 0;
  for (let at = LEAST_SIDE; at <= values.length - LEAST_SIDE; at += 1) {
    const cost = deviation(values.slice(0, at)) + deviation(values.slice(at));
    if (cost < least) {
      least = cost;
      place = at;
    }
  }
  if (place === 0) return null;
  const [left, right] = [values.slice(0, place), values.slice(place)];
  const change = { before: median(left), after: median(right), since: samples[place]?.time ?? 0 };
  const scatter = Math.max(median(distances(left)), median(distances(right)));
  const step = Math.abs(change.after - change.before);
  const lasting =
    holds(right, change.after, change.before) && holds(left, change.before, change.after);
  return isLarge(change) && lasting && step >= SPREADS * scatter ? change : null;
}

function distances(values: readonly number[]): number[] {
  const middle = median(values);
  return values.map((value) => Math.abs(value - middle));
}

const deviation = (values: readonly number[]) =>
  distances(values).reduce((sum, distance) => sum + distance, 0);

function isLarge({ before, after }: Change): boolean {
  const [low, high] = [Math.min(before, after), Math.max(before, after)];
  return high > 0 && high >= RATIO * low;
}

/** Whether nearly all are nearer to their own level than to the other one. */
function holds(values: readonly number[], own: number, other: number): boolean {
  const near = values.filter((value) => Math.abs(value - own) < Math.abs(value - other)).length;
  return near >= HOLDING * values.length;
}

/** “20 ms → > 10 s”. */
export function changeFigures(change: Change, unit: string): string {
  const before = boundText(change.before, unit, change.beforeOver);
  return `${before} → ${boundText(change.after, unit, change.afterOver)}`;
}

/** “3 times”, “40 % more”. */
export function howMuch({ before, after }: Change): string {
  const up = after > before;
  const ratio = up ? after / Math.max(before, 1e-12) : before / Math.max(after, 1e-12);
  if (ratio > 100) return up ? "far more" : "far less";
  if (ratio >= 2)
    return `${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)} times ${up ? "as much" : "less"}`;
  return `${Math.round((up ? ratio - 1 : 1 - 1 / ratio) * 100)} % ${up ? "more" : "less"}`;
}
