/** A rollout API on a real socket of its own, over memory stores that behave as its wire does. */
import type { RolloutApiOptions } from "../../src/rollout-api/app.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { type RunningRolloutApi, startRolloutApi } from "../../src/rollout-api/start-server.ts";
import { compatStoreOptions, defaultStoreOptions } from "../../src/rollout-api/store-options.ts";

/** Listens on a free loopback port unless told otherwise; dispose of it to close. */
export async function startRolloutServer(
  options: Partial<RolloutApiOptions> & { port?: number } = {},
): Promise<RunningRolloutApi> {
  return startRolloutApi({
    stores: new MemoryStores(options.compat ? compatStoreOptions : defaultStoreOptions),
    host: "127.0.0.1",
    port: 0,
    ...options,
  });
}
