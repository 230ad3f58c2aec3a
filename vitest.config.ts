import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/support/property-seed.ts"],
    // Tests start real servers and sandboxes, and wait for them: two cores are busy with three files at a time.
    maxWorkers: 3,
    // Long enough for a busy machine: no test is about time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
