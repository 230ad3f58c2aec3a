/** Groups as `environment process` writes them, as sequences for supervised training. */
import { z } from "zod";
import { LachesisError } from "../contracts/errors.ts";
import { readJsonlRows } from "../data/jsonl-rows.ts";
import { masked } from "./sequence-checks.ts";
import type { ShardSequence } from "./shard.ts";

export type SupervisedRules = {
  vocabularySize: number;
  contextLength: number;
  /** What a token counts that the model didn't say; one that it said counts 1. */
  promptLossWeight: number;
  /** Sequences with a lower score are left out; null = none are. */
  minScore: number | null;
};

export type SupervisedData = {
  sequences: ShardSequence[];
  /** Left out for their score, for their length, and because nothing in them is trained. */
  lowScore: number;
  tooLong: number;
  untrained: number;
};

const ids = z.array(z.array(z.int()));
const storedGroup = z.object({
  tokens: ids,
  masks: ids,
  scores: z.array(z.number()),
  group_overrides: z.looseObject({ placeholder_tokens: z.boolean().optional() }).nullish(),
});

/**
 * Reads JSONL files. Rejects with TRAINING_GROUP_INVALID, naming file and line, PLACEHOLDER_TOKENS_REFUSED,
 * TRAINING_DATA_EMPTY where nothing is left, DATASET_NOT_FOUND, or the signal's reason.
 */
export async function readSupervisedData(
  paths: readonly string[],
  { signal, ...rules }: SupervisedRules & { signal: AbortSignal },
): Promise<SupervisedData> {
  const data: SupervisedData = { sequences: [], lowScore: 0, tooLong: 0, untrained: 0 };
  for (const path of paths) {
    const rows = await readJsonlRows(path, { signal });
    for (let index = 0; index < rows.length; index++) {
      const place = rows.locate(index);
      addGroup(data, rows.read(index), `${place.file}:${place.line}`, rules);
    }
  }
  if (data.sequences.length > 0) return data;
  const counts = `${data.lowScore} with too low a score, ${data.tooLong} too long, ${data.untrained} without a token to train`;
  throw new LachesisError(
    "TRAINING_DATA_EMPTY",
    `${paths.join(", ")}: no sequence is left to train on (${counts})`,
  );
}

function addGroup(
  data: SupervisedData,
  row: { ok: true; value: unknown } | { ok: false; reason: string },
  where: string,
  { vocabularySize, contextLength, promptLossWeight, minScore }: SupervisedRules,
): void {
  const fail = (what: string) => new LachesisError("TRAINING_GROUP_INVALID", `${where}: ${what}`);
  if (!row.ok) throw fail(row.reason);
  const parsed = storedGroup.safeParse(row.value);
  if (!parsed.success) throw fail(z.prettifyError(parsed.error));
  const { tokens, masks, scores, group_overrides: overrides } = parsed.data;
  if (overrides?.placeholder_tokens === true) {
    throw new LachesisError(
      "PLACEHOLDER_TOKENS_REFUSED",
      `${where}: its tokens only stand in for the text (group_overrides.placeholder_tokens): there is nothing to train on`,
    );
  }
  for (const [sequence, ids] of tokens.entries()) {
    const mask = masks[sequence] ?? [];
    if (mask.length !== ids.length) {
      throw fail(`sequence ${sequence}: ${ids.length} tokens, but ${mask.length} masks`);
    }
    const positions: number[] = [];
    const pulls: number[] = [];
    let said = 0;
    for (const [position, id] of ids.entries()) {
      const at = `sequence ${sequence}, position ${position}`;
      if (id < 0 || id >= vocabularySize) {
        throw fail(`${at}: token ${id}, the model has ids from 0 to ${vocabularySize - 1}`);
      }
      const isSaid = mask[position] !== masked;
      if (isSaid && mask[position] !== id) {
        throw fail(`${at}: mask ${mask[position]}, expected the position's own token ${id} or ${masked}`);
      }
      const weight = isSaid ? 1 : promptLossWeight;
      if (position === 0 || weight === 0) continue;
      if (isSaid) said += 1;
      positions.push(position);
      pulls.push(weight);
    }
    if (minScore !== null && (scores[sequence] ?? Number.NEGATIVE_INFINITY) < minScore) data.lowScore += 1;
    else if (ids.length > contextLength) data.tooLong += 1;
    else if (said === 0) data.untrained += 1;
    else {
      data.sequences.push({
        tokens: Int32Array.from(ids),
        positions: Int32Array.from(positions),
        pulls: Float32Array.from(pulls),
      });
    }
  }
}
