/** What the page shows, as signals: fed by the stream, begun with history, completed by the status. */

import { computed, signal } from "@preact/signals";
import { ApiError, getStatus, query } from "./api";
import type { Connection } from "./live";
import { Track, WINDOW } from "./track";
import type {
  Governor,
  Message,
  PrivacyLevel,
  PrivacyNews,
  SeriesPoint,
  ServiceHealth,
  Status,
} from "./wire";

const STATUS_PAUSE = 5000;
const LEAST_SPAN = 120;
const HISTORY_INTERVAL = "10s";

export interface Series {
  key: string;
  attributes: Record<string, string>;
  track: Track;
  latest: SeriesPoint;
}

export interface Metric {
  name: string;
  unit: string;
  level: PrivacyLevel;
  series: Map<string, Series>;
}

export type Board = Map<string, Metric>;

export const connection = signal<Connection>("connecting");
export const lockedOut = signal(false);
export const missed = signal(0);
export const version = signal("");
export const services = signal<ServiceHealth[] | null>(null);
export const sparks = new Map<string, Track>();
export const network = signal<Board>(new Map());
export const performance = signal<Board>(new Map());
export const governor = signal<Governor | null>(null);
export const budget = signal<PrivacyNews | null>(null);
export const status = signal<Status | null>(null);
export const arriving = signal<number | null>(null);
export const now = signal(Date.now() / 1000);

/** Where the charts begin: they grow from two minutes to ten, as far as there is data. */
export const begin = computed(() => {
  let first = now.value - LEAST_SPAN;
  for (const board of [network.value, performance.value])
    for (const metric of board.values())
      for (const { track } of metric.series.values())
        first = Math.min(first, track.times[0] ?? first);
  return Math.max(first, now.value - WINDOW);
});

export const span = computed(() => `last ${Math.round((now.value - begin.value) / 60)} minutes`);

/** How many seconds the service's clock is ahead of this machine's. */
let ahead = 0;

export function take(message: Message): void {
  switch (message.type) {
    case "hello":
      ahead = Date.parse(message.timestamp) / 1000 - Date.now() / 1000;
      version.value = message.data.version;
      missed.value += message.data.missed ?? 0;
      break;
    case "service_health":
      takeHealth(message.data.services, Date.parse(message.timestamp) / 1000);
      break;
    case "p2p_metrics":
      network.value = takeSeries(network.value, message.data.series);
      break;
    case "performance":
      performance.value = takeSeries(performance.value, message.data.series);
      break;
    case "governor":
      governor.value = message.data;
      break;
    case "privacy":
      budget.value = message.data;
      break;
  }
}

function takeHealth(list: ServiceHealth[], time: number): void {
  for (const { service, request_rate } of list) {
    const spark = sparks.get(service) ?? new Track();
    spark.push(time, request_rate);
    sparks.set(service, spark);
  }
  services.value = list;
}

function takeSeries(board: Board, points: SeriesPoint[]): Board {
  const next: Board = new Map(board);
  for (const point of points) {
    const metric = next.get(point.metric) ?? newMetric(point);
    const key = JSON.stringify(Object.entries(point.attributes).sort());
    const { attributes } = point;
    const series = metric.series.get(key) ?? { key, attributes, track: new Track(), latest: point };
    series.latest = point;
    series.track.push(Date.parse(point.timestamp) / 1000, point.value);
    metric.series.set(key, series);
    metric.unit = point.unit;
    next.set(point.metric, metric);
  }
  return next;
}

function newMetric(point: SeriesPoint): Metric {
  const { metric: name, unit, privacy_level: level } = point;
  const metric: Metric = { name, unit, level, series: new Map() };
  void loadHistory(metric, Object.keys(point.attributes));
  return metric;
}

/** Protected metrics are kept as one value a window: nothing finer can be asked for. */
function historyInterval(level: PrivacyLevel): string {
  if (level === "public" || level === "internal") return HISTORY_INTERVAL;
  const windows = status.value?.privacy;
  if (level === "highly_sensitive") return `${windows?.release_window ?? 3600}s`;
  return `${windows?.sensitive_window ?? 60}s`;
}

async function loadHistory(metric: Metric, keys: string[]): Promise<void> {
  const end = Date.now() / 1000 + ahead;
  try {
    const answer = await query({
      metric: metric.name,
      start_time: end - WINDOW,
      end_time: end,
      interval: historyInterval(metric.level),
      group_by: keys,
    });
    for (const { attributes, points } of answer.series) {
      if (points.length < 1) continue;
      const key = JSON.stringify(Object.entries(attributes).sort());
      const history = points.map((p) => [Date.parse(p.timestamp) / 1000, p.value] as const);
      metric.series.get(key)?.track.precede(history);
    }
  } catch (error) {
    // A protected metric has no history at this interval; its chart begins with the stream.
    if (error instanceof ApiError && error.status === 401) lockedOut.value = true;
  }
  network.value = new Map(network.value);
  performance.value = new Map(performance.value);
}

let counted: { total: number; time: number } | null = null;

async function refreshStatus(): Promise<void> {
  try {
    const fresh = await getStatus();
    const total = Object.values(fresh.accepted).reduce((sum, n) => sum + n, 0);
    const time = Date.now() / 1000;
    if (counted !== null && total >= counted.total && time > counted.time)
      arriving.value = (total - counted.total) / (time - counted.time);
    counted = { total, time };
    status.value = fresh;
    version.value = fresh.version;
    lockedOut.value = false;
  } catch (error) {
    arriving.value = null;
    counted = null;
    if (error instanceof ApiError && error.status === 401) lockedOut.value = true;
  }
}

/** Keeps the clock and the status fresh until the returned function is called. */
export function run(): () => void {
  const tick = setInterval(() => {
    now.value = Date.now() / 1000 + ahead;
  }, 1000);
  void refreshStatus();
  const poll = setInterval(() => {
    if (!document.hidden) void refreshStatus();
  }, STATUS_PAUSE);
  return () => {
    clearInterval(tick);
    clearInterval(poll);
  };
}

export { refreshStatus };
