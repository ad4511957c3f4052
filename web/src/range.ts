/** The time that every chart shows: the last so many seconds, or from one moment to another. */

import { computed } from "@preact/signals";
import { parameters, set } from "./route";

export interface Range {
  start: number;
  end: number;
  /** It ends now. */
  moving?: boolean;
}

/** Names, as in the address, and seconds. */
export const PRESETS: readonly (readonly [string, number, string])[] = [
  ["10m", 600, "10 minutes, live"],
  ["1h", 3600, "1 hour"],
  ["6h", 21_600, "6 hours"],
  ["24h", 86_400, "24 hours"],
  ["7d", 604_800, "7 days"],
  ["30d", 2_592_000, "30 days"],
  ["90d", 7_776_000, "90 days"],
  ["1y", 31_536_000, "1 year"],
];
const DEFAULT = "10m";
const LEAST = 10;

export const preset = computed(() => {
  const named = parameters.value["range"];
  return PRESETS.find(([name]) => name === named) ?? (PRESETS[0] as (typeof PRESETS)[number]);
});

/** The moments that were chosen, or null where the range ends now. */
export const chosen = computed<Range | null>(() => {
  const start = Number(parameters.value["from"]);
  const end = Number(parameters.value["to"]);
  return start > 0 && end - start >= 1 ? { start, end } : null;
});

/** Whether the charts follow the stream. */
export const isLive = computed(() => chosen.value === null && preset.value[0] === DEFAULT);

export const rangeWords = computed(() => {
  const fixed = chosen.value;
  if (fixed === null) return `last ${preset.value[2].replace(", live", "")}`;
  return `${moment(fixed.start)} – ${moment(fixed.end)}`;
});

/** The range as moments, seen at `now`. */
export function rangeAt(now: number): Range {
  return chosen.value ?? { start: now - preset.value[1], end: now, moving: true };
}

export function choose(name: string): void {
  set({ range: name === DEFAULT ? undefined : name, from: undefined, to: undefined });
}

/** Looks closer; Back, Escape or a double click looks from where one was before. */
export function zoomTo(start: number, end: number): void {
  const middle = (start + end) / 2;
  const half = Math.max(end - start, LEAST) / 2;
  set({ from: String(Math.floor(middle - half)), to: String(Math.ceil(middle + half)) });
}

export function zoomOut(): void {
  const fixed = chosen.value;
  if (fixed === null) return;
  set({ from: undefined, to: undefined });
}

/** Earlier (-1) or later (1) by half of what is shown. */
export function shift(direction: number, now: number): void {
  const { start, end } = rangeAt(now);
  const step = ((end - start) / 2) * direction;
  if (end + step >= now) set({ from: undefined, to: undefined });
  else zoomTo(start + step, end + step);
}

/** `exact`: with seconds. */
export function moment(seconds: number, exact = false): string {
  const date = new Date(seconds * 1000);
  const time = date.toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    ...(exact ? { second: "2-digit" as const } : {}),
    hour12: false,
  });
  const today = new Date().toDateString() === date.toDateString();
  return today
    ? time
    : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}
