/** The boards of charts: the network, and how fast things run. */

import type { Signal } from "@preact/signals";
import { type Board, network, performance, span } from "../state";
import { byImportance } from "../words";
import { MetricCard } from "./metric";

export function Network() {
  return <Charts id="network" title="P2P network" board={network} />;
}

export function Performance() {
  return <Charts id="performance" title="Performance" board={performance} />;
}

interface Props {
  id: string;
  title: string;
  board: Signal<Board>;
}

function Charts({ id, title, board }: Props) {
  const metrics = [...board.value.values()].sort((a, b) => byImportance(a.name, b.name));
  if (metrics.length === 0) return null;
  return (
    <section aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        <p class="quiet">{span}</p>
      </div>
      <ul class="cards charts">
        {metrics.map((metric) => (
          <MetricCard key={metric.name} metric={metric} />
        ))}
      </ul>
    </section>
  );
}
