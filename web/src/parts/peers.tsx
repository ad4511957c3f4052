/** The kinds of peer beside one another: how many, how fast, since when it is so. */

import { query } from "../api";
import { type Ask, queryFinely, SLOW_PAUSE, toQuestion, useAsked } from "../ask";
import { type Change, changeFigures } from "../changes";
import { namedSeries } from "../chart/data";
import { moment, type Range } from "../range";
import { address } from "../route";
import { changesOf } from "../sides";
import type { Answer } from "../wire";
import { boundText, figureText } from "../words";
import { type Connected, useConnected } from "./connected";
import { Loading, Nothing, Section, Trouble } from "./state";
import { TableCard } from "./table-card";

const HOUR = 3600;
const POINTS = 120;
const DISCOVERY = "p2p.discovery.latency";
const PING = "p2p.ping.latency";
/** So many times slower than all the others is worth a word. */
const SLOW = 3;
/** The share of failures from which a kind is not steady, whatever was usual. */
const FAILING = 0.5;
const RECENT = 600;

interface Speed {
  /** Over the whole range, or since it changed. */
  now: number | null;
  over?: boolean;
  change: Change | null;
}

export interface Failing {
  share: number;
  /** Null where it was so for as long as is shown. */
  since: number | null;
}

export interface Peers {
  type: string;
  discovery: Speed | null;
  ping: Speed | null;
  failed: number | null;
  /** Of the last ten minutes. */
  failing?: { searches: Failing | null; pings: Failing | null };
  /** Since when nothing was measured any more, though it was before. */
  silentSince?: number | null;
}

/** At least an hour, since a change shows only beside what was before. */
async function askPeers(shown: Range, signal: AbortSignal): Promise<Peers[]> {
  const range = { start: Math.min(shown.start, shown.end - HOUR), end: shown.end };
  const quietly = (promise: Promise<Answer>) => promise.catch(() => null);
  const by = ["peer_type"];
  const speed = (metric: string) =>
    measure({ metric, by, filters: { success: "true" } }, range, signal);
  const counts = (metric: string) =>
    quietly(
      query(
        toQuestion({ metric, by: ["peer_type", "success"], aggregation: "count" }, range),
        signal,
      ),
    );
  const [discovery, ping, searches, pings] = await Promise.all([
    speed(DISCOVERY),
    speed(PING),
    counts(DISCOVERY),
    counts(PING),
  ]);
  if (discovery === null && ping === null)
    throw new Error("the service did not say how the peers are: it is asked again in a moment");
  return peersOf(discovery, ping, searches).map((one) => ({
    ...one,
    ...recentOf(one.type, searches, pings, range.end),
  }));
}

/** How fast each kind was, and since when. */
export interface Measured {
  answer: Answer;
  changes: ReadonlyMap<string, Change>;
}

async function measure(ask: Ask, range: Range, signal: AbortSignal): Promise<Measured | null> {
  try {
    const answer = await queryFinely({ ...ask, points: POINTS }, range, signal);
    return { answer, changes: await changesOf(ask, answer, range, signal) };
  } catch {
    return null;
  }
}

export function peersOf(
  discovery: Measured | null,
  ping: Measured | null,
  searches: Answer | null,
): Peers[] {
  const answers = [discovery, ping];
  const types = new Set(
    answers.flatMap((one) =>
      (one?.answer.series ?? []).map(({ attributes }) => typeOf(attributes)),
    ),
  );
  types.delete("");
  return [...types].sort().map((type) => ({
    type,
    discovery: discovery === null ? null : speedOf(discovery, type),
    ping: ping === null ? null : speedOf(ping, type),
    failed: searches === null ? null : failedOf(searches, type),
  }));
}

const typeOf = (attributes: Record<string, unknown>) => String(attributes["peer_type"] ?? "");

function speedOf({ answer, changes }: Measured, type: string): Speed {
  const found = namedSeries(answer).find(({ attributes }) => typeOf(attributes) === type);
  return {
    now: found?.overall?.value ?? null,
    over: found?.overall?.over === true,
    change: (found && changes.get(found.key)) ?? null,
  };
}

/** What the last ten minutes say of a kind, whatever was before. */
export function recentOf(
  type: string,
  searches: Answer | null,
  pings: Answer | null,
  end: number,
): Pick<Peers, "failing" | "silentSince"> {
  const failing = (answer: Answer | null) => answer && failingOf(answer, type, end - RECENT);
  const last = Math.max(
    ...[searches, pings].map((answer) => (answer === null ? -Infinity : lastOf(answer, type))),
  );
  return {
    failing: { searches: failing(searches), pings: failing(pings) },
    silentSince: Number.isFinite(last) && last < end - RECENT ? last : null,
  };
}

/** When something of a kind was measured last. */
function lastOf(answer: Answer, type: string): number {
  const times = answer.series
    .filter(({ attributes }) => typeOf(attributes) === type)
    .flatMap(({ points }) => points.filter(({ value }) => (value ?? 0) > 0))
    .map(({ timestamp }) => Date.parse(timestamp) / 1000);
  return Math.max(...times);
}

interface Tried {
  time: number;
  all: number;
  failed: number;
}

/** What was tried with a kind, in order of time. */
function triedOf(answer: Answer, type: string): Tried[] {
  const times = new Map<number, Tried>();
  for (const { attributes, points } of answer.series) {
    if (typeOf(attributes) !== type) continue;
    for (const { timestamp, value } of points) {
      const time = Date.parse(timestamp) / 1000;
      const tried = times.get(time) ?? { time, all: 0, failed: 0 };
      tried.all += value ?? 0;
      if (String(attributes["success"]) === "false") tried.failed += value ?? 0;
      times.set(time, tried);
    }
  }
  return [...times.values()].filter(({ all }) => all > 0).sort((a, b) => a.time - b.time);
}

function shareOf(tried: readonly Tried[]): number | null {
  const all = tried.reduce((sum, one) => sum + one.all, 0);
  return all === 0 ? null : tried.reduce((sum, one) => sum + one.failed, 0) / all;
}

const failedOf = (answer: Answer, type: string) => shareOf(triedOf(answer, type));

/** The share of late, and since when it was at least as high as one that is worth a word. */
function failingOf(answer: Answer, type: string, recently: number): Failing | null {
  const tried = triedOf(answer, type);
  const share = shareOf(tried.filter(({ time }) => time >= recently));
  return share === null ? null : { share, since: failingSince(tried) };
}

/** Where the last stretch begins over which so many failed, taken from its end backwards. */
function failingSince(tried: readonly Tried[]): number | null {
  let [balance, most, begin] = [0, 0, tried.length];
  for (let at = tried.length - 1; at >= 0; at -= 1) {
    const one = tried[at] as Tried;
    balance += one.failed - FAILING * one.all;
    if (balance < most) continue;
    most = balance;
    begin = at;
  }
  return begin === 0 ? null : (tried[begin]?.time ?? null);
}

/** Kinds that are connected, too, though nothing was measured of them. */
export function withConnected(peers: readonly Peers[], connected: readonly Connected[]): Peers[] {
  const known = new Set(peers.map(({ type }) => type));
  const others = connected
    .filter(({ type, count }) => !known.has(type) && (count ?? 0) > 0)
    .map(({ type }) => ({ type, discovery: null, ping: null, failed: null }));
  return [...peers, ...others].sort((a, b) => a.type.localeCompare(b.type));
}

export interface Said {
  words: string;
  bad: boolean;
}

/** All that is to be said about one kind of peer beside the others, the worst first. */
export function findings(peers: Peers, all: readonly Peers[]): Said[] {
  if (peers.silentSince != null)
    return [{ words: `Nothing measured since ${moment(peers.silentSince)}`, bad: true }];
  const found = [...failures(peers), ...changesIn(peers), ...slowest(peers, all)];
  if (found.length === 0) return [{ words: "Steady", bad: false }];
  return found.sort((a, b) => Number(b.bad) - Number(a.bad));
}

function failures({ failing }: Peers): Said[] {
  const told = [
    ["pings", failing?.pings],
    ["searches", failing?.searches],
  ] as const;
  return told.flatMap(([what, failed]) => {
    if (failed == null || failed.share < FAILING) return [];
    const since = failed.since === null ? "" : ` since ${moment(failed.since)}`;
    return [
      { words: `${Math.round(failed.share * 100)} % of the ${what} fail${since}`, bad: true },
    ];
  });
}

function changesIn({ ping, discovery }: Peers): Said[] {
  const told = [
    ["to reach", ping?.change],
    ["to find", discovery?.change],
  ] as const;
  return told.flatMap(([what, change]) => {
    if (change == null) return [];
    const slower = change.after > change.before;
    const words = `${slower ? "Slower" : "Faster"} ${what} since ${moment(change.since)}`;
    return [{ words: `${words} (${changeFigures(change, "ms")})`, bad: slower }];
  });
}

/** Only of a kind that did not get slow: since when is said of that. */
function slowest(peers: Peers, all: readonly Peers[]): Said[] {
  const own = peers.ping?.now ?? null;
  const others = all.flatMap((one) =>
    one === peers || one.ping?.now == null ? [] : [one.ping.now],
  );
  if (own === null || others.length === 0 || peers.ping?.change != null) return [];
  if (own <= SLOW * Math.max(...others)) return [];
  return [{ words: "By far the slowest to reach, all the time", bad: true }];
}

export function PeerTypes() {
  const { data, trouble } = useAsked("peers", askPeers, SLOW_PAUSE / 3);
  const connected = useConnected();
  const peers = data.value === null ? null : withConnected(data.value, connected);
  return (
    <Section
      id="peer-types"
      title="Kinds of peer"
      aside="in the last hour, or longer where you look at more; never single peers"
    >
      {peers === null && <Trouble words={trouble.value} />}
      {peers === null && trouble.value === "" && <Loading height={150} />}
      {peers?.length === 0 && (
        <Nothing>
          No peer was measured in this range. A node sends p2p.discovery.latency, p2p.ping.latency
          and p2p.peer.connections with the attribute peer_type.
        </Nothing>
      )}
      {peers !== null && peers.length > 0 && <Table peers={peers} connected={connected} />}
    </Section>
  );
}

function Table({ peers, connected }: { peers: Peers[]; connected: Connected[] }) {
  const counts = new Map(connected.map(({ type, count }) => [type, count]));
  return (
    <TableCard label="Kinds of peer">
      <table>
        <thead>
          <tr>
            <th scope="col">Kind</th>
            <th scope="col">How it is</th>
            <th scope="col" class="right">
              Connected
            </th>
            <th scope="col" class="right">
              Time to find, 95 % within
            </th>
            <th scope="col" class="right">
              Time to reach, 95 % within
            </th>
            <th scope="col" class="right">
              Searches that failed
            </th>
          </tr>
        </thead>
        <tbody>
          {peers.map((one) => {
            const said = findings(one, peers);
            return (
              <tr key={one.type}>
                <th scope="row">
                  <b>{one.type}</b>
                </th>
                <td>
                  {said.map(({ words, bad }) => (
                    <div key={words} class={bad ? "bad" : ""}>
                      {words}
                    </div>
                  ))}
                </td>
                <td class="right">{figureText(counts.get(one.type), "")}</td>
                <td class="right">
                  <Speedy speed={one.discovery} metric={DISCOVERY} />
                </td>
                <td class="right">
                  <Speedy speed={one.ping} metric={PING} />
                </td>
                <td class="right">
                  {one.failed === null ? "–" : `${Math.round(one.failed * 100)}%`}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </TableCard>
  );
}

function Speedy({ speed, metric }: { speed: Speed | null; metric: string }) {
  if (speed === null || speed.now === null) return <>–</>;
  return (
    <a href={address("/explore", { metric, by: "peer_type" })}>
      {boundText(speed.now, "ms", speed.over)}
    </a>
  );
}
