/**
 * One run's state machine: who registered and joined, which groups wait where, which batches are formed and
 * leased. Synchronous and in memory. It never looks into a group: a store decides where bodies live and what
 * is durable.
 */
import { randomUUID } from "node:crypto";
import { BatchShelf, type Lease, type Settlement } from "./batch-shelf.ts";
import { findGroupsSummingTo, formBatch, formBatchWithMinimums } from "./batcher.ts";
import { computeEnvStatus } from "./env-status.ts";
import type { EncodedGroup } from "./group-fields.ts";
import { GroupQueue, type GroupRecord } from "./group-queue.ts";
import type {
  DisconnectAnswer,
  EnvRequest,
  EnvStatusAnswer,
  JoinedRun,
  Placement,
  Registration,
  RunOverview,
  RunTotals,
  SubmitAnswer,
} from "./group-store.ts";
import { KnownGroups } from "./known-groups.ts";
import { RunEnvs } from "./run-envs.ts";
import type { StoreOptions } from "./store-options.ts";

/** What became of a submission, and which groups entered the queue by it, in that order. */
export type Submission<Group> = { answer: SubmitAnswer; queued: readonly Group[] };

/** `step`: see BatchAnswer. */
export type ServedLease<Group> = Lease<Group> & { step: number };

/** How soon a sender may try again when the run is full: about the time between two batches. */
const RETRY_AFTER_SECONDS = 2;

const NO_TOTALS: RunTotals = {
  groupsIn: 0,
  sequencesIn: 0,
  groupsOut: 0,
  sequencesOut: 0,
  batchesOut: 0,
  duplicates: 0,
};

export class RunState<Group extends GroupRecord> {
  readonly #options: StoreOptions;
  #registration: Registration | undefined;
  #wasOpened = false;
  #started = false;
  #currentStep = 0;
  #maxTokenLength = -1n;
  #nextGroupId = 0;
  #nextBatchId = 0;
  readonly #envs: RunEnvs;
  #queue = new GroupQueue<Group>();
  /** Odd-sized groups per environment, oldest first. */
  readonly #buffers = new Map<number, Group[]>();
  readonly #shelf = new BatchShelf<Group>();
  readonly #known = new KnownGroups();
  #heldGroups = 0;
  #heldBytes = 0;
  #queuedBytes = 0;
  #totals = { ...NO_TOTALS };
  /** False once forming failed, until something changes that could make it succeed. */
  #mayForm = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#envs = new RunEnvs(options.envTimeoutMs);
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
    this.#envs.clear();
    this.#queue = new GroupQueue();
    this.#buffers.clear();
    this.#shelf.clear();
    this.#known.clear();
    this.#heldGroups = 0;
    this.#heldBytes = 0;
    this.#queuedBytes = 0;
    this.#totals = { ...NO_TOTALS };
  }

  /** null = the run has not started. */
  registerEnv(request: EnvRequest): JoinedRun | null {
    if (this.#registration === undefined || !this.#started) return null;
    const { envId, wandbName } = this.#envs.join(request, this.#now());
    this.#mayForm = true;
    return {
      envId,
      wandbName,
      checkpointDir: this.#registration.checkpointDir,
      currentStep: this.#currentStep,
      checkpointInterval: this.#registration.saveCheckpointInterval,
      numSteps: this.#registration.numSteps,
    };
  }

  disconnectEnv(envId: number): DisconnectAnswer {
    if (!this.#wasOpened) return "never-opened";
    const env = this.#envs.get(envId);
    if (env === undefined) return "unknown-env";
    env.connected = false;
    this.#mayForm = true;
    return "disconnected";
  }

  /** Places groups in order, all or none; `hold` makes of each what this run keeps. */
  submit(
    groups: readonly EncodedGroup[],
    hold: (group: EncodedGroup, record: GroupRecord) => Group,
  ): Submission<Group> {
    const refusal = this.#refuse(groups);
    if (refusal !== undefined) return { answer: refusal, queued: [] };
    const arrival = { arrivedAt: this.#now(), arrivedStep: this.#trainerStep };
    const queued: Group[] = [];
    const placements = groups.map((group) => {
      const { groupId, envId, sequences, body } = group;
      const known = groupId === null ? undefined : this.#known.get(groupId);
      if (known !== undefined) {
        this.#totals.duplicates++;
        return known;
      }
      const record = { id: this.#nextGroupId++, sequences, envId, bytes: body.length, ...arrival };
      const placement = this.#place(hold(group, record), queued);
      if (groupId !== null) this.#known.add(groupId, placement);
      return placement;
    });
    for (const { envId } of groups) this.#hearOf(envId);
    return { answer: { kind: "accepted", placements }, queued };
  }

  #refuse(groups: readonly EncodedGroup[]): SubmitAnswer | undefined {
    const fresh = groups.filter(({ groupId }) => groupId === null || this.#known.get(groupId) === undefined);
    for (const group of fresh) {
      const reason = this.#unpackableReason(group.sequences);
      if (reason !== undefined) return { kind: "unpackable", index: groups.indexOf(group), reason };
    }
    const { maxQueueGroups, maxQueueBytes } = this.#options.limits;
    const bytes = fresh.reduce((sum, { body }) => sum + body.length, 0);
    const isFull =
      this.#heldGroups + fresh.length > maxQueueGroups || this.#heldBytes + bytes > maxQueueBytes;
    if (fresh.length > 0 && isFull) return { kind: "full", retryAfterSeconds: RETRY_AFTER_SECONDS };
    return undefined;
  }

  #unpackableReason(sequences: number): string | undefined {
    if (this.#options.behaviour.packing === "packs") return undefined;
    if (sequences === 0) return "A group without sequences can't be part of a batch";
    const batchSize = this.#registration?.batchSize ?? 0;
    if (batchSize < 1 || sequences <= batchSize) return undefined;
    return `A group of ${sequences} sequences can't be part of a batch of ${batchSize}`;
  }

  /** In the queue when it has its environment's size (or no known environment), else in the buffer. */
  #place(group: Group, queued: Group[]): Placement {
    this.#heldGroups++;
    this.#heldBytes += group.bytes;
    this.#totals.groupsIn++;
    this.#totals.sequencesIn += group.sequences;
    const env = this.#envs.get(group.envId);
    if (env !== undefined) {
      env.groupsIn++;
      env.sequencesIn += group.sequences;
    }
    if (env === undefined || group.sequences === env.groupSize) {
      this.#enqueue([group], queued);
      return { kind: "queued" };
    }
    const buffer = [...(this.#buffers.get(env.envId) ?? []), group];
    const sizes = buffer.map(({ sequences }) => sequences);
    const chosen = new Set(findGroupsSummingTo(env.groupSize, sizes));
    const left = buffer.filter((_, index) => !chosen.has(index));
    this.#buffers.set(env.envId, left);
    this.#enqueue(
      buffer.filter((_, index) => chosen.has(index)),
      queued,
    );
    return { kind: "buffered", sequencesLeft: sumOfSequences(left) };
  }

  #enqueue(groups: readonly Group[], queued: Group[]): void {
    for (const group of groups) {
      this.#queue.push(group);
      this.#queuedBytes += group.bytes;
      queued.push(group);
    }
    if (groups.length > 0) this.#mayForm = true;
  }

  /** The lease of the batch to serve; null = none is ready; undefined = no trainer has registered. */
  takeBatch(leaseSeconds: number | null): ServedLease<Group> | null | undefined {
    if (this.#registration === undefined) return undefined;
    this.#started = true;
    const now = this.#now();
    this.#shelf.expire(now);
    if (this.#shelf.waiting === 0) {
      const formed = this.#formAll(this.#registration.batchSize);
      this.#currentStep += formed.length;
      this.#shelf.add(formed.map((groups) => ({ id: this.#nextBatchId++, groups, formedAt: now })));
    }
    const expiresAt = leaseSeconds === null ? null : now + leaseSeconds * 1000;
    const { batchOrder } = this.#options.behaviour;
    const step = this.#trainerStep;
    const lease = this.#shelf.lease(batchOrder, { leaseId: randomUUID(), expiresAt });
    return lease === undefined ? null : { ...lease, step };
  }

  /** See GroupStore. */
  settleBatch(leaseId: string, how: Settlement): boolean {
    this.#shelf.expire(this.#now());
    const batch = this.#shelf.settle(leaseId, how);
    if (batch === null || batch === "repeated") return batch === "repeated";
    if (how === "taken") {
      this.#totals.batchesOut++;
      this.#totals.groupsOut += batch.groups.length;
      this.#totals.sequencesOut += sumOfSequences(batch.groups);
      this.#heldGroups -= batch.groups.length;
      this.#heldBytes -= sumOfBytes(batch.groups);
    }
    return true;
  }

  /** Every batch that the queue has in it now, in the order in which they were formed. */
  #formAll(batchSize: number): Group[][] {
    const batches: Group[][] = [];
    while (this.#mayForm) {
      const batch = this.#formOne(batchSize);
      if (batch === null) this.#mayForm = false;
      else {
        this.#queue.remove(batch);
        this.#queuedBytes -= sumOfBytes(batch);
        batches.push(batch);
      }
    }
    return batches;
  }

  #formOne(batchSize: number): Group[] | null {
    const { sequences, largest } = this.#queue.sizes;
    if (batchSize < 1 || sequences < batchSize) return null;
    const minimums = this.#envs
      .at(this.#now())
      .flatMap(({ envId, connected, minBatchAllocation }) =>
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
    this.#hearOf(envId);
    const envs = this.#envs.at(this.#now());
    const env = envs[envId];
    if (this.#registration === undefined || env === undefined) return null;
    return computeEnvStatus({
      env,
      envs,
      batchSize: this.#registration.batchSize,
      currentStep: this.#currentStep,
      sizes: this.#queue.sizes,
      sizesByEnv: this.#queue.sizesByEnv,
      hidesOthersAmongSingles: this.#options.behaviour.hidesOthersAmongSingles,
    });
  }

  overview(): RunOverview {
    const now = this.#now();
    this.#shelf.expire(now);
    const { sizes, sizesByEnv } = this.#queue;
    const buffered = [...this.#buffers.values()].flat();
    const [oldest] = this.#queue;
    return {
      registered: this.#registration !== undefined,
      started: this.#started,
      currentStep: this.#currentStep,
      batchSize: this.#registration?.batchSize ?? -1,
      queuedGroups: sizes.groups,
      queuedSequences: sizes.sequences,
      queuedBytes: this.#queuedBytes,
      bufferedGroups: buffered.length,
      bufferedSequences: sumOfSequences(buffered),
      unpackableGroups: 0,
      waitingBatches: this.#shelf.waiting,
      openLeases: this.#shelf.openLeases,
      heldGroups: this.#heldGroups,
      heldBytes: this.#heldBytes,
      oldestQueuedMs: oldest === undefined ? null : now - oldest.arrivedAt,
      envs: this.#envs.records.map((env) => {
        const own = sizesByEnv.get(env.envId);
        const ownBuffer = this.#buffers.get(env.envId) ?? [];
        return {
          envId: env.envId,
          wandbName: env.wandbName,
          weight: env.weight,
          groupSize: env.groupSize,
          connected: env.connected,
          stale: this.#envs.isStale(env, now),
          lastSeenAt: env.lastSeenAt,
          groupsIn: env.groupsIn,
          sequencesIn: env.sequencesIn,
          queuedGroups: (own?.groups ?? 0) + ownBuffer.length,
          queuedSequences: (own?.sequences ?? 0) + sumOfSequences(ownBuffer),
        };
      }),
      totals: { ...this.#totals },
    };
  }

  /** Batches handed out, from the starting step. A returned batch makes it go back. */
  get #trainerStep(): number {
    return this.#currentStep - this.#shelf.waiting;
  }

  #hearOf(envId: number | null): void {
    const env = this.#envs.get(envId);
    if (env !== undefined) env.lastSeenAt = this.#now();
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

function sumOfSequences(groups: readonly GroupRecord[]): number {
  return groups.reduce((sum, { sequences }) => sum + sequences, 0);
}

function sumOfBytes(groups: readonly GroupRecord[]): number {
  return groups.reduce((sum, { bytes }) => sum + bytes, 0);
}
