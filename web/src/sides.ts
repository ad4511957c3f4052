/** Asks what each series that changed came to before and after: over each side as a whole, not a middle of its points. */

import { query } from "./api";
import { type Ask, askingOf } from "./ask";
import { type Change, changeOf, excursionOf, type Sample } from "./changes";
import { keyOf } from "./course";
import type { Range } from "./range";
import type { Answer, Overall } from "./wire";

/** Changes are about as many as what caused them: of more, the later ones keep the middles of their points. */
const MOST = 6;
/** Longer than any range, so that all of it is one bucket. */
const ONE_BUCKET = "36500d";

/** The values of a series that are known, in order of time. */
const samplesOf = (points: Answer["series"][number]["points"]): Sample[] =>
  points.flatMap(({ timestamp, value }) =>
    value === null ? [] : [{ time: Date.parse(timestamp) / 1000, value }],
  );

/** By the key of their attributes: what was away from its level within the range, and is back. */
export function excursionsOf(answer: Answer): Map<string, Change> {
  return new Map(
    answer.series.flatMap(({ attributes, points }) => {
      const found = excursionOf(samplesOf(points));
      return found === null ? [] : [[keyOf(attributes), found] as const];
    }),
  );
}

type Fetch = typeof query;

/** By the key of their attributes: what has changed its level for good within the range. */
export async function changesOf(
  ask: Ask,
  answer: Answer,
  range: Range,
  signal: AbortSignal,
  fetch: Fetch = query,
): Promise<Map<string, Change>> {
  const found = new Map<string, Change>();
  for (const { attributes, points } of answer.series) {
    const change = changeOf(samplesOf(points));
    if (change !== null) found.set(keyOf(attributes), change);
  }
  const moments = [...new Set([...found.values()].map(({ since }) => since))].slice(0, MOST);
  await Promise.all(moments.map((since) => refine(ask, found, since, range, signal, fetch)));
  return found;
}

async function refine(
  ask: Ask,
  found: Map<string, Change>,
  since: number,
  range: Range,
  signal: AbortSignal,
  fetch: Fetch,
): Promise<void> {
  const [before, after] = await Promise.all([
    overalls(ask, { start: range.start, end: since }, signal, fetch),
    overalls(ask, { start: since, end: range.end }, signal, fetch),
  ]);
  for (const [key, change] of found) {
    const [was, is] = [before.get(key), after.get(key)];
    if (change.since !== since || was?.value == null || is?.value == null) continue;
    found.set(key, {
      since,
      before: was.value,
      after: is.value,
      beforeOver: was.over === true,
      afterOver: is.over === true,
    });
  }
}

async function overalls(
  ask: Ask,
  { start, end }: Range,
  signal: AbortSignal,
  fetch: Fetch,
): Promise<Map<string, Overall | undefined>> {
  const asking = askingOf({ ...ask, extremes: false }, { start, end });
  const times = { start_time: start, end_time: end, interval: ONE_BUCKET };
  const answer = await fetch({ ...asking, ...times }, signal);
  return new Map(answer.series.map(({ attributes, overall }) => [keyOf(attributes), overall]));
}
