/** Asks a question for a part of the page, and again when there is something new; keeps the last answer meanwhile. */

import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { query } from "./api";
import { type Asking, intervalFor } from "./course";
import { follow as followCourse } from "./follow";
import { infoOf } from "./known";
import { chosen, isLive, type Range, rangeAt } from "./range";
import { news, noteLock, now } from "./state";
import type { Answer, Filters, Question } from "./wire";

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
  filters?: Filters;
  /** Points over the whole range, about. */
  points?: number;
  extremes?: boolean;
}

const LIVE_PAUSE = 2000;
/** What is made of an hour, or of many answers, changes no faster. */
export const SLOW_PAUSE = 15_000;

/** Answers of `question` over the chosen range: its end is asked again when there is something new, while it is `seen`. */
export function useAnswer(question: Ask, seen?: Signal<boolean>): Asked<Answer> {
  const data = useSignal<Answer | null>(null);
  const trouble = useSignal("");
  const range = useSignal<Range | null>(null);
  const ask = { ...question, extremes: hasExtremes(question) };
  const asking = askingOf(ask, rangeAt(now.peek()));
  const key = JSON.stringify(asking);
  // The key stands for what is asked, the other for when.
  useEffect(() => {
    const followed = followCourse(asking);
    const stops = [
      effect(() => {
        if (followed.answer.value !== null) data.value = followed.answer.value;
        range.value = followed.range.value ?? range.peek();
        trouble.value = followed.trouble.value;
      }),
      effect(() => (seen?.value === false ? undefined : followed.watch())),
    ];
    return () => {
      for (const stop of stops) stop();
      followed.leave();
    };
  }, [key, rangeKey()]);
  return { data, trouble, range };
}

/** Changes when another range is chosen, not while it moves. */
function rangeKey(): string {
  const fixed = chosen.value;
  return fixed === null ? `${rangeAt(0).start}` : `${fixed.start} ${fixed.end}`;
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

export function toQuestion(ask: Ask, range: Range): Question {
  return { ...askingOf(ask, range), start_time: range.start, end_time: range.end };
}

/** What suits the length of `range`. */
export function askingOf(
  { metric, by, aggregation, filters, points, extremes }: Ask,
  range: Range,
): Asking {
  return {
    metric,
    ...(by === undefined ? {} : { group_by: [...by] }),
    ...(aggregation === undefined || aggregation === "" ? {} : { aggregation }),
    ...(filters === undefined ? {} : { filters }),
    ...(extremes === true && range.end - range.start <= MOST_EXTREME ? { extremes } : {}),
    ...(points === undefined || range.end - range.start > POINTS_KEPT
      ? {}
      : { interval: intervalFor(range, points) }),
  };
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
  }, [key, rangeKey()]);
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
