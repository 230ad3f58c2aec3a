/**
 * Whether an evaluation may be gone on with: what decides how samples come out must be the same. Addresses, paths,
 * limits of how much runs at once, and what only concerns training may differ; a dataset is known by its rows.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { SavedEvaluation } from "../data/evaluation-records.ts";
import type { ItemSelection } from "../env/evaluation/choose-items.ts";
import { type ConfigMap, isConfigMap } from "./config-file.ts";
import { withoutSecrets } from "./redact.ts";
import type { ResolvedConfig } from "./resolve-config.ts";

/** Of `env`: keys that no sample depends on. */
const freeEnvKeys: ReadonlySet<string> = new Set([
  "agent_temperature",
  "allow_placeholder_tokens",
  "batch_size",
  "ensure_scores_are_not_same",
  "eval_handling",
  "eval_limit_ratio",
  "eval_max_items",
  "eval_pass_k",
  "group_size",
  "include_messages",
  "inference_weight",
  "max_batches_offpolicy",
  "max_failed_groups",
  "max_num_workers_per_node",
  "max_skipped_groups",
  "min_batch_allocation",
  "min_items_sent_before_logging",
  "num_rollouts_per_group_for_logging",
  "num_rollouts_to_keep",
  "rollout_retries",
  "steps_per_eval",
  "total_steps",
  "use_wandb",
  "wandb_name",
  "worker_timeout",
]);
const freeEnvPattern =
  /_(url|urls|path|paths|dir|host|port|address|socket|workers)$|^data_(path|dir)_|^pool_/;

/** Of a server: what decides how it answers. */
const boundServerKeys = ["model_name", "server_type", "tokenizer_name"];

/** Throws EVALUATION_DIFFERS. */
export function requireSameEnvironment({ directory, header }: SavedEvaluation, envName: string): void {
  if (header.environment === envName) return;
  throw new LachesisError(
    "EVALUATION_DIFFERS",
    `${directory} is an evaluation of ${header.environment}, not of ${envName}.`,
    { hint: `Resume it with \`environment evaluate ${header.environment} --resume ${directory}\`.` },
  );
}

/**
 * The selection to go on with: what was asked for, and for the rest what the evaluation was begun with. Adds a notice
 * with the keys that differ and don't matter. Throws EVALUATION_DIFFERS.
 */
export function requireResumable(
  { directory, header }: SavedEvaluation,
  { config, selection }: { config: ResolvedConfig; selection: ItemSelection },
): ItemSelection {
  if (header.config === null || header.rescored !== undefined) {
    const by = header.rescored === undefined ? "serve" : "rescore";
    throw new LachesisError("EVALUATION_DIFFERS", `${directory} was made by ${by}: it can't be resumed.`);
  }
  const problems: string[] = [];
  const compare = (name: string, before: unknown, now: unknown) => {
    if (!isSame(before, now)) problems.push(`${name} was ${short(before)} and is ${short(now)}`);
  };

  const free: string[] = [];
  const before = isConfigMap(header.config.env) ? header.config.env : {};
  const now = withoutSecrets(config.env);
  for (const [key, value] of Object.entries(isConfigMap(now) ? now : {})) {
    if (!Object.hasOwn(before, key) || isSame(before[key], value)) continue;
    if (freeEnvKeys.has(key) || freeEnvPattern.test(key)) free.push(`env.${key}`);
    else compare(`env.${key}`, before[key], value);
  }
  const { openai } = header.config;
  const serversBefore = (Array.isArray(openai) ? openai : [openai]).map(serverPart);
  const serversNow = config.servers.map(serverPart);
  for (const key of boundServerKeys) {
    compare(`openai.${key}`, valuesOf(serversBefore, key), valuesOf(serversNow, key));
  }
  if (!isSame(openai, withoutSecrets(config.servers.length === 1 ? config.servers[0] : config.servers))) {
    if (problems.every((problem) => !problem.startsWith("openai"))) free.push("openai");
  }

  const { limit, items, shuffle_seed: shuffleSeed } = header.selection;
  if (selection.limit !== undefined) compare("--limit", limit, selection.limit);
  if (selection.items !== undefined) compare("--items", items, selection.items);
  if (selection.shuffleSeed !== undefined) compare("--shuffle-seed", shuffleSeed, selection.shuffleSeed);

  if (problems.length > 0) {
    throw new LachesisError(
      "EVALUATION_DIFFERS",
      `${directory} was begun with another configuration:${problems.map((problem) => `\n  ${problem}`).join("")}`,
      {
        hint: "Leave the flags out to resume with its own configuration, or evaluate into another directory.",
      },
    );
  }
  if (free.length > 0)
    config.notices.push(`Resumed with other values of ${free.join(", ")}: they change no sample.`);
  return {
    limit: limit ?? undefined,
    items: items ?? undefined,
    shuffleSeed: shuffleSeed ?? undefined,
  };
}

function serverPart(server: unknown): ConfigMap {
  return isConfigMap(server) ? server : {};
}

/** One value where all servers have the same. */
function valuesOf(servers: readonly ConfigMap[], key: string): unknown {
  const values = [...new Set(servers.map((server) => server[key]))].sort();
  return values.length === 1 ? values[0] : values;
}

/** By value, whatever the order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  return ordered(a) === ordered(b);
}

function ordered(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) =>
    isConfigMap(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

function short(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
