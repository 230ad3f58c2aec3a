/** A rollout API on a real socket of its own, over a memory store with the original's behaviour. */
import type { RolloutApiOptions } from "../../src/rollout-api/app.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { type RunningRolloutApi, startRolloutApi } from "../../src/rollout-api/start-server.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";

/** Listens on a free loopback port unless told otherwise; dispose of it to close. */
export async function startRolloutServer(
  options: Partial<RolloutApiOptions> & { port?: number } = {},
): Promise<RunningRolloutApi> {
  return startRolloutApi({
    stores: new MemoryStores(compatStoreOptions),
    compat: true,
    host: "127.0.0.1",
    port: 0,
    ...options,
  });
}
