/** What is known about metrics: the catalogue with what is stored, and the attributes of each. */

import { signal } from "@preact/signals";
import { getMetrics, sql } from "./api";
import { quoted } from "./chart/heat-data";
import { noteLock } from "./state";
import type { MetricInfo, Refused } from "./wire";

export const known = signal<MetricInfo[] | null>(null);
export const refused = signal<Refused[]>([]);
export const knownTrouble = signal("");

export async function loadKnown(): Promise<void> {
  try {
    const answer = await getMetrics();
    known.value = answer.metrics;
    refused.value = answer.refused;
    knownTrouble.value = "";
  } catch (error) {
    noteLock(error);
    knownTrouble.value = error instanceof Error ? error.message : "the service did not answer";
  }
}

export const storedMetrics = () => (known.value ?? []).filter(({ stored }) => stored);

export function infoOf(metric: string): MetricInfo | undefined {
  return known.value?.find((one) => one.metric === metric);
}

export interface Key {
  key: string;
  /** How many values there are, and some of them. */
  values: string[];
  count: number;
}

const MOST_VALUES = 200;

/** The attributes that the stored series of a metric have. */
export async function keysOf(metric: string, signal?: AbortSignal): Promise<Key[]> {
  const text = `SELECT key, value FROM (
  SELECT key, json_extract_string(attributes, '$."' || key || '"') AS value FROM (
    SELECT attributes, unnest(json_keys(attributes)) AS key FROM series WHERE metric = ${quoted(metric)}
  ) AS k) AS v GROUP BY key, value ORDER BY key, value`;
  const { rows } = await sql(text, 20_000, signal);
  const found = new Map<string, string[]>();
  for (const [key, value] of rows) {
    const values = found.get(String(key)) ?? [];
    values.push(String(value));
    found.set(String(key), values);
  }
  return [...found].map(([key, values]) => ({
    key,
    values: values.slice(0, MOST_VALUES),
    count: values.length,
  }));
}
