/**
 * One run's state machine: who registered and joined, which groups wait where, which batches are formed.
 * Synchronous and in memory. It never looks into a group: a store decides where bodies live and what is
 * durable.
 */
import { findGroupsSummingTo, formBatch, formBatchWithMinimums } from "./batcher.ts";
import { computeEnvStatus, type RunEnv } from "./env-status.ts";
import { GroupQueue, type GroupRecord } from "./group-queue.ts";
import type {
  DisconnectAnswer,
  EnvRequest,
  EnvStatusAnswer,
  JoinedRun,
  Placement,
  Registration,
} from "./group-store.ts";

/** The choices in which the original's way is not the only sensible one. */
export type RunBehaviour = {
  /** Which of several formed batches is served first. */
  batchOrder: "newest-first" | "oldest-first";
  /** See EnvStatusInput. */
  hidesOthersAmongSingles: boolean;
};

/** Just as the Atropos server does it. */
export const atroposBehaviour: RunBehaviour = { batchOrder: "newest-first", hidesOthersAmongSingles: true };

/** What became of a submitted group, and which groups entered the queue by it. */
export type Submission<Group> = { placement: Placement; queued: readonly Group[] };

export class RunState<Group extends GroupRecord> {
  readonly #behaviour: RunBehaviour;
  #registration: Registration | undefined;
  #wasOpened = false;
  #started = false;
  #currentStep = 0;
  #maxTokenLength = -1n;
  #envs: RunEnv[] = [];
  #queue = new GroupQueue<Group>();
  /** Odd-sized groups per environment, oldest first. */
  readonly #buffers = new Map<number, Group[]>();
  #formed: Group[][] = [];
  /** False once forming failed, until something changes that could make it succeed. */
  #mayForm = false;

  constructor(behaviour: RunBehaviour) {
    this.#behaviour = behaviour;
  }

  register(registration: Registration): void {
    if (this.#registration !== undefined) return;
    this.#registration = registration;
    this.#wasOpened = true;
    this.#currentStep = registration.startingStep;
    this.#maxTokenLength = registration.maxTokenLength;
  }

  reset(): void {
    this.#registration = undefined;
    this.#started = false;
    this.#currentStep = 0;
    this.#envs = [];
    this.#queue = new GroupQueue();
    this.#buffers.clear();
    this.#formed = [];
  }

  /** null = the run has not started. */
  registerEnv(request: EnvRequest): JoinedRun | null {
    if (this.#registration === undefined || !this.#started) return null;
    const namesakes = this.#envs.filter(({ desiredName }) => desiredName === request.desiredName).length;
    const envId = this.#envs.length;
    this.#envs.push({ ...request, envId, connected: true });
    this.#mayForm = true;
    return {
      envId,
      wandbName: `${request.desiredName}_${namesakes}`,
      checkpointDir: this.#registration.checkpointDir,
      currentStep: this.#currentStep,
      checkpointInterval: this.#registration.saveCheckpointInterval,
      numSteps: this.#registration.numSteps,
    };
  }

  disconnectEnv(envId: number): DisconnectAnswer {
    if (!this.#wasOpened) return "never-opened";
    const env = this.#envs[envId];
    if (env === undefined) return "unknown-env";
    env.connected = false;
    this.#mayForm = true;
    return "disconnected";
  }

  /** Places one group: in the queue when it has its environment's size (or no known environment). */
  submit(group: Group): Submission<Group> {
    const env = group.envId === null ? undefined : this.#envs[group.envId];
    if (env === undefined || group.sequences === env.groupSize) {
      this.#enqueue([group]);
      return { placement: { kind: "queued" }, queued: [group] };
    }
    const buffer = [...(this.#buffers.get(env.envId) ?? []), group];
    const sizes = buffer.map(({ sequences }) => sequences);
    const chosen = new Set(findGroupsSummingTo(env.groupSize, sizes));
    const queued = buffer.filter((_, index) => chosen.has(index));
    const left = buffer.filter((_, index) => !chosen.has(index));
    this.#buffers.set(env.envId, left);
    this.#enqueue(queued);
    const sequencesLeft = left.reduce((sum, { sequences }) => sum + sequences, 0);
    return { placement: { kind: "buffered", sequencesLeft }, queued };
  }

  #enqueue(groups: readonly Group[]): void {
    for (const group of groups) this.#queue.push(group);
    if (groups.length > 0) this.#mayForm = true;
  }

  /** The groups of the batch to serve; null = none is ready; undefined = no trainer has registered. */
  takeBatch(): Group[] | null | undefined {
    if (this.#registration === undefined) return undefined;
    this.#started = true;
    if (this.#formed.length === 0) {
      this.#formed = this.#formAll(this.#registration.batchSize);
      this.#currentStep += this.#formed.length;
    }
    const { batchOrder } = this.#behaviour;
    return (batchOrder === "newest-first" ? this.#formed.pop() : this.#formed.shift()) ?? null;
  }

  /** Every batch that the queue has in it now, in the order in which they were formed. */
  #formAll(batchSize: number): Group[][] {
    const batches: Group[][] = [];
    while (this.#mayForm) {
      const batch = this.#formOne(batchSize);
      if (batch === null) this.#mayForm = false;
      else {
        this.#queue.remove(batch);
        batches.push(batch);
      }
    }
    return batches;
  }

  #formOne(batchSize: number): Group[] | null {
    const { sequences, largest } = this.#queue.sizes;
    if (batchSize < 1 || sequences < batchSize) return null;
    const minimums = this.#envs.flatMap(({ envId, connected, minBatchAllocation }) =>
      connected && minBatchAllocation !== null ? [{ envId, share: minBatchAllocation }] : [],
    );
    const options = { queue: this.#queue, largestGroup: largest, batchSize };
    return minimums.length > 0 ? formBatchWithMinimums({ ...options, minimums }) : formBatch(options);
  }

  info(): { batchSize: number; maxTokenLength: bigint } {
    return { batchSize: this.#registration?.batchSize ?? -1, maxTokenLength: this.#maxTokenLength };
  }

  status(): { currentStep: number; queuedGroups: number } {
    return { currentStep: this.#currentStep, queuedGroups: this.#queue.sizes.groups };
  }

  wandbInfo(): { group: string | null; project: string | null } {
    const { wandbGroup = null, wandbProject = null } = this.#registration ?? {};
    return { group: wandbGroup, project: wandbProject };
  }

  /** null = no such environment. */
  envStatus(envId: number): EnvStatusAnswer | null {
    const env = this.#envs[envId];
    if (this.#registration === undefined || env === undefined) return null;
    return computeEnvStatus({
      env,
      envs: this.#envs,
      batchSize: this.#registration.batchSize,
      currentStep: this.#currentStep,
      sizes: this.#queue.sizes,
      sizesByEnv: this.#queue.sizesByEnv,
      hidesOthersAmongSingles: this.#behaviour.hidesOthersAmongSingles,
    });
  }
}
