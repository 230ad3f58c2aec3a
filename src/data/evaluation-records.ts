/**
 * The files of an evaluation directory, as they are read back:
 *
 * - `evaluation.json`: what is evaluated and how, written before the first sample;
 * - `items.jsonl`: the items that were chosen, each with a digest of its content;
 * - `samples.jsonl`: one line per sample, appended as it finishes, in the end in the order of items and samples;
 * - `metrics.json`: the results in Atropos' layout, written last (evaluation-files.ts).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { JsonObject, JsonValue } from "../contracts/chat.ts";
import { LachesisError } from "../contracts/errors.ts";

const jsonValue: z.ZodType<JsonValue> = z.json();
const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.json());

const evaluationHeader = z.object({
  format: z.literal(1),
  environment: z.string(),
  model: z.string(),
  samples_per_item: z.int().min(1),
  pass_k: z.array(z.int().min(1)),
  /** A reward from here on counts as correct. */
  correct_from: z.number(),
  generation_parameters: jsonObject,
  /** Which of the environment's held-out items were chosen; nulls = all, in their order. */
  selection: z.object({
    limit: z.int().nullable(),
    items: z.string().nullable(),
    shuffle_seed: z.int().nullable(),
  }),
  /** `env` and `openai` without secrets; null where nobody gave it, and then it can't be resumed. */
  config: jsonObject.nullable(),
  /** What `rescore` made this of. */
  rescored: z.object({ from: z.string(), reward: jsonValue }).optional(),
});
export type EvaluationHeader = z.output<typeof evaluationHeader>;

const evaluationItem = z.object({
  item_id: z.string(),
  index: z.int(),
  digest: z.string(),
  item: jsonValue,
});
export type EvaluationItem = z.output<typeof evaluationItem>;

export const sampleRecord = z.looseObject({
  item_id: z.string(),
  index: z.int(),
  sample: z.int(),
  outcome: z.enum(["scored", "infra-failed", "cancelled"]),
  score: z.number().nullable(),
  correct: z.boolean().nullable(),
  category: z.string().optional().catch(undefined),
  turns: z.number().default(0),
  prompt_tokens: z.number().default(0),
  completion_tokens: z.number().default(0),
  /** Answers without usage: their tokens are missing above. */
  untold_usage: z.number().default(0),
  timing: z.record(z.string(), z.number()).default({}),
});
export type SampleRecord = z.output<typeof sampleRecord>;

export type SavedEvaluation = {
  directory: string;
  header: EvaluationHeader;
  items: EvaluationItem[];
  /** In the order of items and samples; of several lines for one sample the last. */
  samples: JsonObject[];
};

/** Names a sample within its evaluation. */
export const sampleKey = ({ item_id, sample }: Pick<SampleRecord, "item_id" | "sample">): string =>
  JSON.stringify([item_id, sample]);

/** null where the directory has no evaluation.json. Rejects with EVALUATION_FILE_INVALID. */
export async function readEvaluation(directory: string): Promise<SavedEvaluation | null> {
  const headerText = await readText(join(directory, "evaluation.json"));
  if (headerText === null) return null;
  const header = parseWith(evaluationHeader, headerText, join(directory, "evaluation.json"));
  const itemsPath = join(directory, "items.jsonl");
  const items = await readLines(itemsPath, evaluationItem);
  if (items === null) throw fileInvalid(itemsPath, "the file is missing, so samples have no items");
  const known = new Set(items.map(({ item_id }) => item_id));
  const path = join(directory, "samples.jsonl");
  const byKey = new Map<string, JsonObject>();
  // As they were written: parsing would put the keys into another order, and defaults in.
  for (const [number, line] of ((await readLines(path, jsonObject)) ?? []).entries()) {
    const sample = check(sampleRecord, line, `${path}:${number + 1}`);
    if (!known.has(sample.item_id)) {
      const why = `a sample of the item "${sample.item_id}", which items.jsonl doesn't have`;
      throw fileInvalid(`${path}:${number + 1}`, why);
    }
    byKey.set(sampleKey(sample), line);
  }
  return { directory, header, items, samples: inOrder([...byKey.values()]) };
}

/** By item, then by sample. */
export function inOrder(samples: readonly JsonObject[]): JsonObject[] {
  return samples.toSorted((a, b) => Number(a.index) - Number(b.index) || Number(a.sample) - Number(b.sample));
}

/** Content of an item as JSON, as far as it is JSON, and a digest of it. */
export function itemAsJson(item: unknown): { item: JsonValue; digest: string } {
  let text: string | undefined;
  try {
    text = JSON.stringify(item, (_key, value: unknown) => {
      if (typeof value === "bigint") return String(value);
      return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
    });
  } catch {
    // An item that holds itself: nothing to compare it by.
  }
  text ??= "null";
  return {
    item: jsonValue.parse(JSON.parse(text)),
    digest: createHash("sha256").update(text).digest("hex").slice(0, 16),
  };
}

/** null where there is no such file. A last line without its line break was torn by a crash, and is none. */
async function readLines<Row>(path: string, schema: z.ZodType<Row>): Promise<Row[] | null> {
  const text = await readText(path);
  if (text === null) return null;
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  return lines.map((line, index) => parseWith(schema, line, `${path}:${index + 1}`));
}

function parseWith<Row>(schema: z.ZodType<Row>, text: string, where: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fileInvalid(where, "this is no JSON", cause);
  }
  return check(schema, value, where);
}

function check<Row>(schema: z.ZodType<Row>, value: unknown, where: string): Row {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "the line"}: ${message}`,
  );
  throw fileInvalid(where, problems.join("; "));
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR"))
      return null;
    throw fileInvalid(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function fileInvalid(where: string, why: string, cause?: unknown): LachesisError {
  const isSample = /samples\.jsonl:\d+$/.test(where);
  return new LachesisError("EVALUATION_FILE_INVALID", `${where}: ${why}`, {
    ...(isSample && { hint: "Without that line, `evaluate --resume` plays its sample again." }),
    cause,
  });
}
