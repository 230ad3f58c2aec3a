/**
 * One token sequence that the model was really given and really sampled.
 * All arrays have one length; `sampled[i]` is true only for ids that the inference server returned.
 */
export type Segment = {
  tokens: number[];
  sampled: boolean[];
  /** Natural-log probability of each sampled id at sampling time; meaningless where `sampled` is false. */
  logprobs: number[];
  /** Weight version that sampled each id, where the server tells it. */
  versions?: number[];
  finishReason: string;
};
