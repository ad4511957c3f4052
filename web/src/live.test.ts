import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Connection, Live, streamUrl } from "./live";
import { type Message, parseMessage } from "./wire";

class FakeSocket {
  static all: FakeSocket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  close(): void {
    this.onclose?.();
  }
}

const newest = () => FakeSocket.all.at(-1) as FakeSocket;
const governor = (sequence: number) =>
  JSON.stringify({ type: "governor", sequence, timestamp: "2026-01-01T00:00:00Z", data: {} });

let states: Connection[] = [];
let messages: Message[] = [];
let live: Live;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.all = [];
  states = [];
  messages = [];
  live = new Live({
    url: "ws://node/analytics/stream",
    onMessage: (message) => messages.push(message),
    onConnection: (state) => states.push(state),
    random: () => 1,
  });
  live.start();
});

afterEach(() => {
  live.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the live connection", () => {
  it("says how it is, and hands messages on", () => {
    newest().onopen?.();
    newest().onmessage?.({ data: governor(4) });
    expect(states).toEqual(["connecting", "live"]);
    expect(messages.map((message) => message.sequence)).toEqual([4]);
  });

  it("is live only once something came, and says so again after each word", () => {
    newest().onopen?.();
    expect(states.at(-1)).toBe("connecting");
    newest().onmessage?.({ data: governor(4) });
    newest().onmessage?.({ data: governor(5) });
    expect(states).toEqual(["connecting", "live"]);
  });

  it("notices within 25 s that a connection is gone which nobody closed", () => {
    const dead = newest();
    dead.close = () => undefined;
    dead.onopen?.();
    dead.onmessage?.({ data: governor(4) });
    vi.advanceTimersByTime(20_000);
    dead.onmessage?.({ data: '{"type":"beat","sequence":4,"timestamp":"","data":{}}' });
    vi.advanceTimersByTime(24_000);
    expect(states.at(-1)).toBe("live");
    vi.advanceTimersByTime(1000);
    expect(states.at(-1)).toBe("reconnecting");
    vi.advanceTimersByTime(500);
    expect(newest()).not.toBe(dead);
    expect(newest().url).toContain("?since=4");
    dead.onmessage?.({ data: governor(9) });
    dead.onclose?.();
    expect(states.at(-1)).toBe("reconnecting");
    newest().onmessage?.({ data: governor(5) });
    expect(states.at(-1)).toBe("live");
  });

  it("gives up an attempt that is never answered", () => {
    newest().close = () => undefined;
    vi.advanceTimersByTime(76_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("resumes after the last message that it had", () => {
    newest().onopen?.();
    newest().onmessage?.({ data: governor(41) });
    newest().close();
    expect(states.at(-1)).toBe("reconnecting");
    vi.advanceTimersByTime(500);
    expect(newest().url).toBe("ws://node/analytics/stream?since=41");
  });

  it("waits longer after each failure, up to a limit, and starts over once connected", () => {
    const pauses: number[] = [];
    for (let failure = 0; failure < 7; failure += 1) {
      const before = FakeSocket.all.length;
      newest().close();
      let pause = 0;
      while (FakeSocket.all.length === before) {
        vi.advanceTimersByTime(100);
        pause += 100;
      }
      pauses.push(pause);
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    newest().onopen?.();
    newest().close();
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(9);
  });

  it("can be hurried, once", () => {
    newest().close();
    live.hurry();
    live.hurry();
    expect(FakeSocket.all).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("stays away when stopped", () => {
    live.stop();
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

it("leaves messages of unknown types out", () => {
  expect(parseMessage('{"type":"novelty","sequence":1,"timestamp":"","data":{}}')).toBeNull();
  expect(parseMessage("[]")).toBeNull();
  expect(parseMessage(governor(1))?.type).toBe("governor");
});

it("finds the stream beside the page, encrypted as the page is", () => {
  expect(streamUrl({ protocol: "http:", host: "127.0.0.1:8080" })).toBe(
    "ws://127.0.0.1:8080/analytics/stream",
  );
  expect(streamUrl({ protocol: "https:", host: "node.lan" })).toBe(
    "wss://node.lan/analytics/stream",
  );
});
