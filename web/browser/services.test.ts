/** Overview and Performance in a browser: a service is the same on both, whatever conventions it follows. */

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, launch, look, open, picture } from "./browser";
import { Service } from "./service";

const PERIOD = 60;
const EXPORTS = 30;
const GOOD = 54;
const FAILED = 6;

const nanos = (seconds: number) => String(Math.round(seconds * 1e9));
const now = Date.now() / 1000;
const START = now - PERIOD * EXPORTS - 2;
const times = Array.from({ length: EXPORTS }, (_, turn) => START + PERIOD * (turn + 1));

const attributes = (pairs: Record<string, string | number>) =>
  Object.entries(pairs).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value },
  }));

interface Answered {
  by: Record<string, string | number>;
  each: number;
}

/** What an SDK at its defaults exports, once a minute: all since its start, which is before this database. */
const points = (answered: Answered[], value: (count: number) => object) =>
  answered.flatMap(({ by, each }) =>
    times.map((time, turn) => ({
      attributes: attributes(by),
      startTimeUnixNano: nanos(START),
      timeUnixNano: nanos(time),
      ...value(each * (turn + 1)),
    })),
  );

const served = (name: string, unit: string, bounds: number[], answered: Answered[]) => ({
  name,
  unit,
  histogram: {
    aggregationTemporality: 2,
    dataPoints: points(answered, (count) => ({
      count: String(count),
      sum: count,
      explicitBounds: bounds,
      bucketCounts: [String(count), ...bounds.map(() => "0")],
    })),
  },
});

const counted = (name: string, each: number) => ({
  name,
  unit: "1",
  sum: {
    isMonotonic: true,
    aggregationTemporality: 2,
    dataPoints: points([{ by: {}, each }], (count) => ({ asInt: String(count) })),
  },
});

/** Flask with `OTEL_SEMCONV_STABILITY_OPT_IN=http/dup` and a counter of its own: a tenth of its answers are 500. */
async function sendFlask(service: Service): Promise<void> {
  const older = { "http.method": "GET", "http.route": "/hello/{i}", "http.host": "localhost" };
  const stable = { "http.request.method": "GET", "http.route": "/hello/{i}" };
  await service.send(
    "flask",
    served(
      "http.server.duration",
      "ms",
      [10, 20],
      [
        { by: { ...older, "http.status_code": 200 }, each: GOOD },
        { by: { ...older, "http.status_code": 500 }, each: FAILED },
      ],
    ),
    served(
      "http.server.request.duration",
      "s",
      [0.01, 0.02],
      [
        { by: { ...stable, "http.response.status_code": 200 }, each: GOOD },
        { by: { ...stable, "http.response.status_code": 500, "error.type": "500" }, each: FAILED },
      ],
    ),
    counted("flask.requests.total", GOOD + FAILED),
  );
  await service.send("plain", counted("plain.requests.total", GOOD + FAILED));
}

const plainly = (text: string | null) => (text ?? "").replace(/\s+/g, " ").trim();

describe.skipIf(CHROMIUM === undefined)("a service on the page", () => {
  const service = new Service();
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await service.start();
    await sendFlask(service);
    browser = await launch();
    ({ page } = await look(browser, service.api));
  });

  afterAll(async () => {
    await browser?.close();
    await service.end();
  });

  const cellsOf = async (row: string): Promise<string[]> => {
    const found = page.locator("section[aria-label='Requests and errors: table'] tr", {
      has: page.getByRole("rowheader", { name: row, exact: true }),
    });
    await found.waitFor();
    return (await found.locator("td").allTextContents()).map(plainly);
  };

  const factOf = async (name: string, fact: string): Promise<string> => {
    const card = page.locator("li.service", { has: page.getByRole("heading", { name }) });
    const found = card.locator(".fact", { hasText: fact }).locator("dd");
    await found.waitFor();
    return plainly(await found.textContent());
  };

  it("counts its requests once, and shows a tenth of them as errors on both pages", async () => {
    await open(page, service.api, "/");
    const requests = await factOf("flask", "Requests");
    const errors = await factOf("flask", "Errors");
    expect(Number.parseFloat(requests)).toBeCloseTo((GOOD + FAILED) / PERIOD, 1);
    expect(Number.parseFloat(errors)).toBeCloseTo(FAILED / PERIOD, 2);
    await picture(page, "services-overview");
    await open(page, service.api, "/performance?range=1h");
    const cells = await cellsOf("flask");
    expect(cells.slice(0, 2)).toEqual([requests, errors]);
    expect(cells.slice(2, 4)).toEqual(["1 740", "174 (10%)"]);
    expect(cells.at(-1)).toBe("http.server.request.duration");
  });

  it("names the route whole and the kind of error", async () => {
    await page.getByRole("link", { name: "GET /hello/{i}", exact: true }).waitFor();
    const kinds = page.locator("section[aria-label='Errors by kind: table'] tbody tr");
    expect(plainly(await kinds.first().textContent())).toBe("500flaskGET /hello/{i} 174");
    expect(await kinds.count()).toBe(1);
    await picture(page, "services-performance");
  });

  it("shows errors that nothing tells as unknown", async () => {
    expect((await cellsOf("plain")).slice(0, 4)).toEqual(["1/s", "–", "1 740", "–"]);
    await open(page, service.api, "/");
    expect(await factOf("plain", "Errors")).toBe("–");
  });
});
