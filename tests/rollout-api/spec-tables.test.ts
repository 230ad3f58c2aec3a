/**
 * The rows of the specification's tables, one test each: compression of requests (1.2), validation (1.3) and
 * edge cases (1.10), each with what the original does ("compat") where that can be kept, and what we do.
 */
import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  groupNumber,
  startTestApp,
  type TestApp,
  wireEnv,
  wireGroup,
  wireRegistration,
} from "../support/rollout-app.ts";

const modes = [
  ["by default", false],
  ["with compat", true],
] as const;

/** Plays in both modes. */
function inBothModes(title: string, play: (app: TestApp, compat: boolean) => Promise<void>): void {
  test.each(modes)(`${title} (%s)`, async (_mode, compat) => {
    await using app = startTestApp({ compat });
    await play(app, compat);
  });
}

describe("1.2: request bodies with Content-Encoding", () => {
  const text = JSON.stringify(wireGroup);
  const zipped = gzipSync(text);
  const damaged = Buffer.from(zipped);
  damaged.writeUInt32LE(7, zipped.length - 8);

  const rows: [string, string, Buffer, number, string?][] = [
    ["no gzip at all", "gzip", Buffer.from("plain"), 400, "Invalid gzip payload"],
    ["a bad checksum", "gzip", damaged, 400, "Invalid gzip payload"],
    [
      "junk behind the stream",
      "gzip",
      Buffer.concat([zipped, Buffer.from("junk")]),
      400,
      "Invalid gzip payload",
    ],
    ["a truncated stream", "gzip", zipped.subarray(0, -10), 400, "Invalid gzip payload"],
    ["an empty body", "gzip", Buffer.alloc(0), 422],
    ["gzip", "gzip", zipped, 200],
    ["gzip in capitals, among others", "identity, X-GZIP", zipped, 200],
    ["two members", "gzip", Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))]), 200],
    ["zeros behind the stream", "gzip", Buffer.concat([zipped, Buffer.alloc(20)]), 200],
    ["plain JSON that calls itself br", "br", Buffer.from(text), 200],
    ["plain JSON that calls itself identity", "identity", Buffer.from(text), 200],
    ["deflated bytes", "deflate", deflateSync(text), 400, '{"detail":"There was an error parsing the body"}'],
  ];
  for (const [title, encoding, body, status, answer] of rows) {
    inBothModes(title, async (app) => {
      const seen = await app.post("/scored_data", body, { "content-encoding": encoding });
      expect(seen.status).toBe(status);
      if (answer !== undefined) expect(seen.text).toBe(answer);
    });
  }
});

describe("1.2: compressed answers", () => {
  /** An answer of about so many bytes: a 422 with its input echoed. */
  const ask = (app: TestApp, bytes: number, accepted?: string) =>
    app.post(
      "/scored_data",
      { filler: "x".repeat(bytes) },
      accepted === undefined ? {} : { "accept-encoding": accepted },
    );

  test.each([
    ["gzip", true],
    ["gzip;q=0", true],
    ["deflate, gzip", true],
    ["GZIP", false],
    ["*", false],
    ["br", false],
    [undefined, false],
  ])("from 1000 bytes for Accept-Encoding: %s: %s", async (accepted, compressed) => {
    await using app = startTestApp({ compat: true });
    const { status, headers } = await ask(app, 2000, accepted);
    expect({ status, vary: headers.vary, encoding: headers["content-encoding"] }).toEqual({
      status: 422,
      vary: "Accept-Encoding",
      encoding: compressed ? "gzip" : undefined,
    });
  });

  test("below 1000 bytes there is neither header", async () => {
    await using app = startTestApp({ compat: true });
    const { headers } = await ask(app, 10, "gzip");
    expect([headers.vary, headers["content-encoding"]]).toEqual([undefined, undefined]);
  });

  test.each([
    ["remote", false],
    ["always", true],
    ["never", false],
  ] as const)("--gzip %s compresses for a client on this machine: %s", async (gzip, compressed) => {
    await using app = startTestApp({ gzip });
    const { headers } = await ask(app, 2000, "gzip");
    expect(headers.vary).toBe("Accept-Encoding");
    expect(headers["content-encoding"]).toBe(compressed ? "gzip" : undefined);
  });
});

describe("1.3: validation", () => {
  const register = (changes: Record<string, unknown>) =>
    ["/register", { ...wireRegistration, ...changes }] as const;
  const submit = (changes: Record<string, unknown>) =>
    ["/scored_data", { ...wireGroup, ...changes }] as const;
  const enroll = (changes: Record<string, unknown>) => ["/register-env", { ...wireEnv, ...changes }] as const;
  const { tokens: _tokens, ...noTokens } = wireGroup;

  const rows: [string, readonly [string, unknown], string, (string | number)[], string, unknown][] = [
    ["a field is absent", ["/scored_data", noTokens], "missing", ["tokens"], "Field required", noTokens],
    ["no body", ["/register", ""], "missing", [], "Field required", null],
    [
      "an int with a fraction",
      register({ batch_size: 1.5 }),
      "int_from_float",
      ["batch_size"],
      "Input should be a valid integer, got a number with a fractional part",
      1.5,
    ],
    [
      "an int from a bad string",
      register({ batch_size: "x" }),
      "int_parsing",
      ["batch_size"],
      "Input should be a valid integer, unable to parse string as an integer",
      "x",
    ],
    [
      "an int from null",
      register({ batch_size: null }),
      "int_type",
      ["batch_size"],
      "Input should be a valid integer",
      null,
    ],
    [
      "an int from an object",
      register({ batch_size: {} }),
      "int_type",
      ["batch_size"],
      "Input should be a valid integer",
      {},
    ],
    [
      "an int from too large a float",
      register({ batch_size: 1e30 }),
      "int_parsing_size",
      ["batch_size"],
      "Unable to parse input string as an integer, exceeded maximum size",
      1e30,
    ],
    [
      "a float from null",
      enroll({ weight: null }),
      "float_type",
      ["weight"],
      "Input should be a valid number",
      null,
    ],
    [
      "a float from an object",
      submit({ scores: [{}, 1] }),
      "float_type",
      ["scores", 0],
      "Input should be a valid number",
      {},
    ],
    [
      "a str from a number",
      register({ wandb_group: 5 }),
      "string_type",
      ["wandb_group"],
      "Input should be a valid string",
      5,
    ],
    [
      "a str from null",
      enroll({ desired_name: null }),
      "string_type",
      ["desired_name"],
      "Input should be a valid string",
      null,
    ],
    ["a list expected", submit({ tokens: 5 }), "list_type", ["tokens"], "Input should be a valid list", 5],
    [
      "a dict expected",
      submit({ overrides: [5, 5] }),
      "dict_type",
      ["overrides", 0],
      "Input should be a valid dictionary",
      5,
    ],
    [
      "a body that is no object",
      ["/scored_data", "[1]"],
      "model_attributes_type",
      [],
      "Input should be a valid dictionary or object to extract fields from",
      [1],
    ],
    [
      "a message without role",
      submit({ messages: [[{ content: "" }], []] }),
      "value_error",
      ["messages"],
      "Value error, Message must have 'role' and 'content' fields",
      [[{ content: "" }], []],
    ],
    [
      "NaN in an int",
      ["/register", JSON.stringify(wireRegistration).replace(":2,", ":NaN,")],
      "finite_number",
      ["batch_size"],
      "Input should be a finite number",
      "NaN",
    ],
    [
      "messages that are a number",
      submit({ messages: 5 }),
      "list_type",
      ["messages"],
      "Input should be a valid list",
      5,
    ],
    [
      "messages with null",
      submit({ messages: [null, null] }),
      "list_type",
      ["messages", 0],
      "Input should be a valid list",
      null,
    ],
  ];
  for (const [title, [path, body], type, loc, msg, input] of rows) {
    inBothModes(title, async (app) => {
      const { status, json } = await app.post(path, body);
      expect({ status, problem: Object(json).detail[0] }).toMatchObject({
        status: 422,
        problem: { type, loc: ["body", ...loc], msg, input },
      });
    });
  }

  inBothModes("bad JSON says where", async (app) => {
    const { status, json } = await app.post("/scored_data", '{"tokens": [[1,]]}');
    expect(status).toBe(422);
    expect(json).toEqual({
      detail: [
        {
          type: "json_invalid",
          loc: ["body", 15],
          msg: "JSON decode error",
          input: {},
          ctx: { error: expect.any(String) },
        },
      ],
    });
  });

  inBothModes("a content type that is not JSON makes a text of the body", async (app) => {
    const { status, json } = await app.post("/register", "{}", { "content-type": "text/plain" });
    expect({ status, problem: Object(json).detail[0] }).toMatchObject({
      status: 422,
      problem: { type: "model_attributes_type", loc: ["body"], input: "{}" },
    });
  });

  inBothModes(
    "coercions: ints and floats from what stands for one, unknown keys, other JSON types",
    async (app) => {
      for (const batchSize of [8, 8.0, "8", " 8 ", "8.0", true]) {
        await app.get("/reset_data");
        const body = { ...wireRegistration, batch_size: batchSize, unknown: { a: 1 } };
        expect((await app.post("/register", body)).status).toBe(200);
        expect(Object((await app.get("/info")).json).batch_size).toBe(batchSize === true ? 1 : 8);
      }
      await app.get("/batch");
      for (const weight of [1, "0.5", true]) {
        expect(Object((await app.post(...enroll({ weight }))).json).status).toBe("success");
      }
      for (const type of ["application/json; charset=utf-8", "application/vnd.api+json"]) {
        const one = { tokens: [[1]], masks: [[1]], scores: [1] };
        expect((await app.post("/scored_data", one, { "content-type": type })).status).toBe(200);
      }
    },
  );

  inBothModes("every problem is told, in field order", async (app) => {
    const { json } = await app.post("/scored_data", { scores: [null], masks: 5 });
    expect(Object(json).detail.map(({ loc }: { loc: unknown[] }) => loc.slice(1))).toEqual([
      ["tokens"],
      ["masks"],
      ["scores", 0],
    ]);
  });
});

describe("1.10: edge cases", () => {
  async function join(app: TestApp): Promise<void> {
    await app.post("/register", wireRegistration);
    await app.get("/batch");
    await app.post("/register-env", wireEnv);
  }

  inBothModes("an unknown env_id in scored_data is taken", async (app) => {
    await join(app);
    expect((await app.post("/scored_data", { ...wireGroup, env_id: 9 })).text).toBe('{"status":"received"}');
  });

  inBothModes("a negative env_id is refused wherever it stands", async (app) => {
    await join(app);
    expect((await app.post("/scored_data", { ...wireGroup, env_id: -1 })).status).toBe(422);
    expect((await app.post("/disconnect-env", { env_id: -1 })).status).toBe(422);
    expect((await app.get("/status-env?env_id=-1")).status).toBe(422);
    expect((await app.get("/status-env?env_id=0")).status).toBe(200);
  });

  inBothModes("disconnecting an unknown environment is a failure in words", async (app) => {
    expect((await app.post("/disconnect-env", { env_id: 3 })).json).toEqual({
      status: "failure",
      error: "'State' object has no attribute 'envs'",
    });
    await join(app);
    expect(await app.post("/disconnect-env", { env_id: 3 })).toMatchObject({
      status: 200,
      json: { status: "failure", error: "list index out of range" },
    });
  });

  inBothModes("groups of a disconnected environment are taken", async (app) => {
    await join(app);
    await app.post("/disconnect-env", { env_id: 0 });
    expect((await app.post("/scored_data", { ...wireGroup, env_id: 0 })).text).toBe('{"status":"received"}');
  });

  inBothModes("registering twice gives a new uuid and changes nothing", async (app) => {
    const first = await app.post("/register", wireRegistration);
    const second = await app.post("/register", { ...wireRegistration, batch_size: 64 });
    expect(second.text).toMatch(/^\{"uuid":\d+\}$/);
    expect(second.text).not.toBe(first.text);
    expect((await app.get("/info")).json).toEqual({ batch_size: 2, max_token_len: 128 });
  });

  const notRegistered =
    '{"status":"error","message":"Trainer not registered. Call /register first.","batch":[]}';

  inBothModes("/batch before any trainer, and after a reset, is an error object", async (app) => {
    expect(await app.get("/batch")).toMatchObject({ status: 200, text: notRegistered });
    await join(app);
    await app.get("/reset_data");
    expect(await app.get("/batch")).toMatchObject({ status: 200, text: notRegistered });
    // The original let environments join a run without a trainer now, with -1 steps.
    expect((await app.post("/register-env", wireEnv)).text).toBe('{"status":"wait for trainer to start"}');
  });

  inBothModes("groups before the trainer wait for it, and brick nothing", async (app) => {
    expect((await app.post("/scored_data", groupNumber(4))).status).toBe(200);
    await app.post("/register", wireRegistration);
    expect(await app.takeBatch()).toEqual([4]);
  });

  inBothModes("a score that is no number is refused, and poisons nothing", async (app) => {
    await join(app);
    for (const score of ["NaN", "Infinity", "-Infinity", "1e400", '"nan"']) {
      const text = JSON.stringify(wireGroup).replace('"scores":[0', `"scores":[${score}`);
      expect((await app.post("/scored_data", text)).status).toBe(422);
    }
    expect((await app.get("/latest_example")).status).toBe(200);
    expect((await app.get("/status")).json).toEqual({ current_step: 0, queue_size: 0 });
  });

  test("a group larger than the batch is refused, with compat taken: there it blocks as it did", async () => {
    const large = { tokens: [[1], [2], [3]], masks: [[1], [2], [3]], scores: [1, 2, 3] };
    await using app = startTestApp();
    await app.post("/register", wireRegistration);
    expect((await app.post("/scored_data", large)).status).toBe(422);
    await app.post("/scored_data", groupNumber(1));
    expect(await app.takeBatch()).toEqual([1]);

    await using compat = startTestApp({ compat: true });
    await compat.post("/register", wireRegistration);
    await compat.post("/scored_data", large);
    await compat.post("/scored_data", groupNumber(1));
    expect(await compat.takeBatch()).toBeNull();
  });

  test("sizes that don't divide are packed exactly; with compat they block", async () => {
    const three = { tokens: [[1], [2], [3]], masks: [[1], [2], [3]], scores: [3, 0, 0] };
    const play = async (app: TestApp) => {
      await app.post("/register", { ...wireRegistration, batch_size: 5 });
      await app.post("/scored_data", three);
      await app.post("/scored_data", groupNumber(2));
      return (await app.takeBatch())?.toSorted() ?? null;
    };
    await using app = startTestApp();
    expect(await play(app)).toEqual([2, 3]);
    await using compat = startTestApp({ compat: true });
    expect(await play(compat)).toBeNull();
  });

  test("an environment with a minimum that falls silent blocks only until it counts as stale", async () => {
    let now = 0;
    const play = async (app: TestApp) => {
      await app.post("/register", wireRegistration);
      await app.get("/batch");
      await app.post("/register-env", { ...wireEnv, min_batch_allocation: 0.5 });
      await app.post("/register-env", wireEnv);
      await app.post("/scored_data", { ...groupNumber(7), env_id: 1 });
      expect(await app.takeBatch()).toBeNull();
      now += 300_001;
      return app.takeBatch();
    };
    const clock = { now: () => now };
    await using app = startTestApp({ store: { clock, envTimeoutMs: 300_000 } });
    expect(await play(app)).toEqual([7]);
    await using compat = startTestApp({ compat: true, store: { clock } });
    expect(await play(compat)).toBeNull();
  });

  test("of several batches the oldest is served first; with compat the newest; steps count alike", async () => {
    const play = async (app: TestApp) => {
      await app.post("/register", { ...wireRegistration, starting_step: 5 });
      for (const number of [1, 2, 3]) await app.post("/scored_data", groupNumber(number));
      const first = await app.takeBatch();
      return [first, (await app.get("/status")).json];
    };
    await using app = startTestApp();
    expect(await play(app)).toEqual([[1], { current_step: 8, queue_size: 0 }]);
    await using compat = startTestApp({ compat: true });
    expect(await play(compat)).toEqual([[3], { current_step: 8, queue_size: 0 }]);
  });
});
