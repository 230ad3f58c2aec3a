/** The `run-api` command: the rollout server, until Ctrl-C. */
import { once } from "node:events";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { MemoryStores } from "../rollout-api/memory-store.ts";
import { startRolloutApi } from "../rollout-api/start-server.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { runProgram } from "./run-program.ts";
import { Shutdown } from "./shutdown.ts";

const EXAMPLES = `
Examples:
  $ run-api                              listen on http://127.0.0.1:8000
  $ run-api --port 0                     take any free port
  $ run-api --host 0.0.0.0 --port 9000   let other machines in (there is no authentication)

Then start an environment and a trainer on the same URL:
  $ environment serve gsm8k-agent --env.rollout_server_url http://127.0.0.1:8000
`;

type Flags = { host: string; port: number };

/** Runs the command line; resolves with the exit code and never rejects. */
export async function runApiCommand(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  const program = new Command("run-api")
    .description("The rollout server: environments hand in scored groups, trainers take batches out.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 8000)
    .addHelpText("after", EXAMPLES)
    .allowExcessArguments(false)
    .action(async (flags: Flags) => serve(flags, io));
  return runProgram(program, argv, () => 0);
}

async function serve({ host, port }: Flags, io: CliIo): Promise<void> {
  using shutdown = new Shutdown({ onStage: () => undefined });
  await using stores = new MemoryStores();
  const logger = pino({ level: "warn" }, io.stderr);
  await using server = await startRolloutApi({ stores, logger, host, port });
  io.stdout.write(`Rollout API ready: ${server.url}\n`);
  // A server that stops at the first Ctrl-C has nothing to tell between the first and the second.
  if (!shutdown.stopping.aborted) await once(shutdown.stopping, "abort");
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError("Expected a whole number from 0 to 65535.");
  }
  return port;
}
