/**
 * The `validate` verb: plays gold, empty, random and cheating policies through an environment, and says whether its
 * reward tells them apart. The rollouts are those of training: same items, tools, sandboxes, reward and retries.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { BaseEnv } from "./base-env.ts";
import { deriveSeed } from "./derive-seed.ts";
import { HermesAgentBaseEnv } from "./hermes-agent-base-env.ts";
import { playUntilScored } from "./play-group.ts";
import {
  emptyPolicy,
  type Policy,
  type PolicyServer,
  randomPolicy,
  type ValidationPolicies,
} from "./policies.ts";
import { startEnvironment } from "./start-environment.ts";

export type PolicyReport = {
  /** "gold", "empty", "random", or "cheat: …". */
  policy: string;
  scored: number;
  /** Of the scored rollouts; null where there is none. */
  mean: number | null;
  least: number | null;
  greatest: number | null;
  /** Rollouts that came to no score, and why the last of them didn't. */
  failed: number;
  lastFailure: string | null;
  /** What the mean should be, in words. */
  expected: string;
  passes: boolean;
};

export type ValidationReport = {
  /** Of all environments that were played. */
  items: number;
  /** More than one where the environment mixes others. */
  environments: number;
  policies: readonly PolicyReport[];
  passes: boolean;
};

export type ValidateOptions = {
  env: BaseEnv;
  /** The environment's model server. */
  server: PolicyServer;
  /** How many items to play with each policy. */
  items: number;
  signal: AbortSignal;
};

type Entry = { policy: string; play: (item: unknown, index: number) => Policy | null; passes: Bound };
type Bound = { words: string; holds(mean: number): boolean };

/** Rejects with VALIDATION_UNSUPPORTED where the environment has no policies, and as a run's start does. */
export async function validateEnvironment({
  env,
  server,
  items: wanted,
  signal,
}: ValidateOptions): Promise<ValidationReport> {
  await using _cleanup = await startEnvironment(env, signal, { purpose: "validate" });
  const parts = env.parts();
  const players = parts.length > 0 ? parts : [{ label: null, env }];
  const reports: PolicyReport[] = [];
  let items = 0;
  for (const { label, env: player } of players) {
    const own = await validatePlayer(player, { server, items: wanted, signal });
    items += own.items;
    const named = label === null ? "" : `${label}: `;
    reports.push(...own.reports.map((report) => ({ ...report, policy: `${named}${report.policy}` })));
  }
  return {
    items,
    environments: players.length,
    policies: reports,
    passes: reports.every(({ passes }) => passes),
  };
}

async function validatePlayer(
  env: BaseEnv,
  { server, items: wanted, signal }: Omit<ValidateOptions, "env">,
): Promise<{ items: number; reports: PolicyReport[] }> {
  if (!(env instanceof HermesAgentBaseEnv)) throw unsupported(env, "it doesn't extend HermesAgentBaseEnv");
  const policies = env.policies();
  if (policies === null) throw unsupported(env, "its class has no `policies()`");
  const items = await drawItems(env, wanted, signal);
  const reports: PolicyReport[] = [];
  for (const entry of entriesOf(policies, env.config.seed)) {
    reports.push(await playPolicy({ env, server, items, entry, signal }));
  }
  return { items: items.length, reports };
}

function entriesOf(policies: ValidationPolicies<unknown>, seed: number): Entry[] {
  const { goldAtLeast = 0.95, nothingAtMost = 0.05 } = policies;
  const high: Bound = { words: `at least ${goldAtLeast}`, holds: (mean) => mean >= goldAtLeast };
  const low: Bound = { words: `at most ${nothingAtMost}`, holds: (mean) => mean <= nothingAtMost };
  return [
    { policy: "gold", play: (item) => policies.gold(item), passes: high },
    { policy: "empty", play: () => emptyPolicy, passes: low },
    {
      policy: "random",
      play: (_item, index) => randomPolicy(deriveSeed(seed, "random-policy", index)),
      passes: low,
    },
    ...(policies.cheats ?? []).map(({ name, play }) => ({ policy: `cheat: ${name}`, play, passes: low })),
  ];
}

type PlayOptions = Omit<ValidateOptions, "env" | "items"> & {
  env: HermesAgentBaseEnv;
  items: readonly unknown[];
  entry: Entry;
};

async function playPolicy({ env, server, items, entry, signal }: PlayOptions): Promise<PolicyReport> {
  const {
    worker_timeout: timeoutSeconds,
    max_eval_workers: workers,
    rollout_retries: retries,
    seed,
  } = env.config;
  const rewards: number[] = [];
  let failed = 0;
  let lastFailure: string | null = null;
  const remaining = items.entries();
  const playOnAndOn = async () => {
    for (const [index, item] of remaining) {
      signal.throwIfAborted();
      const policy = entry.play(item, index);
      if (policy === null) continue;
      const { outcome } = await playUntilScored(retries, (attempt) =>
        server.playAs(policy, () =>
          env.playRollout(item, {
            rolloutId: `${entry.policy.replaceAll(/\W+/g, "-")}-${index}${attempt === 0 ? "" : `-r${attempt}`}`,
            groupId: `v${index}`,
            seed: deriveSeed(seed, "validate", index, attempt),
            split: "train",
            tools: env.chooseTools(deriveSeed(seed, "validate-tools", index)),
            signal,
            deadlineMs: timeoutSeconds > 0 ? Date.now() + timeoutSeconds * 1000 : Number.POSITIVE_INFINITY,
          }),
        ),
      );
      signal.throwIfAborted();
      if (outcome.kind === "scored") rewards.push(outcome.reward);
      else {
        failed += 1;
        lastFailure =
          outcome.kind === "infra-failed"
            ? `${outcome.error.code}: ${outcome.error.message}`
            : `cancelled by ${outcome.by}`;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, playOnAndOn));

  const mean =
    rewards.length === 0 ? null : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  return {
    policy: entry.policy,
    scored: rewards.length,
    mean,
    least: rewards.length === 0 ? null : Math.min(...rewards),
    greatest: rewards.length === 0 ? null : Math.max(...rewards),
    failed,
    lastFailure,
    expected: entry.passes.words,
    // A cheat that no item offers proves nothing and breaks nothing; gold must have been played.
    passes: failed === 0 && (mean === null ? entry.policy !== "gold" : entry.passes.holds(mean)),
  };
}

async function drawItems(env: BaseEnv, wanted: number, signal: AbortSignal): Promise<unknown[]> {
  const items: unknown[] = [];
  while (items.length < wanted) {
    const item = await env.getNextItem({ signal });
    if (item === null) break;
    items.push(item);
  }
  return items;
}

function unsupported(env: BaseEnv, why: string): LachesisError {
  return new LachesisError("VALIDATION_UNSUPPORTED", `${env.name} can't be validated: ${why}.`, {
    hint: "Give it `policies()`: how its items are solved, and how one might cheat (docs/environments.md).",
  });
}
