/** The end of allocations: stopping one, and waiting until nothing of it runs. */
import { z } from "zod";
import { isOver } from "./describe-failure.ts";
import type { NomadApi } from "./nomad-api.ts";
import { allocation } from "./nomad-schemas.ts";

const patienceMs = 30_000;

/** Settles when nothing of the allocation runs, or after 30 s; never rejects. */
export async function awaitOver(api: NomadApi, allocationId: string): Promise<void> {
  const signal = AbortSignal.timeout(patienceMs);
  const path = `/v1/allocation/${allocationId}`;
  let index = 0;
  try {
    for (;;) {
      const { value, index: next } = await api.watch(path, allocation, { index, waitSeconds: 10, signal });
      if (isOver(value)) return;
      index = next;
    }
  } catch {
    // Garbage collected, or Nomad is away: there is nothing more to wait for.
  }
}

/** Stops one allocation of a job (which puts a fresh one in its place) and waits for its end; never rejects. */
export async function stopAllocation(api: NomadApi, allocationId: string): Promise<void> {
  const signal = AbortSignal.timeout(patienceMs);
  await api.send("POST", `/v1/allocation/${allocationId}/stop`, z.unknown(), { signal }).catch(() => {});
  await awaitOver(api, allocationId);
}
