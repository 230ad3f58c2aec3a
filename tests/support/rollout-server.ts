/** A rollout API on a real socket of its own, over a memory store. */
import type { AddressInfo } from "node:net";
import { createRolloutApi, type RolloutApiOptions } from "../../src/rollout-api/app.ts";
import { MemoryStore } from "../../src/rollout-api/memory-store.ts";

export type RunningRolloutServer = AsyncDisposable & { url: string; port: number };

/** Listens on a free loopback port; dispose of it to close. */
export async function startRolloutServer(
  options: Partial<RolloutApiOptions> & { port?: number } = {},
): Promise<RunningRolloutServer> {
  const app = createRolloutApi({ store: new MemoryStore(), ...options });
  await app.listen({ host: "127.0.0.1", port: options.port ?? 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    [Symbol.asyncDispose]: async () => {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}
