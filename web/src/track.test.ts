import { describe, expect, it } from "vitest";
import { columns, Track, WINDOW } from "./track";

function track(...points: [number, number | null][]): Track {
  const made = new Track();
  for (const [time, value] of points) made.push(time, value);
  return made;
}

describe("a track", () => {
  it("ignores points that are repeated or older", () => {
    const made = track([10, 1], [20, 2], [20, 9], [15, 9]);
    expect(made.times).toEqual([10, 20]);
    expect(made.last).toBe(2);
  });

  it("shows a long silence as a gap", () => {
    const made = track([0, 1], [10, 2], [20, 3], [30, 4], [130, 5]);
    expect(made.values).toEqual([1, 2, 3, 4, null, 5]);
    expect(made.times[4]).toBe(80);
  });

  it("knows a slow rhythm and makes no gaps of it", () => {
    const made = track([0, 1], [60, 2], [120, 3], [180, 4], [240, 5], [480, 6]);
    expect(made.values).toEqual([1, 2, 3, 4, 5, null, 6]);
  });

  it("forgets what is out of the picture", () => {
    const made = track();
    for (let time = 0; time <= 2 * WINDOW; time += 10) made.push(time, 1);
    expect(made.times[0]).toBeGreaterThanOrEqual(WINDOW * 0.8);
  });
});

describe("columns", () => {
  it("lines tracks up, telling gaps from times that a track has no point at", () => {
    const [times, a, b] = columns([track([0, 1], [200, 2]), track([5, 7])]);
    expect(times).toEqual([0, 5, 100, 200]);
    expect(a).toEqual([1, undefined, null, 2]);
    expect(b).toEqual([undefined, 7, undefined, undefined]);
  });

  it("of nothing are empty", () => {
    expect(columns([])).toEqual([[]]);
  });
});
