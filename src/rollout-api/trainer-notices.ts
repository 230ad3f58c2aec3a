/**
 * Tells people, once each, what their trainer can't do with what it is sent: at its registration, and when an
 * environment's groups lack what it stops at. The knowledge is trainer-advice.ts; this remembers who was told.
 */
import type { Logger } from "pino";
import type { EncodedGroup } from "./group-fields.ts";
import { adviceFor, needsLogprobs } from "./trainer-advice.ts";

/** Clients choose ids: more of them than this are not remembered, and not told of. */
const MOST_ENVS_TOLD = 1000;

type RunNotices = { trainerKind: string | null; envsWithoutLogprobs: Set<number | null> };

export class TrainerNotices {
  readonly #logger: Logger | undefined;
  readonly #runs = new Map<string, RunNotices>();

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** A trainer registered, and said what it is (null = it did not); what to answer it. */
  onRegister(run: string, trainerKind: string | null): readonly string[] {
    const { envsWithoutLogprobs } = this.#of(run);
    this.#runs.set(run, { trainerKind, envsWithoutLogprobs });
    const warnings = trainerKind === null ? [] : adviceFor(trainerKind);
    if (warnings.length > 0) {
      this.#logger?.warn({ event: "trainer-advice", run, trainerKind, warnings }, warnings.join(" "));
    }
    return warnings;
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
