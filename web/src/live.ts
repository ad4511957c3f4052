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
  random?: () => number;
}

export class Live {
  private readonly options: Required<LiveOptions>;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private sequence: number | null = null;
  private stopped = false;

  constructor(options: LiveOptions) {
    this.options = {
      firstPause: 500,
      longestPause: 15_000,
      random: Math.random,
      onRefused: () => undefined,
      ...options,
    };
  }

  start(): void {
    this.stopped = false;
    this.options.onConnection("connecting");
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
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
      this.options.onConnection("live");
    };
    socket.onmessage = (event: MessageEvent<string>) => this.take(event.data);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (!opened) this.options.onRefused();
      this.pause();
    };
  }

  private take(text: string): void {
    const message = parseMessage(text);
    if (message === null) return;
    this.sequence = message.sequence;
    this.options.onMessage(message);
  }

  private pause(): void {
    this.socket = null;
    if (this.stopped) return;
    this.options.onConnection("reconnecting");
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
