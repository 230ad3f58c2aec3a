/** Reads the runs of a store file back into snapshots. */
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Batch, Lease } from "../batch-shelf.ts";
import type { GroupRecord } from "../group-queue.ts";
import type { RunRow, RunSnapshot } from "../run-journal.ts";
import type { StoredEnv } from "./run-changes.ts";
import { decodeState } from "./state-text.ts";

export type StoredRun = { run: number; name: string; snapshot: RunSnapshot<GroupRecord> };

export type StoredRuns = {
  runs: StoredRun[];
  /** Higher than the id of every group in the file. */
  nextGroupId: number;
};

const count = z.number();

const registration = z.strictObject({
  wandbGroup: z.string(),
  wandbProject: z.string(),
  batchSize: z.number(),
  maxTokenLength: z.bigint(),
  checkpointDir: z.string(),
  saveCheckpointInterval: z.bigint(),
  startingStep: z.number(),
  numSteps: z.bigint(),
});

const runRow = z.strictObject({
  registration: registration.nullable(),
  wasOpened: z.boolean(),
  started: z.boolean(),
  currentStep: z.number(),
  maxTokenLength: z.bigint(),
  nextBatchId: z.number(),
  latestGroupId: z.number().nullable(),
  passedOver: z.strictObject({ groupId: z.number().nullable(), batches: count }),
  totals: z.strictObject({
    groupsIn: count,
    sequencesIn: count,
    groupsOut: count,
    sequencesOut: count,
    batchesOut: count,
    duplicates: count,
  }),
}) satisfies z.ZodType<RunRow>;

/** Weights and shares may be anything that a float may be. */
const float = z.union([z.number(), z.nan(), z.literal(Infinity), z.literal(-Infinity)]);

const storedEnv = z.strictObject({
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

const groupRow = z
  .object({
    id: z.number(),
    env: z.number().nullable(),
    sequences: z.number(),
    bytes: z.number(),
    arrived_at: z.number(),
    arrived_step: float,
    position: z.number().nullable(),
  })
  .transform(
    ({ env, arrived_at, arrived_step, ...row }): GroupRecord => ({
      ...row,
      envId: env,
      arrivedAt: arrived_at,
      arrivedStep: arrived_step,
    }),
  );

const batchRow = z.object({
  batch: z.number(),
  formed_at: z.number(),
  group_ids: z.string().transform((text) => z.array(z.number()).parse(JSON.parse(text))),
  lease: z.string().nullable(),
  expires_at: z.number().nullable(),
});

const settlementRow = z
  .object({ number: z.number(), lease: z.string(), how: z.enum(["taken", "returned"]) })
  .transform(({ number, lease, how }) => ({ number, name: lease, value: how }));

const groupNameRow = z
  .object({ number: z.number(), name: z.string(), sequences_left: z.number().nullable() })
  .transform(({ number, name, sequences_left: sequencesLeft }) => ({
    number,
    name,
    value:
      sequencesLeft === null ? { kind: "queued" as const } : { kind: "buffered" as const, sequencesLeft },
  }));

/** Throws what SQLite or zod throws when the file is not what it should be. */
export function readStoredRuns(database: DatabaseSync): StoredRuns {
  const rows = z
    .array(z.object({ id: z.number(), name: z.string(), state: z.string() }))
    .parse(database.prepare("SELECT id, name, state FROM runs ORDER BY id").all());
  const { last } = z
    .object({ last: z.number().nullable() })
    .parse(database.prepare("SELECT max(id) AS last FROM bodies").get());
  return {
    runs: rows.map(({ id, name, state }) => ({
      run: id,
      name,
      snapshot: readSnapshot(database, id, runRow.parse(decodeState(state))),
    })),
    nextGroupId: (last ?? 0) + 1,
  };
}

function readSnapshot(database: DatabaseSync, run: number, row: RunRow): RunSnapshot<GroupRecord> {
  const all = (sql: string) => database.prepare(sql).all(run);
  const envs = z
    .array(z.object({ state: z.string().transform((text) => storedEnv.parse(decodeState(text))) }))
    .parse(all("SELECT state FROM envs WHERE run = ? ORDER BY env"));
  const groups = z
    .array(groupRow)
    .parse(
      all(
        "SELECT id, env, sequences, bytes, arrived_at, arrived_step, position FROM groups WHERE run = ? ORDER BY id",
      ),
    );
  const batchRows = z
    .array(batchRow)
    .parse(
      all("SELECT batch, formed_at, group_ids, lease, expires_at FROM batches WHERE run = ? ORDER BY batch"),
    );

  const loose = new Map(groups.map((group) => [group.id, group]));
  const batches: Batch<GroupRecord>[] = [];
  const leases: Lease<GroupRecord>[] = [];
  for (const { batch: id, formed_at: formedAt, group_ids: ids, lease, expires_at: expiresAt } of batchRows) {
    const members = ids.map((groupId) => {
      const member = loose.get(groupId);
      if (member === undefined) throw new Error(`batch ${id} lacks its group ${groupId}`);
      loose.delete(groupId);
      return member;
    });
    const batch = { id, groups: members, formedAt };
    batches.push(batch);
    if (lease !== null) leases.push({ leaseId: lease, batch, expiresAt });
  }
  return {
    row,
    envs: envs.map(({ state }) => state),
    groups: [...loose.values()],
    batches,
    leases,
    settlements: z
      .array(settlementRow)
      .parse(all("SELECT number, lease, how FROM settlements WHERE run = ? ORDER BY number")),
    groupNames: z
      .array(groupNameRow)
      .parse(all("SELECT number, name, sequences_left FROM group_names WHERE run = ? ORDER BY number")),
  };
}
