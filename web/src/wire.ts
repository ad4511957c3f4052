/** The shapes of what the service sends, and their parsing; unknown message types are left out. */

export type PrivacyLevel = "public" | "internal" | "sensitive" | "highly_sensitive";

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
  attributes: Record<string, string>;
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

/** `remaining` is ε of the running budget period; `released`: the end of the newest released window. */
export interface PrivacyNews {
  remaining: number;
  period_ends: string;
  released: string | null;
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
  | Envelope<"privacy", PrivacyNews>;

const KNOWN: ReadonlySet<string> = new Set<Message["type"]>([
  "hello",
  "service_health",
  "p2p_metrics",
  "performance",
  "governor",
  "privacy",
]);

/** The message in `text`, or null when it is of a type that this page does not know. */
export function parseMessage(text: string): Message | null {
  const message: unknown = JSON.parse(text);
  if (typeof message !== "object" || message === null || !("type" in message)) return null;
  return KNOWN.has(String(message.type)) ? (message as Message) : null;
}

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

export interface Question {
  metric: string;
  start_time: number;
  end_time: number;
  interval: string;
  group_by: string[];
}

export interface Answer {
  metric: string;
  type: string;
  unit: string;
  aggregation: string;
  series: {
    attributes: Record<string, string>;
    points: { timestamp: string; value: number | null }[];
  }[];
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
}
