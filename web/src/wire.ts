/** The shapes of what the service sends, and their parsing; unknown message types are left out. */

export type PrivacyLevel = "public" | "internal" | "sensitive" | "highly_sensitive";
export type Attributes = Record<string, string>;
/** What an attribute must be: one value, or one of these. */
export type Filters = Record<string, string | string[]>;

export interface Hello {
  version: string;
  push_interval: number;
  sequence: number;
  missed?: number;
}

/** The metrics that told a figure; none where nothing tells it. */
export interface Sources {
  requests: string[];
  errors: string[];
  durations: string[];
  cpu: string[];
  memory: string[];
  /** What attributes of requests and durations must be, where a metric tells of others as well. */
  filters: Filters;
}

/** Rates are per second, as of now, over all processes; null is unknown. */
export interface ServiceHealth {
  service: string;
  up: boolean;
  request_rate: number | null;
  error_rate: number | null;
  p95_ms: number | null;
  cpu_percent: number | null;
  memory_bytes: number | null;
  last_seen: string | null;
  /** It lies in a bucket without an end, which begins at `p95_ms`. */
  p95_over?: boolean;
  processes?: number | null;
  /** Waiting: after an outage of the service that collects, it may still be heard of. Down: it is scraped, and does not answer. */
  state?: "up" | "waiting" | "silent" | "ended" | "down";
  sources?: Sources;
}

/** Over a range; null where nothing tells it. `attributes` find it in `metric`. */
export interface Method {
  method: string;
  requests: number | null;
  errors: number | null;
  p95_ms: number | null;
  p95_over?: boolean;
  metric: string;
  attributes: Attributes;
}

export interface ErrorKind {
  kind: string;
  method: string;
  errors: number;
}

/** What one service did in a range. */
export interface ServiceWork {
  service: string;
  requests: number | null;
  errors: number | null;
  p95_ms: number | null;
  p95_over?: boolean;
  methods: Method[];
  kinds: ErrorKind[];
  sources: Sources;
}

export interface ServicesReport {
  start_time: string;
  end_time: string;
  services: ServiceWork[];
  notes: string[];
}

/** One thing that is not as it must be. */
export interface Reason {
  kind: string;
  service: string;
  words: string;
  detail: string;
  since: string | null;
  down: boolean;
  metric?: string;
}

/** How everything together is. */
export interface Verdict {
  state: "steady" | "degraded" | "down" | "unknown";
  sentence: string;
  since: string | null;
  reasons: Reason[];
}

/** When senders could not be heard, because of the service that collects. */
export interface Outage {
  begin: string;
  end: string;
  reason: string;
}

export interface HealthReport {
  services: ServiceHealth[];
  verdict?: Verdict;
  outages?: Outage[];
}

export interface SeriesPoint {
  metric: string;
  unit: string;
  privacy_level: PrivacyLevel;
  attributes: Attributes;
  value: number | null;
  lower: number | null;
  upper: number | null;
  timestamp: string;
  /** It lies in a bucket without an end, which begins at `value`. */
  over?: boolean;
}

export interface Governor {
  sampling_rate: number;
  cpu_percent: number;
  memory_bytes: number;
  database_bytes: number;
}

/** `remaining` as ε; `released`: the end of the newest window that was released. */
export interface PrivacyNews {
  remaining: number;
  period_ends: string;
  released: string | null;
}

export interface Finding {
  id: number;
  insight_type: string;
  title: string;
  description: string | null;
  severity: string | null;
  metrics: unknown;
  generated_at: string;
  expires_at: string | null;
}

interface Envelope<Type extends string, Data> {
  type: Type;
  sequence: number;
  timestamp: string;
  data: Data;
}

export type Message =
  | Envelope<"hello", Hello>
  | Envelope<"beat", Record<string, never>>
  | Envelope<"service_health", HealthReport>
  | Envelope<"p2p_metrics", { series: SeriesPoint[] }>
  | Envelope<"performance", { series: SeriesPoint[] }>
  | Envelope<"governor", Governor>
  | Envelope<"privacy", PrivacyNews>
  | Envelope<"insight", Finding>
  | Envelope<"alert", Finding>;

const KNOWN: ReadonlySet<string> = new Set<Message["type"]>([
  "hello",
  "beat",
  "service_health",
  "p2p_metrics",
  "performance",
  "governor",
  "privacy",
  "insight",
  "alert",
]);

/** The message in `text`, or null when it is of a type that this page does not know. */
export function parseMessage(text: string): Message | null {
  const message: unknown = JSON.parse(text);
  if (typeof message !== "object" || message === null || !("type" in message)) return null;
  return KNOWN.has(String(message.type)) ? (message as Message) : null;
}

/** `count` is null where the metric is guarded, `allows` where allowing it by name would mend nothing. */
export interface Refused {
  metric: string;
  reason: string;
  remedy: string;
  count: number | null;
  allows: string | null;
}

/** Who cannot reach the service, and what would mend it. */
export interface Sender {
  kind: string;
  door: string;
  place: string;
  detail: string;
  count: number;
  seconds_ago: number;
  words: string;
  remedy: string;
}

export interface Status {
  version: string;
  uptime_seconds: number;
  cpu_percent: number;
  memory_bytes: number;
  database_bytes: number;
  sampling_rate: number;
  /** What the owner should know, in sentences. */
  notes?: string[];
  endpoints: Record<string, string>;
  accepted: Record<string, number>;
  refused: Refused[];
  turned_away?: Sender[];
  privacy: {
    differential_privacy: boolean;
    k_anonymity: number;
    sensitive_window: number;
    release_window: number;
    privacy_budget: number;
    retention_period: number;
    network_sharing: boolean;
  };
}

export interface MetricInfo {
  metric: string;
  type: string;
  unit: string;
  privacy: PrivacyLevel;
  category: string;
  description: string;
  purpose: string;
  in_catalogue: boolean;
  stored: boolean;
  series: number | null;
  last_seen: string | null;
}

export interface Question {
  metric: string;
  start_time: number;
  end_time: number;
  aggregation?: string;
  interval?: string;
  filters?: Filters;
  group_by?: string[];
  extremes?: boolean;
}

export interface AnswerPoint {
  timestamp: string;
  value: number | null;
  lower?: number | null;
  upper?: number | null;
  /** Of the interval, where the extremes were asked for. */
  min?: number | null;
  max?: number | null;
  /** Not all of the interval is known yet, or within the range: the value is of the part that is. */
  partial?: boolean;
  /** Nothing was sent meanwhile: what came later is spread over it. */
  estimated?: boolean;
  /** A percentile in a bucket without an end, which begins at `value`. */
  over?: boolean;
}

/** What the aggregation comes to over the whole range: not a middle of its points. */
export interface Overall {
  value: number | null;
  over?: boolean;
  lower?: number;
  upper?: number;
}

export interface Answer {
  metric: string;
  type: string;
  unit: string;
  privacy_level: PrivacyLevel;
  aggregation: string;
  interval: string;
  series: { attributes: Attributes; points: AnswerPoint[]; overall?: Overall }[];
  sampling_rate: number;
  notes: string[];
}

export interface SqlAnswer {
  columns: string[];
  types: string[];
  rows: unknown[][];
  truncated: boolean;
  elapsed_ms: number;
}

/** What one person or peer was charged in the running budget period, as ε. */
export interface Budget {
  epsilon: number;
  delta: number;
  spent: number | null;
  remaining: number;
  period_begins?: string;
  period_ends: string;
  state?: "open" | "spent" | "off";
  metrics: { metric: string; share: number; spent: number }[];
}

export interface LedgerEntry {
  sequence: number;
  time: string;
  kind: string;
  metric: string | null;
  window_start: string | null;
  window_end: string | null;
  epsilon: number | null;
  rho: number | null;
}

export interface LedgerPage {
  rows: LedgerEntry[];
  newest: number;
}

export interface Explanation {
  metric: string;
  privacy: PrivacyLevel;
  keep: string[];
  mechanism: string | null;
  epsilon: number | null;
  delta: number | null;
  rho: number | null;
  scale: number | null;
  window: string | null;
  expected_error_95: number | null;
  expected_error_95_period?: number | null;
  cost?: number | null;
  share?: number | null;
  assumptions: string[];
  words: string;
}

export interface Permission {
  names: string[];
  privacy?: "public" | "internal";
  purpose?: string;
  type?: string;
}

/** A saved page of charts: names, questions and ranges, never values. */
export interface Board {
  title: string;
  range: string;
  panels: Panel[];
}

export interface Panel {
  title: string;
  metric: string;
  aggregation: string;
  group_by: string[];
  filters: Attributes;
  sql: string;
}

export interface BoardSummary {
  name: string;
  title: string;
  panels: number;
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
}
