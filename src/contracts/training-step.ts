/** What one step of the trainer came to: an event of the run, and a line of its metrics file. */
export type TrainingStep = {
  /** Steps done, this one included; also the version of the weights that it made. */
  step: number;
  mode: "grpo" | "sft";
  loss: number;
  learningRate: number;
  /** Length of the gradient before it was limited; 0 = nothing to learn in this batch. */
  gradientNorm: number;
  /** Sequences that were trained on, their tokens, and those of them that count for the loss. */
  sequences: number;
  tokens: number;
  trainedTokens: number;
  /** Mean score of all sequences of the batch, those that teach nothing included. */
  reward: number | null;
  /** Share of the trained tokens whose importance ratio was clipped. */
  clipFraction: number | null;
  /** How far the policy had moved since it sampled: mean KL estimate per trained token, nats. */
  divergence: number | null;
  /** Largest |recomputed - sent| log-probability under the weights that sampled; null = none could be compared. */
  drift: number | null;
  /** Steps between the weights that sampled and those that were trained; null = the batch doesn't say. */
  stalenessMean: number | null;
  stalenessMax: number | null;
  /** Groups of the batch, and what was left out of it. */
  groups: number;
  equalScoreGroups: number;
  invalidGroups: number;
  tooLongSequences: number;
  staleSequences: number;
  /** Waiting for the batch, and computing, in seconds. */
  waitSeconds: number;
  trainSeconds: number;
  /** Tokens per second of computing. */
  tokensPerSecond: number;
};
