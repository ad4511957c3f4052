/** How fast services answer: slowest methods, errors, distributions, and now beside before. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { SLOW_PAUSE, useAsked } from "../ask";
import { known, knownTrouble, loadKnown, storedMetrics } from "../known";
import { Compare } from "../parts/compare";
import { HeatCard } from "../parts/heat-card";
import { LiveCharts } from "../parts/live-board";
import { ErrorKinds, isDuration, SlowestMethods } from "../parts/methods";
import { ServiceTable } from "../parts/services";
import { Loading, Nothing, Section, Trouble } from "../parts/state";
import { rangeWords } from "../range";
import { performance } from "../state";
import { byImportance, nameOf } from "../words";
import { askWork, type Work } from "../work";

export function Performance() {
  useEffect(() => void loadKnown(), []);
  const { data, trouble } = useAsked("work", askWork, SLOW_PAUSE / 3);
  const told = (height: number, shown: (work: Work) => VNode) => {
    if (data.value !== null) return shown(data.value);
    return trouble.value === "" ? <Loading height={height} /> : <Trouble words={trouble.value} />;
  };
  return (
    <>
      <h1 class="hidden">Performance</h1>
      <Trouble words={knownTrouble.value} />
      <Section id="services" title="Requests and errors" aside={rangeWords}>
        {told(120, ({ report }) => (
          <ServiceTable report={report} />
        ))}
      </Section>
      <Section id="methods" title="Slowest methods" aside={rangeWords}>
        {told(200, (work) => (
          <SlowestMethods work={work} />
        ))}
      </Section>
      <Section id="errors" title="Errors by kind" aside={rangeWords}>
        {told(160, ({ report }) => (
          <ErrorKinds report={report} />
        ))}
      </Section>
      <Section id="distribution" title="How long answers take" aside={rangeWords}>
        <Distribution />
      </Section>
      <Section id="compare" title="Now and before">
        <Comparison />
      </Section>
      <LiveCharts id="live" title="All of it, live" board={performance} />
    </>
  );
}

function Distribution() {
  const metrics = storedMetrics()
    .map(({ metric }) => metric)
    .filter(isDuration)
    .sort(byImportance);
  const chosen = useSignal("");
  if (known.value === null) return <Loading height={200} />;
  const metric = chosen.value || metrics[0];
  if (metric === undefined) return <Nothing>No durations are stored yet.</Nothing>;
  return (
    <>
      <div class="choices">
        <label>
          Metric{" "}
          <select
            value={metric}
            onChange={({ currentTarget }) => {
              chosen.value = currentTarget.value;
            }}
          >
            {metrics.map((name) => (
              <option key={name} value={name}>
                {nameOf(name)} ({name})
              </option>
            ))}
          </select>
        </label>
      </div>
      <ul class="cards">
        <HeatCard key={metric} metric={metric} />
      </ul>
    </>
  );
}

function Comparison() {
  const metrics = storedMetrics()
    .filter(({ metric }) => !metric.startsWith("blackhole."))
    .sort(
      (a, b) =>
        Number(isDuration(b.metric)) - Number(isDuration(a.metric)) ||
        byImportance(a.metric, b.metric),
    );
  if (known.value === null) return <Loading height={260} />;
  if (metrics.length === 0) return <Nothing>Nothing is stored yet that could be compared.</Nothing>;
  return <Compare metrics={metrics} />;
}
