/** Groups and runs for tests of stores. */
import type { EncodedGroup } from "../../src/rollout-api/group-fields.ts";
import type { EnvRequest, GroupStore, Registration } from "../../src/rollout-api/group-store.ts";

/** A group whose body says which one it is. */
export function encodedGroup(
  sequences: number,
  envId: number | null,
  label = "group",
  groupId: string | null = null,
): EncodedGroup {
  return { body: Buffer.from(JSON.stringify({ label })), sequences, envId, groupId, hasLogprobs: true };
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

/** Groups of one size and environment, one per label. */
export function encodedGroups(
  labels: readonly string[],
  sequences = 4,
  envId: number | null = 0,
): EncodedGroup[] {
  return labels.map((label) => encodedGroup(sequences, envId, label));
}

/** The label of an encodedGroup's body. */
export function labelOf(body: Buffer): string {
  return String(Reflect.get(Object(JSON.parse(body.toString())), "label"));
}

/** Opens and starts a run, and lets the environments join in order. */
export async function startRun(
  store: GroupStore,
  { envs = [{}], ...changes }: Partial<Registration> & { envs?: readonly Partial<EnvRequest>[] } = {},
): Promise<void> {
  await store.register({ ...registration, ...changes });
  await store.takeBatch({ leaseSeconds: null });
  for (const env of envs) await store.registerEnv({ ...envRequest, ...env });
}
