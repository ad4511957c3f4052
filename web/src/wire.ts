/** The shapes of what the service sends, and their parsing; unknown message types are left out. */

export type PrivacyLevel = "public" | "internal" | "sensitive" | "highly_sensitive";
export type Attributes = Record<string, string>;

export interface Hello {
  version: string;
  push_interval: number;
  sequence: number;
  missed?: number;
}

/** Rates are per second over the last minute. */
export interface ServiceHealth {
  service: string;
  up: boolean;
  request_rate: number | null;
  error_rate: number | null;
  p95_ms: number | null;
  cpu_percent: number | null;
  memory_bytes: number | null;
  last_seen: string | null;
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
  | Envelope<"service_health", { services: ServiceHealth[] }>
  | Envelope<"p2p_metrics", { series: SeriesPoint[] }>
  | Envelope<"performance", { series: SeriesPoint[] }>
  | Envelope<"governor", Governor>
  | Envelope<"privacy", PrivacyNews>
  | Envelope<"insight", Finding>
  | Envelope<"alert", Finding>;

const KNOWN: ReadonlySet<string> = new Set<Message["type"]>([
  "hello",
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

/** `count` is null where the metric is guarded. */
export interface Refused {
  metric: string;
  reason: string;
  remedy: string;
  count: number | null;
}

export interface Status {
  version: string;
  uptime_seconds: number;
  cpu_percent: number;
  memory_bytes: number;
  database_bytes: number;
  sampling_rate: number;
  endpoints: Record<string, string>;
  accepted: Record<string, number>;
  refused: Refused[];
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
  filters?: Attributes;
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
}

export interface Answer {
  metric: string;
  type: string;
  unit: string;
  privacy_level: PrivacyLevel;
  aggregation: string;
  interval: string;
  series: { attributes: Attributes; points: AnswerPoint[] }[];
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
  privacy: "public" | "internal";
  purpose: string;
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
