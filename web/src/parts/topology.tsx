/** The network around this node by kind and region of peer, never by peer; laid out by d3-force, once. */

import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationNodeDatum,
} from "d3-force";
import { useMemo } from "preact/hooks";
import { query } from "../api";
import { SLOW_PAUSE, useAsked } from "../ask";
import { namedSeries } from "../chart/data";
import type { Answer } from "../wire";
import { number } from "../words";
import { type Connected, useConnected } from "./connected";
import { latestOf } from "./reading";
import { Loading, Nothing, sentence } from "./state";

export interface Place extends SimulationNodeDatum {
  id: string;
  label: string;
  kind: "self" | "type" | "region";
  count: number;
}

export interface Tie {
  source: string;
  target: string;
  count: number;
}

const [WIDTH, HEIGHT] = [640, 340];
const TICKS = 240;
/** The metrics that say where peers are; how many there are of a kind is known from `useConnected`. */
const SOURCES = ["p2p.peer.connections", "p2p.peer.distribution", "p2p.peer.connection"];

async function askTopology(range: { start: number; end: number }, signal: AbortSignal) {
  const answers = await Promise.all(
    SOURCES.map((metric) =>
      query(
        {
          metric,
          start_time: range.start,
          end_time: range.end,
          group_by: ["peer_type", "region"],
          aggregation: "avg",
        },
        signal,
      ).catch(() => null),
    ),
  );
  return answers.filter((answer) => answer !== null);
}

export function graphOf(
  answers: readonly Answer[],
  connected: readonly Connected[] = [],
): { places: Place[]; ties: Tie[] } {
  const places = new Map<string, Place>([
    ["", { id: "", label: "this node", kind: "self", count: 0 }],
  ]);
  const ties = new Map<string, Tie>();
  for (const answer of answers) {
    const all = namedSeries(answer).filter(({ points }) => points.length > 0);
    for (const series of all) {
      const { attributes } = series;
      const count = Math.max(0, latestOf(series, all, answer).value ?? 0);
      if (count === 0) continue;
      const type = text(attributes["peer_type"]);
      const region = text(attributes["region"]);
      if (type !== "") place(places, ties, "", `type ${type}`, type, "type", count);
      const from = type === "" ? "" : `type ${type}`;
      if (region !== "" && region !== "other")
        place(places, ties, from, `${from} region ${region}`, region, "region", count);
    }
  }
  for (const { type, count } of connected) {
    const id = `type ${type}`;
    const known = [places.get(id), ties.get(id)];
    for (const one of known) if (one !== undefined) one.count = count ?? 0;
    if (known[0] === undefined && count !== null && count > 0)
      place(places, ties, "", id, type, "type", count);
  }
  return { places: [...places.values()], ties: [...ties.values()] };
}

const text = (value: unknown) => (value == null ? "" : String(value));

function place(
  places: Map<string, Place>,
  ties: Map<string, Tie>,
  from: string,
  id: string,
  label: string,
  kind: Place["kind"],
  count: number,
): void {
  const known = places.get(id);
  if (known === undefined) places.set(id, { id, label, kind, count });
  else known.count += count;
  const tie = ties.get(id);
  if (tie === undefined) ties.set(id, { source: from, target: id, count });
  else tie.count += count;
}

const radius = ({ kind, count }: Place) => (kind === "self" ? 24 : 12 + 5 * Math.sqrt(count));

/** Where everything is to stand; the same graph stands the same way. */
export function layOut(places: readonly Place[], ties: readonly Tie[]): Place[] {
  const nodes = places.map((one) => ({ ...one }));
  const self = nodes[0];
  if (self !== undefined) Object.assign(self, { fx: 0, fy: 0 });
  forceSimulation(nodes)
    .force(
      "link",
      forceLink<Place, { source: string; target: string }>(ties.map((tie) => ({ ...tie })))
        .id(({ id }) => id)
        .distance(120),
    )
    .force("apart", forceManyBody().strength(-420))
    .force(
      "room",
      forceCollide<Place>((one) => radius(one) + 16),
    )
    .force("x", forceX(0).strength(0.03))
    .force("y", forceY(0).strength(0.12))
    .stop()
    .tick(TICKS);
  return nodes;
}

export default function Topology() {
  const { data, trouble } = useAsked("topology", askTopology, SLOW_PAUSE / 3);
  const connected = useConnected();
  const graph = data.value === null ? null : graphOf(data.value, connected);
  const key = JSON.stringify(graph);
  // The key stands for the graph.
  const nodes = useMemo(() => (graph === null ? [] : layOut(graph.places, graph.ties)), [key]);
  if (graph === null && trouble.value !== "") return <Nothing>{sentence(trouble.value)}</Nothing>;
  if (graph === null) return <Loading height={HEIGHT} />;
  if (graph.places.length < 2)
    return (
      <Nothing>
        No groups of peers in this range. Groups that are too small are not shown, to protect the
        peers in them.
      </Nothing>
    );
  return <Drawing nodes={nodes} ties={graph.ties} />;
}

function Drawing({ nodes, ties }: { nodes: Place[]; ties: Tie[] }) {
  const at = new Map(nodes.map((node) => [node.id, node]));
  const words = nodes.slice(1).map(({ label, count }) => `${label} ${number(count)}`);
  return (
    <svg
      class="topology"
      viewBox={`${-WIDTH / 2} ${-HEIGHT / 2} ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`Connections of this node: ${words.join(", ")}`}
    >
      {ties.map((tie) => {
        const [from, to] = [at.get(tie.source), at.get(tie.target)];
        return (
          <line
            key={tie.target}
            x1={from?.x ?? 0}
            y1={from?.y ?? 0}
            x2={to?.x ?? 0}
            y2={to?.y ?? 0}
            stroke-width={1 + Math.sqrt(tie.count)}
          />
        );
      })}
      {nodes.map((node) => (
        <g
          key={node.id}
          class={`place-${node.kind}`}
          transform={`translate(${node.x ?? 0} ${node.y ?? 0})`}
        >
          <circle r={radius(node)} />
          {node.kind !== "self" && <text class="place-count">{number(node.count)}</text>}
          <text class="place-name" y={radius(node) + 15}>
            {node.label}
          </text>
        </g>
      ))}
    </svg>
  );
}
