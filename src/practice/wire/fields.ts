/** Fields that several wires share, with the values that real servers give to what is left out. */
import { z } from "zod";
import type { Tokenizer } from "../../tokens/tokenizer.ts";
import type { SamplingFilters } from "../token-sampler.ts";

const idList = z.array(z.int().min(0)).min(1, "a prompt needs at least one token");

const prompts = z.union(
  [z.string(), idList, z.array(idList).min(1), z.array(z.string()).min(1)],
  "expected a text, a list of token ids, or a list of these",
);

export type PromptField = z.output<typeof prompts>;

export const fields = {
  ids: idList,
  prompts,
  count: z
    .int()
    .min(1)
    .max(128)
    .nullish()
    .transform((n) => n ?? 1),
  temperature: z
    .number()
    .min(0)
    .nullish()
    .transform((temperature) => temperature ?? 1),
  /** What narrows the choice of a token. The practice server has nothing to choose from. */
  filters: {
    top_p: z.number().gt(0).max(1).nullish(),
    /** 0 and -1 both turn it off. */
    top_k: z.int().min(-1).nullish(),
    min_p: z.number().min(0).max(1).nullish(),
    repetition_penalty: z.number().gt(0).nullish(),
  },
  /** Texts; one may stand alone. */
  stop: z
    .union([z.string(), z.array(z.string())])
    .nullish()
    .transform((stop) => (typeof stop === "string" ? [stop] : (stop ?? []))),
  stopTokenIds: z
    .array(z.int())
    .nullish()
    .transform((ids) => ids ?? []),
  seed: z
    .int()
    .nullish()
    .transform((seed) => seed ?? null),
  sessionId: z
    .string()
    .nullish()
    .transform((id) => id ?? null),
  /** Streams aren't needed for exact tokens, and aren't played. */
  stream: z.literal(false, "the practice server does not stream").nullish(),
};

const filters = z.object(fields.filters);

export function samplingFilters(sent: z.output<typeof filters>): SamplingFilters {
  return {
    topP: sent.top_p ?? 1,
    topK: Math.max(0, sent.top_k ?? 0),
    minP: sent.min_p ?? 0,
    repetitionPenalty: sent.repetition_penalty ?? 1,
  };
}

/** The prompts as ids; texts are encoded as the server's own tokenizer would. */
export function promptIds(
  prompt: PromptField,
  tokenizer: Tokenizer,
  { addSpecialTokens }: { addSpecialTokens: boolean },
): number[][] {
  if (typeof prompt === "string") return [tokenizer.encode(prompt, { addSpecialTokens })];
  if (isIds(prompt)) return [prompt];
  return prompt.flatMap((one) => promptIds(one, tokenizer, { addSpecialTokens }));
}

const isIds = (prompt: PromptField): prompt is number[] =>
  typeof prompt !== "string" && typeof prompt[0] === "number";
