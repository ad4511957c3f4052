/** What changed in the last hour, as sentences: which, by how much, since when; each leads to its chart. */

import { useComputed } from "@preact/signals";
import { type Ask, queryFinely, SLOW_PAUSE, useAsked } from "../ask";
import { type Change, changeFigures } from "../changes";
import { namedSeries } from "../chart/data";
import { moment, type Range } from "../range";
import { address } from "../route";
import { changesOf, excursionsOf } from "../sides";
import { insights, now, services } from "../state";
import type { Answer, Filters, Finding, ServiceHealth } from "../wire";
import { labelOf } from "../words";
import { metricsOf } from "./findings-list";
import { unitOf } from "./metric";
import { Loading, Nothing, Section } from "./state";

/** `up`, `down`: what it means when it rises or falls; null where that says nothing. */
interface Watched extends Ask {
  what: (label: string) => string;
  up: string;
  down: string;
  bad: "up" | "down" | null;
  percent?: boolean;
}

export const WATCHED: readonly Watched[] = [
  watched("p2p.discovery.latency", ["peer_type"], (l) => `Finding ${l} peers`, "slower", {
    success: "true",
  }),
  watched("p2p.ping.latency", ["peer_type"], (l) => `Reaching ${l} peers`, "slower", {
    success: "true",
  }),
  watched("p2p.network.latency", ["peer_type"], (l) => `The way to ${l} peers`, "slower"),
  watched("p2p.pubsub.latency", [], () => "Messages between peers", "slower"),
  watched(
    "p2p.connections.failed",
    ["peer_type"],
    (l) => `Failing connections to ${l} peers`,
    "more",
  ),
];

const OF_SERVICES: readonly ["durations" | "cpu" | "memory", string, "slower" | "more"][] = [
  ["durations", "Answers", "slower"],
  ["cpu", "CPU", "more"],
  ["memory", "Memory", "more"],
];

/** What is watched of the services, each by the metric that tells it on the Overview. */
export function watchedOf(services: readonly ServiceHealth[]): Watched[] {
  return OF_SERVICES.flatMap(([fact, words, worse]) => {
    const metrics = new Set(services.flatMap(({ sources }) => sources?.[fact] ?? []));
    return [...metrics].map((metric) => {
      const told = services.filter(({ sources }) => sources?.[fact].includes(metric));
      const filters = {
        ...(fact === "durations" ? told[0]?.sources?.filters : {}),
        "service.name": told.map(({ service }) => service),
      };
      const one = watched(metric, ["service.name"], (l) => `${words} of ${l}`, worse, filters);
      return { ...one, percent: fact === "cpu" };
    });
  });
}

function watched(
  metric: string,
  by: string[],
  what: Watched["what"],
  worse: "slower" | "more",
  filters?: Filters,
): Watched {
  const words =
    worse === "slower" ? { up: "slower", down: "faster" } : { up: "more", down: "less" };
  return { metric, by, what, ...words, bad: "up", ...(filters === undefined ? {} : { filters }) };
}

export interface Sentence {
  text: string;
  figures: string;
  since: number;
  /** When it was over again; null while it goes on. */
  until: number | null;
  bad: boolean;
  /** It got better; less of a resource says nothing: what is dead takes none. */
  good: boolean;
  metric: string;
  by: string;
}

const HOUR = 3600;
const POINTS = 120;

export function sentences(
  asked: Watched,
  answer: Answer,
  changes: ReadonlyMap<string, Change>,
): Sentence[] {
  return namedSeries(answer).flatMap((series) => {
    const change = changes.get(series.key);
    if (change === undefined) return [];
    return [sentenceOf(asked, change, answer, labelOf(series.attributes, new Set()))];
  });
}

function sentenceOf(asked: Watched, change: Change, answer: Answer, label: string): Sentence {
  const up = change.after > change.before;
  const [factor, unit] = asked.percent ? percentOf(answer) : [1, unitOf(answer)];
  const scaled = { ...change, before: change.before * factor, after: change.after * factor };
  return {
    text: `${asked.what(label || "all")}: ${up ? asked.up : asked.down}`,
    figures: changeFigures(scaled, unit),
    since: change.since,
    until: change.until ?? null,
    bad: up === (asked.bad === "up"),
    good: up !== (asked.bad === "up") && asked.down !== "less" && change.until === undefined,
    metric: asked.metric,
    by: (asked.by ?? []).join(","),
  };
}

async function sentencesOf(one: Watched, span: Range, signal: AbortSignal): Promise<Sentence[]> {
  const answer = await queryFinely({ ...one, points: POINTS }, span, signal);
  const lasting = await changesOf(one, answer, span, signal);
  return sentences(one, answer, new Map([...excursionsOf(answer), ...lasting]));
}

/** CPU seconds a second, and shares, are shown as the Overview shows them. */
const percentOf = ({ unit }: Answer): [number, string] =>
  /^(%|percent)$/.test(unit) ? [1, "%"] : [100, "%"];

/** Everything that is watched, over the last hour; what is not known to this service is left out. */
async function findChanges(signal: AbortSignal): Promise<Sentence[]> {
  const end = now.peek();
  const span = { start: end - HOUR, end };
  const found = await Promise.all(
    [...WATCHED, ...watchedOf(services.peek() ?? [])].map((one) =>
      sentencesOf(one, span, signal).catch(() => []),
    ),
  );
  return found.flat().sort((a, b) => Number(b.bad) - Number(a.bad) || b.since - a.since);
}

const MOST = 8;

/** What was found in the last hour and is over: when it began, and when it ended. */
export function overOf(findings: readonly Finding[], at: number): Sentence[] {
  return findings.flatMap((finding) => {
    const [since, until] = [finding.generated_at, finding.expires_at].map(
      (time) => Date.parse(time ?? "") / 1000,
    ) as [number, number];
    if (Number.isNaN(until) || until > at || until < at - HOUR) return [];
    const [metric = ""] = metricsOf(finding.metrics);
    return [
      {
        text: finding.title,
        figures: "",
        since,
        until,
        bad: finding.severity !== "info",
        good: false,
        metric,
        by: "",
      },
    ];
  });
}

/** “since 14:05”, or from when to when. */
export const whenWords = ({ since, until }: Pick<Sentence, "since" | "until">) =>
  until === null ? `since ${moment(since)}` : `${moment(since)} to ${moment(until)}, over`;

const classOf = ({ bad, good, until }: Sentence) =>
  `${bad ? "change-bad" : good ? "change-good" : "change-note"}${until === null ? "" : " change-over"}`;

const placeOf = ({ metric, by }: Sentence) =>
  metric === "" ? address("/insights") : address("/explore", { metric, by, range: "1h" });

export function Changes() {
  const told = useComputed(() =>
    watchedOf(services.value ?? [])
      .map(({ metric, filters }) => `${metric} ${filters?.["service.name"]}`)
      .join(),
  );
  const key = `changes ${told.value}`;
  const { data } = useAsked(key, (_, signal) => findChanges(signal), SLOW_PAUSE);
  const over = useComputed(() => overOf(insights.value ?? [], now.value).slice(0, MOST));
  const found = useComputed(() =>
    data.value === null ? null : [...over.value, ...data.value.slice(0, MOST)],
  );
  return (
    <Section id="changes" title="What changed in the last hour">
      {found.value === null && <Loading height={48} />}
      {found.value?.length === 0 && (
        <Nothing>Nothing has changed its level, and nothing that was found has ended.</Nothing>
      )}
      {found.value !== null && found.value.length > 0 && (
        <ul class="changes card">
          {found.value.map((one) => (
            <li key={`${one.metric} ${one.text} ${one.since}`} class={classOf(one)}>
              <a href={placeOf(one)}>{one.text}</a>
              <span class="since">{whenWords(one)}</span>
              <b>{one.figures}</b>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
