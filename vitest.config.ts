import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // Tests start real servers and sandboxes: two cores run two files at a time.
    maxWorkers: 2,
    // Long enough for a busy machine: no test is about time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
