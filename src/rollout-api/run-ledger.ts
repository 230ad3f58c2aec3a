/** Counts of what came into a run, what left it, and what it holds. */
import type { GroupRecord } from "./group-queue.ts";
import type { RunTotals } from "./group-store.ts";

const NOTHING: RunTotals = {
  groupsIn: 0,
  sequencesIn: 0,
  groupsOut: 0,
  sequencesOut: 0,
  batchesOut: 0,
  duplicates: 0,
  leasesExpired: 0,
};

export class RunLedger {
  #totals = { ...NOTHING };
  #held = { groups: 0, bytes: 0 };

  get totals(): Readonly<RunTotals> {
    return this.#totals;
  }

  /** Queued, buffered, in formed batches, leased. */
  get held(): Readonly<{ groups: number; bytes: number }> {
    return this.#held;
  }

  groupCame({ sequences, bytes }: GroupRecord): void {
    this.#totals.groupsIn++;
    this.#totals.sequencesIn += sequences;
    this.#hold(bytes);
  }

  duplicateCame(): void {
    this.#totals.duplicates++;
  }

  leasesExpired(count: number): void {
    this.#totals.leasesExpired += count;
  }

  batchLeft(groups: readonly GroupRecord[]): void {
    this.#totals.batchesOut++;
    for (const { sequences, bytes } of groups) {
      this.#totals.groupsOut++;
      this.#totals.sequencesOut += sequences;
      this.#held.groups--;
      this.#held.bytes -= bytes;
    }
  }

  restore(totals: RunTotals, held: readonly GroupRecord[]): void {
    this.clear();
    this.#totals = { ...totals };
    for (const { bytes } of held) this.#hold(bytes);
  }

  clear(): void {
    this.#totals = { ...NOTHING };
    this.#held = { groups: 0, bytes: 0 };
  }

  #hold(bytes: number): void {
    this.#held.groups++;
    this.#held.bytes += bytes;
  }
}
