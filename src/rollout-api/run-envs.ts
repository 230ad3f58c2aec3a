/** The environments of a run: who joined, who left, and who has not been heard of for too long. */
import type { Minimum } from "./batcher.ts";
import type { RunEnv } from "./env-status.ts";
import type { EnvRequest } from "./group-store.ts";

export type EnvRecord = EnvRequest & {
  envId: number;
  /** The desired name with the number of earlier namesakes. */
  wandbName: string;
  /** Has not said goodbye. */
  connected: boolean;
  /** Milliseconds since the epoch. */
  lastSeenAt: number;
  groupsIn: number;
  sequencesIn: number;
};

export class RunEnvs {
  readonly #timeoutMs: number | null;
  #records: EnvRecord[] = [];

  constructor(timeoutMs: number | null) {
    this.#timeoutMs = timeoutMs;
  }

  get records(): readonly Readonly<EnvRecord>[] {
    return this.#records;
  }

  get(envId: number | null): EnvRecord | undefined {
    return envId === null ? undefined : this.#records[envId];
  }

  join(request: EnvRequest, now: number): EnvRecord {
    const namesakes = this.#records.filter(({ desiredName }) => desiredName === request.desiredName).length;
    const record = {
      ...request,
      envId: this.#records.length,
      wandbName: `${request.desiredName}_${namesakes}`,
      connected: true,
      lastSeenAt: now,
      groupsIn: 0,
      sequencesIn: 0,
    };
    this.#records.push(record);
    return record;
  }

  isStale({ lastSeenAt }: EnvRecord, now: number): boolean {
    return this.#timeoutMs !== null && now - lastSeenAt > this.#timeoutMs;
  }

  /** All that ever joined, `connected` only where they count at this time. */
  at(now: number): RunEnv[] {
    return this.#records.map((record) => ({
      ...record,
      connected: record.connected && !this.isStale(record, now),
    }));
  }

  /** The shares of every batch that are promised to those that count at this time. */
  minimumsAt(now: number): Minimum[] {
    return this.at(now).flatMap(({ envId, connected, minBatchAllocation }) =>
      connected && minBatchAllocation !== null ? [{ envId, share: minBatchAllocation }] : [],
    );
  }

  /** Those that joined earlier, in order of their ids; they count as seen now. */
  restore(records: readonly Omit<EnvRecord, "lastSeenAt">[], now: number): void {
    this.#records = records.map((record) => ({ ...record, lastSeenAt: now }));
  }

  clear(): void {
    this.#records = [];
  }
}
