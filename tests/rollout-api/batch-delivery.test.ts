/** A batch is gone when its trainer has it, and not before: over real sockets that break in every way. */
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { firstScores, groupNumber, wireRegistration } from "../support/rollout-app.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

/** More than the buffers between two sockets hold. */
const HUGE = "x".repeat(16_000_000);

/** A server whose run has so many batches of one group each. */
async function startWithBatches(count: number, { filler = "" } = {}) {
  const stores = new MemoryStores();
  const server = await startRolloutServer({ stores });
  const store = await stores.run("default");
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  await post("/register", wireRegistration);
  for (let number = 0; number < count; number++) {
    const body = Buffer.from(JSON.stringify({ ...groupNumber(number), images: filler }));
    await store.submit([{ body, sequences: 2, envId: null, groupId: null, hasLogprobs: false }]);
  }
  return {
    port: server.port,
    async take(): Promise<number[] | null> {
      return firstScores(await (await fetch(`${server.url}/batch`)).json());
    },
    /** Waits until a batch is under way. */
    async leased(): Promise<void> {
      while ((await store.overview()).openLeases === 0) await new Promise(setImmediate);
    },
    /** Waits until the server has made up its mind about every answer. */
    async settled(): Promise<void> {
      while ((await store.overview()).openLeases > 0) await sleep(5);
    },
    async taken(): Promise<number> {
      return (await store.overview()).totals.batchesOut;
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await stores[Symbol.asyncDispose]();
    },
  };
}

const GET_BATCH = "GET /batch HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** A trainer by hand: what it does with its socket once the answer has begun, or before. */
async function trainer(port: number, behave: (socket: net.Socket) => Promise<void>): Promise<void> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  await behave(socket);
  socket.destroy();
}

function firstBytes(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("data", () => {
      socket.pause();
      resolve();
    });
  });
}

describe("a batch comes back to the front when its trainer", () => {
  test.each<[string, (socket: net.Socket) => Promise<void>]>([
    [
      "hangs up in the middle of the answer",
      async (socket) => {
        socket.write(GET_BATCH);
        await firstBytes(socket);
      },
    ],
    [
      "resets the connection in the middle of the answer",
      async (socket) => {
        socket.write(GET_BATCH);
        await firstBytes(socket);
        socket.resetAndDestroy();
      },
    ],
    [
      "closes its side right after asking",
      async (socket) => {
        socket.end(GET_BATCH);
        await new Promise((resolve) => socket.once("close", resolve).resume());
      },
    ],
  ])("%s", async (_name, behave) => {
    await using server = await startWithBatches(2, { filler: HUGE });
    await trainer(server.port, behave);
    await server.settled();
    expect(await server.taken()).toBe(0);
    expect(await server.take()).toEqual([0]);
    expect(await server.take()).toEqual([1]);
  });

  test("never reads its answer and gives up", async () => {
    await using server = await startWithBatches(2, { filler: HUGE });
    await trainer(server.port, async (socket) => {
      socket.pause();
      socket.write(GET_BATCH);
      // The batch is under way, and stuck: it is leased and not settled.
      while ((await server.take()) !== null) await sleep(5);
    });
    await server.settled();
    expect(await server.taken()).toBe(1);
    expect(await server.take()).not.toBeNull();
    expect(await server.take()).toBeNull();
  });

  test.each([
    ["before", 0],
    ["after", 20],
  ])("resets the connection %s a small answer was out, without reading it", async (_when, turns) => {
    await using server = await startWithBatches(2);
    await trainer(server.port, async (socket) => {
      socket.pause();
      socket.write(GET_BATCH);
      if (turns > 0) await server.leased();
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      socket.resetAndDestroy();
    });
    // What was sent before the reset may still be on its way to the server.
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    await server.settled();
    expect(await server.taken()).toBe(0);
    expect(await server.take()).toEqual([0]);
  });
});

describe("a batch is gone when its trainer", () => {
  const readAll = (socket: net.Socket) =>
    new Promise<void>((resolve) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
        if (text.endsWith("]}")) resolve();
      });
    });

  test.each<[string, (socket: net.Socket) => void]>([
    ["closes after it read it", (socket) => socket.end()],
    ["keeps the connection open", () => undefined],
    [
      "asks on the same connection for another thing",
      (socket) => socket.write(GET_BATCH.replace("batch", "info")),
    ],
  ])("%s", async (_name, then) => {
    await using server = await startWithBatches(2);
    await trainer(server.port, async (socket) => {
      const read = readAll(socket);
      socket.write(GET_BATCH);
      await read;
      then(socket);
      await server.settled();
    });
    expect(await server.taken()).toBe(1);
    expect(await server.take()).toEqual([1]);
    expect(await server.take()).toBeNull();
  });

  test("has read it when the server closes", async () => {
    const stores = new MemoryStores();
    const server = await startRolloutServer({ stores });
    const store = await stores.run("default");
    const agent = { method: "POST", headers: { "content-type": "application/json" } };
    await fetch(`${server.url}/register`, { ...agent, body: JSON.stringify(wireRegistration) });
    await fetch(`${server.url}/scored_data`, { ...agent, body: JSON.stringify(groupNumber(7)) });
    expect(firstScores(await (await fetch(`${server.url}/batch`)).json())).toEqual([7]);
    await server.close();
    expect(await store.overview()).toMatchObject({ openLeases: 0, totals: { batchesOut: 1 } });
  });
});
