/** A model that judges what other models said: asked for a verdict of a known shape, it gives one or fails. */
import type { z } from "zod";
import type { ChatMessage } from "./chat.ts";

export type JudgeQuestion<Schema extends z.ZodType> = {
  messages: readonly ChatMessage[];
  /** Names the schema where it is sent to the server. */
  verdictName: string;
  /** What the verdict must be; a JSON object. */
  verdict: Schema;
  /** Which of `votes` votes on this question this is, from 0: each is sampled by itself. */
  vote: number;
  votes: number;
};

export interface JudgeModel {
  /**
   * A verdict as the schema has it. Rejects with a LachesisError when there is none after retries: INFERENCE_* for a
   * server that fails, JUDGE_ANSWER_INVALID for answers that are no verdict. Never a verdict made up.
   */
  ask<Schema extends z.ZodType>(
    question: JudgeQuestion<Schema>,
    options: { signal: AbortSignal },
  ): Promise<z.output<Schema>>;
}
