/** Keeps the answer to one question as time goes on: the whole once, then its end again, put in the place of what was there. */

import type { Range } from "./range";
import type { Answer, AnswerPoint, Attributes, Question } from "./wire";

/** What is asked but the times. */
export type Asking = Omit<Question, "start_time" | "end_time">;

type Fetch = (question: Question, signal?: AbortSignal) => Promise<Answer>;

/** An eighth of the range decides which senders set the edge of what is known: the end must be long enough for those of the whole to do so. */
const LEAST_STEPS = 9;
/** Until there are so many points, the service does not know yet which interval suits. */
const FEW = 5;
const FEW_AGE = 5;
/** Seconds after which the whole is asked again, since points may have come late. */
const WHOLE_AGE = 60;

export class Course {
  answer: Answer | null = null;
  private start = 0;
  private wholeAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly asking: Asking,
    private readonly fetch: Fetch,
    /** Whether what a percentile comes to over the whole range is of no use, so that its end will do. */
    private readonly live = true,
  ) {}

  /** The answer as of `now`; `since`: from when on values may have changed, as far as the stream told. */
  async next(range: Range, since: number, now: number, signal?: AbortSignal): Promise<Answer> {
    const known = this.answer;
    const hasEnd = known !== null && (this.live || !/^p\d/.test(known.aggregation));
    if (hasEnd && now - this.wholeAt < this.longest(known)) {
      const from = tailFrom(known, Math.min(since, range.end), now);
      const step = secondsOf(known.interval);
      if (from > (range.start + range.end) / 2 && range.start >= this.start - step) {
        const tail = await this.tail(known, from, range, signal);
        if (sameKind(known, tail))
          return this.keep(spliced(known, marked(tail, now), from, floorTo(range.start, step)));
      }
    }
    return this.whole(range, now, signal);
  }

  private longest(known: Answer): number {
    const most = Math.max(0, ...known.series.map(({ points }) => points.length));
    return most < FEW ? FEW_AGE : WHOLE_AGE;
  }

  private tail(known: Answer, from: number, range: Range, signal?: AbortSignal): Promise<Answer> {
    const end = ceilTo(range.end, secondsOf(known.interval));
    const times = { start_time: from, end_time: end };
    return this.fetch({ ...this.asking, ...times, interval: known.interval }, signal);
  }

  private async whole(range: Range, now: number, signal?: AbortSignal): Promise<Answer> {
    const answer = await askWhole(this.asking, range, this.fetch, this.answer, signal);
    this.start = floorTo(range.start, secondsOf(answer.interval));
    this.wholeAt = now;
    return this.keep(marked(answer, now));
  }

  private keep(answer: Answer): Answer {
    this.answer = answer;
    return answer;
  }
}

/** Asks for whole buckets, as far as their length can be known before; one that is cut off all the same is left out. */
export async function askWhole(
  asking: Asking,
  range: Range,
  fetch: Fetch,
  before: Answer | null = null,
  signal?: AbortSignal,
): Promise<Answer> {
  const { start, end } = aligned(range, grainOf(asking.interval ?? before?.interval, range));
  const answer = await fetch({ ...asking, start_time: start, end_time: end }, signal);
  const step = secondsOf(answer.interval);
  return trimmed(answer, Math.max(ceilTo(start, step), floorTo(range.start, step)));
}

/** Whole buckets that hold the range; where it ends now, as many as its length has, since the interval that is chosen depends on it. */
export function aligned(range: Range, step: number): Range {
  const end = ceilTo(range.end, step);
  const start = floorTo(range.start, step);
  return range.moving === true
    ? { start: Math.max(start, end - ceilTo(range.end - range.start, step)), end }
    : { start, end };
}

/** What the service chooses where nothing sends less often: about so many points. */
const POINTS = 120;
const DAY = 86_400;
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
];

function grainOf(interval: string | undefined, { start, end }: Range): number {
  return interval === undefined ? stepFor((end - start) / POINTS) : secondsOf(interval);
}

const stepFor = (wanted: number) => STEPS.find((step) => step >= wanted) ?? DAY;

/** Of what is older than points are kept there are sums of whole days, which a shorter interval cannot show. */
const MOST_BY_HOURS = 31 * DAY;

export function intervalFor({ start, end }: Range, points: number): string {
  return `${end - start > MOST_BY_HOURS ? DAY : stepFor((end - start) / points)}s`;
}

/** From where on buckets may still change: a while, what is cut off, and what came since `since`. */
export function tailFrom(answer: Answer, since: number, now: number): number {
  const step = secondsOf(answer.interval);
  let from = Math.min(since, now - LEAST_STEPS * step);
  for (const { points } of answer.series)
    for (let at = points.length - 1; at >= 0 && points[at]?.partial === true; at -= 1)
      from = Math.min(from, timeOf(points[at]));
  return floorTo(from, step);
}

/** `tail` in the place of all that was from `from` on; nothing before `start`. */
export function spliced(known: Answer, tail: Answer, from: number, start: number): Answer {
  const fresh = new Map(tail.series.map((series) => [keyOf(series.attributes), series]));
  // What the whole range came to is told of the old range, or of the end alone.
  const kept = known.series.map(({ attributes, points }) => {
    const key = keyOf(attributes);
    const more = fresh.get(key)?.points ?? [];
    fresh.delete(key);
    const old = points.filter((point) => timeOf(point) >= start && timeOf(point) < from);
    return { attributes, points: [...old, ...more] };
  });
  const added = [...fresh.values()].map(({ attributes, points }) => ({ attributes, points }));
  const series = [...kept, ...added].filter(({ points }) => points.length > 0);
  const nothing = (note: string) => series.length > 0 && /^(no data|nothing of)/.test(note);
  return { ...known, series, notes: known.notes.filter((note) => !nothing(note)) };
}

function trimmed(answer: Answer, start: number): Answer {
  const cut = answer.series.some(({ points }) => timeOf(points[0]) < start);
  if (!cut) return answer;
  const series = answer.series.map(({ points, ...rest }) => ({
    ...rest,
    points: points.filter((point) => timeOf(point) >= start),
  }));
  return { ...answer, series };
}

/** What adds up is too small while its bucket goes on. */
const ADDED = new Set(["sum", "count"]);

/** The bucket that goes on at `now` is marked; a sum of it is left out, since it could only be read as a dip. */
export function marked(answer: Answer, now: number): Answer {
  const step = secondsOf(answer.interval);
  const open = (point: AnswerPoint) => timeOf(point) + step > now;
  const series = answer.series.map(({ points, ...rest }) => {
    const last = points.findIndex(open);
    if (last < 0) return { ...rest, points };
    const running = ADDED.has(answer.aggregation)
      ? []
      : points.slice(last).map((point) => ({ ...point, partial: true }));
    return { ...rest, points: [...points.slice(0, last), ...running] };
  });
  return { ...answer, series };
}

function sameKind(known: Answer, other: Answer): boolean {
  const kind = ({ type, unit, aggregation, interval, privacy_level }: Answer) =>
    `${type} ${unit} ${aggregation} ${interval} ${privacy_level}`;
  return kind(known) === kind(other);
}

const timeOf = (point: AnswerPoint | undefined) =>
  point === undefined ? Number.POSITIVE_INFINITY : Date.parse(point.timestamp) / 1000;

/** One string a set of attributes; their order does not matter, and what is absent is nothing. */
export function keyOf(attributes: Attributes): string {
  const there = Object.entries(attributes).filter(([, value]) => value != null && value !== "");
  return JSON.stringify(there.sort());
}

export const floorTo = (time: number, step: number) => step * Math.floor(time / step + 1e-9);
export const ceilTo = (time: number, step: number) => step * Math.ceil(time / step - 1e-9);

const SECONDS: Record<string, number> = { ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90s`, `5m`, `1h30m` → seconds. */
export function secondsOf(words: string): number {
  let total = 0;
  for (const [, count, unit] of words.matchAll(/([\d.]+)\s*(ms|s|m|h|d|w)/g))
    total += Number(count) * (SECONDS[unit ?? "s"] ?? 1);
  return total || 1;
}
