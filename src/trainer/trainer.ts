/**
 * The reference trainer: GRPO over whatever groups the rollout API serves. It registers, leases a batch, makes one
 * optimizer step of it, hands the new weights to the policy server, and settles batches once the steps made of them
 * are saved. docs/trainers.md walks through it.
 */
import type { LachesisError } from "../contracts/errors.ts";
import type { TrainingStep } from "../contracts/training-step.ts";
import { RolloutApiClient } from "../rollout-api/client.ts";
import type { EventBus } from "../telemetry/events.ts";
import type { PolicyWeights } from "../tiny-policy/weights-file.ts";
import type { AdamState } from "./adam.ts";
import { BatchSource } from "./batch-source.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { GradientPool } from "./gradient-pool.ts";
import { Learner } from "./learner.ts";
import { PolicyStepper } from "./policy-step.ts";
import { publishWeights } from "./publish-weights.ts";
import type { GrpoConfig } from "./trainer-config.ts";

export type TrainerOptions = {
  /** Of the rollout API; a token may stand in it as the password. */
  apiUrl: string;
  /** For an API that asks for one. Default: the password in `apiUrl`. */
  apiToken?: string | undefined;
  /** Where each step's weights are pushed to; undefined = nowhere. */
  policyServerUrl?: string | undefined;
  /** What to begin with; the version is the number of steps done, so 0 for a run that begins. */
  policy: PolicyWeights;
  /** The optimizer's state, for a run that goes on. */
  adam?: AdamState | undefined;
  /** For the KL term. Default: the weights that the run begins with. */
  reference?: Float32Array | undefined;
  config: GrpoConfig;
  /** Checkpoints go here as step-<n>. */
  checkpointDirectory: string;
  events: EventBus;
  /** Ends the run: what was trained is saved, the batch at hand goes back. */
  signal: AbortSignal;
};

export type TrainerEnd = {
  policy: PolicyWeights;
  /** Of the last checkpoint. */
  checkpoint: string;
  /** Whether the signal ended it. */
  stopped: boolean;
};

/** Time for saying goodbye to the rollout API. */
const FAREWELL_MS = 5_000;

/**
 * Trains until `config.steps` are done or the signal aborts, which is no error. Rejects with what
 * `PolicyStepper.step` and `publishWeights` reject with, ROLLOUT_API_REJECTED, or OUTPUT_UNWRITABLE; what was
 * trained until then is saved and the batch at hand given back all the same.
 */
export async function runTrainer(options: TrainerOptions): Promise<TrainerEnd> {
  const { apiUrl, apiToken, policyServerUrl, policy, config, checkpointDirectory, events, signal } = options;
  const notice = (message: string, code?: string) =>
    events.emit("notice", { level: "warn", message, ...(code !== undefined && { code }) });
  await using client = new RolloutApiClient({ url: apiUrl, token: apiToken });
  await using pool = new GradientPool(poolOptions(policy, config));
  const learner = new Learner(policy, { pool, ...adamOptions(config) });
  if (options.adam !== undefined) learner.restore({ policy, adam: options.adam });
  const stepper = new PolicyStepper({
    learner,
    pool,
    config,
    reference: options.reference ?? policy.weights.slice(),
    onNotice: onceEach((message: string, code: LachesisError["code"]) => notice(message, code)),
  });
  const source = new BatchSource({
    client,
    registration: () => ({
      wandb_group: config.wandb_group,
      wandb_project: config.wandb_project,
      batch_size: config.batch_size,
      max_token_len: policy.config.context_length,
      checkpoint_dir: checkpointDirectory,
      save_checkpoint_interval: config.checkpoint_every,
      starting_step: learner.step,
      num_steps: config.steps === 0 ? -1 : config.steps,
    }),
    leaseSeconds: config.lease_seconds,
    pollIntervalMs: config.poll_interval_ms,
    onNotice: notice,
  });
  let saved = { step: -1, path: "" };
  const save = async () => {
    if (saved.step === learner.step) return;
    const path = await saveCheckpoint(checkpointDirectory, { mode: "grpo", learner: learner.state() });
    saved = { step: learner.step, path };
    events.emit("checkpoint-saved", saved);
  };
  const push = async () => {
    const startedAt = performance.now();
    const pushed = learner.policy();
    if (policyServerUrl !== undefined) await publishWeights(pushed, { url: policyServerUrl, signal });
    stepper.keepForDrift();
    if (policyServerUrl === undefined) return;
    events.emit("weights-pushed", { version: pushed.version, durationMs: performance.now() - startedAt });
  };

  try {
    await push();
    await source.register(signal);
    while (config.steps === 0 || learner.step < config.steps) {
      const startedAt = performance.now();
      const groups = await source.next(signal);
      const waitSeconds = (performance.now() - startedAt) / 1000;
      const step: TrainingStep = await stepper.step(groups, { waitSeconds, signal });
      source.markTrained();
      events.emit("train-step", step);
      await push();
      const isDue = config.checkpoint_every > 0 && learner.step % config.checkpoint_every === 0;
      if (isDue || source.mustSettle) {
        await save();
        await source.settle(signal);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await save();
    await source.settle(AbortSignal.timeout(FAREWELL_MS));
  }
  return { policy: learner.policy(), checkpoint: saved.path, stopped: signal.aborted };
}

export function poolOptions(
  { config: model }: PolicyWeights,
  config: Pick<GrpoConfig, "shards" | "threads" | "tokens_per_pass">,
) {
  return {
    config: model,
    shards: config.shards,
    threads: config.threads,
    tokensPerPass: config.tokens_per_pass,
  };
}

export function adamOptions(config: Pick<GrpoConfig, "adam_beta1" | "adam_beta2" | "max_gradient_norm">) {
  return { beta1: config.adam_beta1, beta2: config.adam_beta2, maxGradientNorm: config.max_gradient_norm };
}

/** Passes a message on with the first of its code, and with every hundredth after it. */
function onceEach<Code>(tell: (message: string, code: Code) => void): (message: string, code: Code) => void {
  const counts = new Map<Code, number>();
  return (message, code) => {
    const count = counts.get(code) ?? 0;
    counts.set(code, count + 1);
    if (count % 100 === 0) tell(message, code);
  };
}
