/** A service that asks for a token: the page asks for it once, and again when it is no longer good. */

import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, isAccessible, launch, look, open, picture } from "./browser";
import { Service } from "./service";

const TOKEN = "a-token-of-this-test";

describe.skipIf(CHROMIUM === undefined)("with a token", () => {
  const file = join(tmpdir(), `blackhole-token-${process.pid}`);
  const service = new Service(`  api: {token_file: ${file}}\n`);
  let browser: Browser;
  let page: Page;
  let trouble: string[];

  beforeAll(async () => {
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    await service.start();
    browser = await launch();
    ({ page, trouble } = await look(browser, service.api, {
      expected: /401|403|WebSocket|ERR_CONNECTION_REFUSED/,
    }));
  });

  afterAll(async () => {
    await browser?.close();
    await service.end();
    rmSync(file, { force: true });
    expect(trouble).toEqual([]);
  });

  it("asks for the token, and keeps it where no script can read it", async () => {
    await open(page, service.api, "/network");
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").waitFor();
    await isAccessible(page);
    await picture(page, "token");
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("heading", { name: "Kinds of peer" }).waitFor();
    expect(await page.evaluate(() => document.cookie)).toBe("");
    expect(page.url()).not.toContain(TOKEN);
    await page.getByText("Live", { exact: true }).waitFor();
  });

  it("asks again when the service has forgotten the session", async () => {
    await service.stop();
    await service.start();
    await page.getByLabel("Token").waitFor({ timeout: 25_000 });
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByText("Live", { exact: true }).waitFor({ timeout: 20_000 });
  });
});
