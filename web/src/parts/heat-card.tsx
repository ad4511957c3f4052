/** A heat map of one metric as a card, of all its series or of one kind. */

import { useSignal } from "@preact/signals";
import { useAsked } from "../ask";
import { HeatMap } from "../chart/heat";
import { askHeat, type Heat } from "../chart/heat-data";
import { aligned } from "../course";
import { isLive, type Range } from "../range";
import { address } from "../route";
import { nameOf } from "../words";
import { Loading, Nothing, Trouble } from "./state";

const LEAST_SPAN = 120;

/** From where there is something: a node that has just begun fills its picture too. */
function spanOf({ times, step }: Heat, range: Range): Range {
  const { start, end } = aligned(range, step);
  if (!isLive.value) return { start, end };
  return { start: Math.max(start, Math.min(times[0] ?? start, end - LEAST_SPAN)), end };
}

interface Props {
  metric: string;
  title?: string;
  /** An attribute to choose one value of, and its values. */
  by?: string;
  values?: readonly string[];
}

export function HeatCard({ metric, title = nameOf(metric), by, values = [] }: Props) {
  const value = useSignal("");
  const ask = { metric, ...(by === undefined ? {} : { key: by, value: value.value }) };
  const { data, trouble, range } = useAsked(JSON.stringify(["heat", ask]), (span, signal) =>
    askHeat(ask, span, signal),
  );
  return (
    <li class="card metric wide">
      <div class="metric-head">
        <h3>{title}</h3>
        {values.length > 1 && (
          <label>
            <span class="hidden">Show</span>
            <select
              value={value.value}
              onChange={({ currentTarget }) => {
                value.value = currentTarget.value;
              }}
            >
              <option value="">all</option>
              {values.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Trouble words={trouble.value} />
      {data.value === null && trouble.value === "" && <Loading height={180} />}
      {data.value?.times.length === 0 && <Nothing>No data in this range.</Nothing>}
      {data.value !== null && data.value.times.length > 0 && range.value !== null && (
        <HeatMap
          heat={data.value}
          span={spanOf(data.value, range.value)}
          label={`Heat map: ${title}`}
        />
      )}
      <div class="tools">
        <a href={address("/explore", { metric })}>Explore</a>
      </div>
    </li>
  );
}
