/**
 * The `serve` verb: feeds a trainer through the rollout server until its steps are done.
 *
 * Each round asks the server for its queue, and starts as many groups as the queue has room for; what is in
 * flight is left to finish. Draining starts nothing more, finishes and sends what is in flight; aborting
 * cancels it, and keeps what is finished but unsent in the dead-letter file. Either way the environment signs
 * off at the server.
 */
import { join } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import { GroupFile } from "../data/group-file.ts";
import { RolloutApiClient } from "../rollout-api/client.ts";
import type { BaseEnv } from "./base-env.ts";
import { Cancellation } from "./cancellation.ts";
import { GroupWorkers } from "./group-workers.ts";
import { Outbox } from "./outbox.ts";
import { RolloutServerSession } from "./rollout-server-session.ts";
import { type RunSignals, startEnvironment } from "./start-environment.ts";
import { StepDuties } from "./step-duties.ts";
import { Wakeup } from "./wakeup.ts";
import { maxWorkers, workerTarget } from "./worker-target.ts";

export type ServeOptions = RunSignals & {
  env: BaseEnv;
  /** Time between two questions for the server's state. Default 250. */
  pollIntervalMs?: number;
};

export type ServeSummary = {
  groupsSent: number;
  /** The training step at the end. */
  step: number;
  /** Groups that could not be sent, kept in a file; null = there are none. */
  deadLetters: { path: string; groups: number } | null;
  endedBy: "complete" | "drained" | "aborted";
};

/**
 * Waits for the server and its trainer as long as it takes. Rejects with the signal's reason when stopped
 * before it joined a run, or with what made going on useless: the item source failed, a file can't be
 * written, too many groups in a row failed or were skipped.
 */
export async function serveEnvironment(options: ServeOptions): Promise<ServeSummary> {
  const { env, drain, abort, pollIntervalMs = 250 } = options;
  const { config, services } = env;
  const { events, logger, runDirectory } = services;
  const stop = AbortSignal.any([drain, abort]);

  await using _environment = await startEnvironment(env, stop, { purpose: "serve" });
  await using copy =
    config.data_path_to_save_groups === null ? null : await GroupFile.open(config.data_path_to_save_groups);
  await using client = new RolloutApiClient({
    url: config.rollout_server_url,
    token: config.rollout_server_token ?? undefined,
    logger,
  });
  const description = {
    max_token_length: config.max_token_length,
    desired_name: config.wandb_name ?? env.name,
    weight: config.inference_weight,
    group_size: config.group_size,
    min_batch_allocation: config.min_batch_allocation,
  };
  await using session = await RolloutServerSession.join({ client, description, events }, stop);

  const totalSteps = totalStepsOf(config.total_steps, session.registration.num_steps);
  const useless = new AbortController();
  const failed = new AbortController();
  await using outbox = new Outbox({
    client,
    envId: () => session.registration.env_id,
    abort: AbortSignal.any([abort, failed.signal]),
    deadLetterPath: join(runDirectory, "dead-letter.jsonl"),
    copy,
    events,
    logger,
  });
  const wakeup = new Wakeup();
  const workers = new GroupWorkers({
    env,
    rules: () => ({
      groupSize: config.group_size,
      ensureScoresAreNotSame: config.ensure_scores_are_not_same,
      maxTokenLength: session.info.max_token_len > 0 ? session.info.max_token_len : Number.POSITIVE_INFINITY,
      maxSequences: session.registration.takes_larger_groups ? session.info.batch_size : config.group_size,
    }),
    deliver: (group, groupId) => outbox.deliver(group, groupId),
    abort: AbortSignal.any([abort, failed.signal, useless.signal]),
    onSettled: () => wakeup.notify(),
  });
  await using duties = new StepDuties({
    env,
    session,
    stop: AbortSignal.any([stop, failed.signal]),
    groupsSent: () => outbox.sent,
  });

  try {
    await duties.restore();
    while (!stop.aborted) {
      const sentBefore = outbox.sent;
      const status = await session.status(stop);
      await duties.onStatus(status);
      if (status.current_step >= totalSteps) break;

      const nextPoll = Date.now() + pollIntervalMs;
      do {
        const queueSize = status.queue_size + outbox.sent - sentBefore;
        const batchSize = session.info.batch_size;
        const room = workerTarget(
          {
            queueSize,
            selfQueueSize: status.self_queue_size + outbox.sent - sentBefore,
            maxGroupSize: status.max_group_size,
            unallocatedFraction: status.unallocated_fraction,
          },
          {
            maxWorkers: duties.allowedWorkers(maxWorkers(config, services.serverCount)),
            groupSize: config.group_size,
            batchSize,
            maxBatchesOffpolicy: config.max_batches_offpolicy,
            minBatchAllocation: config.min_batch_allocation,
          },
        );
        const groupsToGo = Math.ceil(((totalSteps - status.current_step) * batchSize) / config.group_size);
        await workers.fill(Math.min(room, groupsToGo - queueSize), stop);
        await wakeup.sleep(nextPoll - Date.now(), stop);
      } while (Date.now() < nextPoll && !stop.aborted);
    }
    if (!stop.aborted) useless.abort(new Cancellation("off-policy"));
    await workers.settle();
    if (!stop.aborted) await duties.settle();
  } catch (error) {
    if (error !== stop.reason) {
      failed.abort(new Cancellation("shutdown"));
      await workers.settle().catch(() => undefined);
      throw error;
    }
    await workers.settle();
  }
  const endedBy = abort.aborted ? "aborted" : drain.aborted ? "drained" : "complete";
  return { groupsSent: outbox.sent, step: duties.step, deadLetters: await outbox.deadLetters(), endedBy };
}

function totalStepsOf(configured: number, registered: number): number {
  if (configured >= 0) return configured;
  if (registered >= 0) return registered;
  throw new LachesisError(
    "CONFIG_INVALID",
    "env.total_steps: -1 takes the number of steps from the trainer, but the trainer registered without one.",
    { hint: "Set env.total_steps." },
  );
}
