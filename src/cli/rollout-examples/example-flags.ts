/** What `sft-gen` and `dpo-gen` share: Atropos' flags, by the same names and with the same defaults. */
import { type Command, InvalidArgumentError } from "commander";
import { parseCount, parseDurationMs } from "../flag-units.ts";

export type ExampleFlags = {
  apiUrl: string;
  groupSize: number;
  maxTokenLen: number;
  tokenizer: string;
  saveMessages?: boolean;
  allowNegativeScores?: boolean;
  minimumScoreDiffMaxMin: number;
  appendToPrevious?: boolean;
  numSeqsToSave: number;
  join?: boolean;
  wait?: number;
};

export function addExampleOptions(command: Command, { defaultGap }: { defaultGap: number }): Command {
  return command
    .argument("<file>", "JSONL file to write")
    .option("--api-url <url>", "the rollout API, or one of its runs (…/runs/NAME)", "http://localhost:8000")
    .option("--group-size <count>", "sequences of a group, to size the batches by", parseCount, 2)
    .option("--max-token-len <tokens>", "longest sequence that environments may send", parseCount, 2048)
    .option(
      "--tokenizer <source>",
      "turns tokens into text; not needed with --save-messages",
      "NousResearch/DeepHermes-3-Llama-3-3B-Preview",
    )
    .option("--save-messages", "write conversations in place of texts")
    .option("--num-seqs-to-save <count>", "lines to write", parseCount, 100)
    .option("--allow-negative-scores", "take sequences that score 0 or less, too")
    .option(
      "--minimum-score-diff-max-min <score>",
      "the better one must score higher than the worse by more than this",
      parseScore,
      defaultGap,
    )
    .option("--append-to-previous", "add to an existing file")
    .option("--join", "take batches from a run that has a trainer; it won't get them")
    .option("--wait <time>", "give up when no batch has come for so long (default: never)", parseDurationMs);
}

function parseScore(text: string): number {
  const score = Number(text);
  if (text.trim() === "" || !Number.isFinite(score) || score < 0) {
    throw new InvalidArgumentError("Expected a number from 0 on.");
  }
  return score;
}
