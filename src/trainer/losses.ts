/**
 * Losses over the log-probabilities of trained tokens. Each answers its value and its derivative by every
 * log-probability: that is all that a model's backward pass needs to know of it.
 */

export type LossResult = {
  /** The mean over `weightSum`, as far as these tokens go. */
  loss: number;
  /** d loss / d logprob of each token. */
  derivatives: Float32Array;
};

/**
 * Supervised: the mean negative log-probability. `weights` says what each token counts; `weightSum` is their sum
 * over the whole batch, of which these tokens may be a part.
 */
export function supervisedLoss(logprobs: Float32Array, weights: Float32Array, weightSum: number): LossResult {
  const derivatives = new Float32Array(logprobs.length);
  let loss = 0;
  for (const [index, logprob] of logprobs.entries()) {
    const share = (weights[index] ?? 0) / weightSum;
    loss -= share * logprob;
    derivatives[index] = -share;
  }
  return { loss, derivatives };
}

export type PolicyLossOptions = {
  /** How far the ratio may fall below 1 before a token stops pulling. Default 0.2 (PPO). */
  clipLow: number;
  /** How far it may rise above 1. Default 0.2. */
  clipHigh: number;
  /** Weight of the KL divergence from the reference (Schulman's k3 estimate); 0 = off. */
  klCoefficient: number;
};

export type PolicyTokens = {
  /** Log-probability of each token now. */
  logprobs: Float32Array;
  /** And when it was sampled. */
  sampledLogprobs: Float32Array;
  advantages: Float32Array;
  /** Of the reference model; needed where klCoefficient isn't 0. */
  referenceLogprobs?: Float32Array | undefined;
};

export type PolicyLossResult = LossResult & {
  /** Tokens whose ratio left the clip range on the side where it stops the gradient. */
  clipped: number;
  /** Sum of (ratio − 1) − log ratio: how far the policy moved since it sampled, in nats. */
  divergence: number;
};

/** PPO's clipped surrogate, the mean over `tokenCount` tokens of the whole batch. */
export function policyLoss(
  { logprobs, sampledLogprobs, advantages, referenceLogprobs }: PolicyTokens,
  { clipLow, clipHigh, klCoefficient }: PolicyLossOptions,
  tokenCount: number,
): PolicyLossResult {
  const derivatives = new Float32Array(logprobs.length);
  let loss = 0;
  let clipped = 0;
  let divergence = 0;
  for (const [index, logprob] of logprobs.entries()) {
    const advantage = advantages[index] ?? 0;
    const logRatio = logprob - (sampledLogprobs[index] ?? 0);
    const ratio = Math.exp(logRatio);
    const bounded = Math.min(Math.max(ratio, 1 - clipLow), 1 + clipHigh);
    const stops = bounded * advantage < ratio * advantage;
    loss -= (stops ? bounded : ratio) * advantage;
    let derivative = stops ? 0 : -ratio * advantage;
    if (stops) clipped += 1;
    divergence += ratio - 1 - logRatio;
    if (klCoefficient !== 0 && referenceLogprobs !== undefined) {
      const toReference = (referenceLogprobs[index] ?? 0) - logprob;
      loss += klCoefficient * (Math.exp(toReference) - toReference - 1);
      derivative += klCoefficient * (1 - Math.exp(toReference));
    }
    derivatives[index] = derivative / tokenCount;
  }
  return { loss: loss / tokenCount, derivatives, clipped, divergence };
}

/** (score − mean) / standard deviation within the group; null where all scores are equal: nothing to learn. */
export function groupAdvantages(scores: readonly number[]): number[] | null {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
  const deviation = Math.sqrt(variance);
  if (deviation < 1e-8) return null;
  return scores.map((score) => (score - mean) / deviation);
}
