/** What the rollout API answers, as the clients read it. Extra keys are left out; missing ones are an error. */
import { z } from "zod";
import type { ScoredGroup } from "../contracts/scored-group.ts";

export const runInfoReply = z.object({
  batch_size: z.int().describe("Sequences per batch; -1 before a trainer registered."),
  max_token_len: z.int().describe("Longest sequence the trainer takes, in tokens; -1 = unknown."),
});
export type RunInfo = z.output<typeof runInfoReply>;

export const runStatusReply = z.object({
  current_step: z.int().describe("Training step, counted in formed batches."),
  queue_size: z.int().describe("Groups waiting to be put into a batch."),
});
export type RunStatus = z.output<typeof runStatusReply>;

export const wandbInfoReply = z.object({ group: z.string().nullable(), project: z.string().nullable() });

/** Names under which the trainer logs; `project` is never null once a trainer has registered. */
export type WandbInfo = { group: string | null; project: string };

export const registerEnvReply = z.union([
  z.object({
    status: z.literal("success"),
    env_id: z.int(),
    wandb_name: z.string(),
    checkpoint_dir: z.string(),
    starting_step: z.number(),
    checkpoint_interval: z.number(),
    num_steps: z.number(),
    takes_larger_groups: z
      .boolean()
      .default(false)
      .describe("Groups with more sequences than the registered group_size are queued whole."),
  }),
  z.object({ status: z.string() }),
]);

/** What an environment gets to know when it joins a run. */
export type EnvRegistration = {
  env_id: number;
  wandb_name: string;
  checkpoint_dir: string;
  /** The run's step at the time of joining. */
  starting_step: number;
  checkpoint_interval: number;
  num_steps: number;
  /** False at an original server: there such groups wait for ever. */
  takes_larger_groups: boolean;
};

export const envStatusReply = z.object({
  current_step: z.int(),
  queue_size: z.int().describe("Groups of this environment's size that the whole queue amounts to."),
  unallocated_fraction: z.number().default(1),
  self_queue_size: z.int().describe("Groups of this environment waiting in the queue."),
  max_group_size: z.int().describe("Sequences in the largest group in the queue."),
  env_weight: z.number().describe("This environment's share of the run."),
});
export type EnvStatus = z.output<typeof envStatusReply>;

export const submitReply = z.object({
  status: z.string(),
  groups_processed: z.int().optional(),
  buffered: z.int().optional(),
  buffer_size: z.int().optional(),
  last_buffer_size: z.int().optional(),
});

/** How the server took a submission: `buffered` of its `groups` wait for others to complete a group size. */
export type SubmitReceipt = { groups: number; buffered: number };

export const disconnectReply = z.object({ status: z.string(), error: z.string().optional() });

/** A uuid of 128 bits does not survive as a JavaScript number; nobody needs more than its presence. */
export const registerReply = z.object({ uuid: z.union([z.number(), z.string()]) });

export const batchReply = z.object({
  status: z.string().optional(),
  message: z.string().optional(),
  // The groups' insides were checked when they were submitted; a trainer that reads megabytes per step
  // does not pay for checking every number again.
  batch: z.array(z.custom<ScoredGroup>((group) => isGroupShaped(group))).nullable(),
  lease_id: z.string().optional(),
});
export type BatchReply = z.output<typeof batchReply>;

/** A batch that is only lent until it is settled under this id; null = it is the trainer's already. */
export type LeasedBatch = { batch: ScoredGroup[]; leaseId: string | null };

export const settleReply = z.object({ status: z.string() });

function isGroupShaped(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return ["tokens", "masks", "scores"].every((key) => Array.isArray(Reflect.get(value, key)));
}

/** What a trainer tells when it opens a run. */
export type TrainerRegistration = {
  wandb_group: string;
  wandb_project: string;
  /** Sequences (not groups) per batch. */
  batch_size: number;
  max_token_len: number;
  checkpoint_dir: string;
  save_checkpoint_interval: number;
  starting_step: number;
  num_steps: number;
};

/** What an environment tells when it joins a run. */
export type EnvDescription = {
  max_token_length: number;
  desired_name: string;
  weight: number;
  group_size: number;
  /** Smallest share of every batch that must come from this environment; null = none. */
  min_batch_allocation: number | null;
};
