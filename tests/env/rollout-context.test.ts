import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ResourceKey } from "../../src/contracts/rollout-context.ts";
import { Cancellation, cancelledBy } from "../../src/env/cancellation.ts";
import { countingBackend } from "../support/env-services.ts";
import { plainBackend, rolloutContext } from "../support/rollout-context.ts";

type Named = AsyncDisposable & { name: string };

/** A resource that writes down its disposal. */
const resourceKey = (name: string, disposed: string[], use?: ResourceKey<Named>): ResourceKey<Named> => ({
  name,
  async create(context) {
    if (use !== undefined) await context.resource(use);
    return {
      name,
      async [Symbol.asyncDispose]() {
        disposed.push(name);
      },
    };
  },
});

describe("EnvRolloutContext", () => {
  test("makes one sandbox, only when asked, and disposes of it", async () => {
    const count = { opened: 0, closed: 0 };
    await using backend = countingBackend(plainBackend(), count);
    {
      await using context = rolloutContext(backend);
      expect(count.opened).toBe(0);
      const [one, two] = await Promise.all([context.sandbox(), context.sandbox()]);
      expect(one).toBe(two);
    }
    expect(count).toEqual({ opened: 1, closed: 1 });
  });

  test("a rollout that never asks for a sandbox gets none", async () => {
    const count = { opened: 0, closed: 0 };
    await using backend = countingBackend(plainBackend(), count);
    {
      await using _context = rolloutContext(backend);
    }
    expect(count.opened).toBe(0);
  });

  test("disposes in the reverse order of becoming ready, each thing once", async () => {
    const disposed: string[] = [];
    await using backend = plainBackend();
    const base = resourceKey("base", disposed);
    const top = resourceKey("top", disposed, base);
    const context = rolloutContext(backend);
    // `top` is asked for first but needs `base`, so `base` must outlive it.
    const [first, again] = await Promise.all([context.resource(top), context.resource(top)]);
    expect(first).toBe(again);
    await Promise.all([context[Symbol.asyncDispose](), context[Symbol.asyncDispose]()]);
    expect(disposed).toEqual(["top", "base"]);
  });

  test("disposes of the others when one disposal fails, and does not reject", async () => {
    const disposed: string[] = [];
    await using backend = plainBackend();
    const context = rolloutContext(backend);
    await context.resource(resourceKey("first", disposed));
    await context.resource({
      name: "broken",
      create: async () => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error("stuck")) }),
    });
    await context[Symbol.asyncDispose]();
    expect(disposed).toEqual(["first"]);
  });

  test("disposes of what became ready only while it was closing", async () => {
    const disposed: string[] = [];
    await using backend = plainBackend();
    const context = rolloutContext(backend);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const late = resourceKey("late", disposed);
    const made = context.resource({ ...late, create: (inner) => gate.then(() => late.create(inner)) });
    const closed = context[Symbol.asyncDispose]();
    open();
    await Promise.all([made, closed]);
    expect(disposed).toEqual(["late"]);
  });

  test("gives nothing more once it is over", async () => {
    await using backend = plainBackend();
    const context = rolloutContext(backend);
    await context[Symbol.asyncDispose]();
    await expect(context.sandbox()).rejects.toMatchObject({ code: "ROLLOUT_OVER" });
    expect(context.signal.aborted).toBe(true);
  });

  test("its deadline aborts it as a timeout", async () => {
    await using backend = plainBackend();
    await using context = rolloutContext(backend, { deadlineMs: Date.now() + 5 });
    await expect(sleep(10_000, undefined, { signal: context.signal })).rejects.toThrow();
    expect(cancelledBy(context.signal)).toBe("timeout");
  });

  test("a cancelled parent cancels it, for the parent's reason", async () => {
    const parent = new AbortController();
    await using backend = plainBackend();
    await using context = rolloutContext(backend, { signal: parent.signal });
    parent.abort(new Cancellation("group-dropped"));
    expect(cancelledBy(context.signal)).toBe("group-dropped");
    await expect(context.sandbox()).rejects.toBe(parent.signal.reason);
  });
});
