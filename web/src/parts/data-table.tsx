/** The values of a chart as a table, for those who read rather than look. */

import { ESTIMATED, type Lines, OVER, PARTIAL } from "../chart/data";
import { exactly } from "../moments";
import { boundText } from "../words";

const MOST = 200;

interface Props {
  lines: Lines;
  names: string[];
  unit: string;
  caption: string;
}

export function DataTable({ lines, names, unit, caption }: Props) {
  const length = (lines.times[lines.times.length - 1] ?? 0) - (lines.times[0] ?? 0);
  const rows = Array.from(lines.times, (time, index) => ({ time, index }))
    .filter(({ index }) => lines.columns.some((column) => column[index] != null))
    .reverse();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="data-table" tabIndex={0} aria-label={`${caption}, as a table`}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {names.map((name) => (
              <th scope="col" class="right" key={name}>
                {name || "value"}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST).map(({ time, index }) => (
            <tr key={time}>
              <th scope="row">{timeWords(lines, time, index, length)}</th>
              {lines.columns.map((column, line) => (
                <td class="right" key={names[line]}>
                  {boundText(column[index], unit, ((lines.marks?.[line]?.[index] ?? 0) & OVER) > 0)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** When it was, and whether that is over and known. */
function timeWords({ marks = [] }: Lines, time: number, at: number, length: number): string {
  const flags = marks.reduce((all, column) => all | (column[at] ?? 0), 0);
  const words = [exactly(time, length)];
  if ((flags & PARTIAL) > 0) words.push("so far");
  if ((flags & ESTIMATED) > 0) words.push("estimated");
  return words.join(" · ");
}
