/** Supervised training on groups that `environment process` wrote: the start that GRPO goes on from. */
import { shuffledOrder } from "../data/shuffled-order.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { PolicyWeights } from "../tiny-policy/weights-file.ts";
import type { AdamState } from "./adam.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { GradientPool } from "./gradient-pool.ts";
import { Learner } from "./learner.ts";
import { learningRateAt } from "./learning-rate.ts";
import type { ShardSequence } from "./shard.ts";
import { readSupervisedData } from "./supervised-batch.ts";
import { adamOptions, poolOptions, type TrainerEnd } from "./trainer.ts";
import type { SftConfig } from "./trainer-config.ts";

export type SupervisedTrainerOptions = {
  /** JSONL files of groups. */
  data: readonly string[];
  /** What to begin with; the version is the number of steps done. */
  policy: PolicyWeights;
  /** The optimizer's state, for a run that goes on. */
  adam?: AdamState | undefined;
  config: SftConfig;
  checkpointDirectory: string;
  events: EventBus;
  /** Ends the run; what was trained is saved. */
  signal: AbortSignal;
};

/**
 * Trains until `config.steps` are done or the signal aborts, which is no error. Rejects as `readSupervisedData`
 * does, with TRAINER_THREAD_FAILED or OUTPUT_UNWRITABLE.
 */
export async function runSupervisedTrainer(options: SupervisedTrainerOptions): Promise<TrainerEnd> {
  const { policy, config, checkpointDirectory, events, signal } = options;
  const { sequences, lowScore, tooLong, untrained } = await readSupervisedData(options.data, {
    vocabularySize: policy.config.vocabulary_size,
    contextLength: policy.config.context_length,
    promptLossWeight: config.prompt_loss_weight,
    minScore: config.min_score,
    signal,
  });
  const leftOut = lowScore + tooLong + untrained;
  const detail = `${lowScore} for their score, ${tooLong} too long, ${untrained} without a token to train`;
  const message = `Training on ${sequences.length} sequences${leftOut > 0 ? `; left out: ${detail}` : ""}.`;
  events.emit("notice", { level: "info", message });

  await using pool = new GradientPool(poolOptions(policy, config));
  const learner = new Learner(policy, { pool, ...adamOptions(config) });
  if (options.adam !== undefined) learner.restore({ policy, adam: options.adam });
  let saved = { step: -1, path: "" };
  const save = async () => {
    if (saved.step === learner.step) return;
    const path = await saveCheckpoint(checkpointDirectory, { mode: "sft", learner: learner.state() });
    saved = { step: learner.step, path };
    events.emit("checkpoint-saved", saved);
  };
  try {
    while (learner.step < config.steps) {
      await trainStep(learner, batchAt(sequences, learner.step, config), { config, events, signal });
      if (config.checkpoint_every > 0 && learner.step % config.checkpoint_every === 0) await save();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await save();
  }
  return { policy: learner.policy(), checkpoint: saved.path, stopped: signal.aborted };
}

async function trainStep(
  learner: Learner,
  batch: readonly ShardSequence[],
  { config, events, signal }: Pick<SupervisedTrainerOptions, "config" | "events" | "signal">,
): Promise<void> {
  const startedAt = performance.now();
  const learningRate = learningRateAt(learner.step, {
    peak: config.learning_rate,
    warmupSteps: config.warmup_steps,
    totalSteps: config.steps,
    finalShare: config.final_learning_rate,
  });
  const weightSum = batch.reduce(
    (sum, { pulls }) => sum + pulls.reduce((total, weight) => total + weight, 0),
    0,
  );
  const objective = { kind: "supervised", weightSum } as const;
  const update = await learner.update(batch, { objective, learningRate, signal });
  const tokens = batch.reduce((sum, sequence) => sum + sequence.tokens.length, 0);
  const trainSeconds = (performance.now() - startedAt) / 1000;
  events.emit("train-step", {
    step: learner.step,
    mode: "sft",
    loss: update.loss,
    learningRate,
    gradientNorm: update.gradientNorm,
    sequences: batch.length,
    tokens,
    trainedTokens: batch.reduce((sum, { positions }) => sum + positions.length, 0),
    reward: null,
    clipFraction: null,
    divergence: null,
    drift: null,
    stalenessMean: null,
    stalenessMax: null,
    groups: 0,
    equalScoreGroups: 0,
    invalidGroups: 0,
    tooLongSequences: 0,
    staleSequences: 0,
    waitSeconds: 0,
    trainSeconds,
    tokensPerSecond: tokens / trainSeconds,
  });
}

/** The sequences of a step: each epoch has an order of its own, and batches run on from one into the next. */
export function batchAt(
  sequences: readonly ShardSequence[],
  step: number,
  { batch_size: size, seed }: Pick<SftConfig, "batch_size" | "seed">,
): ShardSequence[] {
  const batch: ShardSequence[] = [];
  const orders = new Map<number, Uint32Array>();
  for (let draw = step * size; draw < (step + 1) * size; draw++) {
    const epoch = Math.floor(draw / sequences.length);
    const order = orders.get(epoch) ?? shuffledOrder(sequences.length, { seed, epoch });
    orders.set(epoch, order);
    const sequence = sequences[order[draw % sequences.length] ?? 0];
    if (sequence !== undefined) batch.push(sequence);
  }
  return batch;
}
