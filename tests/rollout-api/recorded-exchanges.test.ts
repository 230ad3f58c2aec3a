/** Every recorded conversation with the original server, replayed over real sockets. */
import { describe, expect, test } from "vitest";
import { readRecordedScenarios, sendStep } from "../support/recorded-exchanges.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

const reset = {
  method: "GET",
  path: "/reset_data",
  headers: {},
  json: undefined,
  gzip: false,
  chunked: false,
  expect: { status: 200, headers: {}, body: "" },
};

describe.each(["curated", "random"])("the %s record", async (name) => {
  const scenarios = await readRecordedScenarios(`rollout-api/atropos-exchanges-${name}.json.gz`);

  test(`${scenarios.length} scenarios are answered byte for byte as the original did`, {
    timeout: 120_000,
  }, async () => {
    await using shared = await startRolloutServer();
    for (const scenario of scenarios) {
      await using own = scenario.fresh ? await startRolloutServer() : undefined;
      const { port } = own ?? shared;
      if (!scenario.fresh) await sendStep(port, reset);
      for (const [index, step] of scenario.steps.entries()) {
        const seen = await sendStep(port, step);
        // Where the original crashed there is nothing to match; see app.test.ts for what we do instead.
        if (step.expect.status >= 500) continue;
        const where = `${scenario.name}, step ${index}: ${step.method} ${step.path}`;
        expect({ where, ...seen }).toEqual({ where, ...step.expect });
      }
    }
  });
});
