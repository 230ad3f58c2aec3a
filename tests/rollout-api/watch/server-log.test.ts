/** The lines of the server's log. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";
import { ServerWatch } from "../../../src/rollout-api/watch/server-watch.ts";
import { startRun } from "../../support/encoded-group.ts";
import { scoredGroup } from "../../support/scored-group-body.ts";

async function openLogged() {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString("utf8")));
      done();
    },
  });
  const time = { now: 1_000_000 };
  const clock = { now: () => time.now };
  const logger = pino({ base: null, timestamp: false }, sink);
  const watch = new ServerWatch({ stores: new MemoryStores({ clock, envTimeoutMs: 5000 }), logger, clock });
  const store = await watch.stores.run("default");
  return { watch, store, time, take: () => lines.splice(0), [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

describe("the server's log", () => {
  test("has a line for the registration, for every environment, and one for every batch", async () => {
    using server = await openLogged();
    const { store, time, take } = server;
    await startRun(store, { startingStep: 3 });
    expect(take()).toMatchObject([
      { event: "registered", run: "default", batchSize: 8, startingStep: 3 },
      { event: "env-joined", run: "default", envId: 0, env: "env_0", weight: 1, groupSize: 4 },
    ]);
    await store.submit([scoredGroup({ weightVersion: 1 }), scoredGroup({ scores: [1, 1, 1, 1] })]);
    time.now += 1500;
    const answer = await store.takeBatch({ leaseSeconds: null });
    const leaseId = answer.kind === "batch" ? answer.leaseId : "";
    await store.settleBatch(leaseId, "taken");
    expect(take()).toEqual([
      {
        level: 30,
        event: "batch-served",
        run: "default",
        step: 3,
        leaseId,
        groups: 2,
        sequences: 8,
        bytes: expect.any(Number),
        meanScore: 0.75,
        oldestMs: 1500,
        stalestSteps: 2,
        versionedGroups: 1,
      },
    ]);
  });

  test("warns of an environment that fell silent once, and says when it is back", async () => {
    using server = await openLogged();
    const { watch, store, time, take } = server;
    await startRun(store);
    await watch.sample();
    time.now += 6000;
    take();
    await watch.sample();
    await watch.sample();
    expect(take()).toEqual([
      { level: 40, event: "env-stale", run: "default", envId: 0, env: "env_0", silentMs: 6000 },
    ]);
    await store.envStatus(0);
    await watch.sample();
    expect(take()).toMatchObject([{ level: 30, event: "env-back", envId: 0 }]);
  });

  test("warns of a batch that came back", async () => {
    using server = await openLogged();
    const { store, take } = server;
    await startRun(store);
    await store.submit([scoredGroup(), scoredGroup()]);
    const answer = await store.takeBatch({ leaseSeconds: null });
    take();
    await store.settleBatch(answer.kind === "batch" ? answer.leaseId : "", "returned");
    expect(take()).toMatchObject([{ level: 40, event: "lease-settled", how: "returned", known: true }]);
  });

  test("a client in a loop gets one line in ten seconds for each kind of refusal, with the number left out", async () => {
    using server = await openLogged();
    const { watch, time, take } = server;
    const refuse = (status: number) =>
      watch.requestFinished({ method: "POST", route: "/scored_data", status, seconds: 0.001 });
    for (let request = 0; request < 500; request++) refuse(422);
    refuse(413);
    expect(take()).toEqual([
      { level: 40, event: "request-refused", route: "/scored_data", reason: "invalid", status: 422 },
      { level: 40, event: "request-refused", route: "/scored_data", reason: "too_large", status: 413 },
    ]);
    time.now += 10_000;
    refuse(422);
    expect(take()).toMatchObject([{ reason: "invalid", leftOut: 499 }]);
  });
});
