/** The `run-api` command: the rollout server, until Ctrl-C. */
import { once } from "node:events";
import { Command, Option } from "commander";
import type { Level } from "pino";
import { AccessControl, type AccessToken } from "../rollout-api/access.ts";
import type { GzipPolicy } from "../rollout-api/compression.ts";
import { docsPlugin } from "../rollout-api/docs/docs-plugin.ts";
import { startRolloutApi } from "../rollout-api/start-server.ts";
import { compatStoreOptions, defaultStoreOptions, type StoreOptions } from "../rollout-api/store-options.ts";
import { ServerWatch } from "../rollout-api/watch/server-watch.ts";
import { watchPlugin } from "../rollout-api/watch/watch-plugin.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { parseCount, parseDurationMs, parsePort, parseSize } from "./flag-units.ts";
import {
  describeFound,
  describeLost,
  openStores,
  parseStore,
  type StoreChoice,
  storePath,
} from "./open-stores.ts";
import { packageVersion } from "./package-version.ts";
import { readProcessEnvironment } from "./process-environment.ts";
import { runProgram } from "./run-program.ts";
import { openServerLog } from "./server-log-file.ts";
import { Shutdown } from "./shutdown.ts";
import { parseToken, readTokenFile } from "./token-file.ts";

const EXAMPLES = `
Examples:
  $ run-api                              listen on http://127.0.0.1:8000, go on where the last run-api stopped
  $ run-api --port 0 --store memory      take any free port, keep nothing
  $ run-api --reset                      forget what the store holds
  $ run-api --host 0.0.0.0 --token-file tokens.yaml
                                         let other machines in, with tokens ("role: token" lines;
                                         roles are env, trainer and admin)
  $ run-api --compat                     just as the Atropos server behaves

Then start an environment and a trainer on the same URL:
  $ environment serve gsm8k-agent --env.rollout_server_url http://127.0.0.1:8000

docs/rollout-api.md has the whole wire: endpoints, leases, limits, tokens, several runs.
`;

type Flags = {
  host: string;
  port: number;
  store?: StoreChoice;
  runDir: string;
  sync: "normal" | "full";
  reset?: boolean;
  compat?: boolean;
  maxQueueGroups?: number;
  maxQueueBytes?: number;
  maxBody?: number;
  maxInflated?: number;
  envTimeout?: number;
  token?: AccessToken[];
  tokenFile?: string;
  insecure?: boolean;
  corsOrigin?: string[];
  allowedHost?: string[];
  gzip?: GzipPolicy;
  tokenizer?: string;
  logLevel: Level | "silent";
};

const DEFAULT_ENV_TIMEOUT_MS = 300_000;
/** What a queue may hold by default: on a disk, in memory. */
const DEFAULT_DISK_BYTES = 64e9;
const DEFAULT_MEMORY_BYTES = 4e9;

/** Runs the command line; resolves with the exit code and never rejects. */
export async function runApiCommand(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  const program = new Command("run-api")
    .description("The rollout server: environments hand in scored groups, trainers take batches out.")
    .version(packageVersion(), "-V, --version", "show the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 8000)
    .option("--store <store>", "memory, or sqlite:PATH (default: store.sqlite in --run-dir)", parseStore)
    .option("--run-dir <directory>", "where the store and the log (run-api.log) are kept", "runs/run-api")
    .addOption(
      new Option(
        "--sync <mode>",
        "sqlite: survive a crash of the process (normal), of the machine too (full)",
      )
        .choices(["normal", "full"])
        .default("normal"),
    )
    .option("--reset", "forget all runs that the store holds")
    .option("--compat", "behave just as the Atropos server: newest batch first, lenient input, no leases")
    .option("--max-queue-groups <count>", "groups held before 429 (default: no limit)", parseCount)
    .option(
      "--max-queue-bytes <size>",
      "bytes held before 429 (default: 64GB in sqlite, 4GB in memory)",
      parseSize,
    )
    .option("--max-body <size>", "largest request body (default: 256MiB)", parseSize)
    .option("--max-inflated <size>", "largest request body after inflating (default: 1GiB)", parseSize)
    .option(
      "--env-timeout <time>",
      "silence after which no batch waits for an env; 0 = never (default: 5m)",
      parseDurationMs,
    )
    .option("--token <token>", "ask everybody for this token; better in a file", addToken)
    .option("--token-file <file>", 'tokens with roles, one "role: token" a line')
    .option("--insecure", "listen for other machines without tokens")
    .option("--cors-origin <origin>", "let this origin's web pages use the API; repeatable", addText)
    .option(
      "--allowed-host <name>",
      "name under which a proxy on this machine passes requests on; repeatable",
      addText,
    )
    .addOption(
      new Option("--gzip <policy>", "compress answers for clients that take it (default: remote)").choices([
        "always",
        "remote",
        "never",
      ]),
    )
    .option("--tokenizer <name>", "decode groups without messages for /ui: folder, npm:PACKAGE or hub model")
    .addOption(
      new Option("--log-level <level>", "least serious lines to log; stderr shows warnings only")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addHelpText("after", EXAMPLES)
    .allowExcessArguments(false)
    .action(async (flags: Flags) => serve(flags, io));
  return runProgram(program, argv, () => 0);
}

async function serve(flags: Flags, io: CliIo): Promise<void> {
  const { host, port, compat = false, insecure = false, gzip, corsOrigin = [], allowedHost = [] } = flags;
  const { token = [], maxBody, maxInflated } = flags;
  using shutdown = new Shutdown({ onStage: () => undefined });
  const fileTokens = flags.tokenFile === undefined ? [] : await readTokenFile(flags.tokenFile);
  const { cacheDirectory, hubToken } = readProcessEnvironment();
  await using loaded =
    flags.tokenizer === undefined
      ? undefined
      : await loadTokenizer(flags.tokenizer, { signal: shutdown.stopping, cacheDirectory, hubToken });
  const choice: StoreChoice = flags.store ?? { kind: "sqlite", path: undefined };
  using log = await openServerLog({
    runDirectory: choice.kind === "memory" ? null : flags.runDir,
    level: flags.logLevel,
    stderr: io.stderr,
  });
  const { logger } = log;
  await using stores = await openStores(choice, {
    runDirectory: flags.runDir,
    sync: flags.sync,
    options: storeOptionsOf(flags, choice),
  });
  if (flags.reset) for (const name of stores.names()) await (await stores.run(name)).reset();
  const watch = new ServerWatch({
    stores,
    logger,
    decode: loaded && ((ids) => loaded.tokenizer.decode(ids)),
  });
  await using server = await startRolloutApi({
    stores: watch.stores,
    plugins: [watchPlugin(watch), docsPlugin({ version: packageVersion() })],
    compat,
    access: new AccessControl([...token, ...fileTokens]),
    corsOrigins: corsOrigin,
    hosts: allowedHost.map((name) => name.toLowerCase()),
    ...(gzip !== undefined && { gzip }),
    ...(maxBody !== undefined && { maxBodyBytes: maxBody }),
    ...(maxInflated !== undefined && { maxInflatedBytes: maxInflated }),
    expectsLoad: true,
    logger,
    host,
    port,
    insecure,
  });
  io.stdout.write(`Rollout API ready: ${server.url}\n`);
  if (choice.kind === "sqlite") {
    const found = await describeFound(stores);
    const path = storePath(choice, flags.runDir);
    if (found !== undefined)
      io.stdout.write(`Going on with what is in ${path}: ${found} (--reset forgets it)\n`);
    const lost = describeLost(stores);
    if (lost !== undefined) {
      logger.warn({ event: "groups-lost", store: path }, lost);
      io.stderr.write(`${lost}\n`);
    }
  }
  // A server that stops at the first Ctrl-C has nothing to tell between the first and the second.
  if (!shutdown.stopping.aborted) await once(shutdown.stopping, "abort");
}

function storeOptionsOf(
  { compat = false, maxQueueGroups, maxQueueBytes, envTimeout }: Flags,
  { kind }: StoreChoice,
): StoreOptions {
  const standard = compat ? compatStoreOptions : defaultStoreOptions;
  const defaultBytes = kind === "sqlite" ? DEFAULT_DISK_BYTES : DEFAULT_MEMORY_BYTES;
  const timeoutMs = envTimeout ?? (compat ? 0 : DEFAULT_ENV_TIMEOUT_MS);
  return {
    ...standard,
    limits: {
      maxQueueGroups: maxQueueGroups ?? Number.POSITIVE_INFINITY,
      maxQueueBytes: maxQueueBytes ?? (compat ? Number.POSITIVE_INFINITY : defaultBytes),
    },
    envTimeoutMs: timeoutMs === 0 ? null : timeoutMs,
  };
}

function addToken(text: string, before: AccessToken[] = []): AccessToken[] {
  return [...before, { role: "admin", token: parseToken(text) }];
}

function addText(text: string, before: string[] = []): string[] {
  return [...before, text];
}
