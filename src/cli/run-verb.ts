/**
 * One run of one verb from its directory to its summary. The order matters: places that will be written to
 * are proved first; the view opens before the services so that their notices are seen; everything closes
 * in the reverse order, and only then does the summary say what was saved.
 */

import type { JsonObject } from "../contracts/chat.ts";
import type { SandboxBackend } from "../contracts/sandbox.ts";
import { saveProcessRecord } from "../data/process-record.ts";
import type { BaseEnv } from "../env/base-env.ts";
import { createEnvironment } from "../env/create-environment.ts";
import type { EnvClass } from "../env/env-class.ts";
import { evaluateEnvironment } from "../env/evaluate.ts";
import { processDefaults } from "../env/process.ts";
import { serveEnvironment } from "../env/serve.ts";
import type { RunSignals } from "../env/start-environment.ts";
import { EventBus } from "../telemetry/events.ts";
import { RunProgress } from "../telemetry/run-progress.ts";
import { type CliIo, scrubOutput } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import type { ConfigMap } from "./config-file.ts";
import { openServices } from "./environment-services.ts";
import type { EvaluateRequest } from "./evaluate-flags.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { playProcess } from "./play-process.ts";
import { printError } from "./print-error.ts";
import type { ProcessRequest } from "./process-flags.ts";
import { counted, type RunHeading } from "./progress-lines.ts";
import { openProgressView } from "./progress-view.ts";
import { collectSecrets, secretScrubber } from "./redact.ts";
import type { ResolvedConfig } from "./resolve-config.ts";
import { makeRunDirectory, recordedConfig, requireWritableOutputs, saveConfig } from "./run-directory.ts";
import { openRunLog } from "./run-log.ts";
import { type SavedThing, summaryText } from "./run-summary.ts";
import { Shutdown } from "./shutdown.ts";

export type Verb = "serve" | "process" | "evaluate";

export type RunVerbOptions = {
  verb: Verb;
  envClass: EnvClass;
  /** The registered ones, for an environment that mixes others. */
  environments: readonly EnvClass[];
  config: ResolvedConfig;
  io: CliIo;
  /** `--run-dir` */
  runDir: string | undefined;
  logLevel: string;
  /** What `evaluate` alone is told. */
  evaluate?: EvaluateRequest | undefined;
  /** What `process` alone is told. */
  process?: ProcessRequest | undefined;
};

/** What a verb did, in the terms of the summary. */
export type VerbResult = {
  saved: SavedThing[];
  metrics: Readonly<Record<string, number>>;
  /** Further lines: a label and a text. */
  rows?: readonly (readonly [label: string, text: string])[];
};

/** Defaults that a verb puts under the class's own. */
export const verbDefaults: Readonly<Record<Verb, ConfigMap>> = {
  serve: {},
  process: processDefaults,
  evaluate: {},
};

/**
 * Resolves with the exit code: 0, 128 + n after a signal, or that of the error, which is printed. Rejects
 * when the run could not begin.
 */
export async function runVerb({
  verb,
  envClass,
  environments,
  config,
  io,
  runDir,
  logLevel,
  evaluate,
  process,
}: RunVerbOptions): Promise<number> {
  const { env, servers, notices } = config;
  const { envName } = envClass;
  const runDirectory =
    (runDir === undefined ? (evaluate?.resume ?? process?.resume) : undefined) ??
    (await makeRunDirectory({ envName, verb, chosen: runDir, now: new Date() }));
  await requireWritableOutputs(env);
  // A run that goes on keeps the configuration that it began with: half a file would end it for good.
  if (process?.resume === undefined) await saveConfig(runDirectory, { env, servers });
  if (process?.record.outputs === null) await saveProcessRecord(runDirectory, process.record);

  const { environment } = io;
  const scrub = secretScrubber(collectSecrets({ env, servers, environment }));
  const stderr = scrubOutput(io.stderr, scrub);
  using log = openRunLog({ runDirectory, level: logLevel, scrub });
  const { logger } = log;
  const events = new EventBus();
  using progress = new RunProgress({ events });
  logger.info({ verb, env: envName, runDirectory }, "run-start");
  const stopLogging = events.on("notice", ({ level, ...notice }) => logger[level](notice, "notice"));

  const heading: RunHeading = {
    verb,
    envName,
    detail: serversText(servers),
    total: typeof env.total_steps === "number" && env.total_steps >= 0 ? env.total_steps : undefined,
  };
  let result: VerbResult = { saved: [], metrics: {} };
  let failure: { error: unknown } | undefined;
  let stoppedBy: number | undefined;
  let backend: SandboxBackend | undefined;
  {
    const colors = makeColors(environment.allowsColor && stderr.isTTY === true);
    using view = openProgressView({ output: stderr, heading, progress, events, colors });
    using shutdown = new Shutdown({ onStage: (stage) => view.print(stageTexts[stage]) });
    for (const notice of [`Run directory: ${runDirectory}`, ...notices]) view.print(notice);
    try {
      const { stopping } = shutdown;
      await using services = await openServices({
        env,
        servers,
        environments,
        runDirectory,
        logger,
        events,
        environment,
        stopping,
      });
      backend = services.backend;
      const environmentOfRun = createEnvironment(envClass, { config: env, services });
      result = await playVerb(verb, environmentOfRun, {
        drain: stopping,
        abort: shutdown.aborted,
        ...(process !== undefined && { process }),
        ...(evaluate !== undefined && { evaluate: { ...evaluate, recordedConfig: recordedConfig(config) } }),
      });
    } catch (error) {
      if (!isStop(error, shutdown)) {
        failure = { error };
        logger.error({ err: error }, "run-failed");
      }
    }
    stoppedBy = shutdown.exitCode;
  }
  stopLogging();
  const snapshot = progress.snapshot();
  const ending = failure !== undefined ? "failed" : stoppedBy !== undefined ? "stopped" : "ended";
  const sandboxes = backend?.metrics?.() ?? {};
  logger.info({ ...snapshot, ...sandboxes, stoppedBy }, "run-end");
  const colors = makeColors(environment.allowsColor && io.stdout.isTTY === true);
  io.stdout.write(summaryText({ heading, snapshot, sandboxes, result, runDirectory, ending, colors }));
  if (failure === undefined) return stoppedBy ?? 0;
  printError(failure.error, stderr);
  return exitCodeOf(failure.error);
}

const stageTexts = {
  stopping: "Stopping: finishing what is in flight. Press Ctrl-C again to stop at once.",
  aborting: "Stopping at once.",
};

/** Runs a verb of the engine and puts what it saved into the summary's terms. */
export async function playVerb(
  verb: Verb,
  env: BaseEnv,
  {
    evaluate,
    process,
    ...signals
  }: RunSignals & {
    evaluate?: EvaluateRequest & { recordedConfig: JsonObject };
    process?: ProcessRequest;
  },
): Promise<VerbResult> {
  switch (verb) {
    case "serve": {
      const { deadLetters } = await serveEnvironment({ env, ...signals });
      const unsent = deadLetters && {
        what: counted(deadLetters.groups, "unsent group"),
        path: deadLetters.path,
      };
      return { saved: unsent === null ? [] : [unsent], metrics: {} };
    }
    case "process": {
      return playProcess(env, process, signals);
    }
    case "evaluate": {
      const { evaluation, paths } = await evaluateEnvironment({
        env,
        ...signals,
        ...evaluate,
        resume: evaluate?.resume !== undefined,
        ...(evaluate?.resume !== undefined && { directory: evaluate.resume }),
      });
      const samples = { what: counted(evaluation.samples.length, "sample"), path: paths.samples ?? "" };
      return {
        saved: [{ what: "metrics", path: paths.metrics }, ...(paths.samples === null ? [] : [samples])],
        metrics: evaluation.metrics,
      };
    }
    default:
      return verb satisfies never;
  }
}

/** True for what the engine throws because it was told to stop; a real failure after Ctrl-C is none. */
export function isStop(
  error: unknown,
  { stopping, aborted }: { stopping: AbortSignal; aborted: AbortSignal },
): boolean {
  if (!stopping.aborted) return false;
  if (error === stopping.reason || error === aborted.reason) return true;
  return error instanceof Error && (error.name === "AbortError" || error.name === "Cancellation");
}

function serversText(servers: ResolvedConfig["servers"]): string {
  const models = [...new Set(servers.map((server) => server.model_name))].join(", ");
  const [first] = servers;
  return servers.length === 1
    ? `model ${models} at ${first?.base_url || "api.openai.com"}`
    : `${servers.length} servers, model ${models}`;
}
