/** What keys do: pages, the range, the theme; never while somebody writes. */

import { signal } from "@preact/signals";
import { choose, PRESETS, shift, zoomOut } from "./range";
import { go } from "./route";
import { now } from "./state";
import { nextTheme } from "./theme";

export const helpOpen = signal(false);

const PLACES: Record<string, string> = {
  o: "/",
  n: "/network",
  p: "/performance",
  u: "/usage",
  y: "/privacy",
  e: "/explore",
  b: "/boards",
  i: "/insights",
};

export const KEYS: readonly (readonly [string, string])[] = [
  [
    "g then o n p u y e b i",
    "go to overview, network, performance, usage, privacy, explore, boards, insights",
  ],
  ["1 – 8", "last 10 minutes, hour, 6 hours, day, week, month, quarter, year"],
  ["[ and ]", "earlier and later"],
  ["z", "zoom out"],
  ["← → on a chart", "read its values"],
  ["drag on a chart", "zoom in, everywhere"],
  ["t", "light, dark, or as the system is"],
  ["?", "this list"],
];

let going = false;

export function press(key: string): boolean {
  if (going) {
    going = false;
    const to = PLACES[key];
    if (to !== undefined) go(to);
    return to !== undefined;
  }
  const preset = PRESETS[Number(key) - 1];
  if (preset !== undefined) choose(preset[0]);
  else if (key === "g") going = true;
  else if (key === "[") shift(-1, now.value);
  else if (key === "]") shift(1, now.value);
  else if (key === "z") zoomOut();
  else if (key === "t") nextTheme();
  else if (key === "?") helpOpen.value = true;
  else return false;
  return true;
}

export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event)) return;
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) zoomOut();
    else if (press(event.key)) event.preventDefault();
  });
}

/** Also inside of the editor, which keeps its elements to itself. */
function isWriting(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
