/** The routes of those who watch: health, and the stream behind the page. */
import { describe, expect, test } from "vitest";
import { LachesisError } from "../../../src/contracts/errors.ts";
import { AccessControl, type AccessToken } from "../../../src/rollout-api/access.ts";
import { MemoryStores } from "../../../src/rollout-api/memory-store.ts";
import { startRolloutApi } from "../../../src/rollout-api/start-server.ts";
import type { RunView } from "../../../src/rollout-api/watch/run-history.ts";
import { ServerWatch } from "../../../src/rollout-api/watch/server-watch.ts";
import { watchPlugin } from "../../../src/rollout-api/watch/watch-plugin.ts";
import { startRun } from "../../support/encoded-group.ts";
import { conversations, scoredGroup } from "../../support/scored-group-body.ts";

type ServerOptions = { stores?: MemoryStores; tokens?: readonly AccessToken[] };

async function startServer({ stores = new MemoryStores(), tokens = [] }: ServerOptions = {}) {
  const watch = new ServerWatch({ stores });
  const server = await startRolloutApi({
    stores: watch.stores,
    plugins: [watchPlugin(watch)],
    access: new AccessControl(tokens),
    host: "127.0.0.1",
    port: 0,
  });
  const store = await watch.stores.run("default");
  return { watch, store, server, [Symbol.asyncDispose]: () => server.close() };
}

/** Messages of an event stream, one after the other. */
async function* viewsOf(url: string, signal: AbortSignal): AsyncGenerator<RunView> {
  const response = await fetch(url, { signal });
  let text = "";
  for await (const chunk of (response.body ?? []).values()) {
    text += Buffer.from(chunk).toString("utf8");
    const messages = text.split("\n\n");
    text = messages.pop() ?? "";
    for (const message of messages) yield JSON.parse(message.split("data: ")[1] ?? "{}");
  }
}

class FullDisk extends MemoryStores {
  override async checkWritable() {
    throw new LachesisError("STORE_WRITE_FAILED", "database or disk is full");
  }
}

describe("health", () => {
  test("a server is up, and ready while its stores can be written", async () => {
    await using live = await startServer();
    expect(await (await fetch(`${live.server.url}/healthz`)).json()).toEqual({ status: "ok" });
    const ready = await fetch(`${live.server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: "ready" }]);
  });

  test("a full disk leaves it up and not ready, and says why", async () => {
    await using live = await startServer({ stores: new FullDisk() });
    expect((await fetch(`${live.server.url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${live.server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: "not ready", problem: "database or disk is full" },
    ]);
  });

  test.each([
    ["/healthz", 200],
    ["/readyz", 200],
    ["/ui", 200],
    ["/metrics", 401],
    ["/ui/events", 401],
  ])("without a token a server that has tokens answers %s with %i", async (path, status) => {
    await using live = await startServer({ tokens: [{ role: "admin", token: "a-long-enough-token" }] });
    const answer = await fetch(live.server.url + path);
    expect(answer.status).toBe(status);
    await answer.body?.cancel();
  });
});

describe("the event stream", () => {
  test("begins with the whole view, then has what changed", async () => {
    await using live = await startServer();
    const { store, server, watch } = live;
    await startRun(store);
    await store.submit([scoredGroup({ messages: conversations("2", "2", "2", "2") })]);
    const stopped = new AbortController();
    const views = viewsOf(`${server.url}/ui/events?run=default`, stopped.signal);
    const first = (await views.next()).value;
    expect(first).toMatchObject({
      runs: ["default"],
      overview: { queuedGroups: 1, envs: [{ wandbName: "env_0" }] },
      scores: { count: 4, mean: 0.5 },
      batches: [],
      examples: [{ env: "env_0", size: 4 }],
    });
    expect(first.series).toHaveLength(1);

    await store.submit([scoredGroup({ scores: [1, 1, 1, 1] })]);
    await store.takeBatch({ leaseSeconds: 60 });
    await watch.sample();
    let changes: RunView = {};
    while (changes.batches === undefined) changes = (await views.next()).value ?? {};
    expect(changes).toMatchObject({
      overview: { queuedGroups: 0, openLeases: 1 },
      scores: { count: 8 },
      batches: [{ step: 0, groups: 2, sequences: 8, meanScore: 0.75 }],
    });
    expect(changes.point?.[1]).toBe(0);
    expect(changes.series).toBeUndefined();
    expect(changes.examples).toBeUndefined();
    stopped.abort();
  });

  test("of a run that nobody made says which runs there are, and makes none", async () => {
    await using live = await startServer();
    const stopped = new AbortController();
    const views = viewsOf(`${live.server.url}/ui/events?run=nowhere`, stopped.signal);
    expect((await views.next()).value).toEqual({ runs: ["default"] });
    expect(live.watch.stores.names()).toEqual(["default"]);
    stopped.abort();
  });

  test("ends when the server closes: no open page keeps it", async () => {
    await using live = await startServer();
    const views = viewsOf(`${live.server.url}/ui/events`, new AbortController().signal);
    await views.next();
    const rest = (async () => {
      for await (const _ of views);
    })();
    await live.server.close();
    await rest;
  });
});
