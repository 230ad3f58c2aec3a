/**
 * The demo: the whole house on one screen. A run-api, a practice server and a trainer run in this process;
 * `serve`, `process` and `evaluate` run one after the other over real sockets and real sandboxes, configured
 * by the same flags that the commands take. What starts here is closed here, in the reverse order.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import { createBackend } from "../../backends/index.ts";
import { Gsm8kAgentEnv } from "../../environments/gsm8k-agent.ts";
import { Gsm8kTeacher, readGsm8kProblems } from "../../environments/gsm8k-agent-teacher.ts";
import { bundledProblems } from "../../environments/gsm8k-bundled.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { ScoredGroup } from "../contracts/scored-group.ts";
import { createEnvironment } from "../env/create-environment.ts";
import { practiceConfig } from "../practice/practice-config.ts";
import { startPracticeServer } from "../practice/practice-server.ts";
import { MemoryStores } from "../rollout-api/memory-store.ts";
import { startRolloutApi } from "../rollout-api/start-server.ts";
import { EventBus } from "../telemetry/events.ts";
import { RunProgress } from "../telemetry/run-progress.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { type DemoStageName, type DemoState, sampleOfBatch } from "./demo-state.ts";
import { runDemoTrainer } from "./demo-trainer.ts";
import { splitArguments } from "./dotted-flags.ts";
import { openServices } from "./environment-services.ts";
import type { ProcessEnvironment } from "./process-environment.ts";
import { resolveConfig } from "./resolve-config.ts";
import { playVerb, verbDefaults } from "./run-verb.ts";

export type DemoOptions = {
  /** Written as the demo goes on. */
  state: DemoState;
  runDirectory: string;
  logger: Logger;
  environment: ProcessEnvironment;
  /** Tells people something that stays on the screen. */
  onNotice: (message: string) => void;
  /** Ends the stage that runs, and skips the others. */
  stopping: AbortSignal;
  /** Ends everything at once. */
  aborted: AbortSignal;
};

const batchSize = 32;
/** A new sample replaces the last one no faster than it can be read. */
const sampleIntervalMs = 2_500;
/** Shares of the time at which a stage that has something to show stops starting work. */
const stageEnds: Readonly<Record<DemoStageName, number>> = { serve: 0.55, process: 0.8, evaluate: 3 };

/** Runs all stages. Rejects with what made one fail; a stop is no failure. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { state, runDirectory, aborted } = options;
  await using started = new AsyncDisposableStack();
  const isolation = await chooseIsolation(options);

  const { problems } = await readGsm8kProblems(Object.values(bundledProblems), { signal: aborted });
  const model = started.use(await loadTokenizer("practice", { signal: aborted }));
  const practice = await startPracticeServer({
    teacher: new Gsm8kTeacher(problems),
    model,
    config: practiceConfig.parse({ error_rate: state.errorRate, seed: state.seed }),
  });
  started.use(practice);
  const api = await startRolloutApi({ stores: started.use(new MemoryStores()), host: "127.0.0.1", port: 0 });
  started.use(api);
  state.facts.push(`run-api ${api.url} · practice server ${practice.url} · sandboxes: ${isolation}`);

  const common = [
    `--openai.base_url=${practice.url}`,
    "--openai.server_type=vllm",
    "--openai.model_name=practice",
    `--env.seed=${state.seed}`,
    `--env.terminal_isolation=${isolation}`,
    "--env.max_num_workers=4",
    "--env.max_eval_workers=8",
    "--env.ensure_scores_are_not_same=false",
    "--env.include_messages=true",
  ];
  const { stopping } = options;
  if (!stopping.aborted) await serveStage({ ...options, apiUrl: api.url, flags: common });
  if (!stopping.aborted) {
    const path = join(runDirectory, "groups.jsonl");
    await playStage("process", {
      ...options,
      flags: [...common, "--env.total_steps=-1", `--env.data_path_to_save_groups=${path}`],
    });
  }
  if (!stopping.aborted) await playStage("evaluate", { ...options, flags: common });
}

async function serveStage(options: DemoOptions & { apiUrl: string; flags: string[] }): Promise<void> {
  const { state, logger, aborted, apiUrl } = options;
  const finish = new AbortController();
  const trainerFailed = new AbortController();
  let sampledAt = 0;
  const onBatch = (batch: readonly ScoredGroup[]) => {
    const scores = batch.flatMap((group) => group.scores);
    const meanScore = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
    state.batches.push({ sequences: scores.length, meanScore });
    if (Date.now() - sampledAt < sampleIntervalMs) return;
    sampledAt = Date.now();
    state.sample = sampleOfBatch(batch) ?? state.sample;
  };
  const training = runDemoTrainer({
    url: apiUrl,
    batchSize,
    logger,
    onBatch,
    finish: finish.signal,
    abort: aborted,
  }).catch((error: unknown) => {
    trainerFailed.abort();
    throw error;
  });
  const serving = playStage("serve", {
    ...options,
    aborted: AbortSignal.any([aborted, trainerFailed.signal]),
    flags: [
      ...options.flags,
      `--env.rollout_server_url=${apiUrl}`,
      "--env.total_steps=1000000",
      "--env.steps_per_eval=0",
    ],
  }).finally(() => finish.abort());
  // Both are waited for, whichever fails first: nothing may go on behind the demo's back.
  for (const ended of await Promise.allSettled([training, serving])) {
    if (ended.status === "rejected") throw ended.reason;
  }
}

async function playStage(
  name: DemoStageName,
  options: DemoOptions & { flags: readonly string[] },
): Promise<void> {
  const { state, flags, runDirectory, logger, environment, onNotice, stopping, aborted } = options;
  const config = resolveConfig({
    envClass: Gsm8kAgentEnv,
    verbDefaults: verbDefaults[name],
    file: undefined,
    flags: splitArguments(flags, []).flags,
    openaiApiKey: undefined,
  });
  const events = new EventBus();
  events.on("notice", ({ level, ...notice }) => {
    logger[level](notice, "notice");
    if (level !== "info") onNotice(notice.message);
  });
  using progress = new RunProgress({ events });
  const stage = state.stages[name];
  stage.state = "running";
  stage.snapshot = () => progress.snapshot();

  const endsAt = state.startedAt + state.seconds * 1000 * stageEnds[name];
  using timeIsUp = abortWhen(() => Date.now() >= endsAt && hasEnough(name, state));
  const { env, servers } = config;
  await using services = await openServices({
    env,
    servers,
    runDirectory,
    logger,
    events,
    environment,
    stopping,
  });
  const { saved } = await playVerb(name, createEnvironment(Gsm8kAgentEnv, { config: env, services }), {
    drain: AbortSignal.any([stopping, timeIsUp.signal]),
    abort: aborted,
  });
  const last = progress.snapshot();
  stage.snapshot = () => last;
  stage.paths = saved.map(({ path }) => path);
  stage.state = "done";
}

/** A slow machine gets the time it needs to show something. */
function hasEnough(name: DemoStageName, { batches, stages }: DemoState): boolean {
  const snapshot = stages[name].snapshot?.();
  if (name === "serve") return batches.length > 0;
  return snapshot !== undefined && snapshot.groups.written + snapshot.evaluation.items > 0;
}

function abortWhen(isTime: () => boolean): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setInterval(() => {
    if (isTime()) controller.abort();
  }, 100);
  return { signal: controller.signal, [Symbol.dispose]: () => clearInterval(timer) };
}

/** The demo's tools are its own and trusted: without bubblewrap they run as plain processes, and it says so. */
async function chooseIsolation({ aborted, onNotice }: DemoOptions): Promise<"bubblewrap" | "none"> {
  await using backend = createBackend("local", {});
  try {
    await backend.check({ signal: aborted });
    return "bubblewrap";
  } catch (error) {
    if (!(error instanceof LachesisError)) throw error;
    onNotice(
      "bubblewrap can't be used here: the demo runs its own trusted tools as plain processes (--env.terminal_isolation none).",
    );
    return "none";
  }
}
