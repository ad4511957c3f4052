/** Prints what the page costs, as JSON for `make bench`; runs only where it is asked for. */

import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CHROMIUM, launch } from "./browser";
import { busy, interactive, latencies, soak } from "./measure";

const RESULT = process.env["BLACKHOLE_PAGE_RESULT"] ?? "";
const QUICK = process.env["BLACKHOLE_PAGE_QUICK"] === "1";

it.skipIf(RESULT === "" || CHROMIUM === undefined)(
  "measures the page",
  async () => {
    const browser = await launch();
    const result = {
      interactive: await interactive(browser, QUICK ? 3 : 10),
      latencies: await latencies(browser, QUICK ? 20 : 100),
      busy: await busy(browser, QUICK ? 8 : 30),
      soak: await soak(browser, QUICK ? 10 : 60),
    };
    await browser.close();
    writeFileSync(RESULT, JSON.stringify(result));
    expect(result.busy.charts).toBe(24);
  },
  600_000,
);
