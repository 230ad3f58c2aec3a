/** A run in this process's memory: gone when the process ends. */
import type { EncodedGroup } from "./group-fields.ts";
import type { GroupRecord } from "./group-queue.ts";
import type { BatchAnswer, EnvRequest, GroupStore, Placement, Registration } from "./group-store.ts";
import { atroposBehaviour, type RunBehaviour, RunState } from "./run-state.ts";

type HeldGroup = GroupRecord & { body: Buffer };

export class MemoryStore implements GroupStore {
  readonly #state: RunState<HeldGroup>;
  #nextGroupId = 0;
  #latestExample: Buffer | null = null;

  constructor({ behaviour = atroposBehaviour }: { behaviour?: RunBehaviour } = {}) {
    this.#state = new RunState(behaviour);
  }

  async register(registration: Registration) {
    this.#state.register(registration);
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

  async submit(groups: readonly EncodedGroup[]): Promise<Placement[]> {
    return groups.map((group) => {
      const { placement, queued } = this.#state.submit({ ...group, id: this.#nextGroupId++ });
      this.#latestExample = queued.at(-1)?.body ?? this.#latestExample;
      return placement;
    });
  }

  async takeBatch(): Promise<BatchAnswer> {
    const groups = this.#state.takeBatch();
    if (groups === undefined) return { kind: "not-registered" };
    if (groups === null) return { kind: "none-ready" };
    return { kind: "batch", bodies: groups.map(({ body }) => body) };
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

  async [Symbol.asyncDispose]() {
    this.#state.reset();
  }
}
