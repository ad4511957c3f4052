/** What the page knows of the present, as signals: fed by the stream, completed by the status. */

import { batch, computed, type Signal, signal } from "@preact/signals";
import { ApiError, getAlerts, getInsights, getStatus } from "./api";
import { keyOf } from "./course";
import type { Connection } from "./live";
import { Track, WINDOW } from "./track";
import type {
  Attributes,
  Finding,
  Governor,
  Message,
  Outage,
  PrivacyLevel,
  PrivacyNews,
  SeriesPoint,
  ServiceHealth,
  Status,
  Verdict,
} from "./wire";

const STATUS_PAUSE = 5000;
const LEAST_SPAN = 120;
/** More series than anybody can follow live are looked at in Explore. */
export const MOST_LIVE = 400;
const MOST_FINDINGS = 200;

/** `latest`: its value is null once nothing of the series is alive. */
export interface Series {
  key: string;
  attributes: Attributes;
  latest: SeriesPoint;
}

/** `told` counts up a few times a second while its values change, `grown` when a series is new. */
export interface Metric {
  name: string;
  unit: string;
  level: PrivacyLevel;
  series: Map<string, Series>;
  told: Signal<number>;
  grown: Signal<number>;
}

export type LiveBoard = Map<string, Metric>;

export const connection = signal<Connection>("connecting");
export const lockedOut = signal(false);
export const missed = signal(0);
export const version = signal("");
export const services = signal<ServiceHealth[] | null>(null);
/** As the service says; null before it has. */
export const verdict = signal<Verdict | null>(null);
export const outages = signal<Outage[]>([]);
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

/** The live charts reach back to `time`, as far as they are long enough. */
export function reach(time: number): void {
  if (first.peek() === null || time < (first.peek() ?? 0)) first.value = time;
}

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

/** The service's time, to the moment. */
export const exactNow = () => Date.now() / 1000 + ahead;

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
      verdict.value = message.data.verdict ?? null;
      outages.value = message.data.outages ?? [];
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

/** Called with the moment from which on values of a metric may be others than before. */
type Hear = (since: number) => void;
const hearing = new Map<string, Set<Hear>>();

/** Tells when the stream brings something new of a metric, until the returned function is called. */
export function hear(metric: string, told: Hear): () => void {
  const all = hearing.get(metric) ?? new Set();
  hearing.set(metric, all.add(told));
  return () => all.delete(told);
}

/** The metric, where the stream tells of it. */
export function streamed(name: string): Metric | undefined {
  return network.value.get(name) ?? performance.value.get(name);
}

const secondsOf = (point: SeriesPoint) => Date.parse(point.timestamp) / 1000;

/** All series of a board that are alive: those that are not among them have no value any more. */
function takeSeries(board: Signal<LiveBoard>, points: SeriesPoint[]): void {
  const grown = withNew(board.value, points);
  const since = new Map<Metric, number>();
  const note = (metric: Metric, from: number) =>
    since.set(metric, Math.min(from, since.get(metric) ?? Infinity));
  const alive = new Set<Series>();
  for (const point of points) {
    const metric = grown.get(point.metric);
    const series = metric?.series.get(keyOf(point.attributes));
    if (metric === undefined || series === undefined) continue;
    alive.add(series);
    if (series.latest !== point && !isSame(series.latest, point))
      note(metric, secondsOf(series.latest));
    if (series.latest === point) note(metric, Number.NEGATIVE_INFINITY);
    series.latest = point;
    metric.unit = point.unit;
  }
  for (const metric of grown.values())
    for (const series of metric.series.values())
      if (!alive.has(series) && series.latest.value !== null && !isWindowed(metric)) {
        note(metric, secondsOf(series.latest));
        series.latest = { ...series.latest, value: null, lower: null, upper: null };
      }
  if (grown !== board.value) board.value = grown;
  tell(since.keys());
  for (const [metric, from] of since) for (const told of hearing.get(metric.name) ?? []) told(from);
  if (since.size > 0) news.value += 1;
}

/** Values of windows come once a window, or once an hour: one is the newest until the next. */
const isWindowed = ({ level }: Metric) => level === "sensitive" || level === "highly_sensitive";

const isSame = (a: SeriesPoint, b: SeriesPoint) =>
  a.timestamp === b.timestamp && a.value === b.value && a.upper === b.upper;

/** The board with the series of `points`, as far as there is place: the same where none is new. */
function withNew(board: LiveBoard, points: SeriesPoint[]): LiveBoard {
  let grown = board;
  let total = 0;
  for (const metric of board.values()) total += metric.series.size;
  let lost = 0;
  for (const point of points) {
    const key = keyOf(point.attributes);
    const known = grown.get(point.metric);
    if (known?.series.has(key) === true) continue;
    if (total >= MOST_LIVE) {
      lost += 1;
      continue;
    }
    total += 1;
    const metric = known ?? newMetric(point);
    if (known === undefined) grown = new Map(grown).set(point.metric, metric);
    metric.series.set(key, { key, attributes: point.attributes, latest: point });
    metric.grown.value += 1;
    reach(secondsOf(point));
  }
  leftOut.value = lost;
  return grown;
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

function newMetric(point: SeriesPoint): Metric {
  const { metric: name, unit, privacy_level: level } = point;
  return {
    name,
    unit,
    level,
    series: new Map(),
    told: signal(0),
    grown: signal(0),
  };
}

/** What a chart shows of a series is told by the stream, or it is the newest of what was asked for. */
export interface Now {
  value: number | null;
  lower: number | null;
  upper: number | null;
  over?: boolean;
}

const NOTHING: Now = { value: null, lower: null, upper: null };

/** The present of the series that have these attributes: of one as it was told, of several the sum where `adds`; undefined where there is no one value. */
export function nowOf(metric: Metric, attributes: Attributes, adds: boolean): Now | undefined {
  metric.told.value;
  metric.grown.value;
  const all = [...metric.series.values()];
  const wanted = Object.entries(attributes);
  const own = all.filter((series) =>
    wanted.every(([key, value]) => String(series.attributes[key] ?? "") === String(value ?? "")),
  );
  if (own.length === 0 && leftOut.value > 0) return undefined;
  const alive = isWindowed(metric) ? ofNewestWindow(metric, own) : own;
  const values = alive.filter(({ latest }) => latest.value !== null);
  if (own.length <= 1) return values[0]?.latest ?? NOTHING;
  if (!adds || values.some(({ latest }) => latest.upper !== null)) return undefined;
  if (values.length === 0) return NOTHING;
  return { ...NOTHING, value: values.reduce((sum, { latest }) => sum + (latest.value ?? 0), 0) };
}

const WINDOWS = { sensitive: 60, highly_sensitive: 3600 };
/** A window is told of when it is over; after so many without a value there is none any more. */
const STALE = 3.5;

function ofNewestWindow(metric: Metric, series: readonly Series[]): Series[] {
  const newest = Math.max(...[...metric.series.values()].map(({ latest }) => secondsOf(latest)));
  const told = status.value?.privacy;
  const length =
    metric.level === "highly_sensitive"
      ? (told?.release_window ?? WINDOWS.highly_sensitive)
      : (told?.sensitive_window ?? WINDOWS.sensitive);
  if (now.value > newest + STALE * length) return [];
  return series.filter(({ latest }) => secondsOf(latest) === newest);
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
      now.value = exactNow();
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
