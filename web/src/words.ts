/** Turns metric names, units, numbers and privacy levels into words that a newcomer understands. */

import type { PrivacyLevel } from "./wire";

const NAMES: Record<string, string> = {
  "p2p.connections.total": "New connections",
  "p2p.connections.failed": "Failed connections",
  "p2p.connections.closed": "Closed connections",
  "p2p.peer.connections": "Connected peers by kind",
  "p2p.peer.connection": "Connected peers by kind",
  "p2p.peer.distribution": "Peers by region",
  "p2p.bandwidth.usage": "Bandwidth",
  "p2p.bandwidth.rate": "Bandwidth",
  "p2p.discovery.latency": "Time to discover a peer",
  "p2p.discovery.attempts": "Discovery attempts",
  "p2p.discovery.peers.found": "Peers found",
  "p2p.network.latency": "Network latency",
  "p2p.ping.latency": "Ping",
  "p2p.connection.duration": "How long connections last",
  "p2p.connection.stability": "Connection stability",
  "p2p.peers.online": "Peers online",
  "p2p.pubsub.messages": "Messages published",
  "p2p.pubsub.latency": "Time for a message to arrive",
  "p2p.nat.status": "Reachability (NAT)",
  "network.health.score": "Network health",
  "process.cpu.usage": "CPU use",
  "process.memory.usage": "Memory",
  "grpc.request.duration": "gRPC request time",
  "rpc.server.duration": "gRPC request time",
  "http.server.request.duration": "HTTP request time",
  "service.health.status": "Service health",
  "service.uptime": "Uptime",
  "traces.span.metrics.calls": "Traced calls",
  "traces.span.metrics.duration": "Traced call time",
};

const ORDER = Object.keys(NAMES);

/** `identity.request.duration` → “Identity request duration”. */
export function nameOf(metric: string): string {
  const known = NAMES[metric];
  if (known !== undefined) return known;
  const words = metric
    .replace(/^p2p\./, "")
    .replace(/\.total$|_total$/, "")
    .split(/[._]+/);
  const text = words.join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The metrics of the service itself: what it watches matters more. */
const OWN = "blackhole.";

/** Known metrics in the order of importance, then the others by name. */
export function byImportance(a: string, b: string): number {
  const [own, other] = [a.startsWith(OWN), b.startsWith(OWN)];
  if (own !== other) return own ? 1 : -1;
  const [x, y] = [ORDER.indexOf(a), ORDER.indexOf(b)];
  if (x >= 0 || y >= 0) return (x < 0 ? ORDER.length : x) - (y < 0 ? ORDER.length : y);
  return a.localeCompare(b);
}

export interface Figure {
  text: string;
  unit: string;
}

const TIMES: Record<string, number> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  milliseconds: 1e-3,
  s: 1,
  seconds: 1,
  min: 60,
  h: 3600,
};
const BYTES: Record<string, number> = {
  By: 1,
  bytes: 1,
  KiBy: 2 ** 10,
  MiBy: 2 ** 20,
  kBy: 1e3,
  MBy: 1e6,
};

/** A value with the unit that suits its size; `unit` is a UCUM unit as sent, perhaps with `/s`. */
export function figure(value: number | null | undefined, unit: string): Figure {
  if (value === null || value === undefined || !Number.isFinite(value))
    return { text: "–", unit: "" };
  const rate = unit.endsWith("/s");
  const plain = rate ? unit.slice(0, -2) : unit;
  const suffix = rate ? "/s" : "";
  const seconds = TIMES[plain];
  if (seconds !== undefined)
    return rate ? { text: number(value * seconds), unit: "s/s" } : duration(value * seconds);
  const bytes = BYTES[plain];
  if (bytes !== undefined) return size(value * bytes, suffix);
  if (plain === "%" || plain === "percent") return { text: number(value), unit: `%${suffix}` };
  return { text: number(value), unit: suffix };
}

export function figureText(value: number | null | undefined, unit: string): string {
  const { text, unit: suffix } = figure(value, unit);
  return suffix === "" || suffix === "%" || suffix === "/s"
    ? `${text}${suffix}`
    : `${text} ${suffix}`;
}

/** `over`: what is meant lies beyond the value, which is the highest bound that is known. */
export function boundText(
  value: number | null | undefined,
  unit: string,
  over: boolean | undefined,
): string {
  const text = figureText(value, unit);
  return over === true && text !== "–" ? `> ${text}` : text;
}

export function duration(seconds: number): Figure {
  const magnitude = Math.abs(seconds);
  if (magnitude === 0) return { text: "0", unit: "ms" };
  if (magnitude < 1e-3) return { text: number(seconds * 1e6), unit: "µs" };
  if (magnitude < 1) return { text: number(seconds * 1e3), unit: "ms" };
  if (magnitude < 120) return { text: number(seconds), unit: "s" };
  if (magnitude < 7200) return { text: number(seconds / 60), unit: "min" };
  if (magnitude < 172_800) return { text: number(seconds / 3600), unit: "h" };
  return { text: number(seconds / 86_400), unit: "days" };
}

export function size(bytes: number, suffix = ""): Figure {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let scaled = bytes;
  let step = 0;
  while (Math.abs(scaled) >= 1000 && step < units.length - 1) {
    scaled /= 1000;
    step += 1;
  }
  return { text: number(scaled), unit: `${units[step]}${suffix}` };
}

/** Three significant digits, thousands set apart, no trailing zeros. */
export function number(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e6) return `${trimmed(value / 1e6)} M`;
  if (magnitude >= 1e5) return `${trimmed(value / 1e3)} k`;
  if (magnitude >= 100) return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
  if (magnitude > 0 && magnitude < 0.01) return "<0.01";
  return trimmed(value);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** “12 s ago”. */
export function ago(timestamp: string | null, now: number): string {
  if (timestamp === null) return "never";
  const seconds = Math.max(0, now - Date.parse(timestamp) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  const { text, unit } = duration(Math.max(seconds, 120));
  return seconds < 120 ? "1 min ago" : `${text} ${unit} ago`;
}

export interface Level {
  label: string;
  words: string;
}

const LEVELS: Record<PrivacyLevel, Level> = {
  public: {
    label: "Public",
    words: "Says nothing about a person. Kept as it is sent, and may be shown to other programs.",
  },
  internal: {
    label: "Internal",
    words: "About this machine only. Kept as it is sent, and stays on this node.",
  },
  sensitive: {
    label: "Protected",
    words:
      "Could hint at people. Only summed groups are kept, one value a window; groups that are too small are folded together or left out.",
  },
  highly_sensitive: {
    label: "Strongly protected",
    words:
      "About people. Only sums with noise leave memory, under a privacy budget; the band shows the error this makes.",
  },
};

export function levelOf(level: string): Level {
  return LEVELS[level as PrivacyLevel] ?? LEVELS.internal;
}

/** A series by what tells it from its neighbours: “identity · incoming”. */
export function labelOf(attributes: Record<string, string>, shared: ReadonlySet<string>): string {
  const parts = Object.entries(attributes).filter(([key]) => !shared.has(key));
  return [...new Set(parts.map(([key, value]) => valueWords(key, String(value))))].join(" · ");
}

/** As the service names methods: of a gRPC call the last word, of a route all. */
const FULL_METHOD = /^\/?(?:(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|[A-Z]\w*)\/([A-Za-z_]\w*)$/;

/** `/demo.Identity/Resolve` → “Resolve”, `/hello/{i}` as it is; `success: false` → “not success”. */
function valueWords(key: string, value: string): string {
  const name = key.split(".").at(-1) ?? key;
  if (value === "true") return name;
  if (value === "false") return `not ${name}`;
  return FULL_METHOD.exec(value)?.[1] ?? value;
}
