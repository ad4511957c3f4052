/** What the page shows, as signals: fed by the stream, begun with history, completed by the status. */

import { batch, computed, type Signal, signal } from "@preact/signals";
import { ApiError, getAlerts, getInsights, getStatus, query } from "./api";
import type { Connection } from "./live";
import { Track, WINDOW } from "./track";
import type {
  Attributes,
  Finding,
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
/** More series than anybody can follow live are looked at in Explore. */
export const MOST_LIVE = 400;
const MOST_FINDINGS = 200;

export interface Series {
  key: string;
  attributes: Attributes;
  track: Track;
  latest: SeriesPoint;
}

/** `changed` counts up when a point has come, `told` a few times a second after it, `grown` when a series is new or has got its history. */
export interface Metric {
  name: string;
  unit: string;
  level: PrivacyLevel;
  series: Map<string, Series>;
  changed: Signal<number>;
  told: Signal<number>;
  grown: Signal<number>;
}

export type LiveBoard = Map<string, Metric>;

export const connection = signal<Connection>("connecting");
export const lockedOut = signal(false);
export const missed = signal(0);
export const version = signal("");
export const services = signal<ServiceHealth[] | null>(null);
export const sparks = new Map<string, Track>();
/** Replaced when a metric is new; what it holds moves. */
export const network = signal<LiveBoard>(new Map());
export const performance = signal<LiveBoard>(new Map());
/** Series that were left out, since there are more than `MOST_LIVE`. */
export const leftOut = signal(0);
export const governor = signal<Governor | null>(null);
export const budget = signal<PrivacyNews | null>(null);
export const insights = signal<Finding[] | null>(null);
export const alerts = signal<Finding[] | null>(null);
export const status = signal<Status | null>(null);
export const arriving = signal<number | null>(null);
export const now = signal(Date.now() / 1000);
/** Counts up when the stream told of new values: what was asked for may have changed. */
export const news = signal(0);

const first = signal<number | null>(null);

/** Where the live charts begin: they grow from two minutes to ten, as far as there is data. */
export const begin = computed(() =>
  Math.max(Math.min(first.value ?? Infinity, now.value - LEAST_SPAN), now.value - WINDOW),
);

/** So many pixels, about, are a live chart's width: it moves on when that is one of them. */
const STEPS = 300;

/** Where the live charts end: a little ahead of now, so that what comes meanwhile is within the picture. */
export const edge = computed(() => {
  const step = Math.max(1, Math.round((now.value - begin.value) / STEPS));
  return step * Math.ceil((now.value + 1) / step);
});

/** How many seconds the service's clock is ahead of this machine's. */
let ahead = 0;

export function take(message: Message): void {
  const time = Date.parse(message.timestamp) / 1000;
  switch (message.type) {
    case "hello":
      ahead = time - Date.now() / 1000;
      version.value = message.data.version;
      missed.value += message.data.missed ?? 0;
      break;
    case "service_health":
      takeHealth(message.data.services, time);
      break;
    case "p2p_metrics":
      takeSeries(network, message.data.series);
      break;
    case "performance":
      takeSeries(performance, message.data.series);
      break;
    case "governor":
      governor.value = message.data;
      break;
    case "privacy":
      budget.value = message.data;
      break;
    case "insight":
      insights.value = withFinding(insights.value, message.data);
      break;
    case "alert":
      alerts.value = withFinding(alerts.value, message.data);
      break;
  }
}

function withFinding(known: Finding[] | null, found: Finding): Finding[] {
  const others = (known ?? []).filter(({ id }) => id !== found.id);
  return [found, ...others].slice(0, MOST_FINDINGS);
}

function takeHealth(list: ServiceHealth[], time: number): void {
  for (const { service, request_rate } of list) {
    const spark = sparks.get(service) ?? new Track();
    spark.push(time, request_rate);
    sparks.set(service, spark);
  }
  services.value = list;
}

/** One string a set of attributes; their order does not matter. */
export function keyOf(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort());
}

function takeSeries(board: Signal<LiveBoard>, points: SeriesPoint[]): void {
  const moved = new Set<Metric>();
  let grown: LiveBoard | null = null;
  let total = 0;
  for (const metric of board.value.values()) total += metric.series.size;
  let lost = 0;
  for (const point of points) {
    const known = (grown ?? board.value).get(point.metric);
    const metric = known ?? newMetric(point);
    if (known === undefined) {
      grown ??= new Map(board.value);
      grown.set(point.metric, metric);
    }
    const key = keyOf(point.attributes);
    const series = metric.series.get(key);
    if (series === undefined && total >= MOST_LIVE) {
      lost += 1;
      continue;
    }
    if (series === undefined) total += 1;
    if (takePoint(metric, series, key, point)) moved.add(metric);
  }
  leftOut.value = lost;
  if (grown !== null) board.value = grown;
  for (const metric of moved) metric.changed.value += 1;
  tell(moved);
  if (moved.size > 0) news.value += 1;
}

/** Figures that change more often than this, in milliseconds, cannot be read. */
const TELL_PAUSE = 240;
const untold = new Set<Metric>();
let toldAt = Number.NEGATIVE_INFINITY;
let telling: ReturnType<typeof setTimeout> | undefined;

function tell(moved: Iterable<Metric>): void {
  for (const metric of moved) untold.add(metric);
  if (telling !== undefined || untold.size === 0) return;
  const pause = toldAt + TELL_PAUSE - Date.now();
  if (pause > 0) telling = setTimeout(tellAll, pause);
  else tellAll();
}

function tellAll(): void {
  telling = undefined;
  toldAt = Date.now();
  batch(() => {
    for (const metric of untold) metric.told.value += 1;
  });
  untold.clear();
}

function takePoint(
  metric: Metric,
  known: Series | undefined,
  key: string,
  point: SeriesPoint,
): boolean {
  const series = known ?? { key, attributes: point.attributes, track: new Track(), latest: point };
  const time = Date.parse(point.timestamp) / 1000;
  if (known === undefined) {
    metric.series.set(key, series);
    metric.grown.value += 1;
  }
  if (first.value === null || time < first.value) first.value = time;
  series.latest = point;
  metric.unit = point.unit;
  return series.track.push(time, point.value);
}

function newMetric(point: SeriesPoint): Metric {
  const { metric: name, unit, privacy_level: level } = point;
  return {
    name,
    unit,
    level,
    series: new Map(),
    changed: signal(0),
    told: signal(0),
    grown: signal(0),
  };
}

/** Protected metrics are kept as one value a window: nothing finer can be asked for. */
function historyInterval(level: PrivacyLevel): string {
  if (level === "public" || level === "internal") return HISTORY_INTERVAL;
  const windows = status.value?.privacy;
  if (level === "highly_sensitive") return `${windows?.release_window ?? 3600}s`;
  return `${windows?.sensitive_window ?? 60}s`;
}

const begun = new WeakSet<Metric>();

/** Once for each metric that is looked at: what is before the stream, as far as the live charts reach. */
export async function loadHistory(metric: Metric): Promise<void> {
  if (begun.has(metric)) return;
  begun.add(metric);
  const keys = new Set([...metric.series.values()].flatMap((one) => Object.keys(one.attributes)));
  const end = Date.now() / 1000 + ahead;
  try {
    const answer = await query({
      metric: metric.name,
      start_time: end - WINDOW,
      end_time: end,
      group_by: [...keys],
      interval: historyInterval(metric.level),
    });
    for (const { attributes, points } of answer.series) {
      const track = metric.series.get(keyOf(attributes))?.track;
      if (points.length === 0 || track === undefined) continue;
      track.precede(points.map((p) => [Date.parse(p.timestamp) / 1000, p.value] as const));
      first.value = Math.min(first.value ?? Infinity, track.times[0] ?? Infinity);
    }
  } catch (error) {
    // A protected metric has no history at this interval; its chart begins with the stream.
    noteLock(error);
  }
  metric.grown.value += 1;
}

/** A token that is no longer good locks the page; other errors are shown where they happen. */
export function noteLock(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) lockedOut.value = true;
}

let counted: { total: number; time: number } | null = null;

export async function refreshStatus(): Promise<void> {
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
    noteLock(error);
  }
}

export async function refreshFindings(): Promise<void> {
  try {
    const [found, raised] = await Promise.all([getInsights(), getAlerts()]);
    insights.value = found.insights;
    alerts.value = raised.alerts;
  } catch (error) {
    noteLock(error);
  }
}

/** What is still the case. */
export function isOpen(finding: Finding, at: number): boolean {
  return finding.expires_at === null || Date.parse(finding.expires_at) / 1000 > at;
}

/** Keeps the clock, the status and the findings fresh until the returned function is called. */
export function run(): () => void {
  const timers = [
    setInterval(() => {
      now.value = Date.now() / 1000 + ahead;
    }, 1000),
    setInterval(() => {
      if (!document.hidden) void refreshStatus();
    }, STATUS_PAUSE),
    setInterval(() => {
      if (!document.hidden && !lockedOut.value) void refreshFindings();
    }, 6 * STATUS_PAUSE),
  ];
  void refreshStatus().then(refreshFindings);
  return () => timers.forEach(clearInterval);
}
