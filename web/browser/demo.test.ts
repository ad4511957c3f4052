/** The real demo, as a newcomer sees it: services, a libp2p network, and charts that move. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, launch, look, open, picture } from "./browser";
import { ROOT, readyLine } from "./service";

const IS_THERE = existsSync(join(ROOT, ".venv-demo/bin/python"));
if (!IS_THERE)
  console.warn("the demo's environment is not there (make build-demo): its page is not tested");

/** The card of a service that reports; it may fail now and then, as the demo's services do. */
const reporting = (page: Page, name: string) =>
  page.locator("li.service:not(.service-down)", {
    has: page.getByRole("heading", { name, exact: true }),
  });

describe.skipIf(CHROMIUM === undefined || !IS_THERE)("the demo", () => {
  let demo: ChildProcess;
  let browser: Browser;
  let api = "";

  beforeAll(async () => {
    demo = spawn(join(ROOT, ".venv/bin/blackhole"), ["demo", "--port-base", "0"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "ignore"],
    });
    ({ api } = await readyLine(demo));
    browser = await launch();
  });

  afterAll(async () => {
    await browser?.close();
    demo.removeAllListeners("exit");
    const gone = new Promise((resolve) => demo.once("exit", resolve));
    demo.kill("SIGINT");
    await gone;
  });

  it("shows its services up, its kinds of peer, and a value that changes", async () => {
    const { page, trouble } = await look(browser, api);
    await open(page, api, "/");
    for (const name of ["identity", "node", "social"])
      await reporting(page, name).waitFor({ timeout: 30_000 });
    await page.locator("li.metric canvas").first().waitFor();
    const figures = () => page.locator(".legend b, .newest .big").allTextContents();
    const before = (await figures()).join();
    await expect.poll(async () => (await figures()).join(), { timeout: 15_000 }).not.toBe(before);
    await picture(page, "demo-overview");
    await open(page, api, "/network");
    await page.getByRole("rowheader", { name: "local" }).waitFor({ timeout: 30_000 });
    await picture(page, "demo-network");
    expect(trouble).toEqual([]);
  });
});
