import { describe, expect, it } from "vitest";
import { changeOf, excursionOf, howMuch, type Sample } from "./changes";

const series = (...values: number[]): Sample[] =>
  values.map((value, index) => ({ time: index * 60, value }));
const many = (count: number, of: (at: number) => number) =>
  Array.from({ length: count }, (_, at) => of(at));
/** Scatter that is the same in every run. */
const jitter = (at: number) => ((at * 7919) % 13) - 6;

describe("what changed, and since when", () => {
  it("finds the very sample at which a level changed, early and late", () => {
    for (const at of [6, 20, 40, 53]) {
      const values = many(60, (index) => (index < at ? 90 : 480) + jitter(index));
      const found = changeOf(series(...values));
      expect(found?.since).toBe(at * 60);
      expect(found?.before).toBeCloseTo(90, -1);
      expect(found?.after).toBeCloseTo(480, -1);
    }
  });

  it.each([
    ["what scatters", many(60, (at) => 100 + 40 * Math.sin(at * 2.3))],
    ["a single peak", many(60, (at) => (at === 30 ? 900 : 90) + jitter(at))],
    ["a level that comes and goes", many(60, (at) => (at % 6 < 3 ? 485 : 800))],
    ["a small step", many(60, (at) => (at < 30 ? 100 : 120) + jitter(at))],
    ["too few samples", [1, 1, 1, 9, 9, 9]],
    ["nothing", []],
  ])("is quiet about %s", (_, values) => {
    expect(changeOf(series(...values))).toBeNull();
  });

  it("is found where a last bucket cuts it, beside the scatter of a busy machine", () => {
    const before = [10, 21, 606, 763, 588, 22, 225, 160, 45, 625, 90, 243];
    const found = changeOf(series(...before, ...many(25, () => 1000)));
    expect(found).toMatchObject({ since: before.length * 60, after: 1000 });
    expect(changeOf(series(...before, ...before, ...many(5, () => 1000)))).toBeNull();
  });

  it("is found also when it gets better, and when there was nothing before", () => {
    expect(changeOf(series(...many(30, (at) => (at < 15 ? 300 : 50))))?.after).toBe(50);
    expect(changeOf(series(...many(30, (at) => (at < 15 ? 0 : 5))))?.before).toBe(0);
  });
});

describe("what happened and is over", () => {
  it.each([
    ["up", 480],
    ["down to nothing", 0],
  ])("keeps when it began and ended: %s", (_, away) => {
    const values = many(120, (at) => (at >= 30 && at < 50 ? away : 90) + jitter(at) / 3);
    values[40] = 90;
    const found = excursionOf(series(...values));
    expect([found?.since, found?.until]).toEqual([30 * 60, 50 * 60]);
    expect(found?.before).toBeCloseTo(90, -1);
    expect(found?.after).toBeCloseTo(away, -1);
    expect(changeOf(series(...values))).toBeNull();
  });

  it.each([
    ["what scatters", many(60, (at) => 100 + 40 * Math.sin(at * 2.3))],
    ["a single peak", many(60, (at) => (at === 30 ? 900 : 90) + jitter(at))],
    ["a level that comes and goes", many(60, (at) => (at % 6 < 3 ? 485 : 800))],
    ["a small excursion", many(60, (at) => (at > 20 && at < 40 ? 120 : 100) + jitter(at))],
    ["what is not over", many(60, (at) => (at < 40 ? 90 : 480) + jitter(at))],
    ["what ended when the range began", many(60, (at) => (at < 20 ? 480 : 90) + jitter(at))],
    ["what is always nothing", many(60, () => 0)],
    ["too few samples", [1, 1, 1, 9, 9, 9, 1, 1]],
  ])("is quiet about %s", (_, values) => {
    expect(excursionOf(series(...values))).toBeNull();
  });
});

it("says how much in words", () => {
  const change = (before: number, after: number) => howMuch({ before, after, since: 0 });
  expect(change(100, 350)).toBe("3.5 times as much");
  expect(change(100, 140)).toBe("40 % more");
  expect(change(140, 100)).toBe("29 % less");
  expect(change(0, 5)).toBe("far more");
});
