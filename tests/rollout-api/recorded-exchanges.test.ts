/** Every recorded conversation with the original server, replayed over real sockets against each kind of store. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { GroupStores } from "../../src/rollout-api/group-store.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";
import { readRecordedScenarios, sendStep } from "../support/recorded-exchanges.ts";
import { startRolloutServer } from "../support/rollout-server.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

const reset = {
  method: "GET",
  path: "/reset_data",
  headers: {},
  json: undefined,
  gzip: false,
  chunked: false,
  expect: { status: 200, headers: {}, body: "" },
};

/** A compat server over stores of its own, which go with it. */
async function startServer(openStores: (directory: string) => Promise<GroupStores>) {
  await using started = new AsyncDisposableStack();
  const directory = started.use(await TemporaryDirectory.make());
  const stores = started.use(await openStores(directory.path));
  const server = started.use(await startRolloutServer({ stores, compat: true }));
  const owned = started.move();
  return { port: server.port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const kinds: [string, (directory: string) => Promise<GroupStores>][] = [
  ["memory", async () => new MemoryStores(compatStoreOptions)],
  [
    "sqlite",
    (directory) => SqliteStores.open({ ...compatStoreOptions, path: join(directory, "store.sqlite") }),
  ],
];

describe.each(kinds)("with --compat, over %s,", (_kind, openStores) => {
  test.each(["curated", "random"])(
    "the %s record is answered byte for byte as the original did",
    {
      timeout: 240_000,
    },
    async (name) => {
      const scenarios = await readRecordedScenarios(`rollout-api/atropos-exchanges-${name}.json.gz`);
      await using shared = await startServer(openStores);
      let compared = 0;
      for (const scenario of scenarios) {
        await using own = scenario.fresh ? await startServer(openStores) : undefined;
        const { port } = own ?? shared;
        if (!scenario.fresh) await sendStep(port, reset);
        for (const [index, step] of scenario.steps.entries()) {
          const seen = await sendStep(port, step);
          // Where the original crashed there is nothing to match; see spec-tables.test.ts for what we do instead.
          if (step.expect.status >= 500) continue;
          const where = `${scenario.name}, step ${index}: ${step.method} ${step.path}`;
          expect({ where, ...seen }).toEqual({ where, ...step.expect });
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(scenarios.length);
    },
  );
});
