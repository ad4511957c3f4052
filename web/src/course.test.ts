import { expect, it } from "vitest";
import { aligned, askWhole, Course, keyOf, marked, spliced, tailFrom } from "./course";
import type { Answer, AnswerPoint, Question } from "./wire";

const at = (seconds: number, value: number, more: Partial<AnswerPoint> = {}): AnswerPoint => ({
  timestamp: new Date(seconds * 1000).toISOString(),
  value,
  ...more,
});

const answer = (points: AnswerPoint[], more: Partial<Answer> = {}): Answer => ({
  metric: "a.b",
  type: "counter",
  unit: "{x}",
  privacy_level: "internal",
  aggregation: "rate",
  interval: "10s",
  series: [{ attributes: { kind: "a" }, points }],
  sampling_rate: 1,
  notes: [],
  ...more,
});

/** A service that has sent `rate` a second up to `edge`, and one value for each bucket that it knows of. */
class Fake {
  readonly asked: Question[] = [];
  edge = 0;
  rate = 50;
  interval = "10s";

  readonly query = async (question: Question): Promise<Answer> => {
    this.asked.push(question);
    const step = Number.parseInt(question.interval ?? this.interval, 10);
    const points: AnswerPoint[] = [];
    const first = step * Math.floor(question.start_time / step);
    for (let time = first; time < Math.min(this.edge, question.end_time); time += step)
      points.push(at(time, this.rate, time + step > this.edge ? { partial: true } : {}));
    return answer(points, { interval: `${step}s` });
  };
}

const range = (now: number) => ({ start: now - 600, end: now, moving: true });
const valuesOf = ({ series }: Answer) => series[0]?.points.map(({ value }) => value) ?? [];
const timesOf = ({ series }: Answer) =>
  series[0]?.points.map(({ timestamp }) => Date.parse(timestamp) / 1000) ?? [];

it("asks for whole buckets, as many as the range has", () => {
  expect(aligned({ start: 1003, end: 1603, moving: true }, 10)).toEqual({ start: 1010, end: 1610 });
  expect(aligned({ start: 1000, end: 1600, moving: true }, 10)).toEqual({ start: 1000, end: 1600 });
  expect(aligned({ start: 1003, end: 1603 }, 10)).toEqual({ start: 1000, end: 1610 });
});

it("leaves a bucket out that the range cuts off, since its interval was not known", async () => {
  const fake = new Fake();
  fake.edge = 2000;
  fake.interval = "60s";
  const found = await askWhole({ metric: "a.b" }, range(1990), fake.query);
  expect(timesOf(found)[0]).toBe(1440);
  expect(fake.asked[0]).toMatchObject({ start_time: 1390, end_time: 1990 });
});

it("asks for the whole once, and then for the end that may be another one", async () => {
  const fake = new Fake();
  const course = new Course({ metric: "a.b" }, fake.query);
  fake.edge = 1994;
  await course.next(range(1996), -Infinity, 1996);
  fake.edge = 2004;
  const found = await course.next(range(2006), 1994, 2006);
  expect(fake.asked).toHaveLength(2);
  expect(fake.asked[1]).toMatchObject({ start_time: 1910, end_time: 2010, interval: "10s" });
  expect(timesOf(found)).toEqual(Array.from({ length: 61 }, (_, index) => 1400 + 10 * index));
  expect(found.series[0]?.points.map(({ partial }) => partial ?? false).indexOf(true)).toBe(60);
});

it("has the same values before and after the seam, whatever the sender's period", async () => {
  for (const period of [1, 10, 60]) {
    const fake = new Fake();
    const course = new Course({ metric: "a.b" }, fake.query);
    let before = 1200;
    for (let now = 1800; now < 2400; now += 2) {
      const edge = period * Math.floor(now / period);
      fake.edge = edge;
      await course.next(range(now), before, now);
      before = edge;
    }
    const values = valuesOf(course.answer as Answer);
    expect(values.length).toBeGreaterThan(50);
    expect(new Set(values)).toEqual(new Set([50]));
    const whole = await fake.query({ metric: "a.b", start_time: 1800, end_time: 2400 });
    expect(timesOf(course.answer as Answer).slice(-50)).toEqual(timesOf(whole).slice(-50));
  }
});

it("goes back to where the sender was heard before, which may be long ago", () => {
  const known = answer([at(1000, 1), at(1010, 1), at(1020, 1, { partial: true })]);
  expect(tailFrom(known, Infinity, 1026)).toBe(930);
  expect(tailFrom(known, 727, 1026)).toBe(720);
  const waiting = answer([
    at(900, 1),
    at(910, 1, { partial: true }),
    at(920, 2, { partial: true }),
  ]);
  expect(tailFrom(waiting, Infinity, 1016)).toBe(910);
  // An eighth of what is asked must not be shorter than the period of a sender, or it would set no edge.
  expect((1030 - tailFrom(known, Infinity, 1026)) / 8).toBeGreaterThan(10);
});

it("asks for the whole again after a minute, when most of it may have changed, and at once where little is known", async () => {
  const fake = new Fake();
  const course = new Course({ metric: "a.b" }, fake.query);
  fake.edge = 1990;
  await course.next(range(1990), -Infinity, 1990);
  await course.next(range(2049), 1990, 2049);
  expect(fake.asked.at(-1)?.interval).toBe("10s");
  await course.next(range(2051), 2049, 2051);
  expect(fake.asked.at(-1)?.interval).toBeUndefined();
  await course.next(range(2060), 1500, 2060);
  expect(fake.asked.at(-1)?.interval).toBeUndefined();
  fake.edge = 1400;
  const young = new Course({ metric: "a.b" }, fake.query);
  await young.next(range(1980), -Infinity, 1980);
  await young.next(range(1986), 1980, 1986);
  expect(fake.asked.at(-1)?.interval).toBeUndefined();
});

it("asks for the whole of percentiles, which are told of the whole range, unless they are live", async () => {
  const asked = async (live: boolean) => {
    const fake = new Fake();
    fake.edge = 1990;
    const fetch = async (question: Question) => ({
      ...(await fake.query(question)),
      aggregation: "p95",
    });
    const course = new Course({ metric: "a.b" }, fetch, live);
    await course.next(range(1990), -Infinity, 1990);
    await course.next(range(1994), 1990, 1994);
    return fake.asked.at(-1)?.interval;
  };
  expect(await asked(false)).toBeUndefined();
  expect(await asked(true)).toBe("10s");
});

it("begins anew where the interval that suits is another one", async () => {
  const fake = new Fake();
  const course = new Course({ metric: "a.b" }, fake.query);
  fake.edge = 1990;
  await course.next(range(1990), -Infinity, 1990);
  const changing = new Course({ metric: "a.b" }, async (question) => ({
    ...(await fake.query(question)),
    unit: question.interval === undefined ? "{x}" : "By",
  }));
  await changing.next(range(1990), -Infinity, 1990);
  await changing.next(range(1994), 1990, 1994);
  expect(fake.asked.at(-1)?.interval).toBeUndefined();
});

it("puts the end in the place of what was there, with series that are new and without what is gone", () => {
  const known = answer([at(0, 1), at(10, 1), at(20, 7)], { notes: ["no data in this range", "b"] });
  const tail = answer([at(20, 2)], {
    series: [
      { attributes: { kind: "b" }, points: [at(20, 5)] },
      { attributes: { kind: "a" }, points: [at(20, 2), at(30, 3)] },
    ],
  });
  const found = spliced(known, tail, 20, 10);
  expect(found.series.map(({ points }) => points.map(({ value }) => value))).toEqual([
    [1, 2, 3],
    [5],
  ]);
  expect(found.notes).toEqual(["b"]);
  expect(valuesOf(spliced(known, answer([]), 10, 0))).toEqual([1]);
});

it("marks the bucket that goes on, and shows no sum of it", () => {
  const points = [at(0, 1), at(10, 0.2)];
  expect(marked(answer(points), 14).series[0]?.points[1]?.partial).toBe(true);
  expect(marked(answer(points), 20).series[0]?.points[1]?.partial).toBeUndefined();
  expect(valuesOf(marked(answer(points, { aggregation: "sum" }), 14))).toEqual([1]);
});

it("knows series by their attributes, whatever their order and what is empty", () => {
  expect(keyOf({ b: "1", a: "2", c: "" })).toBe(keyOf({ a: "2", b: "1" }));
});
