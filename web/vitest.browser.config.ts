import { defineConfig } from "vitest/config";

/** The page in a real Chromium against the real service: one browser, one file after the other. */
export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    isolate: false,
    testTimeout: 40_000,
    hookTimeout: 90_000,
  },
});
