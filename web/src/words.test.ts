import { describe, expect, it } from "vitest";
import { ago, byImportance, figureText, labelOf, levelOf, nameOf, number } from "./words";

describe("figures", () => {
  it.each([
    [0.0123, "s", "12.3 ms"],
    [42, "ms", "42 ms"],
    [1500, "ms", "1.5 s"],
    [0.00004, "s", "40 µs"],
    [0, "s", "0 ms"],
    [300, "s", "5 min"],
    [86_400 * 30, "s", "30 days"],
    [84_000, "By/s", "84 kB/s"],
    [62_000_000, "By", "62 MB"],
    [512, "By", "512 B"],
    [3.456, "%", "3.46%"],
    [4.2, "{connection}/s", "4.2/s"],
    [7, "{connection}", "7"],
    [1, "1", "1"],
    [17.66, "percent", "17.7%"],
    [5, "milliseconds", "5 ms"],
    [2000, "ms/s", "2 s/s"],
    [null, "ms", "–"],
    [Number.NaN, "ms", "–"],
  ])("shows %s %s as %s", (value, unit, text) => {
    expect(figureText(value, unit)).toBe(text);
  });

  it("keeps three digits and sets thousands apart", () => {
    expect([0.001, 1.2345, 123.4, 12_345, 123_456, 2_500_000].map(number)).toEqual([
      "<0.01",
      "1.23",
      "123",
      "12\u202f345",
      "123 k",
      "2.5 M",
    ]);
  });
});

describe("names", () => {
  it("says known metrics in plain words and makes the others readable", () => {
    expect(nameOf("p2p.discovery.latency")).toBe("Time to discover a peer");
    expect(nameOf("identity.request.duration")).toBe("Identity request duration");
    expect(nameOf("p2p.relay.hops_total")).toBe("Relay hops");
  });

  it("puts important metrics first and orders the others by name", () => {
    const metrics = ["z.last", "a.first", "p2p.discovery.latency", "p2p.connections.total"];
    expect(metrics.sort(byImportance)).toEqual([
      "p2p.connections.total",
      "p2p.discovery.latency",
      "a.first",
      "z.last",
    ]);
  });

  it("labels a series by what tells it from the others", () => {
    const attributes = { "service.name": "node", direction: "in" };
    expect(labelOf(attributes, new Set(["service.name"]))).toBe("in");
    expect(labelOf({}, new Set())).toBe("");
    expect(
      labelOf({ a: "other", b: "other", "rpc.method": "/demo.Identity/Resolve" }, new Set()),
    ).toBe("other · Resolve");
    expect(labelOf({ kind: "local", success: "false" }, new Set())).toBe("local · not success");
  });

  it("treats a level that it does not know as one that stays here", () => {
    expect(levelOf("unheard_of").label).toBe("Internal");
    expect(levelOf("highly_sensitive").words).toContain("noise");
  });
});

it("says how long ago", () => {
  const now = Date.parse("2026-01-01T12:00:00Z") / 1000;
  const times = ["2026-01-01T11:59:58Z", "2026-01-01T11:59:20Z", "2026-01-01T11:58:50Z", null];
  expect(times.map((time) => ago(time, now))).toEqual([
    "just now",
    "40 s ago",
    "1 min ago",
    "never",
  ]);
  expect(ago("2026-01-01T11:30:00Z", now)).toBe("30 min ago");
});
