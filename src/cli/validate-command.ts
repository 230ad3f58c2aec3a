/** `environment validate <env>`: gold, empty, random and cheating play without a model, and whether rewards tell them apart. */
import { rm } from "node:fs/promises";
import { Command } from "commander";
import { pino } from "pino";
import { LachesisError } from "../contracts/errors.ts";
import { createEnvironment } from "../env/create-environment.ts";
import type { EnvClass } from "../env/env-class.ts";
import { PolicyServer } from "../env/policies.ts";
import { type ValidationReport, validateEnvironment } from "../env/validate.ts";
import { EventBus } from "../telemetry/events.ts";
import type { CliIo } from "./cli-io.ts";
import { type Colors, makeColors } from "./colors.ts";
import { readConfigFile } from "./config-file.ts";
import { splitArguments } from "./dotted-flags.ts";
import { openServices } from "./environment-services.ts";
import { findEnvironment } from "./find-environment.ts";
import { parseCount } from "./flag-units.ts";
import { makeMarkedDirectory } from "./marked-directory.ts";
import { counted } from "./progress-lines.ts";
import { resolveConfig } from "./resolve-config.ts";
import { Shutdown } from "./shutdown.ts";
import { padText } from "./text-width.ts";

type ValidateFlags = { items: number; config?: string; json?: boolean };

type ValidateOptions = {
  io: CliIo;
  environments: readonly EnvClass[];
  onExitCode: (code: number) => void;
};

/** The subcommand, to be mounted. Exit code 0 when every policy scores as it should. */
export function validateCommand(options: ValidateOptions): Command {
  const { io, onExitCode } = options;
  return new Command("validate")
    .description(
      "Plays an environment without a model: gold must score about 1; nothing, chance and cheats about 0.",
    )
    .usage("<env> [--env.<key> <value>] [options]")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--items <count>", "items to play with each policy", parseCount, 20)
    .option("--config <file>", "YAML file of a run; flags win over it")
    .option("--json", "print the result as JSON")
    .argument("[arguments...]")
    .allowUnknownOption()
    .configureHelp({ visibleArguments: () => [] })
    .action(async (_args: string[], flags: ValidateFlags, self: Command) => {
      onExitCode(await runValidate(flags, self, options));
    });
}

async function runValidate(
  { items, config: configPath, json }: ValidateFlags,
  self: Command,
  { io, environments }: ValidateOptions,
): Promise<number> {
  const plain = self.options.flatMap((option) => option.long ?? []);
  const { positionals, flags } = splitArguments(self.args, plain);
  const [name, ...excess] = positionals;
  if (name === undefined || excess.length > 0) {
    throw new LachesisError("USAGE_INVALID", "validate: expected the name or file of one environment.", {
      hint: `Registered: ${environments.map(({ envName }) => envName).join(", ")}.`,
    });
  }
  const envClass = await findEnvironment(name, environments);
  const file = configPath === undefined ? undefined : await readConfigFile(configPath);
  const { defaults = {}, validationDefaults = {} } = envClass;
  const configured = {
    envName: envClass.envName,
    configSchema: envClass.configSchema,
    defaults: { ...defaults, env: { ...defaults.env, ...validationDefaults.env } },
  };
  const { env: config } = resolveConfig({ envClass: configured, file, flags, openaiApiKey: undefined });

  const runDirectory = await makeMarkedDirectory("validate");
  using shutdown = new Shutdown({ onStage: () => undefined });
  const { stopping: signal } = shutdown;
  const events = new EventBus();
  events.on(
    "notice",
    ({ level, message }) => void io.stderr.write(`${level === "info" ? "" : `${level}: `}${message}\n`),
  );
  try {
    const server = new PolicyServer();
    await using services = await openServices({
      env: config,
      servers: [],
      environments,
      model: server,
      runDirectory,
      logger: pino({ level: "silent" }),
      events,
      environment: io.environment,
      stopping: signal,
    });
    const env = createEnvironment(envClass, { config, services });
    const report = await validateEnvironment({ env, server, items, signal });
    const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
    io.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : reportText(env.name, report, colors));
    return report.passes ? 0 : 1;
  } catch (error) {
    if (shutdown.exitCode !== undefined && signal.aborted) return shutdown.exitCode;
    throw error;
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
}

/** A nothing that scored a little on few items may have been lucky, e.g. by a number of the question. */
function luckHint(policies: ValidationReport["policies"]): string {
  const isFaint = policies.some(
    ({ passes, failed, policy, mean, scored }) =>
      !passes && failed === 0 && policy !== "gold" && mean !== null && mean < 0.25 && scored < 100,
  );
  return isFaint ? "\nA few items can be right by luck: --items 200 tells luck from a leak." : "";
}

/** A line for each policy: what it scored, what it should have. */
export function reportText(
  name: string,
  { items, environments, policies, passes }: ValidationReport,
  colors: Colors,
): string {
  const number = (value: number | null) => (value === null ? "-" : value.toFixed(3));
  const width = Math.max(...policies.map(({ policy }) => policy.length)) + 2;
  const heading = `${padText("policy", width)}${["scored", "mean", "least", "most"].map((word) => word.padStart(8)).join("")}`;
  const lines = policies.map((report) => {
    const { policy, scored, mean, least, greatest, failed, lastFailure, expected } = report;
    const numbers = [String(scored), number(mean), number(least), number(greatest)].map((cell) =>
      cell.padStart(8),
    );
    const verdict = report.passes
      ? colors.green("ok")
      : colors.red(failed > 0 ? `${failed} failed: ${lastFailure}` : `should be ${expected}`);
    return `${padText(policy, width)}${numbers.join("")}  ${mean === null && report.passes ? "not played" : verdict}`;
  });
  const end = passes
    ? colors.green("The reward tells them apart.")
    : colors.red("The reward can't be trusted yet: see above.") + luckHint(policies);
  const played =
    environments === 1
      ? `${counted(items, "item")} with each policy`
      : `${counted(items, "item")} of ${environments} environments, each with its own policies`;
  return `${name}: ${played}\n\n${colors.dim(heading)}\n${lines.join("\n")}\n\n${end}\n`;
}
