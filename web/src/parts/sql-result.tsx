/** Rows of a SQL answer: a table, and a chart where the first column is a time and others are numbers. */

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { MOST_LINES } from "../chart/colours";
import type { Lines } from "../chart/data";
import { download, rowsToCsv } from "../chart/export";
import { exactly } from "../moments";
import { median } from "../track";
import type { SqlAnswer } from "../wire";
import { ChartCard } from "./card";
import { Nothing } from "./state";
import { TableCard } from "./table-card";

const MOST_ROWS = 200;
const NUMBER = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL|REAL|NUMBER)/i;
const TIME = /^(TIMESTAMP|DATE)/i;

interface Props {
  answer: SqlAnswer;
  title?: string;
  actions?: ComponentChildren;
}

/** Null where the answer is no course over time. */
export function linesOfSql({
  types,
  rows,
  columns,
}: SqlAnswer): { lines: Lines; names: string[] } | null {
  const time = types.findIndex((type) => TIME.test(type));
  const numbers = types
    .flatMap((type, index) => (NUMBER.test(type) ? [index] : []))
    .slice(0, MOST_LINES);
  if (time < 0 || numbers.length === 0 || rows.length < 2) return null;
  const sorted = rows
    .map((row) => ({ at: Date.parse(String(row[time])) / 1000, row }))
    .filter(({ at }) => Number.isFinite(at))
    .sort((a, b) => a.at - b.at);
  const distinct = new Set(sorted.map(({ at }) => at));
  if (distinct.size !== sorted.length || sorted.length < 2) return null;
  const times = sorted.map(({ at }) => at);
  return {
    lines: {
      times,
      step: median(times.slice(1).map((at, index) => at - (times[index] ?? at))),
      columns: numbers.map((index) =>
        sorted.map(({ row }) => (row[index] === null ? null : Number(row[index]))),
      ),
    },
    names: numbers.map((index) => columns[index] ?? ""),
  };
}

export function SqlResult({ answer, title = "The answer", actions }: Props) {
  const chart = useMemo(() => linesOfSql(answer), [answer]);
  if (answer.rows.length === 0)
    return <Nothing>No row fits. Nothing is wrong with the statement.</Nothing>;
  return (
    <>
      {chart !== null && <SqlChart title={title} lines={chart.lines} names={chart.names} />}
      <TableCard label="Rows of the answer">
        <div class="choices">
          <p class="quiet">
            {answer.rows.length} rows{answer.truncated ? ", and there are more" : ""}, in{" "}
            {Math.round(answer.elapsed_ms)} ms
          </p>
          <div class="tools">
            <button
              type="button"
              onClick={() => download("answer.csv", rowsToCsv([answer.columns, ...answer.rows]))}
            >
              CSV
            </button>
            {actions}
          </div>
        </div>
        <table>
          <thead>
            <tr>
              {answer.columns.map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {answer.rows.slice(0, MOST_ROWS).map((row, at) => (
              // Rows of an answer have no other name.
              <tr key={at}>
                {row.map((value, column) => (
                  <td key={answer.columns[column]}>{cellText(value)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {answer.rows.length > MOST_ROWS && (
          <p class="quiet">{answer.rows.length - MOST_ROWS} more are in the CSV</p>
        )}
      </TableCard>
    </>
  );
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function SqlChart({ title, lines, names }: { title: string; lines: Lines; names: string[] }) {
  const { times } = lines;
  return (
    <ul class="cards">
      <ChartCard
        title={title}
        unit=""
        legend={names.map((label, index) => ({
          label,
          latest: () => ({
            value: lines.columns[index]?.at(-1) ?? null,
            when: `latest: ${exactly(times[times.length - 1] ?? 0)}`,
          }),
        }))}
        lines={() => lines}
        span={() => ({ start: times[0] ?? 0, end: times[times.length - 1] ?? 1 })}
        follow={() => lines}
        height={220}
      />
    </ul>
  );
}
