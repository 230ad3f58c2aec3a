/** Bounded queues and bodies: the refusal arrives, and what is refused can be sent again. */
import net from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { AccessControl } from "../../src/rollout-api/access.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { groupNumber, startTestApp, wireEnv, wireGroup, wireRegistration } from "../support/rollout-app.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;
const { signal } = new AbortController();

describe("a full queue", () => {
  const twoGroups = { limits: { maxQueueGroups: 2, maxQueueBytes: NO_LIMIT } };

  test("answers 429 with Retry-After until a batch is gone, also to lists, which go in whole or not", async () => {
    await using app = startTestApp({ store: twoGroups });
    await app.post("/register", wireRegistration);
    await app.post("/scored_data", groupNumber(1));
    const list = [groupNumber(2), groupNumber(3)];
    const full = await app.post("/scored_data_list", list);
    expect(full).toMatchObject({ status: 429, json: { detail: expect.stringContaining("queue is full") } });
    expect(Number(full.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect((await app.get("/status")).json).toMatchObject({ queue_size: 1 });
    expect((await app.post("/scored_data", groupNumber(2))).status).toBe(200);
    expect((await app.post("/scored_data", groupNumber(3))).status).toBe(429);

    expect(await app.takeBatch()).toEqual([1]);
    // The batch is gone when its answer is; the next request on a server of its own would say so.
    await expect.poll(async () => (await app.post("/scored_data", groupNumber(3))).status).toBe(200);
  });

  test("bytes count too", async () => {
    await using app = startTestApp({ store: { limits: { maxQueueGroups: NO_LIMIT, maxQueueBytes: 1000 } } });
    await app.post("/register", wireRegistration);
    expect((await app.post("/scored_data", groupNumber(1))).status).toBe(200);
    expect((await app.post("/scored_data", { ...wireGroup, images: "x".repeat(500) })).status).toBe(429);
  });

  test("what would not even fit into an empty one is refused for good", async () => {
    await using app = startTestApp({ store: { limits: { maxQueueGroups: 2, maxQueueBytes: 1000 } } });
    await app.post("/register", wireRegistration);
    expect((await app.post("/scored_data", { ...wireGroup, images: "x".repeat(1000) })).status).toBe(422);
    expect((await app.post("/scored_data_list", [1, 2, 3].map(groupNumber))).status).toBe(422);
  });

  test("a group that came before is no news: its retry is answered", async () => {
    await using app = startTestApp({ store: twoGroups });
    await app.post("/register", wireRegistration);
    const named = [groupNumber(1), groupNumber(2)].map((group, index) => ({ ...group, group_id: index }));
    await app.post("/scored_data_list", named);
    expect((await app.post("/scored_data_list", named)).status).toBe(200);
  });

  test("in compat mode, if limited at all, it is a 503: the original's clients drop a group at a 4xx", async () => {
    await using app = startTestApp({ compat: true, store: twoGroups });
    await app.post("/register", wireRegistration);
    for (const number of [1, 2]) await app.post("/scored_data", groupNumber(number));
    expect(await app.post("/scored_data", groupNumber(3))).toMatchObject({ status: 503 });
  });

  test("is waited for by our client, for single groups and lists", async () => {
    const stores = new MemoryStores(twoGroups);
    await using server = await startRolloutServer({ stores });
    await using client = new RolloutApiClient({ url: server.url });
    await client.register(wireRegistration, { signal });
    await client.batch({ signal });
    const { env_id } = await client.registerEnv({ ...wireEnv, min_batch_allocation: null }, { signal });
    const groupOf = (score: number) => ({
      ...{
        ...groupNumber(score),
        env_id,
        advantages: null,
        ref_logprobs: null,
        messages: null,
        images: null,
      },
      ...{ generation_params: null, inference_logprobs: null, overrides: null, group_overrides: null },
      ...{ distill_token_ids: null, distill_logprobs: null },
    });
    const sending = Promise.all([
      client.submitGroups([groupOf(1), groupOf(2)], { signal }),
      client.submitGroups([groupOf(3)], { signal }),
    ]);
    const taken: number[] = [];
    while (taken.length < 3) {
      const batch = await client.batch({ signal });
      taken.push(...(batch ?? []).map(({ scores }) => scores[0] ?? Number.NaN));
    }
    await sending;
    expect(taken.toSorted()).toEqual([1, 2, 3]);
  }, 30_000);
});

describe("a body that is too large", () => {
  const limits = { maxBodyBytes: 100_000, maxInflatedBytes: 1_000_000 };
  const head = (length: number | "chunked", more: string[] = []) => [
    "POST /scored_data HTTP/1.1",
    "Host: localhost",
    "Content-Type: application/json",
    length === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`,
    ...more,
  ];
  /** Far more than the socket's buffers take: who sends all of it first is stuck if nobody reads. */
  const huge = Buffer.alloc(30_000_000, " ");

  test("is a 413 that arrives, though the client sends all before it reads; the connection goes on", async () => {
    await using server = await startRolloutServer(limits);
    using client = new RawSocket(server.port);
    const answer = await client.exchange(head(huge.length), huge);
    expect({ status: answer.status, body: String(answer.body) }).toEqual({
      status: 413,
      body: '{"detail":"Body larger than 100000 bytes"}',
    });
    expect((await client.exchange(["GET /info HTTP/1.1", "Host: localhost"])).status).toBe(200);
  });

  test("also when its length is not told", async () => {
    await using server = await startRolloutServer(limits);
    using client = new RawSocket(server.port);
    const chunk = Buffer.concat([
      Buffer.from(`${huge.length.toString(16)}\r\n`),
      huge,
      Buffer.from("\r\n0\r\n\r\n"),
    ]);
    expect((await client.exchange(head("chunked"), chunk)).status).toBe(413);
    expect((await client.exchange(["GET /info HTTP/1.1", "Host: localhost"])).status).toBe(200);
  });

  test("a refusal for another reason arrives, too", async () => {
    await using server = await startRolloutServer({
      access: new AccessControl([{ role: "env", token: "t" }]),
    });
    using client = new RawSocket(server.port);
    expect((await client.exchange(head(huge.length), huge)).status).toBe(401);
    using lost = new RawSocket(server.port);
    const authorized = head(huge.length, ["Authorization: Bearer t"]);
    authorized[0] = "POST /runs/nowhere/scored_data HTTP/1.1";
    expect((await lost.exchange(authorized, huge)).status).toBe(404);
  });

  test("is refused by what it says of itself before it is sent", async () => {
    await using server = await startRolloutServer(limits);
    const socket = net.connect(server.port, "127.0.0.1");
    socket.write(`${head(10_000_000).join("\r\n")}\r\n\r\n`);
    const [answer] = await new Promise<[Buffer]>((resolve) => socket.once("data", (data) => resolve([data])));
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test.each([
    ["one member", gzipSync(Buffer.alloc(50_000_000))],
    ["many members", Buffer.concat(Array.from({ length: 40 }, () => gzipSync(Buffer.alloc(900_000))))],
    ["a lie about its size", lyingBomb()],
  ])("a gzip bomb of %s is a 413", async (_name, bomb) => {
    await using server = await startRolloutServer(limits);
    using client = new RawSocket(server.port);
    const answer = await client.exchange(head(bomb.length, ["Content-Encoding: gzip"]), bomb);
    expect({ status: answer.status, body: String(answer.body) }).toEqual({
      status: 413,
      body: '{"detail":"Body larger than 1000000 bytes when inflated"}',
    });
  });

  test("tells our client for good: it does not try again", async () => {
    await using server = await startRolloutServer(limits);
    await using client = new RolloutApiClient({ url: server.url });
    const random = Array.from({ length: 40_000 }, (_, index) => (index * 7919) % 100_003);
    const group = {
      ...{
        tokens: [random],
        masks: [random],
        scores: [1],
        advantages: null,
        ref_logprobs: null,
        messages: null,
      },
      ...{ generation_params: null, inference_logprobs: null, overrides: null, group_overrides: null },
      ...{ images: null, env_id: null, distill_token_ids: null, distill_logprobs: null },
    };
    await expect(client.submitGroups([group], { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("413"),
      hint: expect.stringContaining("--max-body"),
    });
  });
});

/** A bomb whose trailer claims 10 bytes. */
function lyingBomb(): Buffer {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  bomb.writeUInt32LE(10, bomb.length - 4);
  return bomb;
}
