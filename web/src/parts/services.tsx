/** Requests and errors of each service: now, as the Overview has them, and over the chosen range. */

import { services } from "../state";
import type { ServicesReport, ServiceWork } from "../wire";
import { boundText, figureText, number } from "../words";
import { Nothing } from "./state";
import { TableCard } from "./table-card";

export function ServiceTable({ report }: { report: ServicesReport }) {
  const names = new Set([
    ...(services.value ?? []).map(({ service }) => service),
    ...report.services.map(({ service }) => service),
  ]);
  if (names.size === 0) return <Nothing>No service has reported yet.</Nothing>;
  return (
    <TableCard label="Requests and errors">
      <table>
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col" class="right">
              Requests now
            </th>
            <th scope="col" class="right">
              Errors now
            </th>
            <th scope="col" class="right">
              Requests
            </th>
            <th scope="col" class="right">
              Errors
            </th>
            <th scope="col" class="right">
              95 % within
            </th>
            <th scope="col">Told by</th>
          </tr>
        </thead>
        <tbody>
          {[...names].sort().map((name) => (
            <Row
              key={name}
              name={name}
              work={report.services.find(({ service }) => service === name)}
            />
          ))}
        </tbody>
      </table>
    </TableCard>
  );
}

function Row({ name, work }: { name: string; work: ServiceWork | undefined }) {
  const now = services.value?.find(({ service }) => service === name);
  const sources = work?.sources ?? now?.sources;
  const told = new Set([...(sources?.requests ?? []), ...(sources?.errors ?? [])]);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="right">{figureText(now?.request_rate, "/s")}</td>
      <td class="right">{figureText(now?.error_rate, "/s")}</td>
      <td class="right">{count(work?.requests)}</td>
      <td class="right">{errorWords(work)}</td>
      <td class="right">{boundText(work?.p95_ms, "ms", work?.p95_over)}</td>
      <td>
        {[...told].map((metric) => (
          <code key={metric}>{metric} </code>
        ))}
      </td>
    </tr>
  );
}

const count = (value: number | null | undefined) => (value == null ? "–" : number(value));

/** “12 (3 %)”; a dash where nothing tells which requests failed. */
export function errorWords(work: ServiceWork | undefined): string {
  if (work?.errors == null) return "–";
  if (work.errors === 0 || !work.requests) return number(work.errors);
  return `${number(work.errors)} (${figureText((100 * work.errors) / work.requests, "%")})`;
}
