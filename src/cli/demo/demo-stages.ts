/**
 * The demo's stages, each configured by the same flags that the commands take. All run in this process, over real
 * sockets and real sandboxes; sampling and gradients have threads of their own.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import { TinyMathsEnv } from "../../../environments/tiny-maths.ts";
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import type { BaseEnv } from "../../env/base-env.ts";
import { createEnvironment } from "../../env/create-environment.ts";
import { evaluateEnvironment } from "../../env/evaluate.ts";
import { processDefaults, processEnvironment } from "../../env/process.ts";
import { serveEnvironment } from "../../env/serve.ts";
import type { RunSignals } from "../../env/start-environment.ts";
import { EventBus } from "../../telemetry/events.ts";
import type { PolicyWeights } from "../../tiny-policy/weights-file.ts";
import { runSupervisedTrainer } from "../../trainer/supervised-trainer.ts";
import { runTrainer } from "../../trainer/trainer.ts";
import { grpoConfig, sftConfig } from "../../trainer/trainer-config.ts";
import { splitArguments } from "../dotted-flags.ts";
import { openServices } from "../environment-services.ts";
import type { ProcessEnvironment } from "../process-environment.ts";
import { resolveConfig } from "../resolve-config.ts";
import type { DemoSettings } from "./demo-settings.ts";
import { groupSize } from "./demo-settings.ts";
import type { DemoEvaluation, DemoState } from "./demo-state.ts";

export type StageContext = RunSignals & {
  settings: DemoSettings;
  /** Written as a stage goes on. */
  state: DemoState;
  runDirectory: string;
  logger: Logger;
  environment: ProcessEnvironment;
  isolation: "bubblewrap" | "none";
  /** Tells people something that stays on the screen. */
  onNotice: (message: string) => void;
};

/** Plays the teacher with `environment process`; returns the file of its groups. */
export async function playTeacher(context: StageContext, url: string): Promise<string> {
  const { settings, state, runDirectory } = context;
  const path = join(runDirectory, "teacher-groups.jsonl");
  const flags = [
    // As many different problems as there are rollouts: of repeated ones only their numbers would be learned by heart.
    "--env.group_size=1",
    `--env.total_steps=${settings.teacherRollouts}`,
    `--env.data_path_to_save_groups=${path}`,
    // Not the problems that will be trained on.
    `--env.seed=${settings.seed + 1_000_000}`,
  ];
  await withEnvironment(context, { url, flags, defaults: processDefaults }, async (env, events) => {
    events.on("rollout-end", ({ outcome }) => {
      if (outcome.kind !== "scored") return;
      state.teacher = {
        successes: state.teacher.successes + outcome.reward,
        count: state.teacher.count + 1,
      };
    });
    await processEnvironment({ env, drain: context.drain, abort: context.abort });
  });
  return path;
}

/** Learns to imitate the teacher, from weights that know nothing. */
export async function learnFromTeacher(
  context: StageContext,
  { policy, data }: { policy: PolicyWeights; data: string },
): Promise<PolicyWeights> {
  const { settings, state, runDirectory } = context;
  const events = stageEvents(context);
  const config = sftConfig.parse({
    seed: settings.seed,
    steps: settings.supervisedSteps,
    checkpoint_every: 0,
  });
  events.on("train-step", ({ step, loss }) => {
    state.supervised = { step, loss };
  });
  const end = await runSupervisedTrainer({
    data: [data],
    policy,
    config,
    checkpointDirectory: join(runDirectory, "sft"),
    events,
    signal: context.drain,
  });
  return { ...end.policy, version: 0 };
}

/** Scores held-out problems with `environment evaluate`, sampled at temperature 1 as in training. */
export async function evaluatePolicy(
  context: StageContext,
  { url, name }: { url: string; name: "before" | "after" },
): Promise<DemoEvaluation> {
  const { settings, state, runDirectory } = context;
  const flags = [
    "--env.eval_temperature=1",
    `--env.eval_items=${settings.evalItems}`,
    "--env.max_eval_workers=64",
    `--env.data_dir_to_save_evals=${join(runDirectory, `evaluation-${name}`)}`,
  ];
  return withEnvironment(context, { url, flags }, async (env, events) => {
    state.evaluation = { done: 0, total: settings.evalItems, correct: 0 };
    events.on("eval-item", ({ score }) => {
      state.evaluation.done += 1;
      state.evaluation.correct += score ?? 0;
    });
    const { evaluation } = await evaluateEnvironment({ env, drain: context.drain, abort: context.abort });
    const scored = evaluation.samples.filter(({ outcome }) => outcome === "scored");
    const total = (key: string) => scored.reduce((sum, sample) => sum + Number(sample[key]), 0);
    return {
      accuracy: { successes: total("score"), count: scored.length },
      toolSuccess: { successes: total("tool_success"), count: scored.length },
    };
  });
}

export type TrainingOptions = {
  policy: PolicyWeights;
  policyUrl: string;
  apiUrl: string;
  onGroup: (group: ScoredGroup) => void;
};

/** `environment serve` and `environment train` beside each other, until the trainer has done its steps. */
export async function train(context: StageContext, options: TrainingOptions): Promise<void> {
  const { settings, state, runDirectory } = context;
  const { policy, policyUrl, apiUrl, onGroup } = options;
  const trainerEvents = stageEvents(context);
  trainerEvents.on("train-step", (step) => state.trained.push(step));
  const failed = new AbortController();
  const done = new AbortController();
  const secondsLeft = settings.seconds - (Date.now() - state.startedAt) / 1000;
  const timeIsUp = AbortSignal.timeout(Math.max(1, Math.round(secondsLeft * 1000)));
  const config = grpoConfig.parse({
    steps: settings.steps,
    batch_size: settings.batchSize,
    checkpoint_every: 0,
    // It falls, so that the last few batches don't decide how the demo ends.
    learning_rate: 7e-4,
    final_learning_rate: 0.1,
    poll_interval_ms: 10,
    max_drift: 1e-4,
  });
  const training = runTrainer({
    apiUrl,
    policyServerUrl: new URL(policyUrl).origin,
    policy,
    config,
    checkpointDirectory: join(runDirectory, "checkpoints"),
    events: trainerEvents,
    signal: AbortSignal.any([context.drain, timeIsUp, failed.signal]),
  }).finally(() => done.abort());
  const flags = [
    `--env.rollout_server_url=${apiUrl}`,
    "--env.total_steps=-1",
    "--env.steps_per_eval=0",
    `--env.group_size=${groupSize}`,
    `--env.max_num_workers=${settings.batchSize / groupSize}`,
    "--env.max_batches_offpolicy=1",
    `--env.random_reward=${settings.isRandomReward}`,
  ];
  const serving = withEnvironment(context, { url: policyUrl, flags }, async (env, events) => {
    const drain = AbortSignal.any([context.drain, done.signal]);
    countRollouts(events, state);
    const served = onGroupsOf(env, onGroup);
    await serveEnvironment({ env: served, drain, abort: context.abort, pollIntervalMs: 25 });
  }).catch((error: unknown) => {
    failed.abort();
    throw error;
  });
  // Both are waited for, whichever fails first: nothing may go on behind the demo's back.
  for (const ended of await Promise.allSettled([training, serving])) {
    if (ended.status === "rejected") throw ended.reason;
  }
}

/** Rewards and tool successes by the newest step at a rollout's end. */
function countRollouts(events: EventBus, state: DemoState): void {
  const ranTool = new Set<string>();
  events.on("tool-end", ({ rolloutId, ok }) => {
    if (ok) ranTool.add(rolloutId);
  });
  events.on("rollout-end", ({ rolloutId, outcome }) => {
    const success = ranTool.delete(rolloutId);
    if (outcome.kind !== "scored") return;
    const step = state.trained.at(-1)?.step ?? 0;
    let at = state.rollouts.at(-1);
    if (at?.step !== step) {
      at = { step, rollouts: 0, correct: 0, toolSuccesses: 0 };
      state.rollouts.push(at);
    }
    at.rollouts += 1;
    at.correct += outcome.reward;
    at.toolSuccesses += success ? 1 : 0;
  });
}

/** The environment, telling of each of its groups as it is sent. */
function onGroupsOf(env: BaseEnv, onGroup: (group: ScoredGroup) => void): BaseEnv {
  const finish = env.postprocessGroup.bind(env);
  env.postprocessGroup = async (group, item) => {
    const finished = await finish(group, item);
    if (finished !== null) onGroup(finished);
    return finished;
  };
  return env;
}

type EnvironmentOptions = { url: string; flags: readonly string[]; defaults?: object };

async function withEnvironment<T>(
  context: StageContext,
  { url, flags, defaults = {} }: EnvironmentOptions,
  play: (env: BaseEnv, events: EventBus) => Promise<T>,
): Promise<T> {
  const { settings, runDirectory, logger, environment, isolation, drain } = context;
  const common = [
    `--openai.base_url=${url}`,
    "--openai.server_type=vllm",
    "--openai.model_name=tiny-policy",
    `--env.seed=${settings.seed}`,
    `--env.terminal_isolation=${isolation}`,
    "--env.max_num_workers=16",
    "--env.ensure_scores_are_not_same=false",
    "--env.include_messages=true",
    "--env.shared_python=true",
    "--env.terminal_max_processes=512",
  ];
  const { env, servers } = resolveConfig({
    envClass: TinyMathsEnv,
    verbDefaults: { ...defaults },
    file: undefined,
    flags: splitArguments([...common, ...flags], []).flags,
    openaiApiKey: undefined,
  });
  const events = stageEvents(context);
  await using services = await openServices({
    env,
    servers,
    runDirectory,
    logger,
    events,
    environment,
    stopping: drain,
  });
  return await play(createEnvironment(TinyMathsEnv, { config: env, services }), events);
}

function stageEvents({ logger, onNotice }: StageContext): EventBus {
  const events = new EventBus();
  events.on("notice", ({ level, ...notice }) => {
    logger[level](notice, "notice");
    if (level !== "info") onNotice(notice.message);
  });
  return events;
}
