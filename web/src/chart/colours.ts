/** The colours and dashes of lines: told apart without seeing red from green, and without colour at all. */

/** One a colour of the style sheet (`--chart-1` …). */
export const DASHES: readonly (readonly number[] & number[])[] = [
  [],
  [],
  [7, 4],
  [2, 3],
  [9, 3, 2, 3],
  [14, 4],
];

export const MOST_LINES = DASHES.length;

/** Reads colours as they are now: the style sheet has one for light and one for dark in the same place. */
export function paint(element: HTMLElement): (name: string) => string {
  const probe = document.createElement("i");
  element.append(probe);
  const known = new Map<string, string>();
  const colour = (name: string) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    probe.style.color = `var(${name})`;
    element.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    known.set(name, found);
    return found;
  };
  probe.remove();
  return colour;
}
