/** All metrics of one part of the catalogue that the stream tells of, as live charts. */

import type { Signal } from "@preact/signals";
import { rangeWords } from "../range";
import type { LiveBoard } from "../state";
import { byImportance } from "../words";
import { LiveCard } from "./metric";
import { Section } from "./state";

interface Props {
  id: string;
  title: string;
  board: Signal<LiveBoard>;
  /** Metrics that stand elsewhere on the page. */
  without?: ReadonlySet<string>;
}

export function LiveCharts({ id, title, board, without = new Set() }: Props) {
  const metrics = [...board.value.values()]
    .filter(({ name }) => !without.has(name))
    .sort((a, b) => byImportance(a.name, b.name));
  if (metrics.length === 0) return null;
  return (
    <Section id={id} title={title} aside={rangeWords}>
      <ul class="cards charts">
        {metrics.map((metric) => (
          <LiveCard key={metric.name} metric={metric} />
        ))}
      </ul>
    </Section>
  );
}
