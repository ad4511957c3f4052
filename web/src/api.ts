/** Asks the service over HTTP; the only file that fetches. A few questions at a time, the rest wait here. */

import type {
  Answer,
  Board,
  BoardSummary,
  Budget,
  Explanation,
  Finding,
  LedgerPage,
  MetricInfo,
  Permission,
  Problem,
  Question,
  Refused,
  ServicesReport,
  SqlAnswer,
  Status,
} from "./wire";

/** What the service answered instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number;

  constructor(problem: Problem) {
    super(problem.detail);
    this.status = problem.status;
  }
}

const BASE = "/api/analytics";
const PATIENCE = 15_000;
const AT_ONCE = 4;
const TRIES = 4;
const OVERLOADED = 503;

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

let running = 0;
const waiting: (() => void)[] = [];

/** Nothing where it is one's turn at once. */
function turn(): Promise<void> | undefined {
  if (running >= AT_ONCE) return new Promise((resolve) => waiting.push(resolve));
  running += 1;
  return undefined;
}

function done(): void {
  const next = waiting.shift();
  if (next === undefined) running -= 1;
  else next();
}

async function ask<T>(path: string, options: Options = {}): Promise<T> {
  const wait = turn();
  if (wait !== undefined) await wait;
  try {
    for (let attempt = 1; ; attempt += 1) {
      options.signal?.throwIfAborted();
      const response = await fetch(path, request(options));
      if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
      const problem = await problemOf(response);
      if (response.status !== OVERLOADED || attempt === TRIES) throw new ApiError(problem);
      await pause(Number(response.headers.get("retry-after") ?? 1) * 1000);
    }
  } finally {
    done();
  }
}

function request({ method, body, signal }: Options): RequestInit {
  const limit = AbortSignal.timeout(PATIENCE);
  const init: RequestInit = { signal: signal ? AbortSignal.any([signal, limit]) : limit };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  init.method = method ?? (body === undefined ? "GET" : "POST");
  return init;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback = `the service answered ${response.status}`;
  try {
    return (await response.json()) as Problem;
  } catch {
    return { title: "", status: response.status, detail: fallback };
  }
}

const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(milliseconds, 5000)));

export const getStatus = (): Promise<Status> => ask(`${BASE}/status`);

export const query = (question: Question, signal?: AbortSignal): Promise<Answer> =>
  ask(`${BASE}/query`, { body: question, ...(signal ? { signal } : {}) });

export const sql = (text: string, maxRows = 1000, signal?: AbortSignal): Promise<SqlAnswer> =>
  ask(`${BASE}/sql`, { body: { sql: text, max_rows: maxRows }, ...(signal ? { signal } : {}) });

/** Of a range in Unix seconds. */
export const getServices = (
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<ServicesReport> =>
  ask(`${BASE}/services?start_time=${start}&end_time=${end}`, signal ? { signal } : {});

export const getMetrics = (): Promise<{ metrics: MetricInfo[]; refused: Refused[] }> =>
  ask(`${BASE}/metrics`);

export const getInsights = (): Promise<{ insights: Finding[] }> => ask(`${BASE}/insights`);

export const getAlerts = (): Promise<{ alerts: Finding[] }> => ask(`${BASE}/alerts`);

export const getBudget = (): Promise<Budget> => ask(`${BASE}/privacy/budget`);

export const getLedger = (limit: number, before?: number): Promise<LedgerPage> =>
  ask(`${BASE}/privacy/ledger?limit=${limit}${before === undefined ? "" : `&before=${before}`}`);

export const explain = (metric: string): Promise<Explanation> =>
  ask(`${BASE}/privacy/explain/${encodeURIComponent(metric)}`);

export const allow = (permission: Permission): Promise<{ allowed: unknown[] }> =>
  ask(`${BASE}/catalogue/allow`, { body: permission });

export const getBoards = (): Promise<{ boards: BoardSummary[] }> => ask(`${BASE}/boards`);

export const getBoard = (name: string): Promise<Board> => ask(boardPath(name));

export const putBoard = (name: string, board: Board): Promise<void> =>
  ask(boardPath(name), { method: "PUT", body: board });

export const deleteBoard = (name: string): Promise<void> =>
  ask(boardPath(name), { method: "DELETE" });

const boardPath = (name: string) => `${BASE}/boards/${encodeURIComponent(name)}`;

export const login = (token: string): Promise<void> => ask("/login", { body: { token } });
