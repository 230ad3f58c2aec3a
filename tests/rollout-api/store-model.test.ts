/**
 * Random lives of a run: whatever happens in whatever order, no group is lost or doubled, memory and file
 * answer alike, and a restart at any point changes nothing that can be seen.
 */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { GroupStore } from "../../src/rollout-api/group-store.ts";
import { MemoryStore } from "../../src/rollout-api/memory-store.ts";
import { SqliteStores } from "../../src/rollout-api/sqlite-store.ts";
import {
  atroposBehaviour,
  defaultBehaviour,
  type StoreOptions,
} from "../../src/rollout-api/store-options.ts";
import { encodedGroup, envRequest, labelOf, registration } from "../support/encoded-group.ts";
import { TemporaryDirectory } from "../support/temporary-directory.ts";

const BATCH_SIZE = 12;

type Step =
  | { kind: "submit"; sizes: number[]; envId: number | null; groupId: number | null }
  | { kind: "take"; leaseSeconds: number | null }
  | { kind: "settle"; which: number; how: "taken" | "returned" }
  | { kind: "join"; groupSize: number; minBatchAllocation: number | null }
  | { kind: "leave" | "poll"; envId: number }
  | { kind: "wait"; ms: number }
  | { kind: "reset" }
  | { kind: "restart"; crash: boolean };

const envId = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      sizes: fc.array(
        fc.oneof(fc.constant(4), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 13 })),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      envId: fc.constantFrom(0, 0, 0, 1, 2, null),
      groupId: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(null)),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("take" as const),
      leaseSeconds: fc.constantFrom(null, 1, 10),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      which: fc.nat({ max: 5 }),
      how: fc.constantFrom("taken" as const, "returned" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("join" as const),
      groupSize: fc.constantFrom(1, 4, 6),
      minBatchAllocation: fc.constantFrom(null, null, 0.3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("leave" as const, "poll" as const), envId }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(400, 3000, 20_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "reset" as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("restart" as const), crash: fc.boolean() }) },
);

const behaviour = fc.constantFrom(defaultBehaviour, atroposBehaviour);
const limits = fc.constantFrom(
  { maxQueueGroups: Number.POSITIVE_INFINITY, maxQueueBytes: Number.POSITIVE_INFINITY },
  { maxQueueGroups: 12, maxQueueBytes: 200 },
);

type Lease = { ids: string[]; labels: string[]; endsAtRestart: boolean };

/** One life played on several stores at once, beside a model of sets: what waits, what was taken. */
class Life {
  readonly stores: GroupStore[];
  readonly #options: StoreOptions;
  readonly #waiting = new Set<string>();
  readonly #taken = new Set<string>();
  readonly #names = new Set<string>();
  #leases: Lease[] = [];
  #count = 0;

  constructor(stores: GroupStore[], options: StoreOptions) {
    this.stores = stores;
    this.#options = options;
  }

  async begin(): Promise<void> {
    await this.#all((store) => store.register({ ...registration, batchSize: BATCH_SIZE, startingStep: 3 }));
    await this.#all((store) => store.takeBatch({ leaseSeconds: null }));
    await this.#all((store) => store.registerEnv(envRequest));
  }

  async play(step: Step): Promise<void> {
    if (step.kind === "submit") await this.#submit(step);
    else if (step.kind === "take") await this.#take(step.leaseSeconds);
    else if (step.kind === "settle") await this.#settle(step);
    else if (step.kind === "join") await this.#all((store) => store.registerEnv({ ...envRequest, ...step }));
    else if (step.kind === "leave") await this.#all((store) => store.disconnectEnv(step.envId));
    else if (step.kind === "poll") await this.#all((store) => store.envStatus(step.envId));
    else if (step.kind === "reset") {
      for (const known of [this.#waiting, this.#names]) known.clear();
      await this.#all((store) => store.reset());
      await this.begin();
    }
    const overview = await this.#all((store) => store.overview());
    expect(overview.heldGroups).toBe(this.#waiting.size);
    await this.#all((store) => store.status());
    await this.#all(async (store) => (await store.latestExample())?.toString());
  }

  /** What a restart does to the stores that live on: undelivered batches come back, silence starts anew. */
  async restart(): Promise<void> {
    const ended = this.#leases.filter(({ endsAtRestart }) => endsAtRestart);
    this.#leases = this.#leases.filter((lease) => !ended.includes(lease));
    for (const { ids } of ended) await this.stores[0]?.settleBatch(ids[0] ?? "", "returned");
    for (const { envId: id } of (await this.stores[0]?.overview())?.envs ?? [])
      await this.stores[0]?.envStatus(id);
  }

  /** Takes whatever can be taken. */
  async drain(): Promise<void> {
    while (await this.#take(null)) await this.#settle({ which: this.#leases.length - 1, how: "taken" });
  }

  async #submit({ sizes, envId, groupId }: Extract<Step, { kind: "submit" }>): Promise<void> {
    const groups = () =>
      sizes.map((size, index) => {
        const name = groupId === null ? null : `id ${groupId + index}`;
        return encodedGroup(size, envId, `group ${this.#count + index}`, name);
      });
    const names = new Set(this.#names);
    const fresh = groups().filter(({ groupId: name }) => {
      if (name === null) return true;
      const isNew = !names.has(name);
      names.add(name);
      return isNew;
    });
    const bytes = () => fresh.reduce((sum, { body }) => sum + body.length, 0);
    const held = await this.#all((store) => store.overview());
    const answer = await this.#all((store) => store.submit(groups()));
    this.#count += sizes.length;
    const { behaviour, limits } = this.#options;
    const isTooLarge = fresh.some(({ sequences }) => sequences > BATCH_SIZE) && behaviour.packing === "exact";
    const isFull =
      held.heldGroups + fresh.length > limits.maxQueueGroups ||
      held.heldBytes + bytes() > limits.maxQueueBytes;
    expect(answer.kind).toBe(isTooLarge ? "unpackable" : isFull && fresh.length > 0 ? "full" : "accepted");
    if (answer.kind !== "accepted") return;
    for (const { body, groupId: name } of fresh) {
      this.#waiting.add(labelOf(body));
      if (name !== null) this.#names.add(name);
    }
  }

  async #take(leaseSeconds: number | null): Promise<boolean> {
    const ids: string[] = [];
    const batch = await this.#all(async (store) => {
      const answer = await store.takeBatch({ leaseSeconds });
      if (answer.kind !== "batch") return null;
      ids.push(answer.leaseId);
      const groups = answer.groups.map(({ envId, sequences, arrivedAt, arrivedStep }) => ({
        envId,
        sequences,
        arrivedAt,
        arrivedStep,
      }));
      return { labels: answer.bodies.map(labelOf), formedAt: answer.formedAt, step: answer.step, groups };
    });
    if (batch === null) return false;
    expect(batch.groups.reduce((sum, { sequences }) => sum + sequences, 0)).toBe(BATCH_SIZE);
    expect([...this.#waiting]).toEqual(expect.arrayContaining(batch.labels));
    this.#leases.push({ ids, labels: batch.labels, endsAtRestart: leaseSeconds === null });
    return true;
  }

  async #settle({ which, how }: { which: number; how: "taken" | "returned" }): Promise<void> {
    const lease = this.#leases[which];
    if (lease === undefined) return;
    const before = await this.#all((store) => store.overview());
    await this.#all((store, index) => store.settleBatch(lease.ids[index] ?? "", how));
    const after = await this.#all((store) => store.overview());
    if (after.totals.batchesOut === before.totals.batchesOut) return;
    for (const label of lease.labels) {
      expect(this.#waiting.delete(label)).toBe(true);
      expect(this.#taken).not.toContain(label);
      this.#taken.add(label);
    }
  }

  /** Does the same to all stores, which must answer the same. */
  async #all<Answer>(act: (store: GroupStore, index: number) => Promise<Answer>): Promise<Answer> {
    const [first, ...others] = await Promise.all(this.stores.map(act));
    for (const other of others) expect(other).toEqual(first);
    return first as Answer;
  }
}

async function playAll(
  life: Life,
  steps: readonly Step[],
  onRestart: (crash: boolean) => Promise<void>,
  clock: { time: number },
) {
  await life.begin();
  for (const step of steps) {
    if (step.kind === "wait") clock.time += step.ms;
    else if (step.kind === "restart") await onRestart(step.crash);
    await life.play(step);
  }
  clock.time += 1e6;
  await life.drain();
}

function optionsOf(given: Pick<StoreOptions, "behaviour" | "limits">) {
  const clock = { time: 1_000_000, now: () => clock.time };
  return { clock, options: { ...given, envTimeoutMs: 5000, clock } };
}

test("in memory, no group is lost or doubled", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: "max" }),
      behaviour,
      limits,
      async (steps, behaves, limited) => {
        const { clock, options } = optionsOf({ behaviour: behaves, limits: limited });
        const life = new Life([new MemoryStore(options)], options);
        await playAll(life, steps, async () => undefined, clock);
      },
    ),
    { numRuns: 1000 },
  );
});

test("a file answers like memory, also after it was closed, and as a crash leaves it", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 60, size: "max" }),
      behaviour,
      limits,
      async (steps, behaves, limited) => {
        const { clock, options } = optionsOf({ behaviour: behaves, limits: limited });
        await using directory = await TemporaryDirectory.make();
        let path = join(directory.path, "store-0.sqlite");
        let stores = await SqliteStores.open({ path, ...options });
        await using last = { [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose]() };
        const life = new Life([new MemoryStore(options), await stores.run("default")], options);
        let restarts = 0;
        const restart = async (crash: boolean) => {
          const old = { stores, path };
          if (!crash) await old.stores[Symbol.asyncDispose]();
          if (crash) {
            // What the disk has at this moment, without any goodbye.
            path = join(directory.path, `store-${++restarts}.sqlite`);
            for (const suffix of ["", "-wal"]) await copyFile(old.path + suffix, path + suffix);
          }
          stores = await SqliteStores.open({ path, ...options });
          if (crash) await old.stores[Symbol.asyncDispose]();
          life.stores[1] = await stores.run("default");
          await life.restart();
        };
        await playAll(life, steps, restart, clock);
        void last;
      },
    ),
    { numRuns: 10 },
  );
});
