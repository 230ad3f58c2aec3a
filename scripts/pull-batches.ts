/**
 * The smallest trainer: opens a run at a rollout server, takes batches out, and prints what it got instead of
 * training on it.
 *
 * Run: npx node scripts/pull-batches.ts --url http://127.0.0.1:8000 --batches 20
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { exitCodeOf } from "../src/cli/exit-codes.ts";
import { printError } from "../src/cli/print-error.ts";
import { LachesisError, toLachesisError } from "../src/contracts/errors.ts";
import type { ScoredGroup } from "../src/contracts/scored-group.ts";
import { RolloutApiClient } from "../src/rollout-api/client.ts";

const HELP = `Usage: node scripts/pull-batches.ts [options]

Takes batches out of a rollout server and prints their sizes and mean scores.

  --url <url>           the rollout server (default: http://127.0.0.1:8000)
  --batches <number>    batches to take before ending; 0 = until Ctrl-C (default: 0)
  --batch-size <number> sequences per batch (default: 64)
  --max-tokens <number> longest sequence, in tokens (default: 32768)
  --poll-ms <number>    time between two questions while no batch is ready (default: 500)
`;

type TrainerOptions = { url: string; batches: number; batchSize: number; maxTokens: number; pollMs: number };

/** Sums over everything taken so far. */
type Totals = { batches: number; groups: number; sequences: number; scores: number };

const FLAGS = {
  url: { type: "string", default: "http://127.0.0.1:8000" },
  batches: { type: "string", default: "0" },
  "batch-size": { type: "string", default: "64" },
  "max-tokens": { type: "string", default: "32768" },
  "poll-ms": { type: "string", default: "500" },
  help: { type: "boolean", short: "h", default: false },
} as const;

function parseFlags() {
  try {
    return parseArgs({ options: FLAGS }).values;
  } catch (cause) {
    throw toLachesisError(cause, "USAGE_INVALID", "pull-batches");
  }
}

/** undefined = help was asked for. */
function readOptions(): TrainerOptions | undefined {
  const values = parseFlags();
  if (values.help) return undefined;
  return {
    url: values.url,
    batches: readNumber("--batches", values.batches, 0),
    batchSize: readNumber("--batch-size", values["batch-size"], 1),
    maxTokens: readNumber("--max-tokens", values["max-tokens"], 1),
    pollMs: readNumber("--poll-ms", values["poll-ms"], 0),
  };
}

function readNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least) return value;
  throw new LachesisError("USAGE_INVALID", `${flag}: expected a whole number from ${least}, got "${text}"`);
}

/** Takes batches until there are enough, adding to the totals as it goes. */
async function pullBatches(options: TrainerOptions, totals: Totals, signal: AbortSignal): Promise<void> {
  const { url, batches, batchSize, maxTokens, pollMs } = options;
  const write = (line: string) => {
    const { msg }: { msg: string } = JSON.parse(line);
    console.error(`trying again: ${msg}`);
  };
  const logger = pino({ level: "warn" }, { write });
  await using client = new RolloutApiClient({ url, logger });
  const register = () =>
    client.register(
      {
        wandb_group: "pull-batches",
        wandb_project: "pull-batches",
        batch_size: batchSize,
        max_token_len: maxTokens,
        checkpoint_dir: "",
        save_checkpoint_interval: 0,
        starting_step: 0,
        num_steps: batches,
      },
      { signal },
    );
  await register();
  while (batches === 0 || totals.batches < batches) {
    const batch = await takeBatch(client, register, signal);
    if (batch === null) {
      await sleep(pollMs, undefined, { signal });
      continue;
    }
    const { current_step } = await client.status({ signal });
    console.log(`step ${current_step}  ${summarize(batch, totals)}`);
  }
}

/** The next batch; a server that came back without its memory gets a new registration. */
async function takeBatch(
  client: RolloutApiClient,
  register: () => Promise<void>,
  signal: AbortSignal,
): Promise<ScoredGroup[] | null> {
  try {
    return await client.batch({ signal });
  } catch (error) {
    if (!(error instanceof LachesisError) || error.code !== "ROLLOUT_API_NOT_REGISTERED") throw error;
    console.error("The server has forgotten this run: registering again.");
    await register();
    return null;
  }
}

function summarize(batch: readonly ScoredGroup[], totals: Totals): string {
  const scores = batch.flatMap((group) => group.scores);
  const sum = scores.reduce((total, score) => total + score, 0);
  const sequences = batch.reduce((total, group) => total + group.tokens.length, 0);
  totals.batches++;
  totals.groups += batch.length;
  totals.sequences += sequences;
  totals.scores += sum;
  return `batch of ${sequences} sequences in ${batch.length} groups  mean score ${mean(sum, scores.length)}`;
}

function mean(sum: number, count: number): string {
  return count === 0 ? "n/a" : (sum / count).toFixed(4);
}

async function main(): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    const options = readOptions();
    if (options === undefined) {
      console.log(HELP);
      return 0;
    }
    const totals: Totals = { batches: 0, groups: 0, sequences: 0, scores: 0 };
    try {
      await pullBatches(options, totals, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    const { batches, groups, sequences, scores } = totals;
    console.log(
      `${batches} batches, ${groups} groups, ${sequences} sequences, mean score ${mean(scores, sequences)}`,
    );
    return stop.signal.aborted ? 130 : 0;
  } catch (error) {
    printError(error);
    return exitCodeOf(error);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

process.exitCode = await main();
