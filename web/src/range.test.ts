import { beforeEach, expect, it } from "vitest";
import { intervalFor } from "./course";
import { press } from "./keys";
import { choose, chosen, isLive, preset, rangeAt, shift, zoomOut, zoomTo } from "./range";
import { address, parameters, path, set } from "./route";

const moved = () => dispatchEvent(new Event("hashchange"));

beforeEach(() => {
  location.hash = "#/network?range=1h";
  moved();
});

it("reads place and range from the address, and keeps the range between pages", () => {
  expect(path.value).toBe("/network");
  expect(rangeAt(10_000)).toEqual({ start: 6400, end: 10_000, moving: true });
  expect(address("/explore", { metric: "a.b" })).toBe("#/explore?range=1h&metric=a.b");
  expect(isLive.value).toBe(false);
});

it("zooms in, goes earlier and comes back to now", () => {
  zoomTo(1000, 1100);
  moved();
  expect(chosen.value).toEqual({ start: 1000, end: 1100 });
  shift(-1, 10_000);
  moved();
  expect(chosen.value).toEqual({ start: 950, end: 1050 });
  zoomOut();
  moved();
  expect(chosen.value).toBeNull();
  expect(preset.value[0]).toBe("1h");
});

it("zooms no closer than can be seen", () => {
  zoomTo(1000, 1000.5);
  moved();
  expect((chosen.value?.end ?? 0) - (chosen.value?.start ?? 0)).toBeGreaterThanOrEqual(10);
});

it.each(["range=never", "from=5", "from=9&to=3", "from=x&to=y", "to=1"])(
  "treats %s as now",
  (text) => {
    location.hash = `#/?${text}`;
    moved();
    expect(chosen.value).toBeNull();
    expect(isLive.value).toBe(true);
  },
);

it("takes parameters away that say nothing, and writes no value into a path", () => {
  set({ metric: "a b&c", range: undefined }, true);
  expect(location.hash).toBe("#/network?metric=a+b%26c");
  expect(parameters.value["metric"]).toBe("a b&c");
});

it("does with keys what the list of keys says", () => {
  expect([press("g"), press("e")]).toEqual([true, true]);
  moved();
  expect(path.value).toBe("/explore");
  expect(press("1")).toBe(true);
  moved();
  expect(isLive.value).toBe(true);
  expect(press("x")).toBe(false);
  choose("7d");
  moved();
  expect(preset.value[1]).toBe(604_800);
});

it("shows a year by days, since older points are sums of days", () => {
  choose("1y");
  moved();
  const year = rangeAt(400 * 86_400);
  expect(year.start).toBe(35 * 86_400);
  expect(intervalFor(year, 2000)).toBe("86400s");
  expect(intervalFor({ start: 0, end: 30 * 86_400 }, 600)).toBe("7200s");
});
