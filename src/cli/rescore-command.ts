/** `environment rescore DIR --reward SPEC`: scores saved rollouts again, into an evaluation directory of their own. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { parse } from "yaml";
import { z } from "zod";
import { createReward, rewardSpec } from "../../rewards/create-reward.ts";
import { LachesisError } from "../contracts/errors.ts";
import { writeEvaluation } from "../data/evaluation-files.ts";
import { EvaluationRecorder } from "../data/evaluation-recorder.ts";
import { readEvaluation } from "../data/evaluation-records.ts";
import { rowAsJson } from "../data/row-json.ts";
import { compareEvaluations } from "../env/evaluation/compare.ts";
import { rescoreSamples } from "../env/evaluation/rescore.ts";
import { summarise } from "../env/evaluation/summarise.ts";
import { EventBus } from "../telemetry/events.ts";
import type { CliIo } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { comparisonText, requireEvaluation } from "./compare-command.ts";
import { parseCount } from "./flag-units.ts";
import { openJudge } from "./open-judge.ts";
import { requireWritable } from "./run-directory.ts";
import { Shutdown } from "./shutdown.ts";

type RescoreFlags = { reward: string; out?: string; correctFrom?: number; concurrency: number };

/** The subcommand, to be mounted. */
export function rescoreCommand({
  io,
  onExitCode,
}: {
  io: CliIo;
  onExitCode: (code: number) => void;
}): Command {
  return new Command("rescore")
    .description("Score the rollouts of an evaluation again with another reward, without playing them.")
    .argument("<dir>", "directory of the evaluation")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .requiredOption(
      "--reward <spec>",
      "a reward's name, its YAML or JSON, or a YAML file (as env.reward; docs/rewards.md); a map of `reward` and `judge` brings the judge model, too",
    )
    .option("--out <dir>", "directory of the new evaluation (default: <dir>-rescored)")
    .option(
      "--correct-from <score>",
      "count a score from here on as correct (default: as before)",
      parseNumber,
    )
    .option("--concurrency <count>", "rollouts scored at once", parseCount, 16)
    .action(async (directory: string, flags: RescoreFlags) => {
      onExitCode(await runRescore(directory, flags, io));
    });
}

async function runRescore(directory: string, flags: RescoreFlags, io: CliIo): Promise<number> {
  const saved = await requireEvaluation(directory);
  const { spec, judge: judgeSection } = await readReward(flags.reward);
  const out = flags.out ?? `${directory.replace(/\/+$/, "")}-rescored`;
  await requireWritable(out, "--out");
  await requireNoPlayed(out);
  const correctFrom = flags.correctFrom ?? saved.header.correct_from;
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { stopping: signal } = shutdown;
  await using judge = openJudge({
    env: { judge: judgeSection },
    servers: [],
    logger: pino({ level: "silent" }),
    events: new EventBus(),
    environment: io.environment,
    stopping: signal,
  });
  const reward = createReward(spec, { services: { trainingStep: () => 0, judge } });
  try {
    const samples = await rescoreSamples(saved, {
      correctFrom,
      concurrency: flags.concurrency,
      signal,
      score: async (call) => {
        const { score, parts } = await reward({ ...call, toolContext: null });
        return { score, parts: rowAsJson(parts) };
      },
    });
    const { header, items } = saved;
    const { environment, model, config, format: _format, ...begun } = header;
    await using recorder = new EvaluationRecorder({
      directory: out,
      environment,
      model,
      config,
      resume: false,
    });
    await recorder.begin(
      {
        ...begun,
        correct_from: correctFrom,
        rescored: { from: directory, reward: rowAsJson({ spec }).spec ?? null },
      },
      items,
    );
    await recorder.close();
    const passK = header.pass_k;
    await writeEvaluation(out, {
      taskName: `${environment}_eval`,
      modelName: model,
      totalSeconds: 0,
      generationParameters: header.generation_parameters,
      metrics: summarise(samples, { items: items.length, samplesPerItem: header.samples_per_item, passK }),
      samples,
    });
  } catch (error) {
    if (shutdown.exitCode !== undefined && signal.aborted) return shutdown.exitCode;
    throw error;
  }

  const after = await requireEvaluation(out);
  const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
  for (const metric of ["accuracy", "reward"]) {
    const comparison = compareEvaluations(saved, after, { metric, commonItems: true });
    io.stdout.write(
      comparisonText(comparison, {
        a: saved,
        b: after,
        show: metric === "reward" ? 10 : 0,
        failures: [],
        colors,
      }),
    );
  }
  io.stdout.write(`${after.samples.length} samples in ${join(out, "samples.jsonl")}\n`);
  return 0;
}

/** What was played would be gone. Rejects with USAGE_INVALID; what `rescore` made may be made again. */
async function requireNoPlayed(out: string): Promise<void> {
  const there = await readEvaluation(out);
  if (there === null || there.header.rescored !== undefined) return;
  throw new LachesisError("USAGE_INVALID", `--out ${out}: it holds an evaluation that was played.`, {
    hint: "Choose another directory for the new scores.",
  });
}

/** Rejects with USAGE_INVALID. */
async function readReward(text: string) {
  const isFile = /\.(ya?ml|json)$/.test(text);
  let value: unknown;
  try {
    value = parse(isFile ? await readFile(text, "utf8") : text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LachesisError("USAGE_INVALID", `--reward ${text}: ${reason}`, { cause });
  }
  const section = z.looseObject({ reward: z.unknown(), judge: z.unknown().optional() }).safeParse(value).data;
  const spec = rewardSpec.safeParse(section?.reward ?? value);
  if (spec.success) return { spec: spec.data, judge: section?.judge };
  throw new LachesisError(
    "USAGE_INVALID",
    `--reward ${text}: expected a reward's name, or its map or list.`,
    {
      hint: "For instance --reward accuracy, or --reward '{type: accuracy, params: {answer_field: gold}}'.",
    },
  );
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}
