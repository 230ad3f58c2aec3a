/**
 * Takes batches from a rollout API and writes lines of them until there are enough. The server is never reset: a
 * run without a trainer gets this one; a run that has one is left alone unless it was said to take part in it.
 * A batch is lent until its lines are on disk, so that one that could not be written is served again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import type { JsonlFile } from "../../data/jsonl-file.ts";
import type { RolloutApiClient } from "../../rollout-api/client.ts";

export type ExampleTask = {
  client: RolloutApiClient;
  file: JsonlFile;
  /** Lines to write. */
  wanted: number;
  batchSize: number;
  maxTokenLength: number;
  /** Says who registered: the run is ours when it comes up again. */
  name: string;
  /** Take batches from a run that has another trainer. */
  join: boolean;
  /** Longest time without a batch, milliseconds; undefined = for ever. */
  waitMs: number | undefined;
  toLines(group: ScoredGroup, groupNumber: number): JsonObject[];
  onBatch(progress: { groups: number; lines: number }): void;
  /** The server can't be reached yet. */
  onUnreachable(reason: string): void;
  signal: AbortSignal;
};

export type ExampleReport = { lines: number; groups: number };

const POLL_MS = 500;
const LEASE_SECONDS = 300;
const GROUP = "lachesis";
/** Environments that ask the trainer how long to play go on until they are stopped. */
const ENDLESS_STEPS = 2 ** 31 - 1;

/** Rejects with ROLLOUT_RUN_TAKEN, ROLLOUT_API_*, EXPORT_IMPOSSIBLE, OUTPUT_UNWRITABLE or the signal's reason. */
export async function collectExamples(task: ExampleTask): Promise<ExampleReport> {
  const { client, file, wanted, signal } = task;
  const report = { lines: 0, groups: 0 };
  let isRegistered = false;
  while (report.lines < wanted) {
    const { batch, leaseId } = await patiently(task, report, async (waiting) => {
      if (!isRegistered) await takePart(task, waiting);
      isRegistered = true;
      return nextBatch(client, waiting);
    });
    try {
      for (const group of batch) {
        if (report.lines >= wanted) break;
        const lines = task.toLines(group, report.groups);
        for (const line of lines.slice(0, wanted - report.lines)) {
          await file.append(line);
          report.lines += 1;
        }
        report.groups += 1;
      }
    } catch (error) {
      if (leaseId !== null)
        await client.settle(leaseId, "returned", { signal, attempts: 1 }).catch(() => undefined);
      throw error;
    }
    if (leaseId !== null) await client.settle(leaseId, "taken", { signal });
    task.onBatch(report);
  }
  return report;
}

/** Ends what waits too long for the next batch, be it for the server itself. Rejects with EXAMPLES_MISSING. */
async function patiently<Result>(
  { client, wanted, waitMs, signal }: ExampleTask,
  { lines }: ExampleReport,
  wait: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (waitMs === undefined) return wait(signal);
  const patience = AbortSignal.timeout(waitMs);
  try {
    return await wait(AbortSignal.any([signal, patience]));
  } catch (error) {
    if (!patience.aborted || signal.aborted) throw error;
    throw new LachesisError(
      "EXAMPLES_MISSING",
      `No batch came for ${Math.round(waitMs / 1000)} s: ${lines} of ${wanted} lines were written.`,
      { hint: `Start environments with --env.rollout_server_url ${client.url}`, cause: error },
    );
  }
}

async function nextBatch(client: RolloutApiClient, signal: AbortSignal) {
  for (;;) {
    const leased = await client.leaseBatch(LEASE_SECONDS, { signal });
    if (leased !== null) return leased;
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function takePart(
  { client, batchSize, maxTokenLength, name, join, onUnreachable }: ExampleTask,
  signal: AbortSignal,
): Promise<void> {
  const { group, project } = await client.wandbInfo({ signal, attempts: 1 }).catch((error: unknown) => {
    if (!(error instanceof LachesisError) || error.code !== "ROLLOUT_API_UNREACHABLE") throw error;
    onUnreachable(error.message);
    return client.wandbInfo({ signal });
  });
  if (project === null) {
    await client.register(
      {
        wandb_group: GROUP,
        wandb_project: name,
        batch_size: batchSize,
        max_token_len: maxTokenLength,
        checkpoint_dir: "",
        save_checkpoint_interval: 0,
        starting_step: 0,
        num_steps: ENDLESS_STEPS,
      },
      { signal },
    );
    return;
  }
  // Its own registration of an earlier start, or one that was told to be shared.
  if (join || (group === GROUP && project === name)) return;
  const ownRun = `${client.url.replace(/(?:runs\/[^/]+\/?)?$/, "")}runs/${name}`;
  throw new LachesisError(
    "ROLLOUT_RUN_TAKEN",
    `${client.url}: this run has a trainer (project ${project}), whose batches ${name} would take away.`,
    { hint: `Use a run of its own, e.g. --api-url ${ownRun}, or take part with --join.` },
  );
}
