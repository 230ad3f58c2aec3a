/**
 * One process of the leak test: plays rollouts of terminal-test, cancels some of them at random moments, and prints
 * how each ended. Its parent kills it when it likes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { z } from "zod";
import { TerminalTestEnv } from "../../environments/terminal-test.ts";
import { trainingTasks } from "../../environments/terminal-test-tasks.ts";
import { openServices } from "../../src/cli/environment-services.ts";
import { readProcessEnvironment } from "../../src/cli/process-environment.ts";
import { deriveSeed } from "../../src/env/derive-seed.ts";
import { serverConfig } from "../../src/inference/server-config.ts";
import { seededRandom } from "../../src/practice/seeded-random.ts";
import { EventBus } from "../../src/telemetry/events.ts";

/** The first argument, as JSON. */
export const playOptions = z.strictObject({
  url: z.string(),
  rollouts: z.int(),
  concurrency: z.int(),
  /** Share of the rollouts that are cancelled, within `cancelWithinMs` after they began. */
  cancelRate: z.number(),
  cancelWithinMs: z.number(),
  seed: z.int(),
  runDirectory: z.string(),
  /** Keys of the environment's configuration. */
  env: z.record(z.string(), z.json()),
});

const options = playOptions.parse(JSON.parse(process.argv[2] ?? ""));
const config = TerminalTestEnv.configSchema.parse({ ...TerminalTestEnv.defaults.env, ...options.env });
const never = new AbortController().signal;
await using services = await openServices({
  env: config,
  servers: [serverConfig.parse({ base_url: options.url, model_name: "practice" })],
  runDirectory: options.runDirectory,
  logger: pino({ level: "silent" }),
  events: new EventBus(),
  environment: readProcessEnvironment(),
  stopping: never,
});
const env = new TerminalTestEnv({ config, services });
await env.prepare({ signal: never });
const tools = env.chooseTools(0);

let next = 0;
const playOnAndOn = async () => {
  while (next < options.rollouts) {
    const index = next++;
    const random = seededRandom(deriveSeed(options.seed, "leak-test", index));
    const task = trainingTasks[index % trainingTasks.length];
    if (task === undefined) return;
    const cancel = new AbortController();
    const over = new AbortController();
    if (random() < options.cancelRate) {
      const inMs = random() * options.cancelWithinMs;
      sleep(inMs, undefined, { signal: over.signal }).then(
        () => cancel.abort(),
        () => undefined,
      );
    }
    const { outcome } = await env.playRollout(task, {
      rolloutId: `r${index}`,
      groupId: `g${index}`,
      seed: index,
      split: "train",
      tools,
      signal: cancel.signal,
      deadlineMs: Date.now() + 120_000,
    });
    over.abort();
    const detail = outcome.kind === "infra-failed" ? { error: String(outcome.error) } : {};
    process.stdout.write(`${JSON.stringify({ kind: outcome.kind, ...detail })}\n`);
  }
};
await Promise.all(Array.from({ length: options.concurrency }, playOnAndOn));
await env.cleanup();
