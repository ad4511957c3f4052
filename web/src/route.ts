/** The place in the page, as the part of the address after `#`: a path, and names and ranges; never data. */

import { computed, signal } from "@preact/signals";
import type { BaseLocationHook } from "wouter-preact";

export type Parameters = Record<string, string>;

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export const path = computed(() => split(hash.value)[0]);
export const parameters = computed<Parameters>(() => Object.fromEntries(search(hash.value)));

/** `#/explore?metric=a` → ["/explore", "metric=a"]. */
function split(text: string): [string, string] {
  const [first = "", rest = ""] = text.replace(/^#/, "").split("?", 2);
  return [first.startsWith("/") ? first : `/${first}`, rest];
}

const search = (text: string) => new URLSearchParams(split(text)[1]);

/** Those that hold on every page; the others belong to one. */
const COMMON = ["range", "from", "to"];

/** The address of a page: keeps the range, and adds `more`. */
export function address(to: string, more: Parameters = {}): string {
  const kept = COMMON.flatMap((key) => {
    const value = parameters.value[key];
    return value === undefined ? [] : [[key, value] as [string, string]];
  });
  const all =
    "range" in more || "from" in more ? Object.entries(more) : [...kept, ...Object.entries(more)];
  const text = new URLSearchParams(all.filter(([, value]) => value !== "")).toString();
  return `#${to}${text === "" ? "" : `?${text}`}`;
}

export function go(to: string, more: Parameters = {}): void {
  location.hash = address(to, more);
}

/** Changes some parameters of this page; `replace` leaves no step to go back to. */
export function set(changes: Record<string, string | undefined>, replace = false): void {
  const next = new URLSearchParams(search(hash.value));
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === "") next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  const target = `#${path.value}${text === "" ? "" : `?${text}`}`;
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(null, "", target);
    hash.value = target;
  } else {
    location.hash = target;
  }
}

/** What wouter needs to know where it is. */
export const useHash: BaseLocationHook = () => [path.value, (to: string) => go(to)];
