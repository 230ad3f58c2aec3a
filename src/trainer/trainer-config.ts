/** What a run of the trainer can be told. The `train` verb makes its flags from these two schemas. */
import { z } from "zod";

const beta = (value: number) => z.number().min(0).lt(1).default(value);

/** Of both modes. */
const sharedFields = {
  seed: z.int().min(0).default(0).describe("Decides new weights, and the order of supervised sequences."),
  shards: z
    .int()
    .min(1)
    .default(2)
    .describe("Parts that a batch is computed in; a part of how results are rounded, whatever the threads."),
  threads: z.int().min(1).default(2).describe("Shards computed at a time. Results are the same with any."),
  tokens_per_pass: z
    .int()
    .min(1)
    .default(4096)
    .describe("Tokens that go through the model at once: bounds each thread's memory."),
  max_gradient_norm: z.number().gt(0).default(1).describe("Longer gradients are scaled to this length."),
  adam_beta1: beta(0.9).describe("Adam's memory of gradients."),
  adam_beta2: beta(0.99).describe("Adam's memory of their squares."),
  checkpoint_every: z
    .int()
    .min(0)
    .default(50)
    .describe("Steps between two checkpoints; 0 = only at the end. A run that is stopped saves one, too."),
};

const learningRateFields = (defaults: { rate: number; warmup: number; finalShare: number }) => ({
  learning_rate: z.number().gt(0).default(defaults.rate).describe("Peak of the learning rate."),
  warmup_steps: z.int().min(0).default(defaults.warmup).describe("Steps in which the rate rises to it."),
  final_learning_rate: z
    .number()
    .min(0)
    .max(1)
    .default(defaults.finalShare)
    .describe("Share of the peak that is left after the last step, along a straight line."),
});

export const grpoConfig = z.strictObject({
  steps: z
    .int()
    .min(0)
    .default(100)
    .describe("Steps to train, those before --resume included; 0 = until stopped."),
  batch_size: z.int().min(1).default(128).describe("Sequences of a batch, over all groups."),
  ...learningRateFields({ rate: 5e-4, warmup: 0, finalShare: 1 }),
  clip_low: z.number().min(0).max(1).default(0.2).describe("How far a ratio may fall below 1."),
  clip_high: z.number().min(0).default(0.2).describe("How far a ratio may rise above 1."),
  kl_coefficient: z
    .number()
    .min(0)
    .default(0)
    .describe("Weight of the divergence from the weights that the run began with; 0 = off."),
  max_staleness: z
    .int()
    .min(0)
    .nullable()
    .default(8)
    .describe("Sequences sampled by weights more steps behind are left out and counted; null = none are."),
  max_drift: z
    .number()
    .min(0)
    .default(0.01)
    .describe("Largest difference of recomputed and sent log-probabilities that is taken for rounding."),
  on_drift: z.enum(["warn", "stop"]).default("warn").describe("What to do about a larger one."),
  drift_samples: z
    .int()
    .min(0)
    .default(8)
    .describe("Sequences of older weights that are recomputed with these in each step, to measure drift."),
  on_invalid: z
    .enum(["stop", "drop"])
    .default("stop")
    .describe("What to do about a group whose masks, log-probabilities or advantages are wrong."),
  ...sharedFields,
  lease_seconds: z
    .int()
    .min(10)
    .default(600)
    .describe("How long a batch is the trainer's; one that was not saved by then is served again."),
  poll_interval_ms: z
    .int()
    .min(1)
    .default(50)
    .describe("Time between two questions while no batch is ready."),
  wandb_project: z.string().min(1).default("lachesis").describe("Passed on to the environments."),
  wandb_group: z.string().default("trainer").describe("Passed on to the environments."),
});
export type GrpoConfig = z.output<typeof grpoConfig>;

export const sftConfig = z.strictObject({
  steps: z.int().min(1).default(250).describe("Steps to train, those before --resume included."),
  batch_size: z.int().min(1).default(32).describe("Sequences of a batch."),
  ...learningRateFields({ rate: 3e-3, warmup: 20, finalShare: 0.1 }),
  prompt_loss_weight: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("What a token that the model didn't say counts, next to 1 for one that it said."),
  min_score: z
    .number()
    .nullable()
    .default(null)
    .describe("Sequences with a lower score are left out; null = none are."),
  ...sharedFields,
});
export type SftConfig = z.output<typeof sftConfig>;

export type TrainerConfig = GrpoConfig | SftConfig;
