/** Runs in this process's memory: gone when the process ends. */
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
import { RunState } from "./run-state.ts";
import { defaultStoreOptions, type StoreOptions } from "./store-options.ts";

type HeldGroup = GroupRecord & { body: Buffer };

export class MemoryStore implements GroupStore {
  readonly #state: RunState<HeldGroup>;
  #nextGroupId = 0;
  #latestExample: Buffer | null = null;

  constructor(options: Partial<StoreOptions> = {}) {
    this.#state = new RunState({
      ...defaultStoreOptions,
      ...options,
      nextGroupId: () => this.#nextGroupId++,
    });
  }

  async register(registration: Registration) {
    return this.#state.register(registration);
  }

  async reset() {
    this.#state.reset();
  }

  async registerEnv(request: EnvRequest) {
    return this.#state.registerEnv(request);
  }

  async disconnectEnv(envId: number) {
    return this.#state.disconnectEnv(envId);
  }

  async submit(groups: readonly EncodedGroup[]): Promise<SubmitAnswer> {
    const { answer, queued } = this.#state.submit(groups, ({ body }, record) => ({ ...record, body }));
    this.#latestExample = queued.at(-1)?.body ?? this.#latestExample;
    return answer;
  }

  async takeBatch({ leaseSeconds }: BatchRequest): Promise<BatchAnswer> {
    const lease = this.#state.takeBatch(leaseSeconds);
    if (lease === undefined) return { kind: "not-registered" };
    if (lease === null) return { kind: "none-ready" };
    const { leaseId, step, batch } = lease;
    const { groups, formedAt } = batch;
    return { kind: "batch", leaseId, bodies: groups.map(({ body }) => body), formedAt, step, groups };
  }

  async settleBatch(leaseId: string, how: "taken" | "returned") {
    return this.#state.settleBatch(leaseId, how);
  }

  async info() {
    return this.#state.info();
  }

  async status() {
    return this.#state.status();
  }

  async wandbInfo() {
    return this.#state.wandbInfo();
  }

  async envStatus(envId: number) {
    return this.#state.envStatus(envId);
  }

  async latestExample() {
    return this.#latestExample;
  }

  async overview() {
    return this.#state.overview();
  }

  async [Symbol.asyncDispose]() {
    this.#state.reset();
  }
}

export class MemoryStores implements GroupStores {
  readonly #options: Partial<StoreOptions>;
  readonly #stores = new Map<string, MemoryStore>();

  constructor(options: Partial<StoreOptions> = {}) {
    this.#options = options;
  }

  async run(name: string) {
    const store = this.#stores.get(name) ?? new MemoryStore(this.#options);
    this.#stores.set(name, store);
    return store;
  }

  names() {
    return [...this.#stores.keys()];
  }

  async checkWritable() {}

  async [Symbol.asyncDispose]() {
    await Promise.all([...this.#stores.values()].map((store) => store[Symbol.asyncDispose]()));
    this.#stores.clear();
  }
}
