/** `environment demo`, which is also `npm start`: half a minute of everything, then where the data is. */
import { Command, InvalidArgumentError } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import type { CliIo } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { runDemo } from "./demo-run.ts";
import { type DemoState, meanOfBatches, newDemoState } from "./demo-state.ts";
import { demoSummary } from "./demo-summary.ts";
import { openDemoView } from "./demo-view.ts";
import { parseSeed } from "./flag-units.ts";
import { makeRunDirectory } from "./run-directory.ts";
import { openRunLog } from "./run-log.ts";
import { isStop } from "./run-verb.ts";
import { Shutdown } from "./shutdown.ts";

type DemoFlags = { seconds: number; seed: number; runDir?: string };

/** Share of rollouts that the demo's practice server gets wrong on purpose. */
const errorRate = 0.3;
/** The subcommand, to be mounted; `onExitCode` gets 128 + n when a signal ended it. */
export function demoCommand({ io, onExitCode }: { io: CliIo; onExitCode: (code: number) => void }): Command {
  return new Command("demo")
    .description("Show everything at work on bundled problems, without a model or a network.")
    .option("--seconds <number>", "how long, about", parseSeconds, 30)
    .option("--seed <number>", "decides the order of problems and which rollouts err", parseSeed, 0)
    .option("--run-dir <dir>", "new or empty directory for the data (default: runs/gsm8k-agent-demo-<time>)")
    .action(async (flags: DemoFlags) => onExitCode(await showDemo(flags, io)));
}

async function showDemo({ seconds, seed, runDir }: DemoFlags, io: CliIo): Promise<number> {
  const now = new Date();
  const runDirectory = await makeRunDirectory({ envName: "gsm8k-agent", verb: "demo", chosen: runDir, now });
  using log = openRunLog({ runDirectory, level: "info", scrub: (text) => text });
  const state = newDemoState({ startedAt: now.getTime(), seconds, seed, errorRate });
  const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
  let exitCode: number | undefined;
  {
    using view = openDemoView(io.stdout, state, colors);
    using shutdown = new Shutdown({
      onStage: (stage) =>
        view.print(stage === "stopping" ? "Stopping: finishing what is in flight." : "Stopping at once."),
    });
    const seen = new Set<string>();
    const onNotice = (message: string) => {
      if (!seen.has(message)) view.print(colors.yellow(message));
      seen.add(message);
    };
    const { stopping, aborted } = shutdown;
    try {
      const { environment } = io;
      await runDemo({ state, runDirectory, logger: log.logger, environment, onNotice, stopping, aborted });
    } catch (error) {
      if (!isStop(error, shutdown)) throw error;
    }
    exitCode = shutdown.exitCode;
  }
  io.stdout.write(demoSummary(state, runDirectory, colors));
  if (exitCode !== undefined) return exitCode;
  requireData(state);
  return 0;
}

/** The demo proves something only if data came out and its mean is what the practice server played. */
function requireData({ batches, stages }: DemoState): void {
  const mean = meanOfBatches(batches);
  const groups = stages.process.snapshot?.().groups.written ?? 0;
  const items = stages.evaluate.snapshot?.().evaluation.items ?? 0;
  const expected = 1 - errorRate;
  const sequences = batches.reduce((sum, batch) => sum + batch.sequences, 0);
  // Three standard deviations of that many rollouts, and a little for rounding.
  const tolerance = 0.05 + 3 * Math.sqrt((errorRate * expected) / Math.max(1, sequences));
  if (mean !== undefined && groups > 0 && items > 0 && Math.abs(mean - expected) <= tolerance) return;
  throw new LachesisError(
    "DEMO_FAILED",
    `Expected batches with a mean score near ${expected}, groups and an evaluation; got ${batches.length} batches ` +
      `with mean ${mean?.toFixed(3) ?? "-"}, ${groups} groups, ${items} evaluated problems.`,
    { hint: "On a slow machine give it more time: --seconds 60. The run directory's log says what failed." },
  );
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 5)
    throw new InvalidArgumentError("Expected a number from 5 on.");
  return seconds;
}
