/** Makes snapshots of runs from the rows of a store file, believing none of them. */
import { z } from "zod";
import { LachesisError } from "../../contracts/errors.ts";
import type { Batch, Lease } from "../batch-shelf.ts";
import type { GroupRecord } from "../group-queue.ts";
import type { RunRow, RunSnapshot } from "../run-journal.ts";
import type { StoredEnv } from "./run-changes.ts";
import { decodeState } from "./state-text.ts";
import type { StoredTables } from "./stored-tables.ts";

export type StoredRun = { run: number; name: string; snapshot: RunSnapshot<GroupRecord> };

export type StoredRuns = {
  runs: StoredRun[];
  /** Higher than the id of every group in the file. */
  nextGroupId: number;
};

const count = z.number();

const registration = z.object({
  wandbGroup: z.string(),
  wandbProject: z.string(),
  batchSize: z.number(),
  maxTokenLength: z.bigint(),
  checkpointDir: z.string(),
  saveCheckpointInterval: z.bigint(),
  startingStep: z.number(),
  numSteps: z.bigint(),
});

const runRow = z.object({
  registration: registration.nullable(),
  wasOpened: z.boolean(),
  started: z.boolean(),
  currentStep: z.number(),
  maxTokenLength: z.bigint(),
  nextBatchId: z.number(),
  latestGroupId: z.number().nullable(),
  passedOver: z.object({ groupId: z.number().nullable(), batches: count }),
  totals: z.object({
    groupsIn: count,
    sequencesIn: count,
    groupsOut: count,
    sequencesOut: count,
    batchesOut: count,
    duplicates: count,
    // Stores of before it was counted.
    leasesExpired: count.default(0),
  }),
}) satisfies z.ZodType<RunRow>;

/** Weights and shares may be anything that a float may be. */
const float = z.union([z.number(), z.nan(), z.literal(Infinity), z.literal(-Infinity)]);

const storedEnv = z.object({
  envId: z.number(),
  wandbName: z.string(),
  desiredName: z.string(),
  maxTokenLength: float,
  weight: float,
  groupSize: float,
  minBatchAllocation: float.nullable(),
  connected: z.boolean(),
  groupsIn: count,
  sequencesIn: count,
}) satisfies z.ZodType<StoredEnv>;

const id = z.number();
const stateText = z.string().transform((text) => decodeState(text));

const tables = z.object({
  runs: z.array(z.object({ id, name: z.string(), state: stateText.pipe(runRow) })),
  envs: z.array(z.object({ run: id, state: stateText.pipe(storedEnv) })),
  groups: z.array(
    z.object({
      id,
      run: id,
      env: z.number().nullable(),
      sequences: z.number(),
      bytes: z.number(),
      arrived_at: z.number(),
      arrived_step: float,
      position: z.number().nullable(),
    }),
  ),
  batches: z.array(
    z.object({
      run: id,
      batch: id,
      formed_at: z.number(),
      group_ids: z
        .string()
        .transform((text): unknown => JSON.parse(text))
        .pipe(z.array(id)),
      lease: z.string().nullable(),
      expires_at: z.number().nullable(),
    }),
  ),
  settlements: z.array(
    z.object({ run: id, number: z.number(), lease: z.string(), how: z.enum(["taken", "returned"]) }),
  ),
  groupNames: z.array(
    z.object({ run: id, number: z.number(), name: z.string(), sequences_left: z.number().nullable() }),
  ),
  lastGroup: z.tuple([z.object({ id: id.nullable() })]),
});

type Tables = z.output<typeof tables>;

/** Throws STORE_CORRUPT when the rows make no sense. */
export function parseStoredRuns(stored: StoredTables): StoredRuns {
  try {
    const parsed = tables.parse(stored);
    return { runs: snapshotsOf(parsed), nextGroupId: (parsed.lastGroup[0].id ?? 0) + 1 };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LachesisError("STORE_CORRUPT", `the store holds something that makes no sense: ${reason}`, {
      cause: error,
    });
  }
}

function snapshotsOf({ runs, ...tables }: Tables): StoredRun[] {
  const byRun = <Row extends { run: number }>(rows: Row[]) => {
    const found = Map.groupBy(rows, ({ run }) => run);
    return (run: number): Row[] => found.get(run) ?? [];
  };
  const envs = byRun(tables.envs);
  const groups = byRun(tables.groups);
  const batches = byRun(tables.batches);
  const settlements = byRun(tables.settlements);
  const groupNames = byRun(tables.groupNames);
  return runs.map(({ id: run, name, state }) => ({
    run,
    name,
    snapshot: {
      row: state,
      envs: envs(run).map((env) => env.state),
      ...divideGroups(groups(run), batches(run)),
      settlements: settlements(run).map(({ number, lease, how }) => ({ number, name: lease, value: how })),
      groupNames: groupNames(run).map(({ number, name: groupName, sequences_left: sequencesLeft }) => ({
        number,
        name: groupName,
        value: sequencesLeft === null ? { kind: "queued" } : { kind: "buffered", sequencesLeft },
      })),
    },
  }));
}

/** Groups in batches and groups in none. */
function divideGroups(
  groupRows: Tables["groups"],
  batchRows: Tables["batches"],
): Pick<RunSnapshot<GroupRecord>, "groups" | "batches" | "leases"> {
  const loose = new Map(
    groupRows.map(({ id: groupId, env, sequences, bytes, arrived_at, arrived_step, position }) => [
      groupId,
      {
        id: groupId,
        envId: env,
        sequences,
        bytes,
        arrivedAt: arrived_at,
        arrivedStep: arrived_step,
        position,
      },
    ]),
  );
  const batches: Batch<GroupRecord>[] = [];
  const leases: Lease<GroupRecord>[] = [];
  for (const { batch: batchId, formed_at, group_ids, lease, expires_at } of batchRows) {
    const groups = group_ids.map((groupId) => {
      const group = loose.get(groupId);
      if (group === undefined) throw new Error(`batch ${batchId} lacks its group ${groupId}`);
      loose.delete(groupId);
      return group;
    });
    const batch = { id: batchId, groups, formedAt: formed_at };
    batches.push(batch);
    if (lease !== null) leases.push({ leaseId: lease, batch, expiresAt: expires_at });
  }
  return { groups: [...loose.values()], batches, leases };
}
