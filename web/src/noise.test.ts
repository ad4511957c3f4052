import { expect, it } from "vitest";
import { errorFactor, rhoOf } from "./noise";

it.each([
  // As the service's own accountant has them (guard/budget.py).
  [0.014973058, 1.0, 1e-9],
  [0.000177138, 0.1, 1e-9],
  [0.18506984, 3.0, 1e-6],
])("gives ρ = %s for ε = %s at δ = %s", (rho, epsilon, delta) => {
  expect(rhoOf(epsilon, delta)).toBeCloseTo(rho, 6);
});

it("makes the error smaller the more is spent: with Laplace noise in proportion, with Gaussian noise about so", () => {
  expect(errorFactor(1, 2, 0)).toBe(0.5);
  expect(errorFactor(1, 2, 1e-9)).toBeGreaterThan(0.5);
  expect(errorFactor(1, 2, 1e-9)).toBeLessThan(0.56);
  expect(errorFactor(1, 1, 1e-9)).toBe(1);
});
