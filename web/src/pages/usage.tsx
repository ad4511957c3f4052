/** What people do with the node: contents, identities, interactions; protected, with how sure each value is. */

import { useEffect } from "preact/hooks";
import { known, knownTrouble, loadKnown } from "../known";
import { AskedCard } from "../parts/metric";
import { Loading, Nothing, Section, Trouble } from "../parts/state";
import { isLive, rangeWords } from "../range";
import { address } from "../route";
import type { MetricInfo } from "../wire";
import { levelOf, nameOf } from "../words";

const GROUPS: readonly (readonly [string, string])[] = [
  ["content.", "Contents"],
  ["identity.", "Identities"],
  ["user.", "People and what they do"],
  ["", "More"],
];
const KEYS: Record<string, string[]> = {
  "user.active": [],
};

const WHY_ABSENT =
  "A value is absent where a group was too small to be shown, or where the privacy budget of the period is used up. It is never shown as zero instead.";

export function Usage() {
  useEffect(() => void loadKnown(), []);
  const metrics = (known.value ?? []).filter(({ category }) => category === "business");
  return (
    <>
      <h1 class="hidden">Usage</h1>
      <div class="card lead">
        <p>
          <b>These numbers are about people, so they are blurred on purpose.</b> The service adds up
          a whole window in memory, adds noise where it must, and keeps only that. The bar around
          each point shows where the true sum probably lies (95 %).
        </p>
        <p class="quiet">
          {WHY_ABSENT} <a href={address("/privacy")}>How each metric is protected</a>
        </p>
      </div>
      <Trouble words={knownTrouble.value} />
      {known.value === null && knownTrouble.value === "" && <Loading height={300} />}
      {GROUPS.map(([prefix, title]) => (
        <Group key={title} title={title} metrics={metrics.filter((one) => belongs(one, prefix))} />
      ))}
    </>
  );
}

function belongs({ metric }: MetricInfo, prefix: string): boolean {
  if (prefix !== "") return metric.startsWith(prefix);
  return !GROUPS.some(([other]) => other !== "" && metric.startsWith(other));
}

function Group({ title, metrics }: { title: string; metrics: MetricInfo[] }) {
  if (metrics.length === 0) return null;
  const stored = metrics.filter((one) => one.stored);
  const silent = metrics.filter((one) => !one.stored);
  return (
    <Section id={title} title={title} aside={rangeWords}>
      {stored.length > 0 && (
        <ul class="cards halves">
          {stored.map((one) => (
            <AskedCard
              key={one.metric}
              metric={one.metric}
              by={KEYS[one.metric] ?? ["type"]}
              {...(one.type === "counter" ? { aggregation: "sum" } : {})}
              nothing={`Nothing was shown in this range. ${isLive.value ? "Values come once a window: choose a longer range. " : ""}${WHY_ABSENT}`}
              height={170}
            />
          ))}
        </ul>
      )}
      {silent.length > 0 && (
        <ul class="waiting">
          {silent.map(({ metric, privacy, purpose }) => (
            <li key={metric}>
              <b>{nameOf(metric)}</b> <span class="quiet">({levelOf(privacy).label})</span>: nothing
              shown yet. <span class="quiet">{purpose}</span>
            </li>
          ))}
        </ul>
      )}
      {stored.length === 0 && silent.length === 0 && <Nothing>Nothing here yet.</Nothing>}
    </Section>
  );
}
