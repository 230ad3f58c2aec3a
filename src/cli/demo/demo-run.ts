/**
 * The demo: a small language model learns in front of you, with the real parts and nothing in their place. What starts
 * here is closed here, in the reverse order.
 */
import type { Logger } from "pino";
import { createBackend } from "../../../backends/index.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { ScoredGroup } from "../../contracts/scored-group.ts";
import { docsPlugin } from "../../rollout-api/docs/docs-plugin.ts";
import { MemoryStores } from "../../rollout-api/memory-store.ts";
import { startRolloutApi } from "../../rollout-api/start-server.ts";
import { ServerWatch } from "../../rollout-api/watch/server-watch.ts";
import { watchPlugin } from "../../rollout-api/watch/watch-plugin.ts";
import { PolicyEngine } from "../../tiny-policy/policy-engine.ts";
import { startPolicyServer } from "../../tiny-policy/policy-server.ts";
import { loadTokenizer } from "../../tokens/load-tokenizer.ts";
import { packageVersion } from "../package-version.ts";
import type { ProcessEnvironment } from "../process-environment.ts";
import type { DemoSettings } from "./demo-settings.ts";
import { evaluatePolicy, type StageContext, train } from "./demo-stages.ts";
import type { DemoState } from "./demo-state.ts";
import { askTeacher, makeTeacherWeights, readShippedWeights } from "./first-weights.ts";
import { readSample } from "./read-sample.ts";
import { runStage } from "./run-stage.ts";

export type DemoOptions = {
  settings: DemoSettings;
  /** Written as the demo goes on. */
  state: DemoState;
  runDirectory: string;
  logger: Logger;
  environment: ProcessEnvironment;
  /** Tells people something that stays on the screen. */
  onNotice: (message: string) => void;
  /** Ends the stage that runs, and skips the others. */
  stopping: AbortSignal;
  /** Ends everything at once. */
  aborted: AbortSignal;
  /** Called when all stages are done, with everything still up. */
  onLearned: () => Promise<void>;
};

/** A new sample replaces the last one no faster than it can be read. */
const sampleIntervalMs = 1_500;

/** Runs all stages. Rejects with what made one fail, or a stop's reason. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { settings, state, logger, stopping, aborted } = options;
  await using started = new AsyncDisposableStack();
  const isolation = await chooseIsolation(options);
  const context: StageContext = { ...options, isolation, drain: stopping, abort: aborted };
  const model = started.use(await loadTokenizer("tiny-policy", { signal: stopping }));

  const policy = settings.isFromScratch
    ? await makeTeacherWeights(context, model)
    : await readShippedWeights(context);
  if (!settings.isFromScratch) {
    state.stages.sft.state = "skipped";
    await askTeacher(context, model);
  }
  const engine = started.use(
    await PolicyEngine.start({ weights: policy, seed: settings.seed }, { signal: stopping }),
  );
  const server = started.use(await startPolicyServer({ engine, model }));
  const stores = started.use(new MemoryStores());
  const watch = new ServerWatch({ stores, logger, decode: (ids) => model.tokenizer.decode(ids) });
  const api = started.use(
    await startRolloutApi({
      stores: watch.stores,
      plugins: [watchPlugin(watch), docsPlugin({ version: packageVersion() })],
      logger,
      host: "127.0.0.1",
      port: 0,
    }),
  );
  state.facts.push(`watch ${api.url}/ui · policy server ${server.url} · sandboxes: ${isolation}`);

  const evaluate = (name: "before" | "after") =>
    runStage(context, name, () => evaluatePolicy(context, { url: server.url, name }));
  state.before = await evaluate("before");
  stopping.throwIfAborted();
  const onGroup = sampler(state, model.tokenizer);
  await runStage(context, "train", () =>
    train(context, { policy, policyUrl: server.url, apiUrl: api.url, onGroup }),
  );
  stopping.throwIfAborted();
  state.after = await evaluate("after");
  stopping.throwIfAborted();
  state.endedAt = Date.now();
  await options.onLearned();
}

/** Keeps a rollout of every now and then. */
function sampler(state: DemoState, tokenizer: { decode(ids: readonly number[]): string }) {
  let sampledAt = 0;
  return (group: ScoredGroup) => {
    if (Date.now() - sampledAt < sampleIntervalMs) return;
    sampledAt = Date.now();
    const sample = readSample(group, state.samples.length % group.tokens.length, tokenizer);
    if (sample !== null) state.samples.push(sample);
  };
}

/** The demo's tools are its own and trusted: without bubblewrap they run as plain processes, and it says so. */
async function chooseIsolation({ aborted, onNotice }: DemoOptions): Promise<"bubblewrap" | "none"> {
  await using backend = createBackend("local", {});
  try {
    await backend.check({ signal: aborted });
    return "bubblewrap";
  } catch (error) {
    if (!(error instanceof LachesisError)) throw error;
    onNotice(
      "bubblewrap can't be used here: the demo runs its own trusted tools as plain processes (--env.terminal_isolation none).",
    );
    return "none";
  }
}
