/** Many series as a list that can be searched; those that are ticked are drawn. */

import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { MOST_LINES } from "../chart/colours";
import { type Named, peak } from "../chart/data";
import { figureText, labelOf } from "../words";
import { TableCard } from "./table-card";

const MOST_ROWS = 100;

interface Props {
  all: readonly Named[];
  shown: readonly Named[];
  unit: string;
  pinned: Signal<readonly string[]>;
}

export function SeriesTable({ all, shown, unit, pinned }: Props) {
  const search = useSignal("");
  const rows = useMemo(
    () =>
      all
        .map((series) => ({
          series,
          label: labelOf(series.attributes, new Set()),
          top: peak(series.points),
        }))
        .sort((a, b) => b.top - a.top),
    [all],
  );
  const wanted = search.value.toLowerCase();
  const found = rows.filter(({ label }) => label.toLowerCase().includes(wanted));
  const drawn = useComputed(() => new Set(pinned.value));
  const shownKeys = new Set(shown.map(({ key }) => key));
  const toggle = (key: string) => {
    const before = pinned.value.length === 0 ? [...shownKeys] : [...drawn.value];
    const next = before.includes(key) ? before.filter((other) => other !== key) : [key, ...before];
    pinned.value = next.slice(0, MOST_LINES);
  };
  return (
    <TableCard label="All series" class="series">
      <div class="choices">
        <p>
          <b>{all.length}</b> series; {shown.length} are drawn,{" "}
          {pinned.value.length === 0 ? "those with the highest peaks" : "those that you ticked"}.
        </p>
        <label>
          Search{" "}
          <input
            type="search"
            value={search.value}
            onInput={({ currentTarget }) => {
              search.value = currentTarget.value;
            }}
          />
        </label>
      </div>
      <table>
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col" class="right">
              Newest
            </th>
            <th scope="col" class="right">
              Highest
            </th>
          </tr>
        </thead>
        <tbody>
          {found.slice(0, MOST_ROWS).map(({ series, label, top }) => (
            <tr key={series.key}>
              <th scope="row">
                <label>
                  <input
                    type="checkbox"
                    checked={shownKeys.has(series.key)}
                    onChange={() => toggle(series.key)}
                  />{" "}
                  {label || "all"}
                </label>
              </th>
              <td class="right">{figureText(series.latest, unit)}</td>
              <td class="right">{figureText(Number.isFinite(top) ? top : null, unit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {found.length > MOST_ROWS && (
        <p class="quiet">and {found.length - MOST_ROWS} more: search for a part of the name</p>
      )}
      {found.length === 0 && <p class="quiet">None has that in its name.</p>}
    </TableCard>
  );
}
