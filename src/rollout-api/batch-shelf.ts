/**
 * Formed batches on their way out: waiting to be served, or leased to a client until it settles or the lease
 * runs out. Expiry needs no timer: whoever looks passes the time, and what has run out by then is back.
 */
import type { GroupRecord } from "./group-queue.ts";
import { type NumberedName, REMEMBERED_SETTLEMENTS, RecentNames } from "./recent-names.ts";

export type Batch<Group> = {
  /** Unique in the run, growing in the order of forming. */
  id: number;
  groups: readonly Group[];
  /** Milliseconds since the epoch. */
  formedAt: number;
};

export type ServingOrder = "newest-first" | "oldest-first";

export type Lease<Group> = {
  leaseId: string;
  batch: Batch<Group>;
  /** Milliseconds since the epoch; null = lasts as long as the process. */
  expiresAt: number | null;
};

export type Settlement = "taken" | "returned";

export type EndedLease<Group> = { lease: Lease<Group>; settlement: NumberedName<Settlement> };

export type ShelfContent<Group> = {
  /** Waiting or leased, in the order of forming. */
  batches: readonly Batch<Group>[];
  leases: readonly Lease<Group>[];
  settlements: readonly NumberedName<Settlement>[];
};

export class BatchShelf<Group extends GroupRecord> {
  /** Oldest first. */
  #waiting: Batch<Group>[] = [];
  readonly #leases = new Map<string, Lease<Group>>();
  #settled = new RecentNames<Settlement>(REMEMBERED_SETTLEMENTS);

  get waiting(): number {
    return this.#waiting.length;
  }

  get openLeases(): number {
    return this.#leases.size;
  }

  add(batches: readonly Batch<Group>[]): void {
    for (const batch of batches) this.#waiting.push(batch);
  }

  /** The batch that `lease` would take now. */
  next(order: ServingOrder): Batch<Group> | undefined {
    return this.#waiting.at(order === "newest-first" ? -1 : 0);
  }

  /** Takes the next batch from the shelf; undefined = it is empty. */
  lease(order: ServingOrder, given: Omit<Lease<Group>, "batch">): Lease<Group> | undefined {
    const batch = this.next(order);
    if (batch === undefined) return undefined;
    if (order === "newest-first") this.#waiting.pop();
    else this.#waiting.shift();
    const lease = { ...given, batch };
    this.#leases.set(lease.leaseId, lease);
    return lease;
  }

  /** How this lease was settled; undefined = it was not, or long ago. */
  settlementOf(leaseId: string): Settlement | undefined {
    return this.#settled.get(leaseId);
  }

  /** Ends an open lease; null = there is none of this id. */
  settle(leaseId: string, how: Settlement): EndedLease<Group> | null {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return null;
    this.#leases.delete(leaseId);
    if (how === "returned") this.#putBack(lease.batch);
    return { lease, settlement: this.#settled.add(leaseId, how) };
  }

  /** Puts batches of leases that have run out back; returns these leases. */
  expire(now: number): Lease<Group>[] {
    const expired = [...this.#leases.values()].filter(
      ({ expiresAt }) => expiresAt !== null && expiresAt <= now,
    );
    for (const { leaseId, batch } of expired) {
      this.#leases.delete(leaseId);
      this.#putBack(batch);
    }
    return expired;
  }

  /** Puts what was stored earlier where it was; batches in the order of forming. */
  restore({ batches, leases, settlements }: ShelfContent<Group>): void {
    const leased = new Set(leases.map(({ batch }) => batch.id));
    this.add(batches.filter(({ id }) => !leased.has(id)));
    for (const lease of leases) this.#leases.set(lease.leaseId, lease);
    this.#settled.restore(settlements);
  }

  clear(): void {
    this.#waiting = [];
    this.#leases.clear();
    this.#settled = new RecentNames(REMEMBERED_SETTLEMENTS);
  }

  /** In the order of forming: a batch that was out is older than those that wait. */
  #putBack(batch: Batch<Group>): void {
    const at = this.#waiting.findIndex(({ id }) => id > batch.id);
    this.#waiting.splice(at === -1 ? this.#waiting.length : at, 0, batch);
  }
}
