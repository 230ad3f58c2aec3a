/** Real GSM8K rows, when the workplace has them: tests that need them skip themselves otherwise. */
import { existsSync, readFileSync } from "node:fs";

export const gsm8kPath = (split: "train" | "test"): string =>
  new URL(`../../../shared/data/gsm8k/${split}.jsonl`, import.meta.url).pathname;

export const hasGsm8k = existsSync(gsm8kPath("train")) && existsSync(gsm8kPath("test"));

export function readGsm8k(split: "train" | "test"): { question: string; answer: string }[] {
  const lines = readFileSync(gsm8kPath(split), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}
