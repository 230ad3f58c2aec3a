/** What happened to a run since its changes were last collected, as plain data that may cross to a thread. */
import type { Batch, Lease, Settlement } from "../batch-shelf.ts";
import type { GroupRecord } from "../group-queue.ts";
import type { Placement } from "../group-store.ts";
import type { NumberedName } from "../recent-names.ts";
import type { EnvRecord } from "../run-envs.ts";
import type { RunJournal, RunRow } from "../run-journal.ts";

export type StoredEnv = Omit<EnvRecord, "lastSeenAt">;

/** To be written in the order of these fields. */
export type RunChanges = {
  /** The run's number in the file. */
  run: number;
  /** Everything of the run but its row is gone; what else stands here came after. */
  cleared: boolean;
  bodies: { id: number; body: Uint8Array<ArrayBuffer> }[];
  /** Bodies without a group. */
  garbage: number[];
  groups: GroupRecord[];
  /** Groups that left the buffer. */
  queued: { id: number; position: number | null }[];
  formed: { id: number; formedAt: number; groupIds: number[] }[];
  /** In this order: a batch may be returned and leased again. null = no lease with an expiry. */
  leases: { batchId: number; lease: { leaseId: string; expiresAt: number | null } | null }[];
  taken: { batchId: number; groupIds: number[] }[];
  settlements: NumberedName<Settlement>[];
  groupNames: NumberedName<Placement>[];
  envs: StoredEnv[];
  row: { name: string; state: RunRow } | null;
};

/** Gathers a run's changes until they are collected. */
export class ChangeLog implements RunJournal<GroupRecord> {
  readonly #run: number;
  readonly #name: string;
  readonly #row: () => RunRow;
  #changes: RunChanges;
  #envs = new Map<number, EnvRecord>();
  #hasRow = false;
  #isDirty = false;

  /** `row` gives the run's state at the time of collecting. */
  constructor({ run, name, row }: { run: number; name: string; row: () => RunRow }) {
    this.#run = run;
    this.#name = name;
    this.#row = row;
    this.#changes = noChanges(run);
  }

  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Everything since the last time; null = nothing. */
  collect(): RunChanges | null {
    if (!this.#isDirty) return null;
    const changes = this.#changes;
    changes.envs = [...this.#envs.values()].map(({ lastSeenAt: _, ...env }) => env);
    if (this.#hasRow) changes.row = { name: this.#name, state: this.#row() };
    this.#changes = noChanges(this.#run);
    this.#envs = new Map();
    this.#hasRow = false;
    this.#isDirty = false;
    return changes;
  }

  runChanged(): void {
    this.#hasRow = true;
    this.#isDirty = true;
  }

  envChanged(env: EnvRecord): void {
    this.#envs.set(env.envId, env);
    this.#isDirty = true;
  }

  groupAdded(group: GroupRecord, body: Buffer): void {
    this.#dirty().bodies.push({ id: group.id, body: ownMemory(body) });
    this.#changes.groups.push({ ...group });
  }

  groupQueued({ id, position }: GroupRecord): void {
    this.#dirty().queued.push({ id, position });
  }

  groupNamed(name: NumberedName<Placement>): void {
    this.#dirty().groupNames.push(name);
  }

  batchFormed({ id, formedAt, groups }: Batch<GroupRecord>): void {
    this.#dirty().formed.push({ id, formedAt, groupIds: groups.map((group) => group.id) });
  }

  batchLeased({ batch, leaseId, expiresAt }: Lease<GroupRecord>): void {
    this.#dirty().leases.push({ batchId: batch.id, lease: { leaseId, expiresAt } });
  }

  batchReturned({ id }: Batch<GroupRecord>): void {
    this.#dirty().leases.push({ batchId: id, lease: null });
  }

  batchTaken({ id, groups }: Batch<GroupRecord>): void {
    this.#dirty().taken.push({ batchId: id, groupIds: groups.map((group) => group.id) });
  }

  leaseSettled(settlement: NumberedName<Settlement>): void {
    this.#dirty().settlements.push(settlement);
  }

  cleared(latestGroupId: number | null): void {
    const latest = this.#changes.bodies.filter(({ id }) => id === latestGroupId);
    const garbage = latest.map(({ id }) => id);
    this.#envs = new Map();
    this.#changes = { ...noChanges(this.#run), cleared: true, bodies: latest, garbage };
    this.#isDirty = true;
  }

  #dirty(): RunChanges {
    this.#isDirty = true;
    return this.#changes;
  }
}

function noChanges(run: number): RunChanges {
  return {
    run,
    cleared: false,
    bodies: [],
    garbage: [],
    groups: [],
    queued: [],
    formed: [],
    leases: [],
    taken: [],
    settlements: [],
    groupNames: [],
    envs: [],
    row: null,
  };
}

/** The same bytes in an ArrayBuffer that holds nothing else, so that it can move to a thread uncopied. */
function ownMemory(body: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = body;
  const isAlone = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  return isAlone ? new Uint8Array(buffer) : new Uint8Array(body);
}
