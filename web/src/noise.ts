/** How large the noise would be at another budget; nothing is spent by asking. */

const STEPS = 80;

/**
 * The smallest δ for which ρ-zCDP is known to imply (ε, δ)-DP.
 * Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12.
 */
export function deltaOf(rho: number, epsilon: number): number {
  if (rho <= 0) return 0;
  const slope = (order: number) => (2 * order - 1) * rho - epsilon + Math.log1p(-1 / order);
  const order = root(slope, 1 + 1e-12, above(slope, 2));
  const exponent = (order - 1) * (order * rho - epsilon + Math.log1p(-1 / order)) - Math.log(order);
  return Math.min(Math.exp(Math.min(exponent, 0)), 1);
}

/** The largest ρ that keeps within (ε, δ). */
export function rhoOf(epsilon: number, delta: number): number {
  const excess = (rho: number) => deltaOf(rho, epsilon) - delta;
  return root(excess, 0, above(excess, 1e-6));
}

function above(rising: (x: number) => number, start: number): number {
  let place = start;
  while (rising(place) <= 0 && place < 1e12) place *= 2;
  return place;
}

function root(rising: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) <= 0) low = middle;
    else high = middle;
  }
  return low;
}

/** By how much the error grows (above 1) or shrinks when the budget goes from `now` to `then`. */
export function errorFactor(now: number, then: number, delta: number | null): number {
  if (delta === null || delta <= 0) return now / then;
  return Math.sqrt(rhoOf(now, delta) / rhoOf(then, delta));
}
