/** Lines are told apart by people who see no red, no green or no blue, and on both backgrounds. */

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DASHES } from "./colours";

const STYLE = readFileSync(`${process.cwd()}/src/style.css`, "utf8");
const COLOURS = DASHES.map((_, index) => pair(`--chart-${index + 1}`));
const CARD = pair("--card");

function pair(name: string): [string, string] {
  const found = new RegExp(`${name}: light-dark\\((#\\w+), (#\\w+)\\)`).exec(STYLE);
  return [found?.[1] ?? "", found?.[2] ?? ""];
}

type Rgb = [number, number, number];

const linear = (hex: string): Rgb =>
  [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Rgb;

/** Viénot, Brettel and Mollon (1999), and for blue Brettel's first plane, as matrices over linear RGB. */
const SEEN: Record<string, number[][]> = {
  "all colours": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  "no red": [
    [0.11238, 0.88762, 0],
    [0.11238, 0.88762, 0],
    [0.00401, -0.00401, 1],
  ],
  "no green": [
    [0.29275, 0.70725, 0],
    [0.29275, 0.70725, 0],
    [-0.02234, 0.02234, 1],
  ],
};

const seen = (colour: Rgb, matrix: number[][]): Rgb =>
  matrix.map((row) => row.reduce((sum, part, at) => sum + part * (colour[at] ?? 0), 0)) as Rgb;

/** CIE L*a*b*. */
function lab([r, g, b]: Rgb): Rgb {
  const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const apart = (a: Rgb, b: Rgb) => Math.hypot(...a.map((part, at) => part - (b[at] ?? 0)));

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

/** Colours of the same dashes must differ by more than a glance would miss. */
const CLEARLY = 14;

for (const [scheme, name] of ["light", "dark"].entries())
  for (const [who, matrix] of Object.entries(SEEN))
    it(`lines differ in ${name} for those who see ${who}`, () => {
      const labs = COLOURS.map((colour) => lab(seen(linear(colour[scheme] ?? ""), matrix)));
      labs.forEach((a, first) => {
        labs.slice(first + 1).forEach((b, after) => {
          const second = first + 1 + after;
          const sameDash = String(DASHES[first]) === String(DASHES[second]);
          if (sameDash)
            expect(apart(a, b), `${first + 1} and ${second + 1}`).toBeGreaterThan(CLEARLY);
        });
      });
    });

it("every line stands out from the card: 3 to 1, as WCAG 1.4.11 asks of graphics", () => {
  for (const scheme of [0, 1] as const)
    for (const colour of COLOURS) {
      const [a, b] = [colour[scheme], CARD[scheme]].map(
        (hex) => luminance(linear(hex.length === 4 ? hex : hex)) + 0.05,
      );
      expect(Math.max(a ?? 0, b ?? 0) / Math.min(a ?? 1, b ?? 1)).toBeGreaterThan(3);
    }
});
