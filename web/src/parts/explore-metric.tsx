/** Asks about one metric: which, how to sum it up, by what, and which part of it. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { useAnswer } from "../ask";
import { MOST_LINES } from "../chart/colours";
import { highestNamed, linesOfAnswer, type Named, namedSeries } from "../chart/data";
import { infoOf, type Key, keysOf, known, storedMetrics } from "../known";
import { isLive, type Range } from "../range";
import { parameters, set } from "../route";
import { edge } from "../state";
import type { Answer, Attributes } from "../wire";
import { byImportance, labelOf, nameOf } from "../words";
import { ChartCard } from "./card";
import { EmptyCard, figureOf, sharedKeys, spanOf, unitOf } from "./metric";
import { Save, Share } from "./save";
import { SeriesTable } from "./series-table";
import { Loading, Nothing, sentence } from "./state";

const AGGREGATIONS = [
  "avg",
  "max",
  "min",
  "sum",
  "count",
  "rate",
  "last",
  "p50",
  "p90",
  "p95",
  "p99",
];
export function ExploreMetric() {
  const { metric = "", agg = "", by = "", where = "" } = parameters.value;
  const keys = useSignal<Key[]>([]);
  useEffect(() => {
    keys.value = [];
    if (metric === "") return;
    const abort = new AbortController();
    keysOf(metric, abort.signal).then(
      (found) => {
        keys.value = found;
      },
      () => undefined,
    );
    return () => abort.abort();
  }, [metric, keys]);
  return (
    <>
      <form class="card asking" onSubmit={(event) => event.preventDefault()}>
        <MetricField metric={metric} />
        <label>
          Summed up as{" "}
          <select value={agg} onChange={({ currentTarget }) => set({ agg: currentTarget.value })}>
            <option value="">as suits it</option>
            {AGGREGATIONS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <GroupField keys={keys.value} by={listOf(by)} />
        <FilterField keys={keys.value} filters={filtersOf(where)} />
      </form>
      {metric === "" ? (
        <Nothing>
          Choose a metric above: begin to type, and those that are stored are offered. Or try one of
          these:{" "}
          {storedMetrics()
            .map((one) => one.metric)
            .sort(byImportance)
            .slice(0, 5)
            .map((name) => (
              <span key={name}>
                <button type="button" class="link" onClick={() => set({ metric: name })}>
                  {nameOf(name)}
                </button>{" "}
              </span>
            ))}
        </Nothing>
      ) : (
        <Result metric={metric} agg={agg} by={listOf(by)} filters={filtersOf(where)} />
      )}
    </>
  );
}

export const listOf = (text: string) => text.split(",").filter((part) => part !== "");

/** `peer_type=relay,success=true` → {peer_type: "relay", success: "true"}. */
export function filtersOf(text: string): Attributes {
  return Object.fromEntries(
    listOf(text).flatMap((part) => {
      const at = part.indexOf("=");
      return at < 1 ? [] : [[part.slice(0, at), part.slice(at + 1)]];
    }),
  );
}

const filterText = (filters: Attributes) =>
  Object.entries(filters)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

function MetricField({ metric }: { metric: string }) {
  const all = known.value ?? [];
  return (
    <label class="grow">
      Metric{" "}
      <input
        list="metrics"
        name="metric"
        value={metric}
        autocomplete="off"
        spellcheck={false}
        placeholder="p2p.discovery.latency"
        onChange={({ currentTarget }) =>
          set({
            metric: currentTarget.value.trim(),
            by: undefined,
            where: undefined,
            agg: undefined,
          })
        }
      />
      <datalist id="metrics">
        {all
          .filter(({ stored }) => stored)
          .map((one) => (
            <option key={one.metric} value={one.metric}>
              {nameOf(one.metric)}
            </option>
          ))}
      </datalist>
    </label>
  );
}

function GroupField({ keys, by }: { keys: readonly Key[]; by: string[] }) {
  if (keys.length === 0) return null;
  return (
    <fieldset class="inline">
      <legend>One line for each</legend>
      {keys.map(({ key, count }) => (
        <label key={key}>
          <input
            type="checkbox"
            checked={by.includes(key)}
            onChange={({ currentTarget }) =>
              set({
                by: (currentTarget.checked
                  ? [...by, key]
                  : by.filter((other) => other !== key)
                ).join(","),
              })
            }
          />{" "}
          {key} <span class="quiet">({count})</span>
        </label>
      ))}
    </fieldset>
  );
}

function FilterField({ keys, filters }: { keys: readonly Key[]; filters: Attributes }) {
  if (keys.length === 0) return null;
  const choose = (key: string, value: string) => {
    const { [key]: _, ...others } = filters;
    set({ where: filterText(value === "" ? others : { ...others, [key]: value }) });
  };
  return (
    <fieldset class="inline">
      <legend>Only where</legend>
      {keys.map(({ key, values, count }) => (
        <label key={key}>
          {key}{" "}
          <select
            value={filters[key] ?? ""}
            onChange={({ currentTarget }) => choose(key, currentTarget.value)}
          >
            <option value="">any</option>
            {values.map((value) => (
              <option key={value}>{value}</option>
            ))}
            {count > values.length && <option disabled>and {count - values.length} more</option>}
          </select>
        </label>
      ))}
    </fieldset>
  );
}

interface ResultProps {
  metric: string;
  agg: string;
  by: string[];
  filters: Attributes;
}

function Result({ metric, agg, by, filters }: ResultProps) {
  const { data, trouble, range } = useAnswer({
    metric,
    aggregation: agg,
    by,
    filters,
  });
  const pinned = useSignal<readonly string[]>([]);
  const answer = data.value;
  const all = useMemo(
    () => (answer === null ? [] : namedSeries(answer).filter(({ points }) => points.length > 0)),
    [answer],
  );
  const shown = useMemo(() => chosenSeries(all, pinned.value), [all, pinned.value]);
  const title = nameOf(metric);
  if (trouble.value !== "") return <Failed title={title} words={trouble.value} />;
  if (answer === null || answer.metric !== metric) return <Loading height={320} />;
  if (all.length === 0)
    return <Failed title={title} words={answer.notes.join("; ") || "no data in this range"} />;
  return (
    <>
      <ul class="cards">
        <ResultCard
          answer={answer}
          all={all}
          shown={shown}
          span={() => spanOf(answer, range)}
          follow={() => {
            data.value;
            if (isLive.value) edge.value;
          }}
        />
      </ul>
      {all.length > shown.length && (
        <SeriesTable all={all} shown={shown} unit={unitOf(answer)} pinned={pinned} />
      )}
      <About metric={metric} />
    </>
  );
}

export function chosenSeries(all: readonly Named[], pinned: readonly string[]): Named[] {
  if (pinned.length === 0) return highestNamed(all, MOST_LINES);
  return all.filter(({ key }) => pinned.includes(key)).slice(0, MOST_LINES);
}

function Failed({ title, words }: { title: string; words: string }) {
  return (
    <ul class="cards">
      <EmptyCard
        title={title}
        words={`${sentence(words)} Choose another range above, or another metric.`}
      />
    </ul>
  );
}

interface CardProps {
  answer: Answer;
  all: Named[];
  shown: Named[];
  span: () => Range;
  follow: () => void;
}

function ResultCard({ answer, all, shown, span, follow }: CardProps) {
  const shared = sharedKeys(all.map(({ attributes }) => attributes));
  const lines = useMemo(() => linesOfAnswer(shown, answer), [shown, answer]);
  const { agg = "", by = "", where = "" } = parameters.value;
  const ask = { metric: answer.metric, filters: filtersOf(where) };
  const panel = {
    title: nameOf(answer.metric),
    metric: answer.metric,
    aggregation: agg,
    group_by: listOf(by),
    filters: filtersOf(where),
    sql: "",
  };
  return (
    <ChartCard
      title={`${nameOf(answer.metric)}, ${answer.aggregation} every ${answer.interval}`}
      unit={unitOf(answer)}
      level={answer.privacy_level}
      legend={shown.map((series) => ({
        label: labelOf(series.attributes, all.length > 1 ? shared : new Set()),
        latest: () => figureOf(series, all, answer, ask),
      }))}
      lines={() => lines}
      exact={() => linesOfAnswer(shown, answer, true)}
      span={span}
      follow={follow}
      notes={answer.notes.filter((note) => !note.startsWith("sampled down"))}
      samplingRate={answer.sampling_rate}
      more={all.length - shown.length}
      height={280}
      actions={
        <>
          <Share />
          <Save panel={panel} />
        </>
      }
    />
  );
}

function About({ metric }: { metric: string }) {
  const info = infoOf(metric);
  if (info === undefined) return null;
  return (
    <p class="quiet about">
      <code>{metric}</code>: {info.description}.{" "}
      {info.purpose !== "" && `It answers: ${info.purpose}.`}
    </p>
  );
}
