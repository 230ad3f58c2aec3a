/** Saved rollouts scored again, without playing them: what was said stays, the score is another reward's. */
import { z } from "zod";
import type { ToolCallCounts } from "../../agent/agent-result.ts";
import type { ChatMessage, JsonObject, Usage } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { StopReason } from "../../contracts/outcome.ts";
import { type SavedEvaluation, sampleRecord } from "../../data/evaluation-records.ts";

/** A rollout as it is read back: all that rewards may look at, except its sandbox. */
export type SavedRollout = {
  messages: readonly ChatMessage[];
  stop: StopReason;
  turnsUsed: number;
  toolCalls?: ToolCallCounts;
  usage: Usage;
};

export type RescoreOptions = {
  score(call: {
    rollout: SavedRollout;
    item: Readonly<Record<string, unknown>>;
    signal: AbortSignal;
  }): Promise<{ score: number; parts: JsonObject }>;
  /** A score from here on counts as correct. */
  correctFrom: number;
  /** Rollouts scored at once. */
  concurrency: number;
  signal: AbortSignal;
};

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const message: z.ZodType<ChatMessage> = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), content: z.string() }),
  z.object({ role: z.literal("user"), content: z.string() }),
  z.object({
    role: z.literal("assistant"),
    content: z.string().nullable(),
    tool_calls: z.array(toolCall).optional(),
    reasoning_content: z.string().optional(),
    reasoning: z.string().optional(),
    reasoning_details: z
      .array(z.looseObject({ type: z.string().optional(), text: z.string().optional() }))
      .optional(),
  }),
  z.object({ role: z.literal("tool"), tool_call_id: z.string(), content: z.string() }),
]);

const played = z.object({
  messages: z.array(message),
  stop: z.enum(["finished", "max-turns", "max-tokens", "context-full"]),
  tool_calls: z
    .object({
      attempted: z.number(),
      schemaValid: z.number(),
      executedOk: z.number(),
      executionErrors: z.number(),
    })
    .optional(),
});

/**
 * The samples with new scores, and each one's old score in `previous_score`. One that was played to its end but that
 * no reward could score is scored, too; others keep having none. Rejects with what `score` throws, naming the sample.
 */
export async function rescoreSamples(
  { items, samples }: SavedEvaluation,
  { score, correctFrom, concurrency, signal }: RescoreOptions,
): Promise<JsonObject[]> {
  const itemsById = new Map(items.map(({ item_id, item }) => [item_id, item]));
  const rescored: JsonObject[] = [];
  const remaining = samples.entries();
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const workOnAndOn = async () => {
    for (const [index, sample] of remaining) {
      if (either.aborted) return;
      try {
        rescored[index] = await rescoreOne(sample);
      } catch (thrown) {
        failing.abort(withPlace(thrown, sample));
      }
    }
  };
  const rescoreOne = async (sample: JsonObject): Promise<JsonObject> => {
    const record = sampleRecord.parse(sample);
    const rollout = played.safeParse(sample);
    if (!rollout.success) return { ...sample, previous_score: record.score };
    const item = itemsById.get(record.item_id);
    const { messages, stop, tool_calls: toolCalls } = rollout.data;
    const [prompt_tokens, completion_tokens] = [record.prompt_tokens, record.completion_tokens];
    const result = await score({
      rollout: {
        messages,
        stop,
        turnsUsed: record.turns,
        ...(toolCalls !== undefined && { toolCalls }),
        usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
      },
      item: typeof item === "object" && item !== null && !Array.isArray(item) ? item : sample,
      signal: either,
    });
    // They say how the score came about that is replaced.
    const { stage: _stage, error: _error, cancelled_by: _by, turn_rewards: _turns, ...kept } = sample;
    return {
      ...kept,
      outcome: "scored",
      score: result.score,
      correct: result.score >= correctFrom,
      reward_parts: result.parts,
      previous_score: record.score,
    };
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, samples.length) }, workOnAndOn));
  either.throwIfAborted();
  return rescored;
}

function withPlace(thrown: unknown, { item_id: item, sample }: JsonObject): unknown {
  if (!(thrown instanceof LachesisError)) return thrown;
  const { code, hint, message: text, retryable } = thrown;
  return new LachesisError(code, `Item ${item}, sample ${sample}: ${text}`, {
    ...(hint !== undefined && { hint }),
    cause: thrown,
    retryable,
  });
}
