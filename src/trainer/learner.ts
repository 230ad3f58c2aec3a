/**
 * Weights in training: the model, the optimizer and the number of steps done, nothing else. Everything that decides
 * the next weights is in here or comes with the call, so a run that goes on from `state` is the run itself.
 */
import type { TransformerConfig } from "../tiny-policy/engine/transformer-config.ts";
import type { PolicyWeights } from "../tiny-policy/weights-file.ts";
import { Adam, type AdamOptions, type AdamState } from "./adam.ts";
import type { GradientPool, PoolResult } from "./gradient-pool.ts";
import type { Objective, ShardSequence } from "./shard.ts";

export type LearnerState = { policy: PolicyWeights; adam: AdamState };

export type UpdateOptions = {
  objective: Objective;
  learningRate: number;
  signal: AbortSignal;
  /** Looks at what was computed before the weights change; the step is not taken when it rejects. */
  check?: (result: PoolResult) => Promise<void>;
};
export type Update = PoolResult & { gradientNorm: number };

export class Learner {
  readonly config: TransformerConfig;
  readonly #weights: Float32Array;
  readonly #adam: Adam;
  readonly #pool: GradientPool;
  #step: number;

  /** `policy.version` is the number of steps done. The weights are copied. */
  constructor(policy: PolicyWeights, { pool, ...adam }: AdamOptions & { pool: GradientPool }) {
    this.config = policy.config;
    this.#weights = policy.weights.slice();
    this.#adam = new Adam(this.#weights.length, adam);
    this.#pool = pool;
    this.#step = policy.version;
  }

  /** Steps done: the version of the weights. */
  get step(): number {
    return this.#step;
  }

  /** One step. Where it rejects, as `GradientPool.run` does, nothing has changed. */
  async update(sequences: readonly ShardSequence[], options: UpdateOptions): Promise<Update> {
    const { objective, learningRate, signal, check } = options;
    const result = await this.#pool.run(sequences, { weights: this.#weights, objective, signal });
    await check?.(result);
    signal.throwIfAborted();
    const gradientNorm =
      result.gradient === null ? 0 : this.#adam.step(this.#weights, result.gradient, learningRate);
    this.#step += 1;
    return { ...result, gradientNorm };
  }

  /** A copy of the weights as they are. */
  policy(): PolicyWeights {
    return { config: this.config, weights: this.#weights.slice(), version: this.#step };
  }

  /** A copy of everything that the next steps depend on. */
  state(): LearnerState {
    return { policy: this.policy(), adam: this.#adam.state() };
  }

  restore({ policy, adam }: LearnerState): void {
    this.#weights.set(policy.weights);
    this.#adam.restore(adam);
    this.#step = policy.version;
  }
}
