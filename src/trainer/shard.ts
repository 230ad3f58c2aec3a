/**
 * The part of a batch that one thread computes: log-probabilities, the loss's derivatives, the gradient. A shard
 * goes through the model in passes of a bounded number of tokens, whose gradients are summed in order, so that its
 * result depends on nothing but itself.
 */
import type { PackedBatch, Transformer } from "../tiny-policy/engine/transformer.ts";
import { type PolicyLossOptions, policyLoss, supervisedLoss } from "./losses.ts";

/** A sequence as the gradient needs it. The last three run along `positions`. */
export type ShardSequence = {
  tokens: Int32Array;
  /** Positions of the ids that are trained, ascending; never 0, which nothing predicts. */
  positions: Int32Array;
  /** What each trained id counts: its advantage, or its weight in a supervised loss. */
  pulls: Float32Array;
  /** Policy loss: log-probabilities at sampling time. */
  sampledLogprobs?: Float32Array;
  /** Policy loss with a KL term: those of the reference model. */
  referenceLogprobs?: Float32Array;
};

export type Objective =
  /** Log-probabilities alone, no gradient. */
  | { kind: "score" }
  /** Mean over `weightSum`, the sum of all weights of the whole batch. */
  | { kind: "supervised"; weightSum: number }
  /** Mean over `tokenCount` trained tokens of the whole batch. */
  | { kind: "policy"; tokenCount: number; options: PolicyLossOptions };

export type ShardTask = { sequences: ShardSequence[]; objective: Objective; tokensPerPass: number };

export type ShardResult = {
  /** Null where the objective asks for none. */
  gradient: Float32Array | null;
  loss: number;
  /** Policy loss: tokens that were clipped, and the summed divergence. */
  clipped: number;
  divergence: number;
  /** Of the trained ids of all sequences, in their order. */
  logprobs: Float32Array;
};

export function computeShard(
  model: Transformer,
  { sequences, objective, tokensPerPass }: ShardTask,
): ShardResult {
  const trained = sequences.reduce((sum, { positions }) => sum + positions.length, 0);
  const total: ShardResult = {
    gradient: null,
    loss: 0,
    clipped: 0,
    divergence: 0,
    logprobs: new Float32Array(trained),
  };
  let at = 0;
  for (const pass of passesOf(sequences, tokensPerPass)) {
    const logprobs = model.forward(pack(pass));
    total.logprobs.set(logprobs, at);
    at += logprobs.length;
    if (objective.kind === "score") continue;
    const { loss, derivatives, clipped, divergence } = lossOf(pass, logprobs, objective);
    total.loss += loss;
    total.clipped += clipped;
    total.divergence += divergence;
    const gradient = model.backward(derivatives);
    if (total.gradient === null) total.gradient = gradient;
    else addTo(total.gradient, gradient);
  }
  return total;
}

export function addTo(sum: Float32Array, part: Float32Array): void {
  for (let index = 0; index < sum.length; index++) sum[index] = (sum[index] ?? 0) + (part[index] ?? 0);
}

function* passesOf(sequences: readonly ShardSequence[], tokensPerPass: number): Generator<ShardSequence[]> {
  let pass: ShardSequence[] = [];
  let tokens = 0;
  for (const sequence of sequences) {
    if (pass.length > 0 && tokens + sequence.tokens.length > tokensPerPass) {
      yield pass;
      pass = [];
      tokens = 0;
    }
    pass.push(sequence);
    tokens += sequence.tokens.length;
  }
  if (pass.length > 0) yield pass;
}

function lossOf(
  pass: readonly ShardSequence[],
  logprobs: Float32Array,
  objective: Exclude<Objective, { kind: "score" }>,
) {
  const pulls = joined(pass.map((sequence) => sequence.pulls));
  if (objective.kind === "supervised") {
    return { ...supervisedLoss(logprobs, pulls, objective.weightSum), clipped: 0, divergence: 0 };
  }
  const column = (key: "sampledLogprobs" | "referenceLogprobs") =>
    joined(pass.map((sequence) => sequence[key] ?? new Float32Array(sequence.positions.length)));
  const hasReference = pass.every(({ referenceLogprobs }) => referenceLogprobs !== undefined);
  return policyLoss(
    {
      logprobs,
      sampledLogprobs: column("sampledLogprobs"),
      advantages: pulls,
      referenceLogprobs: hasReference ? column("referenceLogprobs") : undefined,
    },
    objective.options,
    objective.tokenCount,
  );
}

function pack(sequences: readonly ShardSequence[]): PackedBatch {
  const starts = new Int32Array(sequences.length + 1);
  for (const [index, { tokens }] of sequences.entries())
    starts[index + 1] = (starts[index] ?? 0) + tokens.length;
  const tokens = new Int32Array(starts.at(-1) ?? 0);
  const scored: number[] = [];
  for (const [index, sequence] of sequences.entries()) {
    const start = starts[index] ?? 0;
    tokens.set(sequence.tokens, start);
    for (const position of sequence.positions) scored.push(start + position);
  }
  return { tokens, starts, scored: Int32Array.from(scored) };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
