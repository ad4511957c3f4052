/** Service health: a card for each service that reports. */

import { now, services, sparks } from "../state";
import { type Track, WINDOW } from "../track";
import type { ServiceHealth } from "../wire";
import { ago, boundText, figureText } from "../words";

/** The share of failing requests from which a service is shown as failing. */
const FAILING = 0.05;

export function Health() {
  const list = services.value ?? [];
  if (list.length === 0) return null;
  const sorted = [...list].sort((a, b) => a.service.localeCompare(b.service));
  const expected = list.filter(({ state }) => state !== "ended");
  const up = expected.filter((service) => service.up).length;
  return (
    <section aria-labelledby="health">
      <div class="section-head">
        <h2 id="health">Service health</h2>
        <p class="quiet">
          {up} of {expected.length} reporting
        </p>
      </div>
      <ul class="cards services">
        {sorted.map((service) => (
          <ServiceCard key={service.service} service={service} />
        ))}
      </ul>
    </section>
  );
}

const WORDS = {
  up: "Up",
  failing: "Errors",
  waiting: "Waiting",
  ended: "Ended",
  silent: "Silent",
  down: "Down",
};

function stateOf(service: ServiceHealth, failing: boolean): keyof typeof WORDS {
  const told = service.state ?? (service.up ? "up" : "silent");
  return told === "up" && failing ? "failing" : told;
}

function ServiceCard({ service }: { service: ServiceHealth }) {
  const failing = (service.error_rate ?? 0) > FAILING * (service.request_rate ?? 0);
  const by = service.sources;
  const state = stateOf(service, failing);
  return (
    <li class={`card service service-${state}`}>
      <div class="service-head">
        <h3>{service.service}</h3>
        {(service.processes ?? 1) > 1 && (
          <span class="quiet processes">{service.processes} processes</span>
        )}
        <span class={`pill pill-${state}`}>{WORDS[state]}</span>
      </div>
      <Spark track={sparks.get(service.service)} />
      <dl class="figures">
        <Fact name="Requests" text={figureText(service.request_rate, "/s")} by={by?.requests} />
        <Fact
          name="Errors"
          text={figureText(service.error_rate, "/s")}
          by={by?.errors}
          loud={failing}
        />
        <Fact
          name="95 % within"
          text={boundText(service.p95_ms, "ms", service.p95_over)}
          by={by?.durations}
        />
        <Fact name="CPU" text={figureText(service.cpu_percent, "%")} by={by?.cpu} />
        <Fact name="Memory" text={figureText(service.memory_bytes, "By")} by={by?.memory} />
        <Fact name="Last seen" text={ago(service.last_seen, now.value)} />
      </dl>
    </li>
  );
}

interface FactProps {
  name: string;
  text: string;
  /** The metrics that tell it. */
  by?: readonly string[] | undefined;
  loud?: boolean;
}

function Fact({ name, text, by = [], loud = false }: FactProps) {
  return (
    <div
      class={loud ? "fact loud" : "fact"}
      title={by.length === 0 ? undefined : `by ${by.join(", ")}`}
    >
      <dt>{name}</dt>
      <dd>{text}</dd>
    </div>
  );
}

const WIDTH = 240;
const HEIGHT = 34;
/** Seconds that a sparkline shows at least: it grows with what the page has seen. */
const LEAST_SPARK = 60;

function Spark({ track }: { track: Track | undefined }) {
  const paths = track === undefined ? [] : runs(track, now.value);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
      <title>Requests per second since this page was opened, at most ten minutes</title>
      {paths.map((points) => (
        <polyline key={points} points={points} />
      ))}
    </svg>
  );
}

/** The points of each unbroken stretch, as SVG takes them. */
export function runs(track: Track, end: number): string[] {
  const begin = Math.max(end - WINDOW, Math.min(track.times[0] ?? end, end - LEAST_SPARK));
  const top = Math.max(...track.values.map((value) => value ?? 0), 1e-9);
  const found: string[][] = [[]];
  track.times.forEach((time, index) => {
    const value = track.values[index];
    if (value === null || value === undefined) found.push([]);
    else {
      const x = WIDTH * ((time - begin) / (end - begin));
      const y = HEIGHT - 2 - (HEIGHT - 4) * (value / top);
      found.at(-1)?.push(`${x.toFixed(1)},${y.toFixed(1)}`);
    }
  });
  return found.filter((run) => run.length > 1).map((run) => run.join(" "));
}
