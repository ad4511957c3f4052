/** Runs the real service on free ports, and sends it OTLP as JSON. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const ROOT = join(import.meta.dirname, "../..");
const BLACKHOLE = join(ROOT, ".venv/bin/blackhole");
const READY_WITHIN = 30_000;

interface Addresses {
  otlp_http: string;
  api: string;
}

export class Service {
  readonly directory = mkdtempSync(join(tmpdir(), "blackhole-page-"));
  private process: ChildProcess | null = null;
  private addresses: Addresses | null = null;

  constructor(private config = "") {}

  /** Lines of the configuration, which may name what is in the service's directory. */
  configure(lines: string): void {
    this.config += lines;
  }

  get api(): string {
    return this.addresses?.api ?? "";
  }

  /** On the ports of before, where there were some. */
  async start(): Promise<void> {
    const config = join(this.directory, "config.yaml");
    writeFileSync(config, `analytics:\n  max_cpu_usage: 10000\n${this.config}`);
    const listen = this.api === "" ? "127.0.0.1:0" : this.api.replace("http://", "");
    const flags = ["--listen", listen, "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"];
    const data = join(this.directory, "data");
    this.process = spawn(BLACKHOLE, ["serve", "--config", config, "--data-dir", data, ...flags], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.addresses = await readyLine(this.process);
  }

  async stop(): Promise<void> {
    const running = this.process;
    if (running === null) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGTERM");
    await gone;
    this.process = null;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async send(service: string, ...metrics: object[]): Promise<string> {
    const body = {
      resourceMetrics: [
        {
          resource: { attributes: attributes({ "service.name": service }) },
          scopeMetrics: [{ metrics }],
        },
      ],
    };
    const answer = await fetch(`http://${this.addresses?.otlp_http}/v1/metrics`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.text();
  }
}

export function readyLine(process: ChildProcess): Promise<Addresses> {
  return new Promise((resolve, reject) => {
    if (process.stdout === null) return reject(new Error("no output"));
    const late = setTimeout(
      () => reject(new Error("the service was not ready in time")),
      READY_WITHIN,
    );
    process.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
    createInterface(process.stdout).on("line", (line) => {
      if (!line.startsWith("ready ")) return;
      clearTimeout(late);
      resolve(JSON.parse(line.slice("ready ".length)));
    });
  });
}

const attributes = (pairs: Record<string, string>) =>
  Object.entries(pairs).map(([key, stringValue]) => ({ key, value: { stringValue } }));

const nanos = (seconds: number) => String(Math.round(seconds * 1e9));

export interface Sample {
  time: number;
  value: number;
}

export function gauge(
  name: string,
  unit: string,
  samples: Sample[],
  by: Record<string, string> = {},
) {
  const dataPoints = samples.map(({ time, value }) => ({
    attributes: attributes(by),
    timeUnixNano: nanos(time),
    asDouble: value,
  }));
  return { name, unit, gauge: { dataPoints } };
}

/** Levels that go up and down, each sample with its own attributes. */
export function level(
  name: string,
  unit: string,
  samples: { sample: Sample; by: Record<string, string> }[],
) {
  const dataPoints = samples.map(({ sample, by }) => ({
    attributes: attributes(by),
    startTimeUnixNano: nanos(sample.time - 3600),
    timeUnixNano: nanos(sample.time),
    asDouble: sample.value,
  }));
  return { name, unit, sum: { isMonotonic: false, aggregationTemporality: 2, dataPoints } };
}

export function counter(
  name: string,
  unit: string,
  samples: Sample[],
  by: Record<string, string> = {},
) {
  const dataPoints = samples.map(({ time, value }) => ({
    attributes: attributes(by),
    startTimeUnixNano: nanos(time - 1),
    timeUnixNano: nanos(time),
    asDouble: value,
  }));
  return { name, unit, sum: { isMonotonic: true, aggregationTemporality: 1, dataPoints } };
}

/** A counter as most programs send it: all that was counted since `start`. */
export function cumulative(name: string, unit: string, samples: Sample[], start: number) {
  const dataPoints = samples.map(({ time, value }) => ({
    startTimeUnixNano: nanos(start),
    timeUnixNano: nanos(time),
    asDouble: value,
  }));
  return { name, unit, sum: { isMonotonic: true, aggregationTemporality: 2, dataPoints } };
}

const BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500];
const EACH = 6;

/** Six observations around each sample. */
export function histogram(
  name: string,
  unit: string,
  samples: Sample[],
  by: Record<string, string> = {},
) {
  const dataPoints = samples.map(({ time, value }) => {
    const bucketCounts = new Array(BOUNDS.length + 1).fill(0);
    for (let turn = 0; turn < EACH; turn += 1) {
      const at = BOUNDS.findIndex((bound) => value * (0.7 + 0.1 * turn) <= bound);
      bucketCounts[at < 0 ? BOUNDS.length : at] += 1;
    }
    return {
      attributes: attributes(by),
      startTimeUnixNano: nanos(time - 1),
      timeUnixNano: nanos(time),
      count: String(EACH),
      sum: EACH * value,
      explicitBounds: BOUNDS,
      bucketCounts: bucketCounts.map(String),
    };
  });
  return { name, unit, histogram: { aggregationTemporality: 1, dataPoints } };
}

/** One sample each `step` seconds of the last `span`. */
export function past(span: number, step: number, value: (ago: number) => number): Sample[] {
  const now = Date.now() / 1000;
  const samples: Sample[] = [];
  for (let ago = span; ago > 2; ago -= step) samples.push({ time: now - ago, value: value(ago) });
  return samples;
}

export const SLOW_SINCE = 1200;

/** An hour of a node whose relays got slow twenty minutes ago, and a metric that nobody knows. */
export async function sendAnHour(service: Service): Promise<void> {
  const ping = (type: string, value: (ago: number) => number) =>
    histogram("p2p.ping.latency", "ms", past(3600, 15, value), {
      peer_type: type,
      success: "true",
    });
  const find = (type: string, value: number) =>
    histogram(
      "p2p.discovery.latency",
      "milliseconds",
      past(3600, 15, () => value),
      {
        peer_type: type,
        success: "true",
      },
    );
  await service.send(
    "node",
    ping("relay", (ago) => (ago < SLOW_SINCE ? 320 : 40)),
    ping("local", () => 3),
    ping("network", () => 60),
    find("local", 12),
    find("relay", 120),
    counter(
      "shop.sales",
      "1",
      past(4, 1, () => 1),
    ),
  );
  for (const [index, name] of ["identity", "node", "social"].entries()) {
    const size = index + 1;
    await service.send(
      name,
      gauge(
        "process.cpu.usage",
        "percent",
        past(3600, 15, (ago) => 5 * size + (ago % 3)),
      ),
      gauge(
        "process.memory.usage",
        "bytes",
        past(3600, 15, () => 6e7 * size),
      ),
      histogram(
        `${name}.request.duration`,
        "ms",
        past(3600, 15, () => 20 * size),
        { method: "Verify" },
      ),
      counter(
        `${name}.requests.total`,
        "{request}",
        past(600, 5, () => 40),
        { method: "Verify" },
      ),
      counter(
        `${name}.errors.total`,
        "{error}",
        past(600, 5, () => 1),
        { method: "Verify", error_type: "NOT_FOUND" },
      ),
    );
  }
}
