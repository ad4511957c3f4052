/** The ledger of the privacy budget: what was paid for what, newest first. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getLedger } from "../api";
import { moment } from "../range";
import { budget, noteLock } from "../state";
import type { LedgerEntry } from "../wire";
import { nameOf } from "../words";
import { Loading, Nothing, Trouble } from "./state";
import { TableCard } from "./table-card";

const FEW = 12;
const MANY = 50;

const KINDS: Record<string, string> = {
  start: "The service started",
  stop: "The service stopped",
  period: "A new budget began",
  release: "Shown, with noise",
  epoch: "Goes on after a restart with what is left",
  spent: "Closed: nothing more until it refills",
  off: "Noise was switched off",
};

export function Ledger() {
  const rows = useSignal<LedgerEntry[] | null>(null);
  const trouble = useSignal("");
  const more = useSignal(false);
  const load = async (before?: number) => {
    try {
      const page = await getLedger(before === undefined ? FEW : MANY, before);
      rows.value = before === undefined ? page.rows : [...(rows.value ?? []), ...page.rows];
      more.value = (page.rows.at(-1)?.sequence ?? 1) > 1;
      trouble.value = "";
    } catch (error) {
      noteLock(error);
      trouble.value = error instanceof Error ? error.message : "the service did not answer";
    }
  };
  const released = budget.value?.released;
  // A release is a new row.
  useEffect(() => void load(), [released]);
  if (rows.value === null)
    return trouble.value === "" ? <Loading height={160} /> : <Trouble words={trouble.value} />;
  if (rows.value.length === 0)
    return <Nothing>Nothing was paid yet: no number about people was shown.</Nothing>;
  return (
    <TableCard label="Ledger of the privacy budget">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Metric</th>
            <th scope="col">Window</th>
            <th scope="col" class="right">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.value.map((row) => (
            <tr key={row.sequence}>
              <th scope="row">{moment(Date.parse(row.time) / 1000)}</th>
              <td>{KINDS[row.kind] ?? row.kind}</td>
              <td title={row.metric ?? ""}>{row.metric === null ? "" : nameOf(row.metric)}</td>
              <td>{windowWords(row)}</td>
              <td class="right">{costWords(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more.value && (
        <button type="button" onClick={() => void load(rows.value?.at(-1)?.sequence)}>
          Earlier
        </button>
      )}
    </TableCard>
  );
}

function windowWords({ window_start, window_end }: LedgerEntry): string {
  if (window_start === null || window_end === null) return "";
  const [start, end] = [Date.parse(window_start) / 1000, Date.parse(window_end) / 1000];
  const exact = start % 60 !== 0 || end % 60 !== 0;
  return `${moment(start, exact)} – ${moment(end, exact)}`;
}

export function costWords({ kind, epsilon, rho }: LedgerEntry): string {
  if (kind !== "release") return "";
  if (rho === null || epsilon === null) return "everything";
  if (rho > 0) return `ρ ${rho.toPrecision(2)}`;
  return epsilon > 0 ? `ε ${epsilon.toPrecision(2)}` : "free";
}
