/** Turns what the cursor points at, or the newest of a series, into a value and the words for when it was. */

import type { Pointed } from "../chart/chart";
import { ESTIMATED, estimatedFor, type Lines, type Named, OVER, PARTIAL } from "../chart/data";
import { secondsOf } from "../course";
import { exactly } from "../moments";
import { median } from "../track";
import type { Answer } from "../wire";
import { duration } from "../words";

export interface Reading {
  value: number | null;
  over?: boolean;
  estimated?: boolean;
  /** “now”, or when it was. */
  when: string;
}

/** The value of a line in the bucket under the cursor: of no other one. */
export function readingAt({ at, lines }: Pointed, line: number): Reading {
  if (at === null) return { value: null, when: "" };
  const flags = lines.marks?.[line]?.[at] ?? 0;
  return {
    value: lines.columns[line]?.[at] ?? null,
    over: (flags & OVER) !== 0,
    estimated: (flags & ESTIMATED) !== 0,
    when: "",
  };
}

/** `14:05:10 UTC`, and what is to be said of the values there. `length`: seconds that the chart shows. */
export function whenPointed({ time, at, lines }: Pointed, length: number): string {
  const words = [exactly(time, length)];
  const flags = (lines.marks ?? []).map((column) => (at === null ? 0 : (column[at] ?? 0)));
  if (flags.some((one) => (one & PARTIAL) !== 0)) words.push("so far");
  const guessed = flags.findIndex((one) => (one & ESTIMATED) !== 0);
  if (guessed >= 0 && at !== null)
    words.push(`estimated: ${silence(estimatedFor(lines, guessed, at))}`);
  return words.join(" · ");
}

const silence = (seconds: number) => {
  const { text, unit } = duration(seconds);
  return `nothing was sent for ${text} ${unit}`;
};

/** What the dashes of a chart mean; empty where there are none. */
export function guessWords(lines: Lines): string {
  const longest = Math.max(
    0,
    ...(lines.marks ?? []).map((column, line) =>
      column.reduce(
        (most, flags, at) =>
          (flags & ESTIMATED) === 0 ? most : Math.max(most, estimatedFor(lines, line, at)),
        0,
      ),
    ),
  );
  return longest === 0 ? "" : `Dashed: estimated; ${silence(longest)}.`;
}

/** A value that is older than so many steps before the newest one is not the latest. */
const RECENT = 2.5;

/** The newest value of each series, all of about the same time: of what ended before there is none. */
export function latestOf(series: Named, all: readonly Named[], answer: Answer): Reading {
  const newest = Math.max(...all.map(({ points }) => timeOf(points.at(-1)?.timestamp)));
  if (!Number.isFinite(newest)) return { value: null, when: "" };
  const times = series.points.slice(-10).map(({ timestamp }) => timeOf(timestamp));
  const steps = times.slice(1).map((time, at) => time - (times[at] ?? time));
  const usual = Math.max(secondsOf(answer.interval), steps.length === 0 ? 0 : median(steps));
  const last = series.points.at(-1);
  const when = `latest: ${exactly(newest)}`;
  if (last === undefined || newest - timeOf(last.timestamp) > RECENT * usual)
    return { value: null, when };
  return {
    value: last.value,
    over: last.over === true,
    estimated: last.estimated === true,
    when,
  };
}

const timeOf = (timestamp = "") => Date.parse(timestamp) / 1000 || Number.NEGATIVE_INFINITY;
