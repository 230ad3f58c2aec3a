/** `environment sft-gen` and `dpo-gen`: lines for fine-tuning from the groups that a rollout API hands out. */
import { rm, stat } from "node:fs/promises";
import { Command } from "commander";
import type { JsonObject } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import { JsonlFile } from "../../data/jsonl-file.ts";
import { cutTornLine } from "../../data/torn-line.ts";
import { RolloutApiClient } from "../../rollout-api/client.ts";
import { loadTokenizer } from "../../tokens/load-tokenizer.ts";
import type { CliIo } from "../cli-io.ts";
import { parseCount } from "../flag-units.ts";
import { counted } from "../progress-lines.ts";
import { Shutdown } from "../shutdown.ts";
import { collectExamples } from "./collect-examples.ts";
import { addExampleOptions, type ExampleFlags } from "./example-flags.ts";
import { dpoLines, type ExampleRules, sftLines } from "./example-lines.ts";

type ExampleCommand = { io: CliIo; onExitCode: (code: number) => void };

/** `environment sft-gen`, to be mounted. */
export function sftGenCommand(options: ExampleCommand): Command {
  const command = subcommand("sft-gen", options.io)
    .description(
      "Write {prefix, completion, score} or {messages, score} lines of what a rollout API hands out.",
    )
    .option("--save-top-n-per-group <count>", "sequences of a group to take", parseCount, 3)
    .option("--tasks-per-step <count>", "groups in a batch", parseCount, 64);
  return addExampleOptions(command, { defaultGap: 0 }).action(
    async (file: string, flags: ExampleFlags & { saveTopNPerGroup: number; tasksPerStep: number }) => {
      const { saveTopNPerGroup: perGroup, tasksPerStep: tasks } = flags;
      options.onExitCode(
        await generate({ name: "sft-gen", file, flags, perGroup, tasks, lines: sftLines }, options.io),
      );
    },
  );
}

/** `environment dpo-gen`, to be mounted. */
export function dpoGenCommand(options: ExampleCommand): Command {
  const command = subcommand("dpo-gen", options.io)
    .description("Write pairs, {prefix, pos, score, neg}, of what a rollout API hands out.")
    .option("--save-n-pairs-per-group <count>", "pairs of a group to take", parseCount, 3)
    .option("--tasks-per-step <count>", "groups in a batch", parseCount, 8);
  return addExampleOptions(command, { defaultGap: 0.5 }).action(
    async (file: string, flags: ExampleFlags & { saveNPairsPerGroup: number; tasksPerStep: number }) => {
      const { saveNPairsPerGroup: perGroup, tasksPerStep: tasks } = flags;
      options.onExitCode(
        await generate({ name: "dpo-gen", file, flags, perGroup, tasks, lines: dpoLines }, options.io),
      );
    },
  );
}

type Generation = {
  name: string;
  file: string;
  flags: ExampleFlags;
  perGroup: number;
  /** Groups in a batch. */
  tasks: number;
  lines(group: ScoredGroup, rules: ExampleRules): JsonObject[];
};

async function generate(
  { name, file: path, flags, perGroup, tasks, lines }: Generation,
  io: CliIo,
): Promise<number> {
  const { environment } = io;
  // Before the server hears of it: a run whose lines can't be written must not be begun.
  await using file = await openFile(path, flags.appendToPrevious ?? false);
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { stopping: signal } = shutdown;
  try {
    const { cacheDirectory, hubToken, rolloutServerToken: token } = environment;
    await using loaded = flags.saveMessages
      ? null
      : await loadTokenizer(flags.tokenizer, { signal, cacheDirectory, hubToken });
    await using client = new RolloutApiClient({ url: flags.apiUrl, ...(token !== undefined && { token }) });
    const tokenizer = loaded?.tokenizer;
    const rules = {
      perGroup,
      allowNegativeScores: flags.allowNegativeScores ?? false,
      minGap: flags.minimumScoreDiffMaxMin,
      decode: tokenizer === undefined ? null : (ids: readonly number[]) => tokenizer.decode(ids),
    };
    const report = await collectExamples({
      client,
      file,
      wanted: flags.numSeqsToSave,
      batchSize: flags.groupSize * tasks,
      maxTokenLength: flags.maxTokenLen,
      name,
      join: flags.join ?? false,
      waitMs: flags.wait,
      toLines: (group, seed) => lines(group, { ...rules, seed }),
      onBatch: ({ groups, lines: written }) =>
        void io.stderr.write(`${counted(groups, "group")}: ${written} of ${flags.numSeqsToSave} lines\n`),
      onUnreachable: (reason) => void io.stderr.write(`Waiting for the rollout API. ${reason}\n`),
      signal,
    });
    await file.close();
    io.stdout.write(`${counted(report.lines, "line")} of ${counted(report.groups, "group")} in ${path}\n`);
    return 0;
  } catch (error) {
    await file.close();
    // A file that this command made and never wrote to would stand in the way of its next start.
    if (file.lines === 0 && !flags.appendToPrevious) await rm(path, { force: true });
    if (shutdown.exitCode === undefined || !signal.aborted) throw error;
    io.stdout.write(`stopped: ${counted(file.lines, "line")} in ${path}\n`);
    return shutdown.exitCode;
  }
}

async function openFile(path: string, append: boolean): Promise<JsonlFile> {
  if (append) {
    await cutTornLine(path);
    return JsonlFile.extend(path, { lines: 0 });
  }
  const file = await JsonlFile.create(path);
  if (file !== null) return file;
  const { size } = await stat(path);
  throw new LachesisError("EXAMPLES_FILE_EXISTS", `${path} exists already (${size} bytes).`, {
    hint: "Name another file, or add to this one with --append-to-previous.",
  });
}

function subcommand(name: string, io: CliIo): Command {
  return new Command(name).exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    getOutHelpWidth: () => io.stdout.columns ?? 80,
    getErrHelpWidth: () => io.stderr.columns ?? 80,
  });
}
