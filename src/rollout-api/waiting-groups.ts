/**
 * The groups of a run that are in no batch yet: the queue, and per environment the buffer of odd sizes that
 * wait for others to make up the environment's group size. Batches are formed from here.
 */
import { formBatch, formBatchWithMinimums, type Minimum, sharesInSequences } from "./batcher.ts";
import { formExactBatch } from "./exact-batch.ts";
import { GroupQueue, type GroupRecord } from "./group-queue.ts";
import type { Placement } from "./group-store.ts";
import { findOddGroups } from "./odd-groups.ts";

/** The group that came first of those that a batch can hold, and how many batches have been formed past it. */
export type PassedOver = { groupId: number | null; batches: number };

/** So many batches may leave without the group that came first; then combinations that take it along come first. */
const PATIENCE_BATCHES = 8;

type Forming = { batchSize: number; minimums: readonly Minimum[] };

export class WaitingGroups<Group extends GroupRecord> {
  readonly #packing: "packs" | "exact";
  readonly #queue = new GroupQueue<Group>();
  readonly #buffer = new GroupQueue<Group>();
  #nextPosition = 0;
  #passedOver: PassedOver = { groupId: null, batches: 0 };
  /** The minimums with which forming failed; null = something has come since. */
  #failedWith: string | null = null;

  constructor(packing: "packs" | "exact") {
    this.#packing = packing;
  }

  get queue(): GroupQueue<Group> {
    return this.#queue;
  }

  get buffer(): GroupQueue<Group> {
    return this.#buffer;
  }

  get passedOver(): PassedOver {
    return this.#passedOver;
  }

  /** Puts a group that was stored earlier where it was; groups come in the order of arrival, then position. */
  restore(groups: readonly Group[], passedOver: PassedOver): void {
    const queued = groups.filter(({ position }) => position !== null);
    queued.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
    for (const group of queued) this.#queue.push(group);
    this.#nextPosition = (queued.at(-1)?.position ?? -1) + 1;
    for (const group of groups) if (group.position === null) this.#buffer.push(group);
    this.#passedOver = passedOver;
  }

  /** Takes a group in; `queued` are the groups that entered the queue by it, in order. */
  place(
    group: Group,
    env: { envId: number; groupSize: number } | undefined,
  ): { placement: Placement; queued: Group[] } {
    const isOdd = env !== undefined && group.sequences !== env.groupSize;
    // A group that is larger than what it should help to make would wait in vain.
    if (!isOdd || (this.#packing === "exact" && group.sequences > env.groupSize)) {
      this.#enqueue(group);
      return { placement: { kind: "queued" }, queued: [group] };
    }
    this.#buffer.push(group);
    const queued = findOddGroups(env.groupSize, this.#buffer.lanesOf(env.envId));
    this.#buffer.removeAll(queued);
    for (const member of queued) this.#enqueue(member);
    const sequencesLeft = this.#buffer.sizesByEnv.get(env.envId)?.sequences ?? 0;
    this.#failedWith = null;
    return { placement: { kind: "buffered", sequencesLeft }, queued };
  }

  #enqueue(group: Group): void {
    group.position = this.#nextPosition++;
    this.#queue.push(group);
    this.#failedWith = null;
  }

  /** Every batch that can be formed now, in the order in which they were formed. */
  formAll(forming: Forming): Group[][] {
    const key = JSON.stringify(forming);
    const batches: Group[][] = [];
    while (this.#failedWith !== key) {
      const batch = this.#form(forming);
      if (batch === null) this.#failedWith = key;
      else {
        batches.push(batch);
        this.#countPassedOver(forming.batchSize);
      }
    }
    return batches;
  }

  #form(forming: Forming): Group[] | null {
    if (forming.batchSize < 1) return null;
    if (this.#packing === "packs") return this.#formFromPacks(forming);
    const isOverdue = this.#passedOver.batches >= PATIENCE_BATCHES;
    if (isOverdue) return this.#formExactly(forming) ?? this.#formFromPacks(forming);
    return this.#formFromPacks(forming) ?? this.#formExactly(forming);
  }

  #formFromPacks({ batchSize, minimums }: Forming): Group[] | null {
    const { sizes } = this.#queue;
    if (sizes.sequences < batchSize) return null;
    const isExact = this.#packing === "exact";
    const largestGroup = isExact ? sizes.largestUpTo(batchSize) : sizes.largest;
    const options = { queue: this.#queue, largestGroup, batchSize };
    const batch =
      minimums.length > 0
        ? formBatchWithMinimums({ ...options, minimums, withUnowned: isExact })
        : formBatch(options);
    if (batch !== null) this.#queue.removeAll(batch);
    return batch;
  }

  #formExactly({ batchSize, minimums }: Forming): Group[] | null {
    const shares = sharesInSequences(minimums, batchSize);
    const total = shares.reduce((sum, { needed }) => sum + needed, 0);
    const needs = shares.map(({ envId, needed }) => ({
      envId,
      needed: total <= batchSize ? needed : Math.floor((needed * batchSize) / total),
    }));
    const lanes = [...this.#queue.lanes(), ...this.#buffer.lanes()];
    const batch = formExactBatch({ lanes, batchSize, needs });
    if (batch !== null) {
      this.#queue.removeAll(batch.filter(({ position }) => position !== null));
      this.#buffer.removeAll(batch.filter(({ position }) => position === null));
    }
    return batch;
  }

  #countPassedOver(batchSize: number): void {
    const heads = [...this.#queue.lanes(), ...this.#buffer.lanes()]
      .filter(({ sequences }) => sequences > 0 && sequences <= batchSize)
      .map(({ groups }) => groups.at(0)?.id ?? Number.POSITIVE_INFINITY);
    const groupId = heads.length === 0 ? null : Math.min(...heads);
    const isSame = groupId !== null && groupId === this.#passedOver.groupId;
    this.#passedOver = { groupId, batches: isSame ? this.#passedOver.batches + 1 : 0 };
  }

  /** The group that has been in the queue longest. */
  oldestQueued(): Group | undefined {
    let oldest: Group | undefined;
    for (const { groups } of this.#queue.lanes()) {
      const group = groups.at(0);
      if (group === undefined || (oldest?.position ?? Number.POSITIVE_INFINITY) < (group.position ?? 0))
        continue;
      oldest = group;
    }
    return oldest;
  }
}
