/** A real Chromium, and pages that fail the test when they say an error or ask another host. */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { ROOT } from "./service";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const CHROMIUM =
  process.env["BLACKHOLE_CHROMIUM"] ?? PLACES.find((place) => existsSync(place));

const PICTURES = join(ROOT, ".build/screenshots");
mkdirSync(PICTURES, { recursive: true });

const ROOT_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"];

export function launch(): Promise<Browser> {
  const args = process.getuid?.() === 0 ? ROOT_FLAGS : [];
  return chromium.launch({ executablePath: CHROMIUM ?? "", args });
}

export interface Looked {
  page: Page;
  /** What went wrong on the page. */
  trouble: string[];
}

interface Options {
  width?: number;
  dark?: boolean;
  /** Answers of the service that are expected, such as 401. */
  expected?: RegExp;
}

export async function look(browser: Browser, api: string, options: Options = {}): Promise<Looked> {
  const { width = 1360, dark = false, expected = /^$/ } = options;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() !== "error" || expected.test(text)) return;
    const { url, lineNumber, columnNumber } = message.location();
    trouble.push(`${text} (${url}:${lineNumber}:${columnNumber})`);
  });
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(api))
      trouble.push(`another host was asked: ${request.url()}`);
  });
  return { page, trouble };
}

export async function open(page: Page, api: string, place: string): Promise<void> {
  await page.goto(`${api}/#${place}`);
  await page.locator("main").waitFor();
}

export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** No violation that axe can find. */
export async function isAccessible(page: Page): Promise<void> {
  const script = join(ROOT, "web/node_modules/axe-core/axe.min.js");
  await page.evaluate(await (await import("node:fs/promises")).readFile(script, "utf8"));
  const found = await page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResult> } })
      .axe;
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`)
          .slice(0, 3)
          .join(" | ")}`,
    );
  });
  expect(found).toEqual([]);
}

interface AxeResult {
  violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
}
