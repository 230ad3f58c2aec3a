/** `environment demo`, which is also `npm start`: a small language model learns to use a tool while you watch. */
import { once } from "node:events";
import { Command, InvalidArgumentError } from "commander";
import { LachesisError } from "../contracts/errors.ts";
import type { CliIo } from "./cli-io.ts";
import { makeColors } from "./colors.ts";
import { runDemo } from "./demo/demo-run.ts";
import { type DemoChoices, demoSettings, full, quick } from "./demo/demo-settings.ts";
import { type DemoState, newDemoState, riseOf } from "./demo/demo-state.ts";
import { demoSummary, hasSucceeded } from "./demo/demo-summary.ts";
import { openDemoView } from "./demo/demo-view.ts";
import { writeReport } from "./demo/report/write-report.ts";
import { parseCount, parseSeed } from "./flag-units.ts";
import { makeRunDirectory } from "./run-directory.ts";
import { openRunLog } from "./run-log.ts";
import { isStop } from "./run-verb.ts";
import { Shutdown } from "./shutdown.ts";

type DemoFlags = DemoChoices & { runDir?: string; keepRunning?: boolean; verbose?: boolean };

/** The subcommand, to be mounted; `onExitCode` gets 128 + n when a signal ended it. */
export function demoCommand({ io, onExitCode }: { io: CliIo; onExitCode: (code: number) => void }): Command {
  return new Command("demo")
    .description(
      "Watch a small language model learn to use Python: teacher data, evaluation, rollouts, training, evaluation, a report. No GPU, key or download.",
    )
    .option("--quick", "a short one, for CI: fewer and smaller steps, and less to reach")
    .option(
      "--steps <count>",
      `training steps at most (default: ${full.steps}, with --quick ${quick.steps})`,
      parseCount,
    )
    .option(
      "--seconds <number>",
      `begin no training step after so long (default: ${full.seconds}, with --quick ${quick.seconds})`,
      parseSeconds,
    )
    .option("--seed <number>", "decides problems, the order of data and new weights", parseSeed, 0)
    .option("--from-scratch", "make the first weights from the teacher's data, instead of those that ship")
    .option("--random-reward", "a control: rewards are thrown by chance, and nothing should be learned")
    .option("--keep-running", "afterwards go on serving the policy and the live page until Ctrl-C")
    .option("--verbose", "lines instead of the live screen")
    .option("--run-dir <dir>", "new or empty directory for the data (default: runs/tiny-maths-demo-<time>)")
    .action(async (flags: DemoFlags) => onExitCode(await showDemo(flags, io)));
}

async function showDemo(flags: DemoFlags, io: CliIo): Promise<number> {
  const now = new Date();
  const runDirectory = await makeRunDirectory({
    envName: "tiny-maths",
    verb: "demo",
    chosen: flags.runDir,
    now,
  });
  using log = openRunLog({ runDirectory, level: "info", scrub: (text) => text });
  const settings = demoSettings(flags);
  const state = newDemoState({ startedAt: now.getTime(), settings });
  const colors = makeColors(io.environment.allowsColor && io.stdout.isTTY === true);
  let report: string | null = null;
  let exitCode: number | undefined;
  const onSummary = async (print: (text: string) => void) => {
    report = await writeReport(state, { runDirectory, now });
    print(demoSummary(state, { runDirectory, report, colors }).trimEnd());
  };
  {
    using view = openDemoView(io.stdout, state, { colors, isPlain: flags.verbose === true });
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
    const onLearned = async () => {
      if (flags.keepRunning !== true) return;
      await onSummary((text) => view.print(text));
      view.print(`\nStill serving: ${state.facts.join(" · ")}. Ctrl-C ends it.`);
      if (!stopping.aborted) await once(stopping, "abort");
    };
    try {
      const { environment } = io;
      const { logger } = log;
      await runDemo({
        settings,
        state,
        runDirectory,
        logger,
        environment,
        onNotice,
        stopping,
        aborted,
        onLearned,
      });
    } catch (error) {
      if (!isStop(error, shutdown)) throw error;
    }
    state.endedAt ??= Date.now();
    // Stopping what went on by wish is no failure.
    exitCode = flags.keepRunning === true && state.after !== undefined ? undefined : shutdown.exitCode;
  }
  if (report === null) await onSummary((text) => void io.stdout.write(`${text}\n`));
  if (exitCode !== undefined) return exitCode;
  requireRise(state);
  return 0;
}

/** The demo proves something only if the policy became better, or under the control didn't. */
function requireRise(state: DemoState): void {
  const rise = riseOf(state);
  const { settings } = state;
  if (rise !== null && hasSucceeded(rise, settings)) return;
  const asked = settings.isRandomReward ? `less than ${settings.margin}` : `at least ${settings.margin}`;
  throw new LachesisError(
    "DEMO_FAILED",
    `Expected the accuracy on held-out problems to rise by ${asked}; it rose by ${rise?.toFixed(3) ?? "an unknown amount"} in ${state.trained.length} steps.`,
    { hint: adviceAfter(state) },
  );
}

function adviceAfter({ settings, trained }: DemoState): string {
  if (settings.isRandomReward)
    return "Take another --seed; if it rises again, something but the rewards teaches it.";
  if (trained.length >= settings.steps)
    return `All of its ${settings.steps} steps were done: give it more with --steps.`;
  return "On a slow machine give it more time: --seconds 900. The run directory's log says what failed.";
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 5)
    throw new InvalidArgumentError("Expected a number from 5 on.");
  return seconds;
}
