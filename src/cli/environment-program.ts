/**
 * The `environment` command: `list`, `serve`, `process`, `evaluate`, and where the bin mounts them `demo`,
 * `practice-server`, `policy-server`, `proxy`, `parse`, `parsers`. Commander handles the verbs and their plain options; dotted
 * flags are left over for the environment's own schema, which is known only once `<env>` is.
 */
import { Command, Option } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import type { EnvClass } from "../env/env-class.ts";
import type { CliIo } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { readConfigFile } from "./config-file.ts";
import { configHelp } from "./config-help.ts";
import { splitArguments } from "./dotted-flags.ts";
import { addEvaluateOptions, beginEvaluate, type EvaluateFlags } from "./evaluate-flags.ts";
import { findEnvironment } from "./find-environment.ts";
import { packageVersion } from "./package-version.ts";
import { addProcessOptions, beginProcess, type ProcessFlags, recordedName } from "./process-flags.ts";
import { resolveConfig, slurmNotice, testingNotice } from "./resolve-config.ts";
import { runVerb, type Verb, verbDefaults } from "./run-verb.ts";
import { padText } from "./text-width.ts";

export type ProgramOptions = {
  io: CliIo;
  environments: readonly EnvClass[];
  /** Set when an environment's file is run by itself: the verbs then take no `<env>`. */
  fixed?: EnvClass;
  /** Receives the exit code of a verb that ran. */
  onExitCode: (code: number) => void;
};

type VerbFlags = EvaluateFlags &
  ProcessFlags & {
    config?: string;
    runDir?: string;
    logLevel: string;
    slurm?: string | boolean;
    testing?: string | boolean;
    help?: boolean;
  };

const verbs: Readonly<Record<Verb, string>> = {
  serve: "Play rollouts and feed them to a trainer through the rollout API.",
  process: "Play rollouts and write the groups to a JSONL file (--env.total_steps groups).",
  evaluate: "Score the model on the environment's held-out items.",
};

/** Builds the command; parse it with `parseAsync`. */
export function environmentProgram(options: ProgramOptions): Command {
  const { io, fixed } = options;
  const program = new Command(fixed?.envName ?? "environment");
  program
    .description(fixed?.description ?? "Runs RL environments for tool-calling language models.")
    .version(packageVersion(), "-V, --version", "show the version")
    .configureHelp({
      subcommandTerm: (command) =>
        command.name() in verbs && fixed === undefined ? `${command.name()} <env>` : command.name(),
    })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
    })
    .showHelpAfterError("(--help shows what it takes)")
    .helpCommand(false);
  if (fixed === undefined) addListCommand(program, options);
  for (const verb of ["serve", "process", "evaluate"] as const) addVerbCommand(program, verb, options);
  return program;
}

function addListCommand(program: Command, { io, environments }: ProgramOptions): void {
  program
    .command("list")
    .description("Show the registered environments.")
    .action(() => {
      const width = Math.max(...environments.map(({ envName }) => envName.length)) + 2;
      for (const { envName, description } of environments) {
        io.stdout.write(`${padText(envName, width)}${description}\n`);
      }
    });
}

function addVerbCommand(program: Command, verb: Verb, options: ProgramOptions): void {
  const command = program
    .command(verb)
    .description(verbs[verb])
    .usage(`${options.fixed ? "" : "<env> "}[--env.<key> <value>] [--openai.<key> <value>] [options]`)
    .option("--config <file>", "YAML file with the top-level keys env and openai; flags win over it")
    .option(
      "--run-dir <dir>",
      "new or empty directory for the run's files (default: runs/<env>-<verb>-<time>)",
    )
    .addOption(
      new Option("--log-level <level>", "of run.log")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--slurm [value]", "accepted for Atropos' command lines; does nothing")
    .option("--testing [value]", "accepted for Atropos' command lines; does nothing")
    .helpOption(false)
    .option("-h, --help", "show this help; with <env> also every key with type, default and meaning")
    .argument("[arguments...]")
    .allowUnknownOption()
    .action(async (_args: string[], flags: VerbFlags, self: Command) => {
      await runCommand({ verb, flags, self, options });
    });
  if (verb === "evaluate") addEvaluateOptions(command);
  if (verb === "process") addProcessOptions(command);
  command.configureHelp({ visibleArguments: () => [] });
}

type RunCommandOptions = { verb: Verb; flags: VerbFlags; self: Command; options: ProgramOptions };

async function runCommand({ verb, flags, self, options }: RunCommandOptions): Promise<void> {
  const { io, environments, fixed, onExitCode } = options;
  const plainOptions = self.options.flatMap((option) => option.long ?? []);
  const { positionals, flags: dotted } = splitArguments(self.args, plainOptions);
  const [named, ...excess] = fixed === undefined ? positionals : [undefined, ...positionals];
  if (excess.length > 0) {
    throw new LachesisError(
      "USAGE_INVALID",
      `${verb}: expected one environment, got also ${excess.join(" ")}.`,
      {
        hint: "Quote values with spaces; lists are written a,b or as JSON.",
      },
    );
  }
  const data = verb === "process" && !flags.help ? await beginProcess(flags, { dotted, io }) : undefined;
  const name = named ?? data?.env;
  if (flags.help && name === undefined && fixed === undefined) {
    self.outputHelp();
    io.stdout.write(`\n\`environment ${verb} <env> --help\` lists every key of an environment.\n`);
    return;
  }
  if (name === undefined && fixed === undefined) {
    throw new LachesisError("USAGE_INVALID", `${verb}: expected the name or file of an environment.`, {
      hint: `Registered: ${environments.map(({ envName }) => envName).join(", ")}. Put it before the flags.`,
    });
  }
  const envClass = fixed ?? (await findEnvironment(name ?? "", environments));
  if (flags.help) {
    self.outputHelp();
    const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
    io.stdout.write(
      `\n${configHelp(envClass, { verbDefaults: verbDefaults[verb], columns: io.stdout.columns ?? 80, colors })}\n`,
    );
    return;
  }
  const evaluation = verb === "evaluate" ? await beginEvaluate(flags, envClass.envName) : undefined;
  const file =
    flags.config === undefined ? (evaluation?.file ?? data?.file) : await readConfigFile(flags.config);
  const config = resolveConfig({
    envClass,
    verbDefaults: verbDefaults[verb],
    file,
    flags: [...dotted, ...(evaluation?.dotted ?? [])],
    openaiApiKey: io.environment.openaiApiKey,
    rolloutServerToken: io.environment.rolloutServerToken,
  });
  if (isSet(flags.slurm)) config.notices.push(slurmNotice);
  if (isSet(flags.testing)) config.notices.push(testingNotice);
  const selected = await evaluation?.finish(config);
  const evaluate = selected && { ...selected, calledAs: name ?? "" };
  const { runDir, logLevel } = flags;
  const process = data?.finish(name === undefined ? envClass.envName : recordedName(name));
  onExitCode(
    await runVerb({ verb, envClass, environments, config, io, runDir, logLevel, evaluate, process }),
  );
}

function isSet(flag: string | boolean | undefined): boolean {
  return flag === true || (typeof flag === "string" && flag.toLowerCase() !== "false");
}
