/** One GRPO step: from the groups of a batch to the next weights, with everything that is worth knowing about it. */
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import type { TrainingStep } from "../contracts/training-step.ts";
import { DriftMeter } from "./drift.ts";
import type { GradientPool } from "./gradient-pool.ts";
import type { Learner } from "./learner.ts";
import { learningRateAt } from "./learning-rate.ts";
import { type PolicyBatch, readPolicyBatch } from "./policy-batch.ts";
import type { GrpoConfig } from "./trainer-config.ts";

export type PolicyStepperOptions = {
  learner: Learner;
  pool: GradientPool;
  config: GrpoConfig;
  /** For the KL term, where there is one. */
  reference: Float32Array;
  onNotice: (message: string, code: LachesisError["code"]) => void;
};

export class PolicyStepper {
  readonly #options: PolicyStepperOptions;
  readonly #drift: DriftMeter;

  constructor(options: PolicyStepperOptions) {
    this.#options = options;
    const { pool, config } = options;
    const maxKept = (config.max_staleness ?? 8) + 2;
    this.#drift = new DriftMeter({ pool, samples: config.drift_samples, maxKept });
  }

  /** To be called with the weights of each version that is sampled with. */
  keepForDrift(): void {
    this.#drift.keep(this.#options.learner.policy());
  }

  /**
   * Trains one batch. Rejects, and has changed nothing, with TRAINING_GROUP_INVALID, PLACEHOLDER_TOKENS_REFUSED,
   * TRAINING_DRIFT, as the pool does, or with the signal's reason.
   */
  async step(
    groups: readonly ScoredGroup[],
    { waitSeconds, signal }: { waitSeconds: number; signal: AbortSignal },
  ): Promise<TrainingStep> {
    const { learner, config, onNotice } = this.#options;
    const startedAt = performance.now();
    const batch = readPolicyBatch(groups, {
      vocabularySize: learner.config.vocabulary_size,
      contextLength: learner.config.context_length,
      step: learner.step,
      maxStaleness: config.max_staleness,
      onInvalid: config.on_invalid,
    });
    if (batch.firstProblem !== null) {
      onNotice(
        `Left out ${batch.invalidGroups} of ${batch.groups} groups: ${batch.firstProblem}`,
        "TRAINING_GROUP_INVALID",
      );
    }
    const { sequences } = batch;
    const trainedTokens = sequences.reduce((sum, { positions }) => sum + positions.length, 0);
    const tokens = sequences.reduce((sum, sequence) => sum + sequence.tokens.length, 0);
    const learningRate = learningRateAt(learner.step, {
      peak: config.learning_rate,
      warmupSteps: config.warmup_steps,
      totalSteps: config.steps,
      finalShare: config.final_learning_rate,
    });
    const drift = { value: null as number | null };
    await this.#addReference(batch, signal);
    const version = learner.step;
    const update = await learner.update(sequences, {
      learningRate,
      signal,
      objective: {
        kind: "policy",
        tokenCount: trainedTokens,
        options: {
          clipLow: config.clip_low,
          clipHigh: config.clip_high,
          klCoefficient: config.kl_coefficient,
        },
      },
      // Before the weights change: a batch that isn't what it claims to be must not train them.
      check: async ({ logprobs }) => {
        drift.value = await this.#checkDrift(batch, { logprobs, version, signal });
      },
    });
    const trainSeconds = (performance.now() - startedAt) / 1000;
    return {
      step: learner.step,
      mode: "grpo",
      loss: update.loss,
      learningRate,
      gradientNorm: update.gradientNorm,
      sequences: sequences.length,
      tokens,
      trainedTokens,
      reward: batch.reward,
      clipFraction: trainedTokens === 0 ? null : update.clipped / trainedTokens,
      divergence: trainedTokens === 0 ? null : update.divergence / trainedTokens,
      drift: drift.value,
      stalenessMean: batch.stalenessMean,
      stalenessMax: batch.stalenessMax,
      groups: batch.groups,
      equalScoreGroups: batch.equalScoreGroups,
      invalidGroups: batch.invalidGroups,
      tooLongSequences: batch.tooLongSequences,
      staleSequences: batch.staleSequences,
      waitSeconds,
      trainSeconds,
      tokensPerSecond: tokens / trainSeconds,
    };
  }

  async #addReference({ sequences }: PolicyBatch, signal: AbortSignal): Promise<void> {
    const { pool, config, reference } = this.#options;
    if (config.kl_coefficient === 0 || sequences.length === 0) return;
    const scores = await pool.run(sequences, { weights: reference, objective: { kind: "score" }, signal });
    for (const [index, sequence] of sequences.entries()) {
      sequence.referenceLogprobs = scores.logprobs[index] ?? new Float32Array();
    }
  }

  async #checkDrift(
    { sequences }: PolicyBatch,
    measured: { logprobs: readonly Float32Array[]; version: number; signal: AbortSignal },
  ): Promise<number | null> {
    const { config, onNotice } = this.#options;
    const drift = await this.#drift.measure(sequences, measured);
    if (drift === null) return null;
    if (drift.value <= config.max_drift) return drift.value;
    const { sequence, position, sent, recomputed } = drift;
    const message =
      `log-probabilities differ by up to ${drift.value.toPrecision(3)} (limit ${config.max_drift}): trained sequence ` +
      `${sequence}, position ${position} was sent with ${sent.toFixed(4)}, recomputed ${recomputed.toFixed(4)}`;
    if (config.on_drift === "stop") throw new LachesisError("TRAINING_DRIFT", message);
    onNotice(`Drift: ${message}`, "TRAINING_DRIFT");
    return drift.value;
  }
}
