/** The numbers of a drawn chart, read off its data: filled in and live, they are those of the API and of the sender. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Drawn } from "../src/chart/chart";
import type { Answer } from "../src/wire";
import { CHROMIUM, launch, look, open, picture } from "./browser";
import { cumulative, Service } from "./service";

/** Seconds between two exports of each metric. */
const PERIODS = [60, 10, 1] as const;
const HISTORY = 1200;
/** So many exports of each come while the page is open. */
const LIVE = { 60: 2, 10: 6, 1: 30 };
const RATE = 50;

const metricOf = (period: number) => `seam.every${period}`;

/** What a sender has counted at a time: about 50 a second, never quite. */
const counted = (time: number) => RATE * (time % 1e6) + 40 * Math.sin(time / 31);

/** What is known of it: evenly between two exports. */
function grown(time: number, period: number): number {
  const before = period * Math.floor(time / period);
  const share = (time - before) / period;
  return counted(before) + share * (counted(before + period) - counted(before));
}

const CATALOGUE = `metrics:
${PERIODS.map(
  (period) => `  - name: ${metricOf(period)}
    category: infrastructure
    description: Counted by a test
    type: counter
    unit: "{thing}"
    privacy: internal
    purpose: Whether a chart shows what was sent
    review_after: 2099-01-01
`,
).join("")}`;

interface Read {
  time: number;
  value: number;
  whole: boolean;
}

/** The first line of the chart with this heading, as it is drawn. */
async function drawn(page: Page, period: number): Promise<Read[]> {
  const name = `Seam every${period}`;
  const chart = page
    .locator("li.metric", { has: page.getByRole("heading", { name, exact: true }) })
    .locator(".chart");
  return chart.evaluate((element) => {
    const lines = (element as Drawn).drawn;
    const found: Read[] = [];
    for (let at = 0; at < (lines?.times.length ?? 0); at += 1) {
      const [time, value] = [lines?.times[at] ?? 0, lines?.columns[0]?.[at]];
      if (value != null) found.push({ time, value, whole: (lines?.marks?.[0]?.[at] ?? 0) === 0 });
    }
    return found;
  });
}

describe.skipIf(CHROMIUM === undefined)("a chart across the seam", () => {
  const service = new Service();
  let browser: Browser;
  let page: Page;
  let trouble: string[];
  /** A minute, so that all exports lie at whole periods. */
  const now = 60 * Math.floor(Date.now() / 60_000);

  const send = (period: number, from: number, to: number) => {
    const samples = [];
    for (let time = from; time <= to; time += period) samples.push({ time, value: counted(time) });
    return service.send(
      `every${period}`,
      cumulative(metricOf(period), "{thing}", samples, now - HISTORY - period),
    );
  };

  const ask = async (period: number, more: object = {}): Promise<Answer> => {
    const question = { metric: metricOf(period), start_time: now - 600, end_time: now, ...more };
    const answer = await fetch(`${service.api}/api/analytics/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(question),
    });
    return answer.json() as Promise<Answer>;
  };

  const asked = async (period: number, step: number): Promise<Map<number, number>> => {
    const answer = await ask(period, { interval: `${step}s`, end_time: now + 120 });
    const points = answer.series[0]?.points ?? [];
    return new Map(points.map((one) => [Date.parse(one.timestamp) / 1000, one.value ?? NaN]));
  };

  beforeAll(async () => {
    const file = join(service.directory, "seam.yaml");
    writeFileSync(file, CATALOGUE);
    service.configure(`  catalogue: [${file}]\n`);
    await service.start();
    for (const period of PERIODS) await send(period, now - HISTORY, now - LIVE[period] * period);
    browser = await launch();
    ({ page, trouble } = await look(browser, service.api));
    // Only what can be seen is kept fresh.
    await page.setViewportSize({ width: 1360, height: 4000 });
    await open(page, service.api, "/performance");
  });

  afterAll(async () => {
    await browser?.close();
    await service.end();
    expect(trouble).toEqual([]);
  });

  it("has the values of the API and of the sender, filled in and live", async () => {
    const spread = (await ask(60, { interval: "10s" })).series[0]?.points.length ?? 0;
    expect(spread, "counts are spread over the time between exports").toBeGreaterThanOrEqual(40);
    const seen: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      for (const period of PERIODS) {
        const left = LIVE[period];
        const at = (done: number) => now - (left - Math.floor((left * done) / 6)) * period;
        if (at(turn + 1) > at(turn)) await send(period, at(turn) + period, at(turn + 1));
      }
      await page.waitForTimeout(2500);
      for (const period of PERIODS)
        seen.push(...(await drawn(page, period)).map(({ value }) => value));
    }
    await picture(page, "seam");
    // No value of any moment was another one than what is sent: no jump, no spike, no dip.
    expect(Math.max(...seen)).toBeLessThan(RATE + 1.3);
    expect(Math.min(...seen)).toBeGreaterThan(RATE - 1.3);
    for (const period of PERIODS) {
      await expect
        .poll(async () => (await drawn(page, period)).at(-1)?.time, { timeout: 20_000 })
        .toBeGreaterThanOrEqual(now - 60);
      const lines = await drawn(page, period);
      const step = (lines[1]?.time ?? 0) - (lines[0]?.time ?? 0);
      const api = await asked(period, step);
      expect(lines.length).toBeGreaterThanOrEqual(Math.floor(400 / step));
      for (const { time, value, whole } of lines) {
        expect(value, `${metricOf(period)} at ${time - now}`).toBe(api.get(time));
        const truth = (grown(time + step, period) - grown(time, period)) / step;
        if (whole) expect(Math.abs(value - truth)).toBeLessThan(1e-6);
      }
    }
  }, 120_000);
});
