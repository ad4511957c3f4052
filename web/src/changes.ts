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
  /** When it was over again: `before` is what is usual, `after` what it was meanwhile. */
  until?: number;
  /** Where only is known that it was more. */
  beforeOver?: boolean;
  afterOver?: boolean;
}

const LEAST_SIDE = 5;
const RATIO = 1.5;
/** So many times the usual scatter. */
const SPREADS = 4;
/** A last bucket cuts what is beyond it: then the step is small beside the scatter of a busy machine. */
const SPREADS_APART = 2;
const MANY = 8;
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
  const isClear = lasting && step >= SPREADS * scatter;
  const isCut = areApart(left, right) && step >= SPREADS_APART * scatter;
  return isLarge(change) && (isClear || isCut) ? change : null;
}

/** Whether there are many on both sides, and all of one are beyond all of the other: no scatter does that. */
function areApart(left: readonly number[], right: readonly number[]): boolean {
  if (Math.min(left.length, right.length) < MANY) return false;
  return Math.max(...left) < Math.min(...right) || Math.max(...right) < Math.min(...left);
}

/** So many samples in a row make it more than a peak. */
const LEAST_AWAY = 4;
/** A single sample that is as usual does not end it. */
const MOST_BACK = 1;

/** The longest stretch that was away from what is usual and is over again, or null where there is none. */
export function excursionOf(samples: readonly Sample[]): Change | null {
  const values = samples.map(({ value }) => value);
  if (values.length < 3 * LEAST_AWAY) return null;
  const usual = median(values);
  const least = SPREADS * median(distances(values));
  const sides = values.map((value) =>
    Math.abs(value - usual) >= least && isLarge({ before: usual, after: value, since: 0 })
      ? Math.sign(value - usual)
      : 0,
  );
  const runs = [1, -1].flatMap((side) => runsOf(sides, side));
  const over = runs.filter(({ begin, end }) => begin > 0 && end + MOST_BACK < values.length - 1);
  const [run] = over.sort((a, b) => b.end - b.begin - (a.end - a.begin));
  if (run === undefined || run.end - run.begin + 1 < LEAST_AWAY) return null;
  return {
    before: usual,
    after: median(values.slice(run.begin, run.end + 1)),
    since: samples[run.begin]?.time ?? 0,
    until: samples[run.end + 1]?.time ?? 0,
  };
}

/** The stretches on one side, by their first and last place. */
function runsOf(sides: readonly number[], side: number): { begin: number; end: number }[] {
  const runs: { begin: number; end: number }[] = [];
  sides.forEach((own, at) => {
    if (own !== side) return;
    const last = runs.at(-1);
    if (last !== undefined && at - last.end <= 1 + MOST_BACK) last.end = at;
    else runs.push({ begin: at, end: at });
  });
  return runs;
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
