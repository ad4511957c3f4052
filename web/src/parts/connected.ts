/** How many peers are connected, by kind: one number for table, picture and chart of it. */

import type { Signal } from "@preact/signals";
import { type Ask, useAnswer } from "../ask";
import { namedSeries } from "../chart/data";
import type { Answer } from "../wire";
import { figureOf } from "./metric";

export const CONNECTED: Ask = {
  metric: "p2p.peer.connections",
  by: ["peer_type"],
  aggregation: "avg",
};

export interface Connected {
  type: string;
  count: number | null;
}

export function useConnected(seen?: Signal<boolean>): Connected[] {
  return connectedOf(useAnswer(CONNECTED, seen).data.value);
}

export function connectedOf(answer: Answer | null): Connected[] {
  if (answer === null) return [];
  const all = namedSeries(answer).filter(({ points }) => points.length > 0);
  return all
    .map((series) => ({
      type: String(series.attributes["peer_type"] ?? ""),
      count: figureOf(series, all, answer, CONNECTED).value,
    }))
    .filter(({ type }) => type !== "");
}
