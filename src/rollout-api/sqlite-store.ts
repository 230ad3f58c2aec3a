/**
 * Runs in a file (see sqlite/store-file.ts): what was answered survives the end of the process.
 *
 * The runs' states are in memory, where they decide at once; what changes goes to the file in a thread of its
 * own, and a call resolves when it is there. Bodies are in the file only. When a write fails, every call that
 * waited for it is told so, and the states are read anew from the file: nothing that was refused remains.
 */
import { LachesisError } from "../contracts/errors.ts";
import type { Batch } from "./batch-shelf.ts";
import type { EncodedGroup } from "./group-fields.ts";
import type { GroupRecord } from "./group-queue.ts";
import type {
  BatchAnswer,
  BatchRequest,
  EnvRequest,
  GroupStore,
  GroupStores,
  Registration,
  SubmitAnswer,
} from "./group-store.ts";
import type { RunSnapshot } from "./run-journal.ts";
import { RunState } from "./run-state.ts";
import type { SyncMode } from "./sqlite/commit-messages.ts";
import { CommitThread, type ReadBodies } from "./sqlite/commit-thread.ts";
import { ChangeLog, type RunChanges } from "./sqlite/run-changes.ts";
import { defaultStoreOptions, type StoreOptions } from "./store-options.ts";

export type SqliteStoreOptions = Partial<StoreOptions> & {
  /** Made when there is none; its directory must exist. */
  path: string;
  /**
   * What an answer outlives: "normal" (the default) the end of the process at any moment, "full" a power cut
   * too, at the price of waiting for the disk.
   */
  sync?: SyncMode;
};

/** Most groups are smaller; a larger one is read at the second try. */
const LIKELY_BODY_BYTES = 1024 * 1024;
/** Larger batches are not read before somebody asks for them. */
const MOST_BYTES_AHEAD = 32 * 1024 * 1024;

export class SqliteStores implements GroupStores {
  readonly #options: StoreOptions;
  readonly #thread: CommitThread;
  readonly #runs = new Map<string, SqliteStore>();
  #nextGroupId = 0;
  #lostGroups = 0;
  #loading: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor({ path, sync = "normal", ...options }: SqliteStoreOptions) {
    this.#options = { ...defaultStoreOptions, ...options };
    const collect = () => [...this.#runs.values()].flatMap((run) => run.collect() ?? []);
    this.#thread = new CommitThread({ path, sync, collect });
  }

  /** Throws STORE_LOCKED, STORE_CORRUPT, STORE_VERSION_UNSUPPORTED or STORE_OPEN_FAILED. */
  static async open(options: SqliteStoreOptions): Promise<SqliteStores> {
    const stores = new SqliteStores(options);
    try {
      await stores.#load();
      return stores;
    } catch (error) {
      await stores[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Groups that were not on the disk yet when the machine stopped (sync "normal"); they were let go. */
  get lostGroups(): number {
    return this.#lostGroups;
  }

  async run(name: string): Promise<SqliteStore> {
    await this.#ready();
    const known = this.#runs.get(name);
    if (known !== undefined) return known;
    const number = Math.max(0, ...[...this.#runs.values()].map((store) => store.number)) + 1;
    const store = this.#add(name, number);
    await this.#commit();
    return store;
  }

  names(): readonly string[] {
    return [...this.#runs.keys()];
  }

  async checkWritable(): Promise<void> {
    await this.#ready();
    for (const run of this.#runs.values()) run.touch();
    await this.#thread.commit();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commit().catch(() => undefined);
    await this.#thread[Symbol.asyncDispose]();
  }

  /** Resolves at once, unless a write failed: then once the states are what the file has. */
  async #ready(): Promise<void> {
    if (!this.#thread.isBroken) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    const { runs, nextGroupId, lostGroups } = await this.#thread.load();
    this.#nextGroupId = nextGroupId;
    this.#lostGroups += lostGroups;
    const missing = new Set(this.#runs.keys());
    for (const { run, name, snapshot } of runs) {
      missing.delete(name);
      const store = this.#runs.get(name);
      if (store === undefined) this.#add(name, run, snapshot);
      else store.restore(snapshot);
    }
    for (const name of missing) this.#runs.delete(name);
  }

  /** Resolves once everything that happened so far is stored. */
  async #commit(): Promise<void> {
    const isDirty = [...this.#runs.values()].some((run) => run.isDirty);
    await (isDirty ? this.#thread.commit() : this.#thread.sent());
  }

  #add(name: string, number: number, snapshot?: RunSnapshot<GroupRecord>): SqliteStore {
    const store = new SqliteStore({
      name,
      number,
      ...(snapshot === undefined ? {} : { snapshot }),
      options: { ...this.#options, nextGroupId: () => this.#nextGroupId++ },
      file: {
        ready: () => this.#ready(),
        commit: () => this.#commit(),
        read: (ids, bytes) => this.#thread.read(ids, bytes),
      },
    });
    this.#runs.set(name, store);
    return store;
  }
}

/** What a run asks of its file. */
type RunFile = {
  ready(): Promise<void>;
  commit(): Promise<void>;
  /** See CommitThread. */
  read(ids: readonly number[], bytes: number): Promise<ReadBodies | null>;
};

type SqliteRunOptions = {
  name: string;
  /** Its number in the file. */
  number: number;
  snapshot?: RunSnapshot<GroupRecord>;
  options: StoreOptions & { nextGroupId: () => number };
  file: RunFile;
};

/** One run; made by SqliteStores, which closes it. */
export class SqliteStore implements GroupStore {
  readonly #settings: SqliteRunOptions;
  readonly #file: RunFile;
  #log: ChangeLog;
  #state: RunState<GroupRecord>;
  #ahead: { batch: Batch<GroupRecord>; read: Promise<ReadBodies | null> } | undefined;

  constructor(settings: SqliteRunOptions) {
    this.#settings = settings;
    this.#file = settings.file;
    this.#log = this.#newLog();
    this.#state = this.#newState(settings.snapshot);
    if (settings.snapshot === undefined) this.#log.runChanged();
  }

  get number(): number {
    return this.#settings.number;
  }

  get isDirty(): boolean {
    return this.#log.isDirty;
  }

  /** Has the run's own record written again as it is. */
  touch(): void {
    this.#log.runChanged();
  }

  /** What changed since this was last asked; null = nothing. */
  collect(): RunChanges | null {
    return this.#log.collect();
  }

  /** Takes up what the file has; what was not stored is forgotten. */
  restore(snapshot: RunSnapshot<GroupRecord>): void {
    this.#log = this.#newLog();
    this.#state = this.#newState(snapshot);
  }

  #newLog(): ChangeLog {
    return new ChangeLog({ run: this.number, name: this.#settings.name, row: () => this.#state.row });
  }

  #newState(snapshot: RunSnapshot<GroupRecord> | undefined): RunState<GroupRecord> {
    const base = { ...this.#settings.options, journal: this.#log };
    return new RunState(snapshot === undefined ? base : { ...base, snapshot });
  }

  async register(registration: Registration) {
    return this.#change((state) => state.register(registration));
  }

  async reset() {
    return this.#change((state) => state.reset());
  }

  async registerEnv(request: EnvRequest) {
    return this.#change((state) => state.registerEnv(request));
  }

  async disconnectEnv(envId: number) {
    return this.#change((state) => state.disconnectEnv(envId));
  }

  async submit(groups: readonly EncodedGroup[]): Promise<SubmitAnswer> {
    return this.#change((state) => state.submit(groups, (_group, record) => record).answer);
  }

  async takeBatch({ leaseSeconds }: BatchRequest): Promise<BatchAnswer> {
    await this.#file.ready();
    const lease = this.#state.takeBatch(leaseSeconds);
    if (lease === undefined) return { kind: "not-registered" };
    if (lease === null) {
      // Polling trainers need not wait for the disk; the first call starts the run.
      if (this.#log.isDirty) await this.#file.commit();
      return { kind: "none-ready" };
    }
    const { leaseId, step, batch } = lease;
    const { groups, formedAt } = batch;
    const readAhead = await this.#takeReadAhead(batch);
    // What was read ahead has been stored; only a lease that outlives this process has not.
    if (readAhead !== null && leaseSeconds !== null) await this.#file.commit();
    const read = readAhead ?? (await this.#readBatch(leaseId, groups));
    this.#readNextAhead();
    // Only a reset takes the groups of a leased batch away.
    if (read === null) return { kind: "none-ready" };
    return { kind: "batch", leaseId, ...read, formedAt, step, groups };
  }

  /** The bodies of a batch if they have been read already. */
  async #takeReadAhead(batch: Batch<GroupRecord>): Promise<ReadBodies | null> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead?.batch === batch) return ahead.read;
    void ahead?.read.then((unused) => unused?.release());
    return null;
  }

  /** Reads the batch after this one while this one is on its way. */
  #readNextAhead(): void {
    const batch = this.#state.nextBatch();
    if (batch === undefined || this.#ahead !== undefined || bytesOf(batch.groups) > MOST_BYTES_AHEAD) return;
    // Whoever takes the batch reads again what could not be read, and hears why.
    this.#ahead = { batch, read: this.#read(batch.groups).catch(() => null) };
  }

  #read(groups: readonly GroupRecord[]): Promise<ReadBodies | null> {
    return this.#file.read(
      groups.map(({ id }) => id),
      bytesOf(groups),
    );
  }

  /** A batch that can't be read goes back, for others to hear of it too. */
  async #readBatch(leaseId: string, groups: readonly GroupRecord[]): Promise<ReadBodies | null> {
    try {
      return await this.#read(groups);
    } catch (error) {
      if (error instanceof LachesisError && error.code === "STORE_CORRUPT") {
        await this.settleBatch(leaseId, "returned");
      }
      throw error;
    }
  }

  async settleBatch(leaseId: string, how: "taken" | "returned") {
    return this.#change((state) => state.settleBatch(leaseId, how));
  }

  async info() {
    return this.#look((state) => state.info());
  }

  async status() {
    return this.#look((state) => state.status());
  }

  async wandbInfo() {
    return this.#look((state) => state.wandbInfo());
  }

  async envStatus(envId: number) {
    return this.#look((state) => state.envStatus(envId));
  }

  async latestExample(): Promise<Buffer | null> {
    const id = await this.#look((state) => state.row.latestGroupId);
    const read = id === null ? null : await this.#file.read([id], LIKELY_BODY_BYTES);
    const [body] = read?.bodies ?? [];
    const copy = body === undefined ? null : Buffer.from(body);
    read?.release();
    return copy;
  }

  async overview() {
    return this.#look((state) => state.overview());
  }

  /** The file stays open: it is closed with all its runs. */
  async [Symbol.asyncDispose]() {
    await this.#file.commit();
  }

  async #look<Answer>(look: (state: RunState<GroupRecord>) => Answer): Promise<Answer> {
    await this.#file.ready();
    return look(this.#state);
  }

  async #change<Answer>(change: (state: RunState<GroupRecord>) => Answer): Promise<Answer> {
    await this.#file.ready();
    const answer = change(this.#state);
    await this.#file.commit();
    return answer;
  }
}

function bytesOf(groups: readonly GroupRecord[]): number {
  return groups.reduce((sum, group) => sum + group.bytes, 0);
}
