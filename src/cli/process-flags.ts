/** The flags that `process` has besides those of every verb, and the run that `--resume` goes on with. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import { type ProcessRecord, readProcessRecord } from "../data/process-record.ts";
import { requirePushable } from "../data/push-dataset.ts";
import type { CliIo } from "./cli-io.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { addDataOptions, type DataFlags, dataRequest, hasDataFlags } from "./data-flags.ts";
import type { DottedFlag } from "./dotted-flags.ts";

export type ProcessFlags = DataFlags & { resume?: string };

/** What `process` was asked for. */
export type ProcessRequest = {
  record: ProcessRecord;
  /** Run directory to go on in. */
  resume: string | undefined;
  hubUrl: string | undefined;
};

/** Atropos writes a page beside its groups, too. */
const usual = { formats: "atropos,html" };

/** What may differ when a run goes on: how much, how fast, and how patient; never what is played. */
const changeable: ReadonlySet<string> = new Set([
  "total_steps",
  "max_num_workers",
  "max_num_workers_per_node",
  "worker_timeout",
  "rollout_retries",
  "max_failed_groups",
  "max_skipped_groups",
  "inference_weight",
]);

export function addProcessOptions(command: Command): Command {
  return addDataOptions(command, usual).option(
    "--resume <dir>",
    "go on with the run of this directory: play only the items that it lacks",
  );
}

export type BegunProcess = {
  /** Where none is named on the command line: that of the run to go on with. */
  env: string | undefined;
  file: ConfigFile | undefined;
  finish(env: string): ProcessRequest;
};

/** Before the environment is known. Rejects with RESUME_REFUSED, USAGE_INVALID, HUB_PUSH_FAILED. */
export async function beginProcess(
  flags: ProcessFlags & { config?: string; runDir?: string },
  { dotted, io }: { dotted: readonly DottedFlag[]; io: CliIo },
): Promise<BegunProcess> {
  const { resume } = flags;
  const { hubToken: token, hubUrl } = io.environment;
  if (resume === undefined) {
    const request = dataRequest(flags, usual);
    if (request.pushTo !== null) requirePushable({ name: request.pushTo, token });
    return {
      env: undefined,
      file: undefined,
      finish: (env) => ({
        record: { version: 1, env, ...request, outputs: null },
        resume: undefined,
        hubUrl,
      }),
    };
  }
  const record = await readProcessRecord(resume);
  refuseChanges(flags, dotted);
  if (record.pushTo !== null) requirePushable({ name: record.pushTo, token });
  return {
    env: record.env,
    file: await readConfigFile(`${resume}/config.yaml`),
    finish(env) {
      if (env !== record.env) {
        throw new LachesisError(
          "RESUME_REFUSED",
          `--resume ${resume}: a run of ${record.env}, not of ${env}.`,
        );
      }
      return { record, resume, hubUrl };
    },
  };
}

/** How the record names an environment: files by their whole path, as runs may go on from another directory. */
export function recordedName(nameOrPath: string): string {
  return nameOrPath.includes("/") || /\.m?[jt]s$/.test(nameOrPath) ? resolve(nameOrPath) : nameOrPath;
}

function refuseChanges(
  flags: ProcessFlags & { config?: string; runDir?: string },
  dotted: readonly DottedFlag[],
): void {
  const changed = dotted.find(({ section, path: [key] }) => section === "env" && !changeable.has(key));
  const what =
    changed?.name ??
    (flags.config !== undefined ? "--config" : undefined) ??
    (flags.runDir !== undefined ? "--run-dir" : undefined) ??
    (hasDataFlags(flags) ? "flags of formats and filters" : undefined);
  if (what === undefined) return;
  throw new LachesisError(
    "RESUME_REFUSED",
    `--resume goes on as the run began: ${what} can't be given with it.`,
    {
      hint: `What may change: openai.*, ${[...changeable].map((key) => `env.${key}`).join(", ")}. Other formats and filters: \`environment convert\`.`,
    },
  );
}
