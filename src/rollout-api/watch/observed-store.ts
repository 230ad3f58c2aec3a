/**
 * A store that tells what happened in it, and otherwise is the store inside. Nothing is told of what failed
 * to be stored.
 *
 * Groups are looked into before they are stored, as their bodies belong to the store afterwards.
 */
import type { EncodedGroup } from "../group-fields.ts";
import type {
  BatchAnswer,
  BatchRequest,
  DisconnectAnswer,
  EnvRequest,
  GroupStore,
  GroupStores,
  Registration,
  SubmitAnswer,
} from "../group-store.ts";
import { scoresOf, weightVersionOf } from "../stored-group.ts";
import { type DecodeTokens, exampleOf } from "./example-text.ts";
import type { GroupReceived, GroupServed, RunEvent, RunObserver } from "./run-events.ts";

/** Reading a group's text takes a parse: people can't read faster than this anyway. */
const EXAMPLE_EVERY_MS = 1000;

export type ObserverOptions = {
  observers: readonly RunObserver[];
  clock: { now(): number };
  /** Makes examples of groups that carry no messages. */
  decode?: DecodeTokens | undefined;
};

export class ObservedStore implements GroupStore {
  readonly #store: GroupStore;
  readonly #run: string;
  readonly #options: ObserverOptions;
  /** Names of the run's environments by their ids. */
  readonly #envs = new Map<number, string>();
  #lastExampleAt = Number.NEGATIVE_INFINITY;

  private constructor(store: GroupStore, run: string, options: ObserverOptions) {
    this.#store = store;
    this.#run = run;
    this.#options = options;
  }

  /** Environments of an earlier process are known by their names too. */
  static async open(store: GroupStore, run: string, options: ObserverOptions): Promise<ObservedStore> {
    const observed = new ObservedStore(store, run, options);
    for (const { envId, wandbName } of (await store.overview()).envs) observed.#envs.set(envId, wandbName);
    return observed;
  }

  async register(asked: Registration): Promise<Registration> {
    const registration = await this.#store.register(asked);
    this.#tell({ kind: "registered", registration });
    return registration;
  }

  async reset(): Promise<void> {
    await this.#store.reset();
    this.#envs.clear();
    this.#tell({ kind: "reset" });
  }

  async registerEnv(request: EnvRequest) {
    const joined = await this.#store.registerEnv(request);
    if (joined !== null) {
      const { envId, wandbName } = joined;
      this.#envs.set(envId, wandbName);
      this.#tell({ kind: "env-joined", envId, env: wandbName, request });
    }
    return joined;
  }

  async disconnectEnv(envId: number): Promise<DisconnectAnswer> {
    const answer = await this.#store.disconnectEnv(envId);
    if (answer === "disconnected") this.#tell({ kind: "env-left", envId, env: this.#nameOf(envId) ?? "" });
    return answer;
  }

  async submit(groups: readonly EncodedGroup[]): Promise<SubmitAnswer> {
    const received = groups.map((group) => this.#lookInto(group));
    const answer = await this.#store.submit(groups);
    switch (answer.kind) {
      case "accepted": {
        this.#tell({ kind: "groups-received", groups: received });
        break;
      }
      case "full": {
        const detail = "the queue is full";
        this.#tell({ kind: "groups-refused", reason: "queue_full", groups: groups.length, detail });
        break;
      }
      case "unpackable": {
        const { reason: detail } = answer;
        this.#tell({ kind: "groups-refused", reason: "unpackable", groups: groups.length, detail });
        break;
      }
      default:
        answer satisfies never;
    }
    return answer;
  }

  async takeBatch(request: BatchRequest): Promise<BatchAnswer> {
    const answer = await this.#store.takeBatch(request);
    if (answer.kind === "batch") this.#tellServed(answer);
    return answer;
  }

  async settleBatch(leaseId: string, how: "taken" | "returned"): Promise<boolean> {
    const known = await this.#store.settleBatch(leaseId, how);
    this.#tell({ kind: "lease-settled", leaseId, how, known });
    return known;
  }

  info() {
    return this.#store.info();
  }

  status() {
    return this.#store.status();
  }

  wandbInfo() {
    return this.#store.wandbInfo();
  }

  envStatus(envId: number) {
    return this.#store.envStatus(envId);
  }

  latestExample() {
    return this.#store.latestExample();
  }

  overview() {
    return this.#store.overview();
  }

  [Symbol.asyncDispose]() {
    return this.#store[Symbol.asyncDispose]();
  }

  #lookInto({ body, envId, sequences }: EncodedGroup): GroupReceived {
    const now = this.#options.clock.now();
    const isDue = now - this.#lastExampleAt >= EXAMPLE_EVERY_MS;
    const text = isDue ? exampleOf(body, this.#options.decode) : null;
    if (text !== null) this.#lastExampleAt = now;
    return { env: this.#nameOf(envId), sequences, bytes: body.length, scores: scoresOf(body), text };
  }

  #tellServed({ leaseId, step, bodies, groups }: Extract<BatchAnswer, { kind: "batch" }>): void {
    const now = this.#options.clock.now();
    const served = groups.map(({ envId, sequences, arrivedAt, arrivedStep }, index): GroupServed => {
      const body = bodies[index];
      const version = body === undefined ? null : weightVersionOf(body);
      return {
        env: this.#nameOf(envId),
        sequences,
        ageMs: Math.max(0, now - arrivedAt),
        staleness: {
          steps: Math.max(0, step - (version ?? arrivedStep)),
          since: version === null ? "arrival" : "sampling",
        },
      };
    });
    const bytes = bodies.reduce((sum, { length }) => sum + length, 0);
    const batch = { leaseId, step, groups: served, bytes, scores: bodies.flatMap(scoresOf) };
    this.#tell({ kind: "batch-served", batch });
  }

  #nameOf(envId: number | null): string | null {
    return envId === null ? null : (this.#envs.get(envId) ?? null);
  }

  #tell(event: RunEvent): void {
    for (const observer of this.#options.observers) observer.observe(this.#run, event);
  }
}

/** Observed runs over another's stores. Disposing of it disposes of them. */
export class ObservedStores implements GroupStores {
  readonly #stores: GroupStores;
  readonly #options: ObserverOptions;
  readonly #observed = new Map<string, Promise<ObservedStore>>();

  constructor(stores: GroupStores, options: ObserverOptions) {
    this.#stores = stores;
    this.#options = options;
  }

  run(name: string): Promise<ObservedStore> {
    const known = this.#observed.get(name);
    if (known !== undefined) return known;
    const opening = this.#open(name);
    this.#observed.set(name, opening);
    // A store that can't be opened now may be later.
    opening.catch(() => this.#observed.delete(name));
    return opening;
  }

  names() {
    return this.#stores.names();
  }

  checkWritable() {
    return this.#stores.checkWritable();
  }

  [Symbol.asyncDispose]() {
    return this.#stores[Symbol.asyncDispose]();
  }

  async #open(name: string): Promise<ObservedStore> {
    return ObservedStore.open(await this.#stores.run(name), name, this.#options);
  }
}
