/**
 * Problems in the manner of GSM8K that were written for Lachesis, so that everything runs without network:
 * 60 to train on and 20 to evaluate. They have GSM8K's columns and its `<<16-3-4=9>>` annotations.
 */
import { join } from "node:path";

const data = join(import.meta.dirname, "data");

/** Paths of the JSONL files. */
export const bundledProblems = {
  train: join(data, "gsm8k-style-train.jsonl"),
  test: join(data, "gsm8k-style-test.jsonl"),
} as const;
