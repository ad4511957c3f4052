/** Light, dark, or as the system is; remembered in this browser only. */

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "blackhole.theme";
const ALL: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(read());
/** Counts up when colours have changed, so that what is drawn is drawn anew. */
export const repaint = signal(0);

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY) as Theme | null;
    return kept !== null && ALL.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}

export function applyTheme(): void {
  document.documentElement.style.colorScheme =
    theme.value === "system" ? "light dark" : theme.value;
  repaint.value += 1;
}

export function nextTheme(): void {
  theme.value = ALL[(ALL.indexOf(theme.value) + 1) % ALL.length] ?? "system";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Without storage the choice holds until the page is closed.
  }
  applyTheme();
}

export function watchSystem(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
}
