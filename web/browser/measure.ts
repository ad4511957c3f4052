/** Measures the page in a real Chromium: its main thread, its latency and its heap (`make bench`, part "page"). */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Browser, CDPSession, Page } from "playwright-core";
import { look } from "./browser";
import { gauge, ROOT, readyLine, Service } from "./service";

const PYTHON = join(ROOT, ".venv/bin/python");
const CHARTS = 24;
const SETTLE = 4000;

async function withFastService<T>(speed: number, use: (api: string) => Promise<T>): Promise<T> {
  const child: ChildProcess = spawn(PYTHON, ["-m", "bench.page_service", String(speed)], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    return await use((await readyLine(child)).api);
  } finally {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function metric(cdp: CDPSession, name: string): Promise<number> {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find((one) => one.name === name)?.value ?? 0;
}

export interface Busy {
  /** CPU of the main thread, as percent of the time: whatever else the machine does. */
  mainThread: number;
  /** Questions a second of all charts together, for their newest ends. */
  questions: number;
  /** How many were drawn anew meanwhile. */
  charts: number;
}

/** 24 charts of 4 series, all to be seen, 10 messages a second. */
export async function busy(browser: Browser, seconds: number): Promise<Busy> {
  return withFastService(0, async (api) => {
    const { page } = await look(browser, api);
    await page.setViewportSize({ width: 1920, height: 3600 });
    await page.addInitScript(countDrawings);
    await page.goto(`${api}/#/performance`);
    await page.locator("#live").waitFor();
    await page.locator("#live").scrollIntoViewIfNeeded();
    await pause(SETTLE);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    const before = await metric(cdp, "ThreadTime");
    const drawn = await drawings(page);
    let questions = 0;
    page.on("request", (request) => {
      questions += Number(request.url().endsWith("/query"));
    });
    const began = Date.now();
    await pause(seconds * 1000);
    const passed = (Date.now() - began) / 1000;
    const after = await drawings(page);
    const mainThread = (100 * ((await metric(cdp, "ThreadTime")) - before)) / passed;
    await page.context().close();
    const charts = after.filter((count, at) => count > (drawn[at] ?? 0)).length;
    return { mainThread, questions: questions / passed, charts: Math.min(charts, CHARTS) };
  });
}

/** A drawing begins with an empty canvas. */
function countDrawings(): void {
  const counts = new Map<HTMLCanvasElement, number>();
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (
    this: CanvasRenderingContext2D,
    ...box: [number, number, number, number]
  ) {
    counts.set(this.canvas, (counts.get(this.canvas) ?? 0) + 1);
    Reflect.apply(clearRect, this, box);
  };
  Object.assign(globalThis, { drawings: () => [...counts.values()] });
}

const drawings = (page: Page): Promise<number[]> =>
  page.evaluate(() => (globalThis as unknown as { drawings: () => number[] }).drawings());

/** Milliseconds from sending a request to its value on the screen, each of them. */
export async function latencies(browser: Browser, rounds: number): Promise<number[]> {
  const service = new Service();
  try {
    await service.start();
    const send = (value: number) =>
      service.send(
        "node",
        gauge("process.cpu.usage", "percent", [{ time: Date.now() / 1000, value }]),
      );
    await send(1);
    const { page } = await look(browser, service.api);
    await page.goto(`${service.api}/#/performance`);
    await page.locator("li.metric .big", { hasText: "1" }).first().waitFor();
    await page.evaluate(watchFigures);
    const found: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await pause(300 + ((round * 137) % 500));
      const value = 100 + round;
      const began = Date.now();
      const answer = await send(value);
      if (answer !== "{}") throw new Error(`the value ${value} was not taken: ${answer}`);
      found.push((await seenAt(page, String(value))) - began);
    }
    await page.context().close();
    return found;
  } finally {
    await service.end();
  }
}

/** Remembers when each figure was first painted: the frame after the one that changed the text. */
function watchFigures(): void {
  const seen = new Map<string, number>();
  const note = () => {
    const texts = [...document.querySelectorAll("li.metric .big")].map(
      (big) => big.textContent ?? "",
    );
    requestAnimationFrame(() =>
      setTimeout(() => {
        for (const text of texts) if (!seen.has(text)) seen.set(text, Date.now());
      }),
    );
  };
  new MutationObserver(note).observe(document.body, {
    subtree: true,
    childList: true,
    characterData: true,
  });
  Object.assign(globalThis, { seenAt: (text: string) => seen.get(text) ?? 0 });
}

async function seenAt(page: Page, text: string): Promise<number> {
  for (let turn = 0; turn < 500; turn += 1) {
    const time = await page.evaluate(
      (wanted) => (globalThis as unknown as { seenAt: (text: string) => number }).seenAt(wanted),
      text,
    );
    if (time > 0) return time;
    await pause(20);
  }
  const shown = await page.locator("li.metric .big").allTextContents();
  const state = await page.locator("header").textContent();
  throw new Error(`the value ${text} never came to the screen: ${shown.join(" | ")} (${state})`);
}

/** Milliseconds until the navigation can be used, each of the rounds with an empty cache. */
export async function interactive(browser: Browser, rounds: number): Promise<number[]> {
  const service = new Service();
  try {
    await service.start();
    const found: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { page } = await look(browser, service.api);
      await page.addInitScript(() => {
        const note = () => {
          if (
            document.querySelector("nav a") !== null &&
            performance.getEntriesByName("usable").length === 0
          )
            performance.mark("usable");
        };
        new MutationObserver(note).observe(document, { subtree: true, childList: true });
      });
      await page.goto(service.api);
      await page.getByRole("link", { name: "Network", exact: true }).waitFor();
      found.push(
        await page.evaluate(() => performance.getEntriesByName("usable")[0]?.startTime ?? 1e9),
      );
      await page.context().close();
    }
    return found;
  } finally {
    await service.end();
  }
}

export interface Soak {
  /** Bytes by which the heap grew, after all windows were full. */
  grown: number;
  heap: number;
  /** Minutes of messages that went by. */
  minutes: number;
}

const SPEED = 20;
/** Seconds in the data until every window of the page is full. */
const FULL = 800;

/** An hour of messages, 20 times as fast. */
export async function soak(browser: Browser, minutes: number): Promise<Soak> {
  return withFastService(SPEED, async (api) => {
    const { page } = await look(browser, api);
    await page.goto(`${api}/#/performance`);
    await page.locator("#live").waitFor();
    const cdp = await page.context().newCDPSession(page);
    await pause((FULL / SPEED) * 1000);
    const before = await heap(cdp);
    await pause(((minutes * 60) / SPEED) * 1000);
    const after = await heap(cdp);
    await page.context().close();
    return { grown: after - before, heap: after, minutes };
  });
}

async function heap(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  await cdp.send("HeapProfiler.collectGarbage");
  return (await cdp.send("Runtime.getHeapUsage")).usedSize;
}
