/** The P2P network: kinds of peer, how fast they are found and reached, who comes and goes, how much moves. */

import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { CONNECTED } from "../parts/connected";
import { HeatCard } from "../parts/heat-card";
import { LiveCharts } from "../parts/live-board";
import { AskedCard } from "../parts/metric";
import { PeerTypes } from "../parts/peers";
import { Loading, Section } from "../parts/state";
import { rangeWords } from "../range";
import { network } from "../state";

const SHOWN = new Set([
  "p2p.peer.connections",
  "p2p.peer.distribution",
  "p2p.connections.total",
  "p2p.connections.closed",
  "p2p.connections.failed",
  "p2p.connection.duration",
  "p2p.bandwidth.usage",
]);

const TYPES = ["bootstrap", "local", "network", "relay"];

export function Network() {
  return (
    <>
      <h1 class="hidden">Network</h1>
      <PeerTypes />
      <Section id="latency" title="How long it takes" aside={rangeWords}>
        <ul class="cards halves">
          <HeatCard metric="p2p.discovery.latency" by="peer_type" values={TYPES} />
          <HeatCard
            metric="p2p.ping.latency"
            title="Time to reach a peer"
            by="peer_type"
            values={TYPES}
          />
        </ul>
      </Section>
      <Section id="topology" title="Around this node" aside="by kind and region of peer">
        <div class="card">
          <LazyTopology />
        </div>
      </Section>
      <Section id="churn" title="Who comes and goes" aside={rangeWords}>
        <ul class="cards charts">
          <AskedCard {...CONNECTED} title="Connected peers by kind" />
          <AskedCard
            metric="p2p.peer.distribution"
            by={["region"]}
            aggregation="avg"
            nothing="No region of enough peers in this range. Regions need min_region_population people and k_anonymity peers."
          />
          <AskedCard metric="p2p.connections.total" by={["peer_type", "connection_method"]} />
          <AskedCard metric="p2p.connections.closed" by={["peer_type", "reason"]} />
          <AskedCard metric="p2p.connections.failed" by={["peer_type", "error_type"]} />
          <AskedCard
            metric="p2p.connection.duration"
            by={["peer_type"]}
            aggregation="p50"
            title="How long connections last (half of them)"
          />
          <AskedCard metric="p2p.bandwidth.usage" by={["direction"]} />
        </ul>
      </Section>
      <LiveCharts id="more" title="All of it, live" board={network} without={SHOWN} />
    </>
  );
}

/** The layout is worth its bytes only where it is looked at. */
function LazyTopology() {
  const shown = useSignal<ComponentType | null>(null);
  useEffect(() => {
    void import("../parts/topology").then((module) => {
      shown.value = module.default;
    });
  }, [shown]);
  const Topology = shown.value;
  return Topology === null ? <Loading height={340} /> : <Topology />;
}
