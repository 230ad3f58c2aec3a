/**
 * A line of a group file: a group as Atropos writes it, and where Lachesis wrote it, its provenance. Only what
 * data is made of is checked; messages may come from anywhere and are kept as they are.
 */
import { z } from "zod";
import type { JsonObject, JsonValue } from "../contracts/chat.ts";

const json: z.ZodType<JsonValue> = z.json();
const object: z.ZodType<JsonObject> = z.record(z.string(), json);

const savedMessage = z.looseObject({
  role: z.string(),
  content: z.unknown().optional(),
  tool_calls: z
    .array(
      z.looseObject({
        id: z.string().nullish(),
        function: z.looseObject({ name: z.string(), arguments: z.unknown().optional() }),
      }),
    )
    .nullish(),
  tool_call_id: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning_details: z.array(z.looseObject({ text: z.string().nullish() })).nullish(),
});

/** One message of any author; keys that aren't named are kept. */
export type SavedMessage = z.output<typeof savedMessage>;

const toolSchema = z.looseObject({
  type: z.string().default("function"),
  function: z.looseObject({
    name: z.string(),
    description: z.string().default(""),
    parameters: object.default({}),
  }),
});
export type SavedTool = z.output<typeof toolSchema>;

const rollout = z.object({
  rollout_id: z.string(),
  seed: z.number(),
  reward: z.number(),
  stop: z.string(),
  turns: z.number(),
  tool_errors: z.number().default(0),
  sequences: z.object({ first: z.int().min(0), count: z.int().min(1) }),
  messages: z.array(savedMessage).optional(),
});

const provenance = z.object({
  group_id: z.string(),
  env: z.string(),
  model: z.string(),
  item_number: z.int().min(0),
  item: json,
  item_digest: z.string(),
  attempt: z.int(),
  seed: z.number(),
  finished_at: z.string(),
  tools: z.array(toolSchema).nullable(),
  sampling: object.nullable(),
  rollouts: z.array(rollout).nullable(),
});
export type SavedProvenance = z.output<typeof provenance>;
export type SavedRollout = z.output<typeof rollout>;

// Long lists of numbers are looked through once, by hand: zod would make an object of every number.
const numberLists = z.custom<number[][]>(
  (value) =>
    Array.isArray(value) &&
    value.every(
      (list) =>
        Array.isArray(list) && list.every((item) => typeof item === "number" && Number.isFinite(item)),
    ),
  "expected lists of numbers",
);
/** Atropos' own environments write [] for what is absent. */
const optionalLists = z
  .preprocess((value) => (Array.isArray(value) && value.length === 0 ? null : value), numberLists.nullable())
  .default(null);

export const savedGroup = z
  .looseObject({
    tokens: numberLists,
    masks: numberLists,
    scores: z.array(z.number()),
    messages: z
      .preprocess(
        (value) => (Array.isArray(value) && value.length === 0 ? null : value),
        z.array(z.array(savedMessage)).nullable(),
      )
      .default(null),
    inference_logprobs: optionalLists,
    generation_params: object.nullable().default(null),
    group_overrides: object.nullable().default(null),
    provenance: provenance.optional(),
  })
  .superRefine((group, context) => {
    const size = group.tokens.length;
    const lengths = {
      masks: group.masks.length,
      scores: group.scores.length,
      ...(group.messages !== null && { messages: group.messages.length }),
      ...(group.inference_logprobs !== null && { inference_logprobs: group.inference_logprobs.length }),
    };
    for (const [key, length] of Object.entries(lengths)) {
      if (length !== size) {
        context.addIssue({
          code: "custom",
          path: [key],
          message: `${length}, but there are ${size} sequences`,
        });
      }
    }
    for (const [index, tokens] of group.tokens.entries()) {
      for (const [key, lists] of [
        ["masks", group.masks],
        ["inference_logprobs", group.inference_logprobs],
      ] as const) {
        const length = lists?.[index]?.length ?? tokens.length;
        if (length !== tokens.length) {
          const message = `${length}, but the sequence has ${tokens.length} tokens`;
          context.addIssue({ code: "custom", path: [key, index], message });
        }
      }
    }
    for (const { sequences } of group.provenance?.rollouts ?? []) {
      if (sequences.first + sequences.count <= size) continue;
      context.addIssue({
        code: "custom",
        path: ["provenance"],
        message: "names sequences that aren't there",
      });
    }
  });

export type SavedGroup = z.output<typeof savedGroup>;
