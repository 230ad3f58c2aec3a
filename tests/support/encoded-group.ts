/** Groups and runs for tests of stores. */
import type { EncodedGroup } from "../../src/rollout-api/group-fields.ts";
import type { EnvRequest, GroupStore, Registration } from "../../src/rollout-api/group-store.ts";

/** A group whose body says which one it is. */
export function encodedGroup(sequences: number, envId: number | null, label = "group"): EncodedGroup {
  return { body: Buffer.from(JSON.stringify({ label })), sequences, envId, groupId: null, hasLogprobs: true };
}

export const registration: Registration = {
  wandbGroup: "group",
  wandbProject: "project",
  batchSize: 8,
  maxTokenLength: 128n,
  checkpointDir: "checkpoints",
  saveCheckpointInterval: 5n,
  startingStep: 0,
  numSteps: 100n,
};

export const envRequest: EnvRequest = {
  maxTokenLength: 128,
  desiredName: "env",
  weight: 1,
  groupSize: 4,
  minBatchAllocation: null,
};

/** Opens and starts a run, and lets the environments join in order. */
export async function startRun(
  store: GroupStore,
  { envs = [{}], ...changes }: Partial<Registration> & { envs?: readonly Partial<EnvRequest>[] } = {},
): Promise<void> {
  await store.register({ ...registration, ...changes });
  await store.takeBatch({ leaseSeconds: null });
  for (const env of envs) await store.registerEnv({ ...envRequest, ...env });
}
