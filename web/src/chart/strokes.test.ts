import { expect, it } from "vitest";
import { ESTIMATED, PARTIAL } from "./data";
import { stretches } from "./strokes";

it("draws no line in a gap, and goes past moments of other lines", () => {
  expect(stretches([1, undefined, 2, null, undefined, 3, undefined, 4])).toEqual([
    { style: "measured", at: [0, 2] },
    { style: "measured", at: [5, 7] },
  ]);
});

it("shows points that no line would show", () => {
  const lonely = (column: (number | null | undefined)[]) =>
    stretches(column).flatMap(({ at }) => (at.length === 1 ? at : []));
  expect(lonely([1])).toEqual([0]);
  expect(lonely([null, 1, undefined, null, 2, 3, null, undefined, 4])).toEqual([1, 8]);
  expect(lonely([1, undefined, 2])).toEqual([]);
  expect(lonely([])).toEqual([]);
});

it("dashes what is estimated, from the value before it to the one after", () => {
  const flags = [0, 0, ESTIMATED, ESTIMATED, 0, 0];
  expect(stretches([1, 1, 2, 2, 3, 3], flags)).toEqual([
    { style: "measured", at: [0, 1] },
    { style: "estimated", at: [1, 2, 3, 4] },
    { style: "measured", at: [4, 5] },
  ]);
});

it("ends lighter where the last bucket goes on, also when all began there", () => {
  expect(stretches([1, 1, 2], [0, 0, PARTIAL])).toEqual([
    { style: "measured", at: [0, 1] },
    { style: "partial", at: [1, 2] },
  ]);
  expect(stretches([2], [PARTIAL])).toEqual([{ style: "partial", at: [0] }]);
});
