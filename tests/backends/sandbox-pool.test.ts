import { expect, test, vi } from "vitest";
import { createBackend } from "../../backends/index.ts";
import { SandboxPool, type SandboxPoolOptions } from "../../backends/sandbox-pool.ts";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox, SandboxSpec } from "../../src/contracts/sandbox.ts";
import {
  bubblewrapSkipReason,
  expectNoSandboxLeft,
  isRunning,
  killSupervisors,
} from "../support/local-sandboxes.ts";
import { describeSandboxContract } from "../support/sandbox-contract.ts";
import { ScriptedBackend } from "../support/scripted-backend.ts";

const signal = new AbortController().signal;

for (const [name, options] of [
  ["a pool of 3 over local", { size: 3 }],
  ["a pool that keeps none ready, at most 40", { size: 0, maxTotal: 40 }],
] as const) {
  describeSandboxContract(name, {
    createBackend: () =>
      new SandboxPool({
        backend: createBackend("local", { isolation: "bubblewrap" }),
        acquireTimeoutMs: 60_000,
        // Between tests the ready ones go, so that nothing at all may be left.
        idleTimeoutMs: 100,
        ...options,
      }),
    skipReason: bubblewrapSkipReason,
    killFromOutside: killSupervisors,
    isRunning,
    expectNothingLeft: expectNoSandboxLeft,
    sizes: { outputBytes: 5_000_000, fileBytes: 1_000_000 },
  });
}

type Options = Partial<SandboxPoolOptions> & { isAutomatic?: boolean };

function makePool({ isAutomatic = true, ...options }: Options = {}) {
  const backend = new ScriptedBackend({ isAutomatic });
  const pool = new SandboxPool({
    backend,
    size: 2,
    acquireTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    ...options,
  });
  const acquire = (spec?: SandboxSpec, own = signal) =>
    pool.create({ rolloutId: "rollout", signal: own, ...(spec && { spec }) });
  return { backend, pool, acquire };
}

/** Lets everything happen that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise(setImmediate);
}

const dispose = (sandbox: Sandbox | undefined) => sandbox?.[Symbol.asyncDispose]();

/** What has come of promises so far. */
function watch(promises: readonly Promise<Sandbox>[]) {
  const states: (Sandbox | "waiting" | { error: unknown })[] = promises.map(() => "waiting");
  for (const [index, promise] of promises.entries()) {
    promise.then(
      (sandbox) => {
        states[index] = sandbox;
      },
      (error: unknown) => {
        states[index] = { error };
      },
    );
  }
  return states;
}

const idOf = (state: unknown) =>
  typeof state === "object" && state !== null && "id" in state ? state.id : state;

test("ready slots are handed out at once, each to one rollout, and made up for", async () => {
  const { backend, pool, acquire } = makePool();
  await using _pool = pool;
  await pool.warmUp({ signal });
  expect(pool.counts()).toMatchObject({ warm: 2, inUse: 0 });
  backend.isAutomatic = false;
  const first = await acquire();
  const second = await acquire();
  expect([first.id, second.id]).toEqual(["scripted-1", "scripted-2"]);
  expect(pool.counts()).toMatchObject({ warm: 0, inUse: 2, creating: 2 });
  await dispose(first);
  await dispose(second);
  for (const creation of [...backend.pending]) creation.succeed();
  await settle();
  expect((await acquire()).id).toBe("scripted-3");
});

test("before anybody asks, nothing is made; ahead of requests at most two creations run", async () => {
  const { backend, pool } = makePool({ size: 5, isAutomatic: false });
  await using _pool = pool;
  await settle();
  expect(backend.pending).toHaveLength(0);
  const warming = pool.warmUp({ signal });
  for (let slot = 0; slot < 5; slot += 1) {
    await settle();
    expect(backend.pending.length).toBe(Math.min(2, 5 - slot));
    backend.pending[0]?.succeed();
  }
  await warming;
  expect(pool.counts()).toMatchObject({ warm: 5, creating: 0 });
});

test("all who wait get their own creation at once, as without a pool", async () => {
  const { backend, pool, acquire } = makePool({ isAutomatic: false });
  await using _pool = pool;
  const states = watch(Array.from({ length: 7 }, () => acquire()));
  await settle();
  expect(backend.pending.length).toBe(9);
  // Whoever waits longest gets the first that is ready, whichever creation that is.
  backend.pending[5]?.succeed();
  await settle();
  expect(states.map((state) => state !== "waiting")).toEqual([true, ...Array(6).fill(false)]);
});

test("no more than max_total exist, endings included; room goes to who waits longest", async () => {
  const { backend, pool, acquire } = makePool({ size: 0, maxTotal: 2 });
  await using _pool = pool;
  const states = watch(Array.from({ length: 5 }, () => acquire()));
  for (let served = 2; served <= 5; served += 1) {
    await settle();
    expect(states.map((state) => state !== "waiting")).toEqual(
      Array.from({ length: 5 }, (_, index) => index < served),
    );
    const state = states[served - 2];
    if (typeof state === "object" && "exec" in state) await dispose(state);
  }
  expect(backend.peak).toBe(2);
});

test("who waits for one kind holds up nobody of another, and ready slots that nobody wants make room", async () => {
  const { backend, pool, acquire } = makePool({ size: 1, maxTotal: 2 });
  await using _pool = pool;
  const plain = await acquire();
  await settle();
  expect(pool.counts()).toMatchObject({ warm: 1, inUse: 1 });
  backend.isAutomatic = false;
  const [image] = [watch([acquire({ image: "a" })])];
  await settle();
  expect(backend.pending.map(({ spec }) => spec)).toEqual([{ image: "a" }]);
  // While the image is made, a plain one cannot be; but as soon as room is there both are served.
  const more = watch([acquire()]);
  await dispose(plain);
  await settle();
  backend.pending.find(({ spec }) => spec === undefined)?.succeed();
  await settle();
  expect([idOf(image?.[0]), idOf(more[0])]).toEqual(["waiting", "scripted-3"]);
});

test("slots of the kinds asked for lately are kept ready, those of others go", async () => {
  const { pool, acquire, backend } = makePool({ size: 2 });
  await using _pool = pool;
  await pool.warmUp({ signal });
  for (let round = 0; round < 40; round += 1) {
    await dispose(await acquire({ image: "a", network: false }));
    await settle();
  }
  expect([...backend.live].map(({ spec }) => spec?.image)).toEqual(["a", "a"]);
  // The order of the keys says nothing.
  const before = backend.created;
  await dispose(await acquire({ network: false, image: "a" }));
  await settle();
  expect(backend.created).toBe(before + 1);
});

test("a rollout that is cancelled while it waits leaves the queue, and its creation is taken back", async () => {
  const { backend, pool, acquire } = makePool({ size: 0, isAutomatic: false });
  await using _pool = pool;
  const cancelled = new AbortController();
  const reason = new Error("cancelled");
  const states = watch([acquire(undefined, cancelled.signal), acquire()]);
  await settle();
  expect(backend.pending).toHaveLength(2);
  cancelled.abort(reason);
  await settle();
  expect(states[0]).toEqual({ error: reason });
  expect(backend.pending).toHaveLength(1);
  backend.pending[0]?.succeed();
  await settle();
  expect(idOf(states[1])).toBe("scripted-1");
});

test("a slot that proves itself for a rollout that leaves meanwhile goes to the next one", async () => {
  const { backend, pool, acquire } = makePool({ size: 1, trustMs: 0 });
  await using _pool = pool;
  await pool.warmUp({ signal });
  backend.isAutomatic = false;
  const cancelled = new AbortController();
  const states = watch([acquire(undefined, cancelled.signal)]);
  cancelled.abort(new Error("cancelled"));
  await settle();
  expect(pool.counts()).toMatchObject({ warm: 1, inUse: 0, waiting: 0 });
  expect(states).toEqual([{ error: cancelled.signal.reason }]);
  expect((await acquire()).id).toBe("scripted-1");
});

test("who waits too long is told how many are in use, and may be played afresh", async () => {
  const { pool, acquire } = makePool({ size: 0, maxTotal: 1, acquireTimeoutMs: 20 });
  await using _pool = pool;
  await using _held = await acquire();
  await expect(acquire()).rejects.toMatchObject({
    code: "SANDBOX_POOL_TIMEOUT",
    retryable: true,
    message: expect.stringContaining("1 of at most 1 sandboxes are in use"),
  });
  expect(pool.metrics()["sandbox/acquire_timeouts"]).toBe(1);
});

test.each(["seen", "unseen"])("a ready slot that died (%s) is replaced, never handed out", async (how) => {
  const { backend, pool, acquire } = makePool({ size: 1, trustMs: how === "seen" ? 60_000 : 0 });
  await using _pool = pool;
  await pool.warmUp({ signal });
  const [first] = backend.live;
  if (how === "seen") first?.kill();
  else if (first) first.isDead = true;
  if (how === "seen") await settle();
  expect((await acquire()).id).toBe("scripted-2");
  await settle();
  expect(backend.live).not.toContain(first);
  expect(pool.metrics()["sandbox/evicted"]).toBe(1);
});

test.each([
  [60_000, 0],
  [0, 1],
])("a slot that was made within %i ms proves itself with %i commands", async (trustMs, execs) => {
  const { backend, pool, acquire } = makePool({ size: 1, trustMs });
  await using _pool = pool;
  await pool.warmUp({ signal });
  const [first] = backend.live;
  expect((await acquire()).id).toBe(first?.id);
  expect(first?.execs).toBe(execs);
});

test.each([
  ["sees each end", true, 0],
  ["may miss one", false, 1],
])(
  "where a backend %s, a slot that waited for two seconds proves itself accordingly",
  async (_, seesEnds, execs) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const backend = Object.assign(new ScriptedBackend({ isAutomatic: true }), { seesEnds });
    await using pool = new SandboxPool({ backend, size: 1, acquireTimeoutMs: 10_000, idleTimeoutMs: 10_000 });
    await pool.warmUp({ signal });
    const [slot] = backend.live;
    vi.advanceTimersByTime(2_000);
    await pool.create({ rolloutId: "rollout", signal });
    vi.useRealTimers();
    expect(slot?.execs).toBe(execs);
  },
);

test("a backend that fails tells the first, then all who wait, and is tried again at intervals", async () => {
  const notices: string[] = [];
  const { backend, pool, acquire } = makePool({
    isAutomatic: false,
    onNotice: ({ message }) => notices.push(message),
  });
  await using _pool = pool;
  const down = new LachesisError("SANDBOX_START_FAILED", "the daemon is away", { retryable: true });
  const states = watch([acquire(), acquire(), acquire()]);
  await settle();
  for (const creation of [...backend.pending]) creation.fail(down);
  await settle();
  // What was under way together is one failure: each told one.
  expect(states).toEqual([{ error: down }, { error: down }, { error: down }]);
  let more = watch([acquire(), acquire()]);
  await settle();
  expect(backend.pending).toHaveLength(0);
  for (const expected of [2, 3]) {
    await expect.poll(() => backend.pending.length, { timeout: 5_000 }).toBe(1);
    backend.pending[0]?.fail(down);
    await settle();
    expect(more).toEqual([{ error: down }, { error: down }]);
    more = watch([acquire(), acquire()]);
    expect(notices).toHaveLength(expected === 3 ? 1 : 0);
  }
});

test("what can never be made is told at once, each time", async () => {
  const { backend, pool, acquire } = makePool({ isAutomatic: false });
  await using _pool = pool;
  const refused = new LachesisError("SANDBOX_SPEC_UNSUPPORTED", "no images here");
  for (let round = 0; round < 3; round += 1) {
    const states = watch([acquire({ image: "a" })]);
    await settle();
    for (const creation of [...backend.pending]) creation.fail(refused);
    await settle();
    expect(states).toEqual([{ error: refused }]);
  }
});

test("without requests for a while the ready slots go; the next request brings them back", async () => {
  const { backend, pool, acquire } = makePool({ idleTimeoutMs: 30 });
  await using _pool = pool;
  const held = await acquire();
  await expect.poll(() => pool.counts()).toEqual({ warm: 0, inUse: 1, creating: 0, ending: 0, waiting: 0 });
  expect(backend.live.size).toBe(1);
  await dispose(held);
  await dispose(await acquire());
  await expect.poll(() => backend.live.size).toBe(2);
});

test("a sandbox whose rollout is over and that nobody disposes of is taken away and counted", async () => {
  const notices: string[] = [];
  const { backend, pool, acquire } = makePool({
    size: 0,
    leaseGraceMs: 10,
    onNotice: ({ message }) => notices.push(message),
  });
  await using _pool = pool;
  const rollout = new AbortController();
  const tidy = await acquire(undefined, rollout.signal);
  const left = await acquire(undefined, rollout.signal);
  rollout.abort();
  await dispose(tidy);
  await expect.poll(() => backend.live.size).toBe(0);
  expect(pool.metrics()).toMatchObject({ "sandbox/leaked": 1, "sandbox/in_use": 0 });
  expect(notices).toEqual([expect.stringContaining(left.id)]);
});

test("disposing rejects who waits, ends all there is and then the backend; twice does no harm", async () => {
  const { backend, pool, acquire } = makePool({ size: 1, maxTotal: 2 });
  const held = await acquire();
  await settle();
  backend.isAutomatic = false;
  const states = watch([acquire({ image: "a" }), acquire()]);
  await Promise.all([pool[Symbol.asyncDispose](), pool[Symbol.asyncDispose]()]);
  for (const state of states) expect(state).toMatchObject({ error: { code: "SANDBOX_CLOSED" } });
  expect([backend.live.size, backend.pending.length, backend.isClosed]).toEqual([0, 0, true]);
  await dispose(held);
  await expect(acquire()).rejects.toMatchObject({ code: "SANDBOX_CLOSED" });
  expect(pool.counts()).toEqual({ warm: 0, inUse: 0, creating: 0, ending: 0, waiting: 0 });
});

test("metrics tell what there is, what was made and how long it took", async () => {
  const { pool, acquire } = makePool({ size: 1 });
  await using _pool = pool;
  const sandbox = await acquire();
  await sandbox.exec({ shell: "true" }, { timeoutMs: 1_000, signal });
  await dispose(sandbox);
  await settle();
  expect(pool.metrics()).toMatchObject({
    "sandbox/in_use": 0,
    "sandbox/warm": 1,
    "sandbox/created": 2,
    "sandbox/leaked": 0,
    "sandbox/exec_ms_p50": expect.any(Number),
    "sandbox/create_ms_p95": expect.any(Number),
    "sandbox/destroy_ms_p50": expect.any(Number),
    "sandbox/acquire_ms_p95": expect.any(Number),
  });
});
