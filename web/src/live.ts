/** Holds the WebSocket to the service: reconnects with growing pauses and resumes where it was. */

import { type Message, parseMessage } from "./wire";

export type Connection = "connecting" | "live" | "reconnecting";

export interface LiveOptions {
  url: string;
  onMessage: (message: Message) => void;
  onConnection: (connection: Connection) => void;
  /** Called when an attempt failed before it was open: perhaps a token is no longer good. */
  onRefused?: () => void;
  /** Longest and first pause between attempts, in milliseconds. */
  firstPause?: number;
  longestPause?: number;
  /** After so many milliseconds without a word the connection is gone: the service speaks every 10 s. */
  patience?: number;
  random?: () => number;
}

/** An attempt may take so many times the patience with a connection: a way may have to be found first. */
const ATTEMPT = 3;

export class Live {
  private readonly options: Required<LiveOptions>;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private state: Connection = "connecting";
  private failures = 0;
  private sequence: number | null = null;
  private stopped = false;

  constructor(options: LiveOptions) {
    this.options = {
      firstPause: 500,
      longestPause: 15_000,
      patience: 25_000,
      random: Math.random,
      onRefused: () => undefined,
      ...options,
    };
  }

  start(): void {
    this.stopped = false;
    this.say("connecting");
    this.connect();
  }

  private say(state: Connection): void {
    this.state = state;
    this.options.onConnection(state);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.deadline);
    this.socket?.close();
    this.socket = null;
  }

  /** Tries at once instead of at the end of the pause. */
  hurry(): void {
    if (this.socket !== null || this.stopped) return;
    clearTimeout(this.timer);
    this.connect();
  }

  private connect(): void {
    const since = this.sequence === null ? "" : `?since=${this.sequence}`;
    const socket = new WebSocket(`${this.options.url}${since}`);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.failures = 0;
      this.expect(socket);
    };
    this.expect(socket, ATTEMPT);
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket !== socket) return;
      this.expect(socket);
      if (this.state !== "live") this.say("live");
      this.take(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (!opened) this.options.onRefused();
      this.pause();
    };
  }

  /** A connection may be gone without anybody saying so: neither end closes what a sleeping router has dropped. */
  private expect(socket: WebSocket, times = 1): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => {
      if (this.socket !== socket) return;
      this.pause();
      socket.close();
    }, times * this.options.patience);
  }

  private take(text: string): void {
    const message = parseMessage(text);
    if (message === null) return;
    this.sequence = message.sequence;
    this.options.onMessage(message);
  }

  private pause(): void {
    this.socket = null;
    clearTimeout(this.deadline);
    if (this.stopped) return;
    this.say("reconnecting");
    const { firstPause, longestPause, random } = this.options;
    const pause = Math.min(longestPause, firstPause * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), pause * (0.5 + random() / 2));
  }
}

/** The address of the stream beside the page at `location`. */
export function streamUrl(location: { protocol: string; host: string }): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/analytics/stream`;
}
