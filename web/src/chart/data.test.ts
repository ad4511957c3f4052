import { describe, expect, it } from "vitest";
import { hasExtremes, toQuestion } from "../ask";
import { secondsOf } from "../course";
import { known } from "../known";
import type { Answer, AnswerPoint, MetricInfo } from "../wire";
import { unbroken } from "./bars";
import {
  bucketAt,
  ESTIMATED,
  estimatedFor,
  highestNamed,
  linesOfAnswer,
  namedSeries,
  OVER,
  PARTIAL,
} from "./data";
import { cell, toCsv } from "./export";
import { heatWords } from "./heat";
import { heatOf, heatSql } from "./heat-data";
import { yRange } from "./options";
import { stretches } from "./strokes";

const at = (
  seconds: number,
  value: number | null,
  more: Partial<AnswerPoint> = {},
): AnswerPoint => ({
  timestamp: new Date(seconds * 1000).toISOString(),
  value,
  ...more,
});

function answer(points: AnswerPoint[][], more: Partial<Answer> = {}): Answer {
  return {
    metric: "a.b",
    type: "gauge",
    unit: "ms",
    privacy_level: "internal",
    aggregation: "avg",
    interval: "10s",
    series: points.map((list, index) => ({ attributes: { kind: `k${index}` }, points: list })),
    sampling_rate: 1,
    notes: [],
    ...more,
  };
}

const lines = (asked: Answer) => linesOfAnswer(namedSeries(asked), asked);

describe("the lines of an answer", () => {
  it("have a gap where a count, a level or a window is unknown in any bucket", () => {
    const points = [at(0, 1), at(10, 1), at(30, 1), at(40, 1)];
    const filled: Partial<Answer>[] = [
      { type: "counter", aggregation: "rate" },
      { type: "histogram", aggregation: "sum_rate" },
      { type: "updowncounter", aggregation: "avg" },
      { privacy_level: "sensitive" },
    ];
    for (const more of filled) {
      const drawn = lines(answer([points], more));
      expect(drawn.times).toEqual([0, 10, 20, 30, 40]);
      expect(drawn.columns[0]).toEqual([1, 1, null, 1, 1]);
    }
  });

  it("have a gap where a gauge is silent for long, and none at its own rhythm", () => {
    const gap = lines(answer([[at(0, 1), at(10, 1), at(20, 1), at(90, 1), at(100, 1)]]));
    expect(gap.columns[0]).toEqual([1, 1, 1, null, 1, 1]);
    const rare = lines(answer([[at(0, 1), at(60, 2), at(120, 3)]]));
    expect(rare.columns[0]).toEqual([1, 2, 3]);
    const slower = [0, 10, 20, 30, 40, 400, 460, 520, 580].map((time) => at(time, 1));
    expect(lines(answer([slower])).columns[0]).toEqual([1, 1, 1, 1, 1, null, 1, 1, 1, 1]);
  });

  it("have no value inside a gap, whatever moments the other lines have", () => {
    const whole = Array.from({ length: 9 }, (_, index) => at(10 * index, 5));
    const broken = [at(0, 1), at(60, 1), at(80, 1)];
    const more = { type: "counter", aggregation: "rate" };
    const drawn = lines(answer([whole, broken], more));
    expect(drawn.columns[1]).toEqual([1, null, null, null, null, null, 1, null, 1]);
    expect(stretches(drawn.columns[1] ?? []).map(({ at: found }) => found)).toEqual([
      [0],
      [6],
      [8],
    ]);
  });

  it("say what is partial, estimated or beyond its bound, each where it is", () => {
    const more = { type: "counter", aggregation: "rate" };
    const marked = lines(
      answer(
        [
          [at(0, 1), at(10, 1, { estimated: true }), at(20, 1, { estimated: true, partial: true })],
          [at(0, 10, { over: true }), at(20, 2)],
        ],
        more,
      ),
    );
    expect(marked.marks).toEqual([
      [0, ESTIMATED, ESTIMATED | PARTIAL],
      [OVER, 0, 0],
    ]);
    expect(estimatedFor(marked, 0, 1)).toBe(20);
    expect(estimatedFor(marked, 0, 0)).toBe(0);
    expect(lines(answer([[at(0, 1)]])).marks).toBeUndefined();
  });

  it("are read in the bucket under the cursor and in no other one", () => {
    const { times, step } = lines(answer([[at(0, 1), at(10, 2), at(900, 3)]]));
    const shown = (time: number) => bucketAt({ times, step }, time);
    expect([0, 9.99, 10, 19.9].map(shown)).toEqual([0, 0, 1, 1]);
    expect([-1, 500, 899, 910].map(shown)).toEqual([null, null, null, null]);
  });

  it("are drawn from zero up where noise went below, with their bars, but exported as they are", () => {
    const noisy = answer(
      [[at(0, -5, { lower: -20, upper: 10 }), at(10, 8, { lower: -7, upper: 23 })]],
      {
        privacy_level: "highly_sensitive",
      },
    );
    const drawn = lines(noisy);
    expect(drawn.columns[0]).toEqual([0, 8]);
    expect(drawn.lower?.[0]).toEqual([0, 0]);
    expect(drawn.upper?.[0]).toEqual([10, 23]);
    expect(yRange(0, 8, drawn)[1]).toBeGreaterThan(23);
    expect(linesOfAnswer(namedSeries(noisy), noisy, true).columns[0]).toEqual([-5, 8]);
  });

  it("have a band from the least to the greatest value, unless there are many lines", () => {
    const spiky = [
      at(0, 2, { min: 1, max: 90 }),
      at(10, 3, { min: -4, max: 5 }),
      at(20, 3),
      at(90, 1),
    ];
    const drawn = lines(answer([spiky]));
    expect(drawn.least?.[0]).toEqual([1, -4, 3, null, 1]);
    expect(drawn.most?.[0]).toEqual([90, 5, 3, null, 1]);
    expect(yRange(1, 3, drawn)).toEqual([-4.4, 90 * 1.15]);
    expect(lines(answer([spiky, spiky, spiky, spiky])).most).toBeUndefined();
    expect(unbroken([1, undefined, 2, null, null, 3])).toEqual([
      [0, 3],
      [5, 6],
    ]);
  });

  it("leave the least telling series out, and keep the order of names", () => {
    const many = namedSeries(answer([[at(0, 3)], [at(0, 9)], [at(0, 1)], [at(0, 7)]]));
    expect(highestNamed(many, 2).map(({ attributes }) => attributes["kind"])).toEqual(["k1", "k3"]);
  });
});

it("knows how long intervals are", () => {
  expect(["10s", "5m", "1h30m", "250ms", "1d"].map(secondsOf)).toEqual([
    10, 300, 5400, 0.25, 86_400,
  ]);
});

it("asks for extremes of averages of open levels, over as long as they are quick to find", () => {
  const info = (type: string, privacy: string) => ({ metric: "a.b", type, privacy }) as MetricInfo;
  const asked = (aggregation?: string) =>
    hasExtremes({ metric: "a.b", ...(aggregation === undefined ? {} : { aggregation }) });
  expect(asked()).toBe(false);
  known.value = [info("gauge", "internal")];
  expect([asked(), asked("avg"), asked("max")]).toEqual([true, true, false]);
  known.value = [info("counter", "internal")];
  expect(asked()).toBe(false);
  known.value = [info("updowncounter", "sensitive")];
  expect(asked()).toBe(false);
  known.value = null;
  const ask = { metric: "a.b", extremes: true };
  expect(toQuestion(ask, { start: 0, end: 86_400 }).extremes).toBe(true);
  expect(toQuestion(ask, { start: 0, end: 7 * 86_400 }).extremes).toBeUndefined();
  expect(toQuestion({ ...ask, points: 100 }, { start: 0, end: 7 * 86_400 }).interval).toBe("7200s");
  expect(
    toQuestion({ ...ask, points: 100 }, { start: 0, end: 30 * 86_400 }).interval,
  ).toBeUndefined();
});

describe("CSV", () => {
  it("quotes what needs it, and makes no formula of a name", () => {
    expect(['a,"b"', "=1+1", "@x", 4.5, null, -3].map(cell)).toEqual([
      '"a,""b"""',
      "'=1+1",
      "'@x",
      "4.5",
      "",
      "-3",
    ]);
  });

  it("has a column a line, and those of the bars", async () => {
    const csv = await toCsv({ step: 1, times: [0], columns: [[2]], lower: [[1]], upper: [[3]] }, [
      "relay",
    ]).text();
    expect(csv).toBe("time,relay,relay lower,relay upper\r\n1970-01-01T00:00:00.000Z,2,1,3\r\n");
    const marked = { step: 1, times: [0, 1], columns: [[2, 3]], marks: [[0, OVER]] };
    expect(await toCsv(marked, ["relay"]).text()).toBe(
      "time,relay,relay over\r\n1970-01-01T00:00:00.000Z,2,\r\n1970-01-01T00:00:01.000Z,3,1\r\n",
    );
    const band = { step: 1, times: [0], columns: [[2]], least: [[1]], most: [[3]] };
    expect((await toCsv(band, [""]).text()).split("\r\n")[0]).toBe(
      "time,value,value min,value max",
    );
  });
});

describe("a heat map", () => {
  const rows = [
    [0, 10, 3, "ms"],
    [0, null, 1, "ms"],
    [10_000, 10, 4, "ms"],
  ];
  const heat = heatOf({ columns: [], types: [], rows, truncated: false, elapsed_ms: 1 }, 10);

  it("has a row a bound, the open one last", () => {
    expect(heat.bounds).toEqual([10, Infinity]);
    expect(heat.cells).toEqual([
      [3, 4],
      [1, 0],
    ]);
    expect(heatWords(heat)).toBe("8 measured; half ≤ 10 ms, nearly all > 10 ms.");
  });

  it("asks for names as text, whatever they are", () => {
    const text = heatSql({ metric: "a'b", key: "k", value: "v'; DROP" }, { start: 0, end: 60 }, 10);
    expect(text).toContain("'a''b'");
    expect(text).toContain("'v''; DROP'");
  });
});
