/** A model whose log-probabilities others learn from: it scores ids that a student sampled. */

/** One place of a sequence. `ids` and `logprobs` have one length, the likeliest first. */
export type TeacherPlace = {
  /** Natural-log probability of the id that stands there. */
  own: number;
  ids: number[];
  logprobs: number[];
};

export interface TeacherModel {
  readonly modelName: string;
  /**
   * What the teacher gives to each id after those before it, and its `top` likeliest ids there; null for the first
   * place. Rejects with a LachesisError when no answer can be had or trusted.
   */
  score(
    ids: readonly number[],
    options: { top: number; signal: AbortSignal },
  ): Promise<(TeacherPlace | null)[]>;
  /**
   * Proves with two small requests that the server scores prompts, gives `top` choices, and writes texts with the
   * student's ids. Rejects with TEACHER_UNFIT or TEACHER_TOKENIZER_DIFFERS, or as `score` does.
   */
  prove(options: { top: number; signal: AbortSignal }): Promise<void>;
}
