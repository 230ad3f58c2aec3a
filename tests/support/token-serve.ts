/** `serve gsm8k-agent` over real sockets: a practice server that logs its ids, a rollout API and its trainer. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Gsm8kAgentEnv } from "../../environments/gsm8k-agent.ts";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { splitArguments } from "../../src/cli/dotted-flags.ts";
import { openServices } from "../../src/cli/environment-services.ts";
import { resolveConfig } from "../../src/cli/resolve-config.ts";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { createEnvironment } from "../../src/env/create-environment.ts";
import type { EnvClass } from "../../src/env/env-class.ts";
import { serveEnvironment } from "../../src/env/serve.ts";
import { practiceConfig } from "../../src/practice/practice-config.ts";
import { startPracticeServer } from "../../src/practice/practice-server.ts";
import type { Teacher } from "../../src/practice/teacher.ts";
import type { TokenLogEntry } from "../../src/practice/token-log.ts";
import type { WireName } from "../../src/practice/wire/token-wire.ts";
import { EventBus } from "../../src/telemetry/events.ts";
import { loadTokenizer } from "../../src/tokens/load-tokenizer.ts";
import { recordEvents } from "./env-services.ts";
import { TestTrainer } from "./test-trainer.ts";

const never = new AbortController().signal;
/** One for all tests: loading takes longer than playing. */
export const practiceModel = await loadTokenizer("practice", { signal: never });

export type TokenServe = {
  serverType: string;
  shape: WireName;
  practice?: object;
  /** Tokenizer and template of both sides, as `env.tokenizer_name` names it. Default: "practice". */
  tokenizer?: string;
  flags?: readonly string[];
  /** Sequences per batch; the run ends after the first batch. */
  batchSize?: number;
  /** Default: gsm8k-agent, and a teacher who knows its problems. */
  envClass?: EnvClass;
  teacher?: Teacher;
};

/** Serves until the trainer has a batch; answers what the trainer got and what was said and sampled meanwhile. */
export async function serveOneBatch({
  serverType,
  shape,
  practice = {},
  tokenizer,
  flags = [],
  batchSize = 8,
  envClass = Gsm8kAgentEnv,
  teacher,
}: TokenServe) {
  await using started = new AsyncDisposableStack();
  const runDirectory = await mkdtemp(join(tmpdir(), "lachesis-tokens-"));
  started.defer(() => rm(runDirectory, { recursive: true, force: true }));
  const log: TokenLogEntry[] = [];
  const model =
    tokenizer === undefined ? practiceModel : started.use(await loadTokenizer(tokenizer, { signal: never }));
  const { rows: problems } = await readGsm8kProblems(Object.values(bundledProblems), { signal: never });
  const server = started.use(
    await startPracticeServer({
      teacher: teacher ?? new Gsm8kTeacher(problems),
      config: practiceConfig.parse({ error_rate: 0.4, seed: 3, ...practice }),
      model,
      shapes: [shape],
      onTokens: (entry) => void log.push(entry),
    }),
  );
  const trainer = started.use(await TestTrainer.registered({ batch_size: batchSize, max_token_len: 8192 }));
  const { env, servers } = resolveConfig({
    envClass,
    file: undefined,
    flags: splitArguments(
      [
        `--openai.base_url=${server.url}`,
        `--openai.server_type=${serverType}`,
        "--openai.model_name=practice",
        `--env.rollout_server_url=${trainer.url}`,
        "--env.terminal_isolation=none",
        "--env.total_steps=1",
        "--env.group_size=4",
        "--env.max_num_workers=2",
        "--env.steps_per_eval=0",
        "--env.ensure_scores_are_not_same=false",
        "--env.include_messages=true",
        ...(tokenizer === undefined ? [] : [`--env.tokenizer_name=${tokenizer}`]),
        ...flags,
      ],
      [],
    ).flags,
    openaiApiKey: undefined,
  });
  const events = new EventBus();
  const ended = recordEvents(events, "rollout-end");
  const groups = recordEvents(events, "group-end");
  const notices = recordEvents(events, "notice");
  const services = started.use(
    await openServices({
      env,
      servers,
      runDirectory,
      logger: pino({ level: "silent" }),
      events,
      environment: {
        openaiApiKey: undefined,
        rolloutServerToken: undefined,
        hubToken: undefined,
        cacheDirectory: runDirectory,
        sandboxSecrets: {},
        toolSettings: {},
        allowsColor: false,
      },
      stopping: never,
    }),
  );
  const playing = createEnvironment(envClass, { config: env, services });
  const serving = serveEnvironment({ env: playing, drain: never, abort: never, pollIntervalMs: 20 });
  const batch = await trainer.nextBatch();
  const summary = await serving;
  const metrics = services.servers.metrics?.() ?? {};
  return { batch, log, ended, groups, notices, metrics, summary };
}

/** The sequence that a trainer should get of the last answer of a rollout: ids, and each sampled one's logprob. */
export function expectedSequence(turns: readonly TokenLogEntry[]) {
  const last = turns.at(-1);
  const tokens = [...(last?.prompt_ids ?? []), ...(last?.ids ?? [])];
  const masks = tokens.map(() => -100);
  const logprobs = tokens.map(() => 1);
  for (const { prompt_ids: prompt, ids, logprobs: own } of turns) {
    for (const [index, id] of ids.entries()) {
      masks[prompt.length + index] = id;
      logprobs[prompt.length + index] = own?.[index] ?? Number.NaN;
    }
  }
  return { tokens, masks, logprobs };
}

export function sequencesOf(batch: readonly ScoredGroup[]) {
  return batch.flatMap(({ tokens, masks, inference_logprobs: logprobs }) =>
    tokens.map((sequence, index) => ({
      tokens: sequence,
      masks: masks[index],
      logprobs: logprobs?.[index],
    })),
  );
}
