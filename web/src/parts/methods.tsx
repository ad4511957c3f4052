/** The slowest methods and the kinds of error, over the chosen range. */

import { type Change, changeFigures } from "../changes";
import { moment } from "../range";
import { address } from "../route";
import type { ServicesReport } from "../wire";
import { boundText, number } from "../words";
import { type Call, callKey, callsOf, keysOf, type Work } from "../work";
import { Nothing } from "./state";
import { TableCard } from "./table-card";

const MOST = 15;

const DURATION = /(request|call|server|client|calls|metrics|process)\.duration$/;
/** Client sides and our own requests are measured elsewhere too. */
const TOLD_TWICE = /^(blackhole\.|traces\.service\.graph)|client/;

export const isDuration = (metric: string) => DURATION.test(metric) && !TOLD_TWICE.test(metric);

export function SlowestMethods({ work }: { work: Work }) {
  const calls = callsOf(work.report).filter(({ p95_ms }) => p95_ms !== null);
  if (calls.length === 0)
    return (
      <Nothing>
        No durations of requests in this range. A service sends them as NAME.request.duration,
        rpc.server.duration or http.server.request.duration, or as spans.
      </Nothing>
    );
  return (
    <TableCard label="Slowest methods">
      <table>
        <thead>
          <tr>
            <th scope="col">Method</th>
            <th scope="col">Service</th>
            <th scope="col" class="right">
              95 % within
            </th>
            <th scope="col" class="right">
              Requests
            </th>
            <th scope="col" class="right">
              Errors
            </th>
            <th scope="col">How it is</th>
          </tr>
        </thead>
        <tbody>
          {calls.slice(0, MOST).map((call) => (
            <MethodRow key={callKey(call)} call={call} change={work.changes.get(callKey(call))} />
          ))}
        </tbody>
      </table>
    </TableCard>
  );
}

/** The share of failures from which a method is not steady, whatever was usual. */
const FAILING = 0.5;

function MethodRow({ call, change }: { call: Call; change: Change | undefined }) {
  const by = keysOf([call]).join(",");
  const fails = (call.requests ?? 0) > 0 && (call.errors ?? 0) >= FAILING * (call.requests ?? 0);
  return (
    <tr>
      <th scope="row">
        <a href={address("/explore", { metric: call.metric, by })}>{call.method}</a>
      </th>
      <td>{call.service}</td>
      <td class="right">{boundText(call.p95_ms, "ms", call.p95_over)}</td>
      <td class="right">{call.requests === null ? "–" : number(call.requests)}</td>
      <td class="right">{call.errors === null ? "–" : number(call.errors)}</td>
      <td class={fails || (change !== undefined && change.after > change.before) ? "bad" : ""}>
        {fails ? "Half of them fail, or more" : changeWords(change)}
      </td>
    </tr>
  );
}

function changeWords(change: Change | undefined): string {
  if (change === undefined) return "Steady";
  const what = change.after > change.before ? "Slower" : "Faster";
  return `${what} since ${moment(change.since)} (${changeFigures(change, "ms")})`;
}

/** Why there are none: nothing failed, nothing came, or nothing tells. */
export function noErrors({ services }: ServicesReport): string {
  const asked = services.filter(({ requests }) => requests !== null);
  const silent = asked.filter(({ errors }) => errors === null).map(({ service }) => service);
  if (asked.length === 0) return "No requests in this range.";
  if (silent.length === 0) return "No errors in this range.";
  const others = silent.length < asked.length ? " No other service had errors in this range." : "";
  return `Nothing tells which requests of ${silent.join(", ")} failed: no status is sent.${others}`;
}

export function ErrorKinds({ report }: { report: ServicesReport }) {
  const kinds = report.services
    .flatMap(({ service, kinds }) => kinds.map((kind) => ({ ...kind, service })))
    .sort((a, b) => b.errors - a.errors)
    .slice(0, MOST);
  if (kinds.length === 0) return <Nothing>{noErrors(report)}</Nothing>;
  const most = kinds[0]?.errors ?? 1;
  return (
    <TableCard label="Errors by kind">
      <table>
        <thead>
          <tr>
            <th scope="col">Error</th>
            <th scope="col">Service</th>
            <th scope="col">Method</th>
            <th scope="col" class="right">
              How many
            </th>
          </tr>
        </thead>
        <tbody>
          {kinds.map(({ service, method, kind, errors }) => (
            <tr key={`${service} ${method} ${kind}`}>
              <th scope="row">
                <code>{kind}</code>
              </th>
              <td>{service}</td>
              <td>{method}</td>
              <td class="right">
                <meter
                  min={0}
                  max={most}
                  value={errors}
                  aria-label={`${kind}: ${number(errors)}`}
                />{" "}
                {number(errors)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableCard>
  );
}
