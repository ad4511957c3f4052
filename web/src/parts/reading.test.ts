import { expect, it } from "vitest";
import type { Pointed } from "../chart/chart";
import { ESTIMATED, type Lines, namedSeries, OVER, PARTIAL } from "../chart/data";
import { ZONE } from "../moments";
import type { Answer } from "../wire";
import { guessWords, latestOf, readingAt, whenPointed } from "./reading";

const lines: Lines = {
  times: [0, 3600, 7200, 10_800],
  step: 3600,
  columns: [
    [1, 2, 2, 4],
    [9, undefined, 10_000, null],
  ],
  marks: [
    [0, ESTIMATED, ESTIMATED, PARTIAL],
    [0, 0, OVER, 0],
  ],
};

const pointed = (at: number | null, time = 0): Pointed => ({ at, time, lines, byKey: false });

it("reads the bucket under the cursor, and nothing where there is none", () => {
  expect(readingAt(pointed(0), 0)).toMatchObject({ value: 1, estimated: false });
  expect(readingAt(pointed(1), 1).value).toBeNull();
  expect(readingAt(pointed(2), 1)).toMatchObject({ value: 10_000, over: true });
  expect(readingAt(pointed(null), 0).value).toBeNull();
});

it("names the time and its zone always, and what is not measured", () => {
  expect(whenPointed(pointed(null, 7200), 600)).toContain(ZONE);
  expect(whenPointed(pointed(1, 3600), 600)).toMatch(/ · estimated: nothing was sent for 2 h$/);
  expect(whenPointed(pointed(3, 10_800), 600)).toMatch(/ · so far$/);
  expect(guessWords(lines)).toBe("Dashed: estimated; nothing was sent for 2 h.");
  expect(guessWords({ ...lines, marks: [] })).toBe("");
});

it("has no latest value of what ended before the others", () => {
  const points = (to: number) =>
    Array.from({ length: to }, (_, index) => ({
      timestamp: new Date(index * 10_000).toISOString(),
      value: index,
    }));
  const series = [20, 30, 29].map((to) => ({ attributes: { to: `${to}` }, points: points(to) }));
  const answer = { series, interval: "10s" } as unknown as Answer;
  const all = namedSeries(answer);
  expect(all.map((one) => latestOf(one, all, answer).value)).toEqual([null, 29, 28]);
  expect(latestOf(all[0] as (typeof all)[number], all, answer).when).toContain(ZONE);
});
