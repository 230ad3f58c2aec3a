/** `environment convert`: files of groups, from `process` or from Atropos, as data of other formats. */
import { join, parse, resolve } from "node:path";
import { Command } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import { exportGroups } from "../data/export/export-groups.ts";
import { type ExportTarget, isData, parseFormats, targetName } from "../data/export/formats.ts";
import { pushDataset, requirePushable } from "../data/push-dataset.ts";
import type { CliIo } from "./cli-io.ts";
import { addDataOptions, type DataFlags, dataRequest, filterText } from "./data-flags.ts";
import { counted } from "./progress-lines.ts";
import { Shutdown } from "./shutdown.ts";

type ConvertFlags = DataFlags & { out?: string; model: string };

const usual = { formats: "atropos" };

/** The subcommand, to be mounted; `onExitCode` gets 128 + n when a signal ended it. */
export function convertCommand({
  io,
  onExitCode,
}: {
  io: CliIo;
  onExitCode: (code: number) => void;
}): Command {
  const command = new Command("convert")
    .description("Make other formats of group files: chats, trajectories, pairs, token sequences.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
    })
    .argument("<groups...>", "JSONL files of groups, read in this order")
    .option("--out <path>", "where to write: PATH.<format>.jsonl, PATH.html (default: beside the first file)")
    .option("--model <name>", "model of groups that don't name theirs", "unknown");
  return addDataOptions(command, usual).action(async (sources: string[], flags: ConvertFlags) => {
    onExitCode(await convert(sources, flags, io));
  });
}

async function convert(sources: readonly string[], flags: ConvertFlags, io: CliIo): Promise<number> {
  const { formats, rules, pairs, minGap, pushTo, isPublic } = dataRequest(flags, usual);
  const { hubToken: token, hubUrl } = io.environment;
  if (pushTo !== null) requirePushable({ name: pushTo, token });
  const files = parseFormats(formats).map((target) => ({ ...target, path: outPath(sources, flags, target) }));
  const read = new Set(sources.map((source) => resolve(source)));
  const own = files.find(({ path }) => read.has(resolve(path)));
  if (own !== undefined) {
    throw new LachesisError("USAGE_INVALID", `convert: ${own.path} would be written over while it is read.`, {
      hint: "Give --out another path.",
    });
  }
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { stopping: signal } = shutdown;
  try {
    const now = new Date().toISOString();
    const options = { sources, files, rules, pairs, minGap, seed: 0, now, model: flags.model };
    const report = await exportGroups({ ...options, signal });
    const said = filterText(rules, report);
    io.stdout.write(`${counted(report.groups.read, "group")} read${said === null ? "" : `; ${said}`}\n`);
    for (const file of report.files) {
      const what = counted(file.lines, isData(file) ? "line" : "group");
      io.stdout.write(`  ${what} in ${file.path}\n`);
    }
    if (pushTo !== null) {
      const pushed = report.files
        .filter(isData)
        .map((file) => ({ path: file.path, nameInDataset: targetName(file) }));
      io.stdout.write(
        `  pushed to ${await pushDataset({ name: pushTo, files: pushed, token, isPublic, hubUrl, signal })}\n`,
      );
    }
    return 0;
  } catch (error) {
    if (shutdown.exitCode !== undefined && signal.aborted) return shutdown.exitCode;
    throw error;
  }
}

function outPath(sources: readonly string[], { out }: ConvertFlags, target: ExportTarget): string {
  if (out !== undefined) return `${out}.${targetName(target)}`;
  const { dir, name } = parse(sources[0] ?? "groups.jsonl");
  return join(dir, `${name}.${targetName(target)}`);
}
