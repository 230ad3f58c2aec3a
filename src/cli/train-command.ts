/** `environment train`: the reference trainer, GRPO on what the rollout API serves or SFT on what `process` wrote. */
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { stringify } from "yaml";
import { LachesisError } from "../contracts/errors.ts";
import { JsonlFile, unwritable } from "../data/jsonl-file.ts";
import { EventBus } from "../telemetry/events.ts";
import { initialPolicy, readPolicyWeights } from "../tiny-policy/policy-weights.ts";
import type { PolicyWeights } from "../tiny-policy/weights-file.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { type Checkpoint, loadCheckpoint } from "../trainer/checkpoint.ts";
import { runSupervisedTrainer } from "../trainer/supervised-trainer.ts";
import { runTrainer, type TrainerEnd } from "../trainer/trainer.ts";
import { type CliIo, scrubOutput } from "./cli-io.ts";
import { readConfigFile } from "./config-file.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { printError } from "./print-error.ts";
import { collectSecrets, secretScrubber, withoutSecrets } from "./redact.ts";
import { makeRunDirectory } from "./run-directory.ts";
import { openRunLog } from "./run-log.ts";
import { Shutdown } from "./shutdown.ts";
import { readTrainRun, type TrainRun, trainFlags } from "./train-config.ts";
import { openTrainView } from "./train-view.ts";

type TrainFlags = Record<string, unknown> & { config?: string; runDir?: string; resume?: string };

/** The subcommand, to be mounted; `onExitCode` gets 128 + n when a signal ended it. */
export function trainCommand({ io, onExitCode }: { io: CliIo; onExitCode: (code: number) => void }): Command {
  const command = new Command("train")
    .description(
      "Train a tiny policy: grpo on the batches of a rollout API, sft on what `environment process` wrote.",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
    })
    .option("--mode <mode>", "grpo or sft (default: grpo)")
    .option("--config <file>", "YAML file with the keys below under train; flags win over it")
    .option("--resume <dir>", "go on from a run's directory (and its config.yaml), or from a checkpoint")
    .option(
      "--run-dir <dir>",
      "new or empty directory for the run's files (default: runs/train-<mode>-<time>)",
    );
  for (const flag of trainFlags()) command.addOption(flag);
  return command.action(async (flags: TrainFlags) => onExitCode(await train(flags, io)));
}

async function train(flags: TrainFlags, io: CliIo): Promise<number> {
  const resumed = await findResumed(flags.resume);
  const configPath = flags.config ?? resumed?.config;
  const file = configPath === undefined ? undefined : await readConfigFile(configPath);
  const run = readTrainRun({ flags, file });
  const runDirectory = await makeRunDirectory({
    envName: "train",
    verb: run.mode,
    chosen: flags.runDir,
    now: new Date(),
  });
  const { environment } = io;
  const scrub = secretScrubber(collectSecrets({ run, environment }));
  const stderr = scrubOutput(io.stderr, scrub);
  await saveTrainConfig(runDirectory, run);
  using log = openRunLog({ runDirectory, level: "info", scrub });
  const events = new EventBus();
  await using metrics = await JsonlFile.overwrite(join(runDirectory, "metrics.jsonl"));
  // `close` tells of a line that could not be written.
  events.on("train-step", (step) => void metrics.append(step).catch(() => undefined));
  events.on("notice", ({ level, ...notice }) => log.logger[level](notice, "notice"));
  events.on("checkpoint-saved", (saved) => log.logger.info(saved, "checkpoint-saved"));
  using view = openTrainView({ output: stderr, events, steps: run.steps });
  view.print(`Run directory: ${runDirectory}`);

  let stoppedBy: number | undefined;
  try {
    using shutdown = new Shutdown({
      onStage: (stage) =>
        view.print(stage === "stopping" ? "Stopping: saving a checkpoint." : "Stopping at once."),
    });
    const end = await playTrainer(run, {
      resumeFrom: resumed?.checkpoint,
      checkpointDirectory: join(runDirectory, "checkpoints"),
      events,
      apiToken: environment.rolloutServerToken,
      signal: shutdown.stopping,
    });
    stoppedBy = shutdown.exitCode;
    await metrics.close();
    view.flush();
    io.stdout.write(
      `train ${run.mode} ${end.stopped ? "stopped" : "ended"} after step ${end.policy.version}\n` +
        `  weights  ${join(end.checkpoint, "weights.safetensors")}\n` +
        `  run      ${runDirectory} (config.yaml, metrics.jsonl, run.log)\n`,
    );
  } catch (error) {
    log.logger.error({ err: error }, "run-failed");
    printError(error, stderr);
    return exitCodeOf(error);
  }
  return stoppedBy ?? 0;
}

type PlayOptions = {
  resumeFrom: string | undefined;
  checkpointDirectory: string;
  events: EventBus;
  apiToken: string | undefined;
  signal: AbortSignal;
};

async function playTrainer(run: TrainRun, options: PlayOptions): Promise<TrainerEnd> {
  const { resumeFrom, checkpointDirectory, events, apiToken, signal } = options;
  const start = await startingPolicy(run, signal);
  const checkpoint = resumeFrom === undefined ? undefined : await resumable(resumeFrom, run, start);
  const shared = {
    policy: checkpoint?.learner.policy ?? start,
    adam: checkpoint?.learner.adam,
    checkpointDirectory,
    events,
    signal,
  };
  if (run.mode === "sft") {
    const { mode, data, weights, tokenizer, ...config } = run;
    return runSupervisedTrainer({ ...shared, data, config });
  }
  const { mode, api_url: apiUrl, policy_url: policyUrl, weights, tokenizer, ...config } = run;
  return runTrainer({
    ...shared,
    apiUrl,
    ...(apiToken !== undefined && !hasPassword(apiUrl) && { apiToken }),
    ...(policyUrl !== null && { policyServerUrl: policyUrl }),
    reference: start.weights,
    config,
  });
}

/** What a run begins with, at step 0 whatever made it. */
async function startingPolicy(run: TrainRun, signal: AbortSignal): Promise<PolicyWeights> {
  if (run.weights !== null) return { ...(await readPolicyWeights(run.weights, { signal })), version: 0 };
  await using loaded = await loadTokenizer(run.tokenizer, { signal });
  return initialPolicy({ vocabularySize: loaded.tokenizer.vocabularySize, seed: run.seed });
}

async function resumable(path: string, run: TrainRun, start: PolicyWeights): Promise<Checkpoint> {
  const checkpoint = await loadCheckpoint(path);
  if (checkpoint.mode !== run.mode) {
    throw new LachesisError(
      "CHECKPOINT_INVALID",
      `--resume ${path}: a checkpoint of ${checkpoint.mode}, but --mode is ${run.mode}`,
      { hint: `To begin ${run.mode} with its weights, pass them as --weights ${path}/weights.safetensors.` },
    );
  }
  const { config } = checkpoint.learner.policy;
  if (JSON.stringify(config) !== JSON.stringify(start.config)) {
    throw new LachesisError(
      "CHECKPOINT_INVALID",
      `--resume ${path}: a policy of ${JSON.stringify(config)}, but the run began with ${JSON.stringify(start.config)}`,
      { hint: "Give the --weights and --tokenizer that the run began with." },
    );
  }
  return checkpoint;
}

type Resumed = { checkpoint: string; config: string | undefined };

/** A run's directory has its checkpoints and its config.yaml in it; anything else is taken for checkpoints. */
async function findResumed(path: string | undefined): Promise<Resumed | undefined> {
  if (path === undefined) return undefined;
  const checkpoints = join(path, "checkpoints");
  const config = join(path, "config.yaml");
  return {
    checkpoint: (await exists(checkpoints)) ? checkpoints : path,
    config: (await exists(config)) ? config : undefined,
  };
}

async function saveTrainConfig(runDirectory: string, run: TrainRun): Promise<void> {
  const path = join(runDirectory, "config.yaml");
  const text = `# The run's whole configuration; --config reads it back. Secrets are left out.\n${stringify(withoutSecrets({ train: run }))}`;
  try {
    await writeFile(path, text);
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const hasPassword = (url: string): boolean => URL.canParse(url) && new URL(url).password !== "";
