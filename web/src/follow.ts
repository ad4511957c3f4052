/** Asks again what is looked at, when the stream tells of something new: seldom enough for the service, one question for all who ask the same. */

import { effect, type Signal, signal, untracked } from "@preact/signals";
import { ApiError, query } from "./api";
import { type Asking, Course, intervalFor, secondsOf } from "./course";
import { chosen, isLive, type Range, rangeAt } from "./range";
import { exactNow, hear, news, noteLock, reach, streamed } from "./state";
import type { Answer, Question } from "./wire";

/** Milliseconds between two questions of one chart. */
const LIVE_PAUSE = 2000;
/** What is made of an hour, or is not told by the stream, changes no faster. */
const SLOW_PAUSE = 15_000;
/** Of all charts together there are at most about so many milliseconds between two questions. */
const SHARE = 150;
/** A service that answers slowly is asked so many times less often than it could answer. */
const PATIENCE = 4;

export interface Followed {
  answer: Signal<Answer | null>;
  range: Signal<Range | null>;
  trouble: Signal<string>;
  /** Keeps it fresh until the returned function is called. */
  watch: () => () => void;
  leave: () => void;
}

const all = new Map<string, Follower>();
let watched = 0;

/** The answer over the chosen range, which others may share; `leave` ends it. */
export function follow(asking: Asking): Followed {
  const fixed = chosen.peek();
  const range = fixed === null ? rangeAt(0).start : `${fixed.start} ${fixed.end}`;
  const key = JSON.stringify([asking, range]);
  const follower = all.get(key) ?? new Follower(asking, fixed, () => all.delete(key));
  all.set(key, follower);
  return follower.join();
}

class Follower {
  readonly answer = signal<Answer | null>(null);
  readonly range = signal<Range | null>(null);
  readonly trouble = signal("");
  private readonly course: Course;
  private readonly live = isLive.peek();
  private readonly length = rangeAt(0).end - rangeAt(0).start;
  private readonly abort = new AbortController();
  private readonly stops: (() => void)[];
  private users = 0;
  private watchers = 0;
  /** From when on values may have changed since they were asked for; infinite: nothing has. */
  private since = Number.POSITIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;
  private took = 0;
  private asking = false;

  constructor(
    private readonly question: Asking,
    private readonly fixed: Range | null,
    private readonly end: () => void,
  ) {
    this.course = new Course(question, queryWithin, this.live);
    this.stops = fixed === null ? this.listen() : [];
    void this.ask();
  }

  join(): Followed {
    this.users += 1;
    const { answer, range, trouble } = this;
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      this.users -= 1;
      if (this.users === 0) this.close();
    };
    return { answer, range, trouble, watch: () => this.watch(), leave };
  }

  private watch(): () => void {
    this.watchers += 1;
    watched += 1;
    untracked(() => this.plan());
    return () => {
      this.watchers -= 1;
      watched -= 1;
    };
  }

  private listen(): (() => void)[] {
    const { metric } = this.question;
    const told = (since: number) => {
      this.since = Math.min(this.since, since);
      this.plan();
    };
    const slowly = setInterval(() => told(exactNow()), SLOW_PAUSE);
    const seen = () => this.plan();
    document.addEventListener("visibilitychange", seen);
    return [
      hear(metric, told),
      effect(() => {
        if (news.value > 0 && streamed(metric) === undefined) told(exactNow());
      }),
      () => clearInterval(slowly),
      () => document.removeEventListener("visibilitychange", seen),
    ];
  }

  private close(): void {
    this.abort.abort();
    clearTimeout(this.timer);
    for (const stop of this.stops) stop();
    this.end();
  }

  /** Asks as soon as it is time to, if somebody looks and something has changed. */
  private plan(): void {
    const idle = this.since === Number.POSITIVE_INFINITY || this.watchers === 0;
    if (this.timer !== undefined || this.asking || this.fixed !== null || idle) return;
    const pause = Math.max(0, this.asked + this.pause() - Date.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.watchers > 0 && !document.hidden) void this.ask();
    }, pause);
  }

  private pause(): number {
    const step = 1000 * secondsOf(this.answer.peek()?.interval ?? "1s");
    const told = streamed(this.question.metric) !== undefined;
    const live = Math.min(SLOW_PAUSE, told ? Math.max(LIVE_PAUSE, step / 5) : SLOW_PAUSE / 3);
    const patience = Math.min(SLOW_PAUSE, PATIENCE * this.took);
    return Math.max(this.live ? live : SLOW_PAUSE, watched * SHARE, patience);
  }

  private async ask(): Promise<void> {
    const now = exactNow();
    const range = this.fixed ?? { start: now - this.length, end: now, moving: true };
    const since = this.since;
    this.since = Number.POSITIVE_INFINITY;
    this.asked = Date.now();
    this.asking = true;
    try {
      const answer = await this.course.next(range, since, now, this.abort.signal);
      if (this.abort.signal.aborted) return;
      this.range.value = range;
      this.answer.value = answer;
      this.trouble.value = "";
      if (this.live) reach(firstOf(answer));
    } catch (error) {
      if (this.abort.signal.aborted) return;
      noteLock(error);
      this.since = Math.min(this.since, since);
      this.trouble.value = error instanceof Error ? error.message : "the service did not answer";
    } finally {
      this.took = Date.now() - this.asked;
      this.asking = false;
      if (!this.abort.signal.aborted) this.plan();
    }
  }
}

/** Points a series where there are thousands of them, so that one answer may hold them. */
const FEW_POINTS = 90;

async function queryWithin(question: Question, signal?: AbortSignal): Promise<Answer> {
  try {
    return await query(question, signal);
  } catch (error) {
    const tooMany =
      error instanceof ApiError && error.status === 400 && / points/.test(error.message);
    if (!tooMany || question.interval !== undefined) throw error;
    const range = { start: question.start_time, end: question.end_time };
    return query({ ...question, interval: intervalFor(range, FEW_POINTS) }, signal);
  }
}

function firstOf({ series }: Answer): number {
  const begins = series.map(({ points: [point] }) => Date.parse(point?.timestamp ?? "") / 1000);
  return Math.min(Number.POSITIVE_INFINITY, ...begins.filter(Number.isFinite));
}
