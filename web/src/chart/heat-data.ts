/** Asks for the buckets of a histogram over time, and turns them into the cells of a heat map. */

import { sql } from "../api";
import { aligned, intervalFor } from "../course";
import type { Range } from "../range";
import type { SqlAnswer } from "../wire";

export interface Heat {
  /** Where each column begins, in seconds; all have the same width. */
  times: number[];
  step: number;
  /** Upper bounds of the rows, rising; the last one may be infinite. */
  bounds: number[];
  /** `cells[row][column]`: how many. */
  cells: number[][];
  most: number;
  unit: string;
}

export interface HeatAsk {
  metric: string;
  key?: string;
  value?: string;
}

const COLUMNS = 40;
const MOST_ROWS = 20_000;

/** Text within a SQL statement. */
export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

export function heatSql({ metric, key, value }: HeatAsk, range: Range, step: number): string {
  const where =
    key === undefined || value === undefined || value === ""
      ? ""
      : ` AND json_extract_string(s.attributes, ${quoted(`$."${key}"`)}) = ${quoted(value)}`;
  const [start, end] = [range.start, range.end].map(
    (time) => `make_timestamp(${Math.round(time * 1e6)})`,
  );
  return `SELECT t, bound, sum(n) AS n, any_value(unit) AS unit FROM (
  SELECT epoch_ms(time_bucket(to_seconds(${step}), CAST(h.time AS TIMESTAMP))) AS t,
    unnest(h.bounds) AS bound, unnest(h.buckets) AS n, s.unit AS unit
  FROM histogram_points AS h JOIN series AS s ON s.id = h.series
  WHERE s.metric = ${quoted(metric)} AND h.time >= ${start} AND h.time < ${end}${where}
) AS b WHERE n > 0 GROUP BY t, bound ORDER BY t`;
}

export async function askHeat(asked: HeatAsk, range: Range, signal: AbortSignal): Promise<Heat> {
  const step = Number.parseInt(intervalFor(range, COLUMNS), 10);
  return heatOf(await sql(heatSql(asked, aligned(range, step), step), MOST_ROWS, signal), step);
}

export function heatOf({ rows }: SqlAnswer, step: number): Heat {
  const times = [...new Set(rows.map(([time]) => Number(time) / 1000))].sort((a, b) => a - b);
  const found = new Set(rows.map(([, bound]) => (bound === null ? Infinity : Number(bound))));
  const bounds = [...found].sort((a, b) => a - b);
  const column = new Map(times.map((time, index) => [time, index]));
  const row = new Map(bounds.map((bound, index) => [bound, index]));
  const cells = bounds.map(() => new Array<number>(times.length).fill(0));
  let most = 0;
  for (const [time, bound, count] of rows) {
    const line = cells[row.get(bound === null ? Infinity : Number(bound)) ?? 0];
    const at = column.get(Number(time) / 1000) ?? 0;
    if (line === undefined) continue;
    line[at] = (line[at] ?? 0) + Number(count);
    most = Math.max(most, line[at] ?? 0);
  }
  return { times, step, bounds, cells, most, unit: String(rows[0]?.[3] ?? "") };
}
