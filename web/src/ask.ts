/** Asks a question for a part of the page, and again when there is something new; keeps the last answer meanwhile. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { query } from "./api";
import { infoOf } from "./known";
import { chosen, isLive, type Range, rangeAt } from "./range";
import { news, noteLock, now } from "./state";
import type { Answer, Attributes, Question } from "./wire";

/** `data` stays while it is asked again, so that nothing jumps. */
export interface Asked<T> {
  data: Signal<T | null>;
  trouble: Signal<string>;
  /** What was shown when it was asked. */
  range: Signal<Range | null>;
}

export interface Ask {
  metric: string;
  by?: readonly string[];
  aggregation?: string;
  filters?: Attributes;
  /** Points over the whole range, about. */
  points?: number;
  extremes?: boolean;
}

const LIVE_PAUSE = 2000;
/** What is made of an hour, or of many answers, changes no faster. */
export const SLOW_PAUSE = 15_000;

/** Answers of `question` over the chosen range. */
export function useAnswer(question: Ask): Asked<Answer> {
  const ask = { ...question, extremes: hasExtremes(question) };
  return useAsked(JSON.stringify(ask), (range, signal) => query(toQuestion(ask, range), signal));
}

/** Levels that nobody's privacy rests on, drawn as averages: a spike between two points is to be seen. */
export function hasExtremes({ metric, aggregation = "" }: Ask): boolean {
  const info = infoOf(metric);
  if (info === undefined || !["", "avg"].includes(aggregation)) return false;
  const open = info.privacy === "public" || info.privacy === "internal";
  return open && (info.type === "gauge" || info.type === "updowncounter");
}

/** Of what is older there may be sums of hours or days only: the service knows the interval that shows them. */
const POINTS_KEPT = 7 * 86_400;

/** Over more than two days averages come from sums of hours, which know no extremes: all else is slow. */
const MOST_EXTREME = 2 * 86_400;

export function toQuestion(
  { metric, by, aggregation, filters, points, extremes }: Ask,
  range: Range,
): Question {
  return {
    metric,
    start_time: range.start,
    end_time: range.end,
    ...(by === undefined ? {} : { group_by: [...by] }),
    ...(aggregation === undefined || aggregation === "" ? {} : { aggregation }),
    ...(filters === undefined ? {} : { filters }),
    ...(extremes === true && range.end - range.start <= MOST_EXTREME ? { extremes } : {}),
    ...(points === undefined || range.end - range.start > POINTS_KEPT
      ? {}
      : { interval: intervalFor(range, points) }),
  };
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

/** Of what is older than points are kept there are sums of whole days, which a shorter interval cannot show. */
const MOST_BY_HOURS = 31 * 86_400;

export function intervalFor({ start, end }: Range, points: number): string {
  const wanted = end - start > MOST_BY_HOURS ? 86_400 : (end - start) / points;
  return `${STEPS.find((step) => step >= wanted) ?? 86_400}s`;
}

/** Steps of what began lately are this long at least, in seconds. */
const FINEST = 5;

/** Where all points are of the last part of the range, asks again for that part, so that a change of minutes shows. */
export async function queryFinely(
  ask: Ask & { points: number },
  range: Range,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await query(toQuestion(ask, range), signal);
  const first = Math.min(
    ...answer.series.flatMap(({ points: [point] }) =>
      point === undefined ? [] : [Date.parse(point.timestamp) / 1000],
    ),
  );
  const length = range.end - first;
  if (!Number.isFinite(first) || 3 * length > range.end - range.start) return answer;
  const points = Math.max(1, Math.min(ask.points, Math.floor(length / FINEST)));
  return query(toQuestion({ ...ask, points }, { start: first, end: range.end }), signal);
}

/** Whatever `fetch` answers, by `key`: asked anew when the key or the range changes, and while time goes on. */
export function useAsked<T>(
  key: string,
  fetch: (range: Range, signal: AbortSignal) => Promise<T>,
  pause = LIVE_PAUSE,
): Asked<T> {
  const data = useSignal<T | null>(null);
  const trouble = useSignal("");
  const range = useSignal<Range | null>(null);
  const fixed = chosen.value;
  const rangeKey = fixed === null ? `${rangeAt(0).start}` : `${fixed.start} ${fixed.end}`;
  // The key stands for what is fetched.
  useEffect(() => {
    const abort = new AbortController();
    void follow(abort.signal, pause, async () => {
      const asked = rangeAt(now.peek());
      try {
        const answer = await fetch(asked, abort.signal);
        if (abort.signal.aborted) return;
        data.value = answer;
        range.value = asked;
        trouble.value = "";
      } catch (error) {
        if (abort.signal.aborted) return;
        noteLock(error);
        trouble.value = error instanceof Error ? error.message : "the service did not answer";
      }
    });
    return () => abort.abort();
  }, [key, rangeKey]);
  return { data, trouble, range };
}

/** Once, and then again when the stream brought something; a fixed range is asked for once. */
async function follow(
  signal: AbortSignal,
  pause: number,
  turn: () => Promise<void>,
): Promise<void> {
  await turn();
  let seen = news.peek();
  let asked = Date.now();
  while (chosen.peek() === null && !signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const old = Date.now() - asked >= SLOW_PAUSE;
    const due = isLive.peek() ? news.peek() !== seen || old : old;
    if (signal.aborted || document.hidden || !due) continue;
    seen = news.peek();
    asked = Date.now();
    await turn();
  }
}
