/**
 * `environment doctor`: makes a sandbox with each backend, uses it and throws it away, for real, and says what is
 * missing and how to get it. Takes the configuration that the verbs take, so that it tries what a run would use.
 */
import { Command } from "commander";
import { backendNames, createBackend } from "../../backends/index.ts";
import { LachesisError } from "../contracts/errors.ts";
import { hermesAgentEnvConfig } from "../env/env-config.ts";
import { backendSettings } from "./backend-config.ts";
import { type CliIo, scrubOutput } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { type ConfigFile, isConfigMap, readConfigFile } from "./config-file.ts";
import { backendsHeading, backendText, programsText } from "./doctor/doctor-text.ts";
import { findPrograms } from "./doctor/find-programs.ts";
import { type BackendReport, tryBackend } from "./doctor/try-backend.ts";
import { splitArguments } from "./dotted-flags.ts";
import { parseDurationMs } from "./flag-units.ts";
import { LiveBlock } from "./live-block.ts";
import { packageVersion } from "./package-version.ts";
import { collectSecrets, secretScrubber } from "./redact.ts";
import { resolveConfig } from "./resolve-config.ts";
import { Shutdown } from "./shutdown.ts";

type DoctorFlags = { backend?: string; config?: string; timeout: number; json?: boolean };

/** The subcommand, to be mounted. Exit code 0 when the backend that a run would use works. */
export function doctorCommand({
  io,
  onExitCode,
}: {
  io: CliIo;
  onExitCode: (code: number) => void;
}): Command {
  return new Command("doctor")
    .description("Tries the sandbox backends for real and says what is missing and how to get it.")
    .usage("[--backend <name>] [--env.<key> <value>] [options]")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--backend <name>", "try this one only (default: all; env.terminal_backend must work)")
    .option("--config <file>", "YAML file of a run; flags win over it")
    .option("--timeout <time>", "longest time for one backend", parseDurationMs, 30_000)
    .option("--json", "print the result as JSON")
    .argument("[arguments...]")
    .allowUnknownOption()
    .configureHelp({ visibleArguments: () => [] })
    .action(async (_args: string[], flags: DoctorFlags, self: Command) => {
      onExitCode(await runDoctor({ io, flags, self }));
    });
}

async function runDoctor({
  io,
  flags,
  self,
}: {
  io: CliIo;
  flags: DoctorFlags;
  self: Command;
}): Promise<number> {
  const env = await resolveEnv(flags, self);
  const { environment } = io;
  const stdout = scrubOutput(io.stdout, secretScrubber(collectSecrets({ env, environment })));
  const colors = makeColors(environment.allowsColor && io.stdout.isTTY === true);
  const columns = Math.min(io.stdout.columns ?? 80, 100);
  const wanted = flags.backend ?? String(env.terminal_backend);
  if (!backendNames.includes(wanted)) createBackend(wanted, {});
  const others = flags.backend === undefined ? backendNames.filter((name) => name !== wanted) : [];

  using shutdown = new Shutdown({ onStage: () => undefined });
  const { stopping: signal } = shutdown;
  const print = (text: string) => void (flags.json || stdout.write(`${text}\n`));
  const reports: BackendReport[] = [];
  print(`${colors.bold(`Lachesis ${packageVersion()}`)} on ${process.platform} ${process.arch}\n`);
  print(backendsHeading(colors));
  try {
    for (const name of [wanted, ...others]) {
      const { config } = backendSettings(name, env, environment.sandboxSecrets);
      const create = () => createBackend(name, config);
      const report = await showing(flags.json ? undefined : io, name, () =>
        tryBackend({ name, create, timeoutMs: flags.timeout, signal }),
      );
      reports.push(report);
      print(backendText(report, { isWanted: name === wanted, columns, colors }));
    }
    const { browser_executable: chromium } = env;
    const programs = await findPrograms({
      chromium: typeof chromium === "string" && chromium !== "auto" ? chromium : null,
      signal,
    });
    print(`\n${programsText(programs, colors)}`);
    const works = reports[0]?.works === true;
    if (flags.json) {
      const result = { works, backend: wanted, version: packageVersion(), backends: reports, programs };
      stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    }
    return works ? 0 : 1;
  } catch (error) {
    if (shutdown.exitCode !== undefined) return shutdown.exitCode;
    throw error;
  }
}

async function resolveEnv(flags: DoctorFlags, self: Command): Promise<Record<string, unknown>> {
  const plain = self.options.flatMap((option) => option.long ?? []);
  const { positionals, flags: dotted } = splitArguments(self.args, plain);
  if (positionals.length > 0) {
    throw new LachesisError("USAGE_INVALID", `doctor: expected flags only, got ${positionals.join(" ")}.`, {
      hint: "`environment doctor --help` shows what it takes.",
    });
  }
  const file = flags.config === undefined ? undefined : await readConfigFile(flags.config);
  const { env } = resolveConfig({
    envClass: { envName: "<env>", configSchema: hermesAgentEnvConfig },
    file: file && sandboxPart(file),
    flags: dotted,
    openaiApiKey: undefined,
  });
  return env;
}

/** Keys of particular environments and of servers don't matter here. */
function sandboxPart(file: ConfigFile): ConfigFile {
  const { env } = file.content;
  if (!isConfigMap(env)) return { ...file, content: {} };
  const known = Object.entries(env).filter(([key]) => key in hermesAgentEnvConfig.shape);
  return { ...file, content: { env: Object.fromEntries(known) } };
}

/** Says on a terminal what is being tried, while it is. */
async function showing<T>(io: CliIo | undefined, name: string, work: () => Promise<T>): Promise<T> {
  if (io?.stdout.isTTY !== true) return work();
  const block = new LiveBlock(io.stdout);
  block.draw([`  … ${name}`]);
  try {
    return await work();
  } finally {
    block.close({ erase: true });
  }
}
