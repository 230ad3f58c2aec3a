/**
 * One run's state machine: who registered and joined, which groups wait where, which batches are formed and
 * leased. Synchronous and in memory. It never looks into a group: a store decides where bodies live and what
 * is durable, and hears of every change through a journal.
 */
import { randomUUID } from "node:crypto";
import { type Batch, BatchShelf, type Lease, type Settlement } from "./batch-shelf.ts";
import { computeEnvStatus } from "./env-status.ts";
import type { EncodedGroup } from "./group-fields.ts";
import type { GroupRecord } from "./group-queue.ts";
import type {
  DisconnectAnswer,
  EnvRequest,
  EnvStatusAnswer,
  JoinedRun,
  Placement,
  Registration,
  RunOverview,
  SubmitAnswer,
} from "./group-store.ts";
import { REMEMBERED_GROUP_IDS, RecentNames } from "./recent-names.ts";
import { RunEnvs } from "./run-envs.ts";
import { type RunJournal, type RunRow, type RunSnapshot, silentJournal } from "./run-journal.ts";
import { RunLedger } from "./run-ledger.ts";
import { makeOverview } from "./run-overview.ts";
import { refuseGroups } from "./run-refusals.ts";
import type { StoreOptions } from "./store-options.ts";
import { WaitingGroups } from "./waiting-groups.ts";

/** What became of a submission, and which groups entered the queue by it, in that order. */
export type Submission<Group> = { answer: SubmitAnswer; queued: readonly Group[] };

/** `step`: see BatchAnswer. */
export type ServedLease<Group> = Lease<Group> & { step: number };

export type RunStateOptions<Group extends GroupRecord> = StoreOptions & {
  /** An id that no group of the store has had. */
  nextGroupId: () => number;
  journal?: RunJournal<Group>;
  /** What was stored earlier. */
  snapshot?: RunSnapshot<Group>;
};

export class RunState<Group extends GroupRecord> {
  readonly #options: RunStateOptions<Group>;
  readonly #journal: RunJournal<Group>;
  #registration: Registration | null = null;
  #wasOpened = false;
  #started = false;
  #currentStep = 0;
  #maxTokenLength = -1n;
  #nextBatchId = 0;
  #latestGroupId: number | null = null;
  readonly #envs: RunEnvs;
  #waiting: WaitingGroups<Group>;
  readonly #shelf = new BatchShelf<Group>();
  /** The ids under which groups came, with their first answers. */
  #groupNames = new RecentNames<Placement>(REMEMBERED_GROUP_IDS);
  readonly #ledger = new RunLedger();

  constructor(options: RunStateOptions<Group>) {
    this.#options = options;
    this.#journal = options.journal ?? silentJournal;
    this.#envs = new RunEnvs(options.envTimeoutMs);
    this.#waiting = new WaitingGroups(options.behaviour.packing);
    if (options.snapshot !== undefined) this.#restore(options.snapshot);
  }

  #restore({ row, envs, groups, groupNames, ...shelf }: RunSnapshot<Group>): void {
    this.#registration = row.registration;
    this.#wasOpened = row.wasOpened;
    this.#started = row.started;
    this.#currentStep = row.currentStep;
    this.#maxTokenLength = row.maxTokenLength;
    this.#nextBatchId = row.nextBatchId;
    this.#latestGroupId = row.latestGroupId;
    this.#envs.restore(envs, this.#now());
    this.#waiting.restore(groups, row.passedOver);
    this.#shelf.restore(shelf);
    this.#groupNames.restore(groupNames);
    this.#ledger.restore(row.totals, [...groups, ...shelf.batches.flatMap((batch) => batch.groups)]);
  }

  register(registration: Registration): Registration {
    if (this.#registration !== null) return this.#registration;
    this.#registration = registration;
    this.#wasOpened = true;
    this.#currentStep = registration.startingStep;
    this.#maxTokenLength = registration.maxTokenLength;
    this.#journal.runChanged();
    return registration;
  }

  reset(): void {
    this.#registration = null;
    this.#started = false;
    this.#currentStep = 0;
    this.#envs.clear();
    this.#waiting = new WaitingGroups(this.#options.behaviour.packing);
    this.#shelf.clear();
    this.#groupNames = new RecentNames(REMEMBERED_GROUP_IDS);
    this.#ledger.clear();
    this.#journal.cleared(this.#latestGroupId);
    this.#journal.runChanged();
  }

  /** null = the run has not started. */
  registerEnv(request: EnvRequest): JoinedRun | null {
    if (this.#registration === null || !this.#started) return null;
    const env = this.#envs.join(request, this.#now());
    this.#journal.envChanged(env);
    return {
      envId: env.envId,
      wandbName: env.wandbName,
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
    this.#journal.envChanged(env);
    return "disconnected";
  }

  /** Places groups in order, all or none; `hold` makes of each what this run keeps. */
  submit(
    groups: readonly EncodedGroup[],
    hold: (group: EncodedGroup, record: GroupRecord) => Group,
  ): Submission<Group> {
    for (const { envId } of groups) this.#hearOf(envId);
    const fresh = groups.filter(({ groupId }) => groupId === null || !this.#groupNames.get(groupId));
    const { behaviour, limits } = this.#options;
    const batchSize = this.#registration?.batchSize ?? 0;
    const refusal = refuseGroups(fresh, { behaviour, limits, batchSize, held: this.#ledger.held });
    if (refusal?.kind === "full") return { answer: refusal, queued: [] };
    if (refusal?.kind === "unpackable") {
      const { kind, group, reason } = refusal;
      return { answer: { kind, index: groups.indexOf(group), reason }, queued: [] };
    }

    const arrival = { arrivedAt: this.#now(), arrivedStep: this.#trainerStep, position: null };
    const queued: Group[] = [];
    const placements = groups.map((group) => {
      const { groupId, envId, sequences, body } = group;
      const known = groupId === null ? undefined : this.#groupNames.get(groupId);
      if (known !== undefined) {
        this.#ledger.duplicateCame();
        return known;
      }
      const id = this.#options.nextGroupId();
      const held = hold(group, { id, sequences, envId, bytes: body.length, ...arrival });
      const placement = this.#place(held, body, queued);
      if (groupId !== null) this.#journal.groupNamed(this.#groupNames.add(groupId, placement));
      return placement;
    });
    if (groups.length > 0) this.#journal.runChanged();
    return { answer: { kind: "accepted", placements }, queued };
  }

  #place(group: Group, body: Buffer, entered: Group[]): Placement {
    this.#ledger.groupCame(group);
    const env = this.#envs.get(group.envId);
    if (env !== undefined) {
      env.groupsIn++;
      env.sequencesIn += group.sequences;
      this.#journal.envChanged(env);
    }
    const { placement, queued } = this.#waiting.place(group, env);
    this.#latestGroupId = queued.at(-1)?.id ?? this.#latestGroupId;
    entered.push(...queued);
    this.#journal.groupAdded(group, body);
    for (const other of queued) if (other !== group) this.#journal.groupQueued(other);
    return placement;
  }

  /** The lease of the batch to serve; null = none is ready; undefined = no trainer has registered. */
  takeBatch(leaseSeconds: number | null): ServedLease<Group> | null | undefined {
    if (this.#registration === null) return undefined;
    if (!this.#started) this.#journal.runChanged();
    this.#started = true;
    const now = this.#now();
    this.#expireLeases(now);
    if (this.#shelf.waiting === 0) this.#formBatches(this.#registration.batchSize, now);
    const expiresAt = leaseSeconds === null ? null : now + leaseSeconds * 1000;
    const { batchOrder } = this.#options.behaviour;
    const step = this.#trainerStep;
    const lease = this.#shelf.lease(batchOrder, { leaseId: randomUUID(), expiresAt });
    if (lease === undefined) return null;
    if (expiresAt !== null) this.#journal.batchLeased(lease);
    return { ...lease, step };
  }

  /** The batch that is served next if nothing else happens; undefined = none has been formed. */
  nextBatch(): Batch<Group> | undefined {
    return this.#shelf.next(this.#options.behaviour.batchOrder);
  }

  /** Forms every batch that the queue has in it now. */
  #formBatches(batchSize: number, now: number): void {
    const minimums = this.#envs.minimumsAt(now);
    const batches = this.#waiting
      .formAll({ batchSize, minimums })
      .map((groups) => ({ id: this.#nextBatchId++, groups, formedAt: now }));
    if (batches.length === 0) return;
    this.#currentStep += batches.length;
    this.#shelf.add(batches);
    for (const batch of batches) this.#journal.batchFormed(batch);
    this.#journal.runChanged();
  }

  /** See GroupStore. */
  settleBatch(leaseId: string, how: Settlement): boolean {
    this.#expireLeases(this.#now());
    const ended = this.#shelf.settle(leaseId, how);
    if (ended === null) return this.#shelf.settlementOf(leaseId) === how;
    const { batch, expiresAt } = ended.lease;
    this.#journal.leaseSettled(ended.settlement);
    if (how === "taken") {
      this.#ledger.batchLeft(batch.groups);
      this.#journal.batchTaken(batch);
      this.#journal.runChanged();
    } else if (expiresAt !== null) this.#journal.batchReturned(batch);
    return true;
  }

  #expireLeases(now: number): void {
    const expired = this.#shelf.expire(now);
    if (expired.length === 0) return;
    for (const { batch } of expired) this.#journal.batchReturned(batch);
    this.#ledger.leasesExpired(expired.length);
    this.#journal.runChanged();
  }

  info(): { batchSize: number; maxTokenLength: bigint } {
    return { batchSize: this.#registration?.batchSize ?? -1, maxTokenLength: this.#maxTokenLength };
  }

  status(): { currentStep: number; queuedGroups: number } {
    return { currentStep: this.#currentStep, queuedGroups: this.#waiting.queue.sizes.groups };
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
    if (this.#registration === null || env === undefined) return null;
    const { sizes, sizesByEnv } = this.#waiting.queue;
    return computeEnvStatus({
      env,
      envs,
      batchSize: this.#registration.batchSize,
      currentStep: this.#currentStep,
      sizes,
      sizesByEnv,
      hidesOthersAmongSingles: this.#options.behaviour.hidesOthersAmongSingles,
    });
  }

  overview(): RunOverview {
    const now = this.#now();
    this.#expireLeases(now);
    const { row } = this;
    return makeOverview({
      row,
      envs: this.#envs,
      waiting: this.#waiting,
      shelf: this.#shelf,
      held: this.#ledger.held,
      now,
    });
  }

  /** The values to write when the journal says that they changed. */
  get row(): RunRow {
    return {
      registration: this.#registration,
      wasOpened: this.#wasOpened,
      started: this.#started,
      currentStep: this.#currentStep,
      maxTokenLength: this.#maxTokenLength,
      nextBatchId: this.#nextBatchId,
      latestGroupId: this.#latestGroupId,
      passedOver: this.#waiting.passedOver,
      totals: this.#ledger.totals,
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
