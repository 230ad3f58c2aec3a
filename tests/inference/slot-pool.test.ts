import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Slot, SlotPool } from "../../src/inference/slot-pool.ts";

type Member = { name: string; limits: { train: number; eval: number }; available: boolean; rank: number };

const member = (name: string, train: number): Member => ({
  name,
  limits: { train, eval: 1 },
  available: true,
  rank: 0,
});

const openPool = (members: Member[], unavailableLimitMs = 60_000) =>
  new SlotPool({ members, unavailableLimitMs, unavailableError: () => new Error("nobody there") });

const never = new AbortController().signal;
const train = { split: "train" as const, signal: never };

describe("the choice", () => {
  test.each<[string, Partial<Member>[], string[], string]>([
    ["most free slots", [{}, { limits: { train: 9, eval: 1 } }], [], "b"],
    ["the first at a tie", [{}, {}], [], "a"],
    ["none that is set aside", [{ available: false }, {}], [], "b"],
    ["a lower rank before free slots", [{ rank: 1, limits: { train: 9, eval: 1 } }, {}], [], "b"],
    ["not the one to avoid", [{ limits: { train: 9, eval: 1 } }, {}], ["a"], "b"],
    ["the one to avoid, when it is the only one free", [{}, { available: false }], ["a"], "a"],
  ])("is %s", async (_name, changes, avoided, expected) => {
    const members = changes.map((change, index) => ({ ...member("ab"[index] ?? "", 2), ...change }));
    const avoid = new Set(members.filter(({ name }) => avoided.includes(name)));
    const slot = await openPool(members).acquire({ ...train, avoid });
    expect(slot.member.name).toBe(expected);
  });
});

test.each([
  [512, 0.01, 6],
  [4, 0.3, 2],
  [4, 0.01, 1],
  [100, 0.07, 7],
  [4, 0, 1],
  [4, 1, 4],
])("%i slots at weight %f are %i", async (slots, weight, expected) => {
  const pool = openPool([member("a", slots)]);
  pool.setWeight(weight);
  const abort = new AbortController();
  const acquired = Array.from({ length: slots + 1 }, () => pool.acquire({ ...train, signal: abort.signal }));
  const settled = Promise.allSettled(acquired);
  expect(pool.waiting("train")).toBe(slots + 1 - expected);
  abort.abort(new Error("enough"));
  await settled;
});

test("a weight leaves the eval slots as they are", async () => {
  const [only] = [{ ...member("a", 4), limits: { train: 4, eval: 3 } }];
  const pool = openPool([only]);
  pool.setWeight(0.25);
  for (let slot = 0; slot < 3; slot += 1) await pool.acquire({ ...train, split: "eval" });
  expect(pool.inFlight(only, "eval")).toBe(3);
});

test("releasing twice frees one slot", async () => {
  const [only] = [member("a", 1)];
  const pool = openPool([only]);
  const slot = await pool.acquire(train);
  slot.release();
  slot.release();
  expect(pool.inFlight(only, "train")).toBe(0);
});

test("who waits while nobody is available gives up after the limit, unless somebody comes back", async () => {
  const only = { ...member("a", 1), available: false };
  const pool = openPool([only], 50);
  await expect(pool.acquire(train)).rejects.toThrow("nobody there");
  const waiting = pool.acquire(train);
  only.available = true;
  pool.membersChanged();
  await expect(waiting).resolves.toMatchObject({ member: only });
});

test("waiting for a busy server has no limit", async () => {
  const pool = openPool([member("a", 1)], 20);
  const slot = await pool.acquire(train);
  const waiting = pool.acquire(train);
  await new Promise((resolve) => setTimeout(resolve, 60));
  slot.release();
  await expect(waiting).resolves.toBeDefined();
});

test("whatever comes, limits hold, the queue is first come first served, and no slot is lost", async () => {
  const step = fc.oneof(
    // Often enough that there is a queue.
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("acquire" as const) }) },
    fc.record({ kind: fc.constant("release" as const), which: fc.nat() }),
    fc.record({ kind: fc.constant("abort" as const), which: fc.nat() }),
    fc.record({ kind: fc.constant("weight" as const), weight: fc.constantFrom(0.25, 0.5, 1) }),
    fc.record({ kind: fc.constant("toggle" as const), which: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const members = [member("a", 3), member("b", 2)];
      const pool = openPool(members);
      const granted: number[] = [];
      const held: Slot<Member>[] = [];
      const waiting = new Map<number, AbortController>();
      let next = 0;
      for (const action of steps) {
        if (action.kind === "acquire") {
          const number = next++;
          const abort = new AbortController();
          waiting.set(number, abort);
          pool
            .acquire({ split: "train", signal: abort.signal })
            .then((slot) => {
              granted.push(number);
              held.push(slot);
            })
            .catch(() => undefined)
            .finally(() => waiting.delete(number));
        } else if (action.kind === "release") {
          held.splice(action.which % Math.max(1, held.length), 1)[0]?.release();
        } else if (action.kind === "abort") {
          [...waiting.values()][action.which % Math.max(1, waiting.size)]?.abort(new Error("gone"));
        } else if (action.kind === "weight") {
          pool.setWeight(action.weight);
        } else {
          const toggled = members[action.which % 2]!;
          toggled.available = !toggled.available;
          pool.membersChanged();
        }
        await new Promise((resolve) => setImmediate(resolve));
        for (const one of members) expect(pool.inFlight(one, "train")).toBeLessThanOrEqual(one.limits.train);
        expect(granted).toEqual(granted.toSorted((left, right) => left - right));
        const inFlight = members.reduce((sum, one) => sum + pool.inFlight(one, "train"), 0);
        expect(inFlight).toBe(held.length);
        expect(pool.waiting("train")).toBe(waiting.size);
      }
      pool.close(new Error("over"));
    }),
    { numRuns: 60 },
  );
});
