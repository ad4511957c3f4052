/** The values of a chart as a table, for those who read rather than look. */

import type { Lines } from "../chart/data";
import { moment } from "../range";
import { figureText } from "../words";

const MOST = 200;

interface Props {
  lines: Lines;
  names: string[];
  unit: string;
  caption: string;
}

export function DataTable({ lines, names, unit, caption }: Props) {
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
              <th scope="row">{seconds(time)}</th>
              {lines.columns.map((column, line) => (
                <td class="right" key={names[line]}>
                  {figureText(column[index], unit)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function seconds(time: number): string {
  const two = String(new Date(time * 1000).getSeconds()).padStart(2, "0");
  return `${moment(time)}:${two}`;
}
