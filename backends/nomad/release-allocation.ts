/** The end of allocations: stopping one, and waiting until nothing of it runs. */
import { z } from "zod";
import { isOver } from "./describe-failure.ts";
import type { NomadApi } from "./nomad-api.ts";
import { type Allocation, allocation } from "./nomad-schemas.ts";

const patienceMs = 30_000;

/** Settles when nothing of the allocation runs, or when patience ends, with what was seen last; never rejects. */
export async function awaitOver(
  api: NomadApi,
  allocationId: string,
  timeoutMs = patienceMs,
): Promise<Allocation | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const path = `/v1/allocation/${allocationId}`;
  let index = 0;
  let last: Allocation | undefined;
  try {
    while (last === undefined || !isOver(last)) {
      ({ value: last, index } = await api.watch(path, allocation, { index, waitSeconds: 10, signal }));
    }
  } catch {
    // Garbage collected, or Nomad is away: there is nothing more to wait for.
  }
  return last;
}

/** Stops one allocation of a job (which puts a fresh one in its place) and waits for its end; never rejects. */
export async function stopAllocation(api: NomadApi, allocationId: string): Promise<void> {
  const signal = AbortSignal.timeout(patienceMs);
  await api.send("POST", `/v1/allocation/${allocationId}/stop`, z.unknown(), { signal }).catch(() => {});
  await awaitOver(api, allocationId);
}
