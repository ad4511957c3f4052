/** Asks the service over HTTP; the only file that fetches. */

import type { Answer, Problem, Question, Status } from "./wire";

/** What the service answered instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number;

  constructor(problem: Problem) {
    super(problem.detail);
    this.status = problem.status;
  }
}

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const init: RequestInit =
    body === undefined
      ? {}
      : {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        };
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(15_000) });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    return (await response.json()) as Problem;
  } catch {
    return {
      title: "",
      status: response.status,
      detail: `the service answered ${response.status}`,
    };
  }
}

export const getStatus = (): Promise<Status> => ask("/api/analytics/status");

export const query = (question: Question): Promise<Answer> => ask("/api/analytics/query", question);

export const login = (token: string): Promise<void> => ask("/login", { token });
