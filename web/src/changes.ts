/** Finds when a series changed its level for good: what got slower, since when, and by how much. */

import { median } from "./track";

export interface Sample {
  time: number;
  value: number;
}

export interface Change {
  before: number;
  after: number;
  since: number;
}

const LEAST_SIDE = 3;
const RATIO = 1.5;
/** So many times the usual scatter. */
const SPREADS = 4;
/** Of the samples since the change, so many must be on its side. */
const HOLDING = 0.8;

/** The strongest lasting step, or null where there is none. Samples come in order of time. */
export function changeOf(samples: readonly Sample[]): Change | null {
  const values = samples.map(({ value }) => value);
  let best: (Change & { strength: number }) | null = null;
  for (let at = LEAST_SIDE; at <= values.length - LEAST_SIDE; at += 1) {
    const [left, right] = [values.slice(0, at), values.slice(at)];
    const [before, after] = [median(left), median(right)];
    const spread = Math.max(
      scatter(left, before),
      scatter(right, after),
      Math.abs(before) * 0.02,
      1e-12,
    );
    const strength =
      (Math.abs(after - before) / spread) * Math.sqrt(Math.min(left.length, right.length));
    const since = samples[at]?.time ?? 0;
    if (holds(right, before, after) && (best === null || strength > best.strength))
      best = { before, after, since, strength };
  }
  if (best === null || !isLarge(best)) return null;
  const spread = scatter(
    values.slice(
      0,
      samples.findIndex(({ time }) => time === best.since),
    ),
    best.before,
  );
  if (Math.abs(best.after - best.before) < SPREADS * spread) return null;
  return { before: best.before, after: best.after, since: best.since };
}

function isLarge({ before, after }: Change): boolean {
  const [low, high] = [Math.min(before, after), Math.max(before, after)];
  return high > 0 && high >= RATIO * low;
}

function holds(right: readonly number[], before: number, after: number): boolean {
  const middle = (before + after) / 2;
  const on = right.filter((value) => (after > before ? value > middle : value < middle)).length;
  return on >= HOLDING * right.length;
}

/** Median distance from the median. */
function scatter(values: readonly number[], middle: number): number {
  return median(values.map((value) => Math.abs(value - middle)));
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
