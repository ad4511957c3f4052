/** What changed in the last hour, as sentences: which, by how much, since when; each leads to its chart. */

import { useComputed } from "@preact/signals";
import { type Ask, queryFinely, SLOW_PAUSE, useAsked } from "../ask";
import { type Change, changeOf } from "../changes";
import { namedSeries } from "../chart/data";
import { moment } from "../range";
import { address } from "../route";
import { now } from "../state";
import type { Answer } from "../wire";
import { figureText, labelOf } from "../words";
import { unitOf } from "./metric";
import { Loading, Nothing, Section } from "./state";

/** `up`, `down`: what it means when it rises or falls; null where that says nothing. */
interface Watched extends Ask {
  what: (label: string) => string;
  up: string;
  down: string;
  bad: "up" | "down" | null;
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
  watched("grpc.request.duration", ["service.name"], (l) => `Answers of ${l}`, "slower"),
  watched("http.server.request.duration", ["service.name"], (l) => `Answers of ${l}`, "slower"),
  watched(
    "traces.span.metrics.duration",
    ["service.name"],
    (l) => `Traced calls of ${l}`,
    "slower",
  ),
  watched("process.cpu.usage", ["service.name"], (l) => `CPU of ${l}`, "more"),
  watched("process.memory.usage", ["service.name"], (l) => `Memory of ${l}`, "more"),
];

function watched(
  metric: string,
  by: string[],
  what: Watched["what"],
  worse: "slower" | "more",
  filters?: Record<string, string>,
): Watched {
  const words =
    worse === "slower" ? { up: "slower", down: "faster" } : { up: "more", down: "less" };
  return { metric, by, what, ...words, bad: "up", ...(filters === undefined ? {} : { filters }) };
}

export interface Sentence {
  text: string;
  figures: string;
  since: number;
  bad: boolean;
  metric: string;
  by: string;
}

const HOUR = 3600;
const POINTS = 120;

export function sentences(asked: Watched, answer: Answer): Sentence[] {
  return namedSeries(answer).flatMap((series) => {
    const samples = series.points.flatMap(({ timestamp, value }) =>
      value === null ? [] : [{ time: Date.parse(timestamp) / 1000, value }],
    );
    const change = changeOf(samples);
    if (change === null) return [];
    return [sentenceOf(asked, change, answer, labelOf(series.attributes, new Set()))];
  });
}

function sentenceOf(asked: Watched, change: Change, answer: Answer, label: string): Sentence {
  const up = change.after > change.before;
  const unit = unitOf(answer);
  return {
    text: `${asked.what(label || "all")}: ${up ? asked.up : asked.down}`,
    figures: `${figureText(change.before, unit)} → ${figureText(change.after, unit)}`,
    since: change.since,
    bad: up === (asked.bad === "up"),
    metric: asked.metric,
    by: (asked.by ?? []).join(","),
  };
}

/** Everything that is watched, over the last hour; what is not known to this service is left out. */
async function findChanges(signal: AbortSignal): Promise<Sentence[]> {
  const end = now.peek();
  const span = { start: end - HOUR, end };
  const found = await Promise.all(
    WATCHED.map((one) =>
      queryFinely({ ...one, points: POINTS }, span, signal).then(
        (answer) => sentences(one, answer),
        () => [],
      ),
    ),
  );
  return found.flat().sort((a, b) => Number(b.bad) - Number(a.bad) || b.since - a.since);
}

const MOST = 8;

export function Changes() {
  const { data } = useAsked("changes", (_, signal) => findChanges(signal), SLOW_PAUSE);
  const found = useComputed(() => data.value?.slice(0, MOST) ?? null);
  return (
    <Section id="changes" title="What changed in the last hour">
      {found.value === null && <Loading height={48} />}
      {found.value?.length === 0 && (
        <Nothing>Nothing has changed its level. Services and network are as they were.</Nothing>
      )}
      {found.value !== null && found.value.length > 0 && (
        <ul class="changes card">
          {found.value.map((one) => (
            <li key={`${one.metric} ${one.text}`} class={one.bad ? "change-bad" : "change-good"}>
              <a href={address("/explore", { metric: one.metric, by: one.by, range: "1h" })}>
                {one.text}
              </a>
              <span class="since">since {moment(one.since)}</span>
              <b>{one.figures}</b>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
