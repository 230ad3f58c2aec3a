/** What the recorded exchanges can't show: the original's crashes mended, and the wire's corners. */
import { gunzipSync, gzipSync } from "node:zlib";
import type { InjectOptions } from "fastify";
import { describe, expect, test } from "vitest";
import { createRolloutApi } from "../../src/rollout-api/app.ts";
import { MemoryStores } from "../../src/rollout-api/memory-store.ts";
import { compatStoreOptions } from "../../src/rollout-api/store-options.ts";

const registration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 2,
  max_token_len: 128,
  checkpoint_dir: "ck",
  save_checkpoint_interval: 5,
  starting_step: 0,
  num_steps: 100,
};
const group = { tokens: [[1], [2]], masks: [[1], [2]], scores: [0, 1] };
const envDescription = { max_token_length: 128, desired_name: "e", weight: 1, group_size: 2 };

function startApp() {
  const app = createRolloutApi({
    stores: new MemoryStores(compatStoreOptions),
    compat: true,
    maxInflatedBytes: 1_000_000,
  });
  const send = async (method: "GET" | "POST" | "HEAD", url: string, options: Partial<InjectOptions> = {}) => {
    const { statusCode, body, headers, rawPayload } = await app.inject({ method, url, ...options });
    return { status: statusCode, body, headers, bytes: rawPayload };
  };
  const post = (url: string, body: unknown) =>
    send("POST", url, {
      headers: { "content-type": "application/json" },
      payload: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  return { send, post, [Symbol.asyncDispose]: async () => app.close() };
}

describe("numbers that are none", () => {
  const withScores = (scores: string) => `{"tokens":[[1]],"masks":[[1]],"scores":[${scores}]}`;

  test.each([
    ["NaN", '"NaN"'],
    ["-Infinity", '"-Infinity"'],
    ["1e400", '"1e400"'],
    ['"inf"', '"inf"'],
  ])("a score of %s is refused before it can poison a batch", async (score, input) => {
    await using app = startApp();
    await app.post("/register", registration);
    const answer = await app.post("/scored_data", withScores(score));
    expect(answer).toMatchObject({
      status: 422,
      body: `{"detail":[{"type":"finite_number","loc":["body","scores",0],"msg":"Input should be a finite number","input":${input}}]}`,
    });
    expect((await app.send("GET", "/status")).body).toBe('{"current_step":0,"queue_size":0}');
  });

  test("also inside untyped fields and integers", async () => {
    await using app = startApp();
    const text = '{"tokens":[[NaN]],"masks":[[1]],"scores":[1],"generation_params":{"a":[Infinity]}}';
    const { status, body } = await app.post("/scored_data", text);
    expect(status).toBe(422);
    expect(
      JSON.parse(body).detail.map(({ type, loc }: { type: string; loc: unknown }) => [type, loc]),
    ).toEqual([
      ["finite_number", ["body", "tokens", 0, 0]],
      ["finite_number", ["body", "generation_params", "a", 0]],
    ]);
  });
});

describe("messages that are none", () => {
  test.each([
    ["[[5]]", "dict_type", ["body", "messages", 0, 0]],
    ["[[null]]", "dict_type", ["body", "messages", 0, 0]],
    ["[null]", "list_type", ["body", "messages", 0]],
    ["5", "list_type", ["body", "messages"]],
    ['"text"', "value_error", ["body", "messages"]],
    ['[[{"role":"user"}]]', "value_error", ["body", "messages"]],
  ])("%s gets %s", async (messages, type, loc) => {
    await using app = startApp();
    const { status, body } = await app.post(
      "/scored_data",
      `{"tokens":[[1]],"masks":[[1]],"scores":[1],"messages":${messages}}`,
    );
    expect(status).toBe(422);
    expect(JSON.parse(body).detail).toMatchObject([{ type, loc }]);
  });
});

describe("gzip", () => {
  const zipped = gzipSync(JSON.stringify(group));
  const sendZipped = (app: ReturnType<typeof startApp>, payload: Buffer) =>
    app.send("POST", "/scored_data", {
      headers: { "content-type": "application/json", "content-encoding": "x-gzip, identity" },
      payload,
    });

  test.each([
    ["truncated", zipped.subarray(0, zipped.length - 9)],
    ["corrupt", Buffer.concat([zipped.subarray(0, 12), Buffer.alloc(20, 0xff), zipped.subarray(32)])],
    ["followed by junk", Buffer.concat([zipped, Buffer.from("junk")])],
  ])("a %s stream is a 400", async (_name, payload) => {
    await using app = startApp();
    expect(await sendZipped(app, payload)).toMatchObject({ status: 400, body: "Invalid gzip payload" });
  });

  test("several members and trailing zeros are fine", async () => {
    await using app = startApp();
    const text = JSON.stringify(group);
    const members = [gzipSync(text.slice(0, 10)), gzipSync(text.slice(10)), Buffer.alloc(8)];
    expect(await sendZipped(app, Buffer.concat(members))).toMatchObject({ status: 200 });
  });

  test("a bomb is a 413", async () => {
    await using app = startApp();
    expect(await sendZipped(app, gzipSync(Buffer.alloc(2_000_000)))).toMatchObject({ status: 413 });
  });

  test("answers are compressed for clients that take gzip, also refusals", async () => {
    await using app = startApp();
    const { headers, bytes } = await app.send("POST", "/scored_data", {
      headers: {
        "content-type": "application/json",
        "accept-encoding": "gzip;q=0",
        origin: "http://a",
        cookie: "a=b",
      },
      payload: JSON.stringify({ filler: "x".repeat(2000) }),
    });
    expect(headers).toMatchObject({ "content-encoding": "gzip", vary: "Origin, Accept-Encoding" });
    expect(Number(headers["content-length"])).toBe(bytes.length);
    expect(gunzipSync(bytes).toString()).toContain('"missing"');
  });
});

describe("the run's order of events", () => {
  test("groups before /register neither crash nor brick the server", async () => {
    await using app = startApp();
    expect(await app.post("/scored_data", group)).toMatchObject({
      status: 200,
      body: '{"status":"received"}',
    });
    expect((await app.send("GET", "/batch")).body).toContain("Trainer not registered");
    await app.post("/register", registration);
    expect((await app.send("GET", "/info")).body).toBe('{"batch_size":2,"max_token_len":128}');
    expect((await app.send("GET", "/batch")).body).toContain('"tokens":[[1],[2]]');
  });

  test("after a reset /batch says so, and environments wait for the next trainer", async () => {
    await using app = startApp();
    await app.post("/register", registration);
    await app.send("GET", "/batch");
    await app.send("GET", "/reset_data");
    const { status, body } = await app.send("GET", "/batch");
    expect({ status, body: JSON.parse(body) }).toEqual({
      status: 200,
      body: { status: "error", message: "Trainer not registered. Call /register first.", batch: [] },
    });
    expect((await app.post("/register-env", envDescription)).body).toBe(
      '{"status":"wait for trainer to start"}',
    );
  });

  test("integers beyond 2^53 are told on exactly", async () => {
    await using app = startApp();
    await app.post("/register", JSON.stringify(registration).replace("100", "9223372036854775807"));
    await app.send("GET", "/batch");
    expect((await app.post("/register-env", envDescription)).body).toContain(
      '"num_steps":9223372036854775807',
    );
  });
});

describe("environment ids", () => {
  async function startJoined() {
    const app = startApp();
    await app.post("/register", registration);
    await app.send("GET", "/batch");
    await app.post("/register-env", envDescription);
    return app;
  }

  test("an unknown id is a 404 of /status-env", async () => {
    await using app = await startJoined();
    expect(await app.send("GET", "/status-env?env_id=1")).toMatchObject({
      status: 404,
      body: '{"detail":"No environment with env_id 1 is registered"}',
    });
  });

  test("negative ids don't count from the end", async () => {
    await using app = await startJoined();
    for (const [path, body] of [
      ["/disconnect-env", { env_id: -1 }],
      ["/scored_data", { ...group, env_id: -1 }],
    ] as const) {
      expect(await app.post(path, body)).toMatchObject({
        status: 422,
        body: '{"detail":[{"type":"greater_than_equal","loc":["body","env_id"],"msg":"Input should be greater than or equal to 0","input":-1,"ctx":{"ge":0}}]}',
      });
    }
  });

  test("/status-env takes the id from the body, else from the query", async () => {
    await using app = await startJoined();
    expect((await app.send("GET", "/status-env?env_id=0")).status).toBe(200);
    const withBody = { headers: { "content-type": "application/json" }, payload: '{"env_id":0}' };
    expect((await app.send("GET", "/status-env?env_id=7", withBody)).status).toBe(200);
    expect((await app.send("GET", "/status-env?env_id=x")).body).toContain('"loc":["query","env_id"]');
    expect((await app.send("GET", "/status-env")).body).toBe(
      '{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}',
    );
  });
});

describe("the wire", () => {
  test("HEAD is a method not allowed", async () => {
    await using app = startApp();
    expect(await app.send("HEAD", "/info")).toMatchObject({ status: 405, headers: { allow: "GET" } });
  });

  test("a trailing slash redirects with its query, whatever the method", async () => {
    await using app = startApp();
    const { status, headers } = await app.send("POST", "/scored_data/?a=b", { headers: { host: "h:1" } });
    expect({ status, location: headers.location }).toEqual({
      status: 307,
      location: "http://h:1/scored_data?a=b",
    });
  });

  test("a body without a content type is JSON", async () => {
    await using app = startApp();
    expect(
      (await app.send("POST", "/scored_data", { payload: Buffer.from(JSON.stringify(group)) })).status,
    ).toBe(200);
  });

  test("text that is no UTF-8, or nested without end, can't be parsed", async () => {
    await using app = startApp();
    const answer = { status: 400, body: '{"detail":"There was an error parsing the body"}' };
    expect(await app.post("/scored_data", Buffer.from([0x22, 0xff, 0x22]))).toMatchObject(answer);
    expect(await app.post("/scored_data", "[".repeat(5000))).toMatchObject(answer);
  });

  test("a body of tens of megabytes is taken", async () => {
    await using app = startApp();
    const tokens = [Array.from({ length: 4_000_000 }, (_, index) => index)];
    const { status } = await app.post("/scored_data", { tokens, masks: [[]], scores: [1] });
    expect(status).toBe(200);
  });

  test("a failure of the store is a 500 that tells nothing", async () => {
    const stores = new MemoryStores(compatStoreOptions);
    const store = await stores.run("default");
    store.status = async () => {
      throw new Error("secret");
    };
    await using app = createRolloutApi({ stores, compat: true });
    const { statusCode, headers, body } = await app.inject("/status");
    expect({ statusCode, type: headers["content-type"], body }).toEqual({
      statusCode: 500,
      type: "text/plain; charset=utf-8",
      body: "Internal Server Error",
    });
  });
});
