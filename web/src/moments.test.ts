import { expect, it } from "vitest";
import { exactly, timeOf, ZONE, zoneWords } from "./moments";

const at = (text: string) => Date.parse(text) / 1000;
const NOON = at("2026-11-30T12:00:00Z");
const DAY = 86_400;

it("names the zone of each moment", () => {
  expect(exactly(at("2026-11-30T14:05:10Z"), 600, "UTC", NOON)).toBe("14:05:10 UTC");
  expect(exactly(at("2026-11-30T14:05:10Z"), 600, "Europe/Berlin", NOON)).toBe(
    "15:05:10 Europe/Berlin",
  );
  expect(exactly(at("2026-11-30T14:05:10Z"), 600, "Etc/UTC", NOON)).toBe("14:05:10 UTC");
  expect(exactly(NOON)).toContain(ZONE);
});

it("names the day where more than a day is shown, or another one", () => {
  const moment = at("2026-11-30T14:05:10Z");
  expect(exactly(moment, DAY + 1, "UTC", NOON)).toBe("30 Nov 14:05:10 UTC");
  expect(exactly(moment, 600, "UTC", NOON + 2 * DAY)).toBe("30 Nov 14:05:10 UTC");
  expect(exactly(moment, 600, "UTC", NOON + 60 * DAY)).toBe("30 Nov 2026 14:05:10 UTC");
});

it("counts days where the reader is", () => {
  const late = at("2026-11-30T23:30:00Z");
  expect(exactly(late, 600, "Europe/Berlin", NOON)).toBe("1 Dec 00:30:00 Europe/Berlin");
  expect(timeOf(late, "Asia/Kolkata")).toBe("05:00:00");
});

it("tells the two hours apart that one clock shows when it is put back", () => {
  const [first, second] = [at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")];
  expect(zoneWords(first, "Europe/Berlin")).toBe("Europe/Berlin, UTC+02:00");
  expect(zoneWords(second, "Europe/Berlin")).toBe("Europe/Berlin, UTC+01:00");
  expect(zoneWords(at("2026-10-25T02:30:00Z"), "Europe/Berlin")).toBe("Europe/Berlin");
  expect(zoneWords(at("2026-03-29T01:30:00Z"), "Europe/Berlin")).toBe("Europe/Berlin");
  expect(zoneWords(at("2026-04-04T14:45:00Z"), "Australia/Lord_Howe")).toContain("UTC+11");
});
