/**
 * Tells people, once each, what their trainer can't do with what it is sent: at its registration, and when an
 * environment's groups lack what it stops at. The knowledge is trainer-advice.ts; this remembers who was told.
 * And it tells what a registration asked for in vain, because the run was open already.
 */
import type { Logger } from "pino";
import type { EncodedGroup } from "./group-fields.ts";
import type { Registration } from "./group-store.ts";
import { adviceFor, needsLogprobs } from "./trainer-advice.ts";

/** Clients choose ids: more of them than this are not remembered, and not told of. */
const MOST_ENVS_TOLD = 1000;

export type Registering = {
  /** What the trainer calls itself; null = it did not say. */
  trainerKind: string | null;
  asked: Registration;
  /** What the run was opened with. */
  inForce: Registration;
};

/** The settings by which runs are told apart, as they are called on the wire. */
const SETTINGS: readonly (readonly [keyof Registration, string])[] = [
  ["batchSize", "batch_size"],
  ["maxTokenLength", "max_token_len"],
  ["startingStep", "starting_step"],
  ["numSteps", "num_steps"],
  ["checkpointDir", "checkpoint_dir"],
  ["saveCheckpointInterval", "save_checkpoint_interval"],
  ["wandbProject", "wandb_project"],
  ["wandbGroup", "wandb_group"],
];

type RunNotices = { trainerKind: string | null; envsWithoutLogprobs: Set<number | null> };

export class TrainerNotices {
  readonly #logger: Logger | undefined;
  readonly #runs = new Map<string, RunNotices>();

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** A trainer registered; what to answer one that says what it is. */
  onRegister(run: string, { trainerKind, asked, inForce }: Registering): readonly string[] {
    const { envsWithoutLogprobs } = this.#of(run);
    this.#runs.set(run, { trainerKind, envsWithoutLogprobs });
    const warnings = trainerKind === null ? [] : adviceFor(trainerKind);
    if (warnings.length > 0) {
      this.#logger?.warn({ event: "trainer-advice", run, trainerKind, warnings }, warnings.join(" "));
    }
    const ignored = ignoredBy(inForce, asked);
    if (ignored === undefined) return warnings;
    this.#logger?.warn({ event: "registration-ignored", run }, ignored);
    return [...warnings, ignored];
  }

  /** Groups were stored. */
  onGroups(run: string, groups: readonly EncodedGroup[]): void {
    for (const { envId, hasLogprobs } of groups) if (!hasLogprobs) this.#onMissingLogprobs(run, envId);
  }

  #onMissingLogprobs(run: string, envId: number | null): void {
    const { trainerKind, envsWithoutLogprobs: told } = this.#of(run);
    if (!needsLogprobs(trainerKind) || told.has(envId) || told.size >= MOST_ENVS_TOLD) return;
    told.add(envId);
    this.#logger?.warn(
      { event: "logprobs-missing", run, envId },
      "groups of this environment come without inference_logprobs: example_trainer and tinker-atropos stop at them",
    );
  }

  /** The run is forgotten, and with it who was told. */
  onReset(run: string): void {
    this.#runs.delete(run);
  }

  #of(run: string): RunNotices {
    const notices = this.#runs.get(run) ?? { trainerKind: null, envsWithoutLogprobs: new Set() };
    this.#runs.set(run, notices);
    return notices;
  }
}

/** What a registration asked for and the open run is not; undefined = nothing. */
function ignoredBy(inForce: Registration, asked: Registration): string | undefined {
  const differences = SETTINGS.flatMap(([key, name]) =>
    asked[key] === inForce[key] ? [] : [`${name} is ${inForce[key]}, not ${asked[key]}`],
  );
  if (differences.length === 0) return undefined;
  return (
    `This run is open already and stays as it was registered first: ${differences.join(", ")}. ` +
    "For a new run, reset this one (/reset_data, run-api --reset) or use /runs/NAME."
  );
}
