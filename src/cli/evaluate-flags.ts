/** The flags that `evaluate` has besides those of every verb, and the evaluation that `--resume` goes on with. */
import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { parse, stringify } from "yaml";
import { LachesisError } from "../contracts/errors.ts";
import { readEvaluation, type SavedEvaluation } from "../data/evaluation-records.ts";
import type { ItemSelection } from "../env/evaluation/choose-items.ts";
import { type Price, priceOf } from "../env/evaluation/prices.ts";
import { type ConfigFile, parseConfigFile } from "./config-file.ts";
import type { DottedFlag } from "./dotted-flags.ts";
import { parseCount, parseSeed } from "./flag-units.ts";
import type { ResolvedConfig } from "./resolve-config.ts";
import { requireResumable, requireSameEnvironment } from "./resume-evaluation.ts";

export type EvaluateFlags = {
  n?: number;
  k?: string;
  limit?: number;
  items?: string;
  shuffleSeed?: number;
  resume?: string;
  priceTable?: string;
};

/** What `evaluate` was asked for, once the configuration is known. */
export type EvaluateRequest = {
  selection: ItemSelection;
  price: Price | undefined;
  /** Directory of the evaluation to go on with. */
  resume: string | undefined;
  /** The environment as the command line has it; empty where its file is the program. */
  calledAs?: string;
};

export function addEvaluateOptions(command: Command): Command {
  return command
    .option("--n <samples>", "rollouts per item (env.eval_samples)", parseCount)
    .option("--k <list>", "the k of pass@k and pass^k, e.g. 1,4,8 (env.eval_pass_k)", parseList)
    .option("--limit <count>", "play this many of the items", parseCount)
    .option("--items <list>", "play these: ids, numbers from 0 and ranges, e.g. 0,5,9-12")
    .option("--shuffle-seed <seed>", "shuffle the items before --limit is taken", parseSeed)
    .option("--resume <dir>", "go on with the evaluation in this directory: play only what it lacks")
    .option(
      "--price-table <file>",
      "YAML with `model: { in: …, out: … }` per million tokens: tells the cost",
    );
}

/** Before the configuration is known. Rejects with EVALUATION_FILE_INVALID, EVALUATION_DIFFERS, USAGE_INVALID. */
export async function beginEvaluate(
  flags: EvaluateFlags,
  envName: string,
): Promise<{
  dotted: DottedFlag[];
  /** Where no --config is given: that of the evaluation to go on with. */
  file: ConfigFile | undefined;
  finish(config: ResolvedConfig): Promise<EvaluateRequest>;
}> {
  const { resume } = flags;
  const saved = resume === undefined ? null : await openSaved(resume);
  // Before its keys are read as those of another environment.
  if (saved !== null) requireSameEnvironment(saved, envName);
  return {
    dotted: [
      ...(flags.n === undefined ? [] : [dottedFlag("--n", "eval_samples", String(flags.n))]),
      ...(flags.k === undefined ? [] : [dottedFlag("--k", "eval_pass_k", flags.k)]),
    ],
    file: saved?.header.config
      ? parseConfigFile(stringify(saved.header.config), `${resume}/evaluation.json`)
      : undefined,
    async finish(config) {
      const { items, shuffleSeed, limit } = flags;
      const asked: ItemSelection = { items, shuffleSeed, limit };
      const selection = saved === null ? asked : requireResumable(saved, { config, selection: asked });
      return { selection, price: await readPrice(flags.priceTable, config), resume };
    },
  };
}

/** null where the evaluation had not begun when it was stopped. */
async function openSaved(directory: string): Promise<SavedEvaluation | null> {
  const saved = await readEvaluation(directory);
  if (saved !== null) return saved;
  try {
    // Where a run was made, and ended before its first sample, there is nothing to go by but also nothing to lose.
    await readFile(`${directory}/config.yaml`);
    return null;
  } catch (cause) {
    throw new LachesisError(
      "EVALUATION_FILE_INVALID",
      `--resume ${directory}: there is no evaluation.json, so nothing to go on with.`,
      { hint: "Give the directory that the first run wrote its samples.jsonl to.", cause },
    );
  }
}

async function readPrice(path: string | undefined, { servers }: ResolvedConfig): Promise<Price | undefined> {
  if (path === undefined) return undefined;
  let table: unknown;
  try {
    table = parse(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LachesisError("CONFIG_INVALID", `--price-table ${path} can't be read: ${reason}`, { cause });
  }
  const prices = [...new Set(servers.map((server) => server.model_name))].map((name) =>
    priceOf(name, table, path),
  );
  const [first] = prices;
  if (prices.some((price) => price.in !== first?.in || price.out !== first.out)) {
    throw new LachesisError(
      "CONFIG_INVALID",
      `--price-table ${path}: the servers' models cost differently.`,
      {
        hint: "Which server answered isn't kept: evaluate one model at a time.",
      },
    );
  }
  return first;
}

function dottedFlag(name: string, key: string, text: string): DottedFlag {
  return { section: "env", path: [key], text, negated: false, name };
}

function parseList(text: string): string {
  if (/^[1-9]\d*(,[1-9]\d*)*$/.test(text)) return text;
  throw new InvalidArgumentError("Expected whole numbers from 1, e.g. 1,4,8.");
}
