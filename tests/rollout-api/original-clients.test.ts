/**
 * The original's Python clients, byte for byte as aiohttp and requests put them on the wire: the environment's
 * whole life, with a trainer beside it on another connection.
 */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { AccessControl } from "../../src/rollout-api/access.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

/** Python's json.dumps: a space after each comma and colon, everything beyond ASCII escaped. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${pythonJson(key)}: ${pythonJson(item)}`)
      .join(", ")}}`;
  }
  const text = JSON.stringify(value);
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** aiohttp's head. */
function environmentHead(method: string, path: string, headers: readonly string[] = []): string[] {
  return [
    `${method} ${path} HTTP/1.1`,
    "Host: 127.0.0.1:8000",
    "Accept: */*",
    "Accept-Encoding: gzip, deflate",
    "User-Agent: Python/3.11 aiohttp/3.12.15",
    ...headers,
  ];
}

/** requests' head. */
function trainerHead(method: string, path: string, headers: readonly string[] = []): string[] {
  return [
    `${method} ${path} HTTP/1.1`,
    "Host: localhost:8000",
    "User-Agent: python-requests/2.32.4",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "Connection: keep-alive",
    ...headers,
  ];
}

function jsonHeaders(body: string | Buffer): string[] {
  return [`Content-Length: ${Buffer.byteLength(body)}`, "Content-Type: application/json"];
}

function chunked(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function groupOf(sequences: number, envId: number) {
  const positions = Array.from({ length: 200 }, (_, position) => position);
  return {
    tokens: Array.from({ length: sequences }, () => positions),
    masks: Array.from({ length: sequences }, () => positions.map((token) => (token < 50 ? -100 : token))),
    scores: Array.from({ length: sequences }, (_, index) => index / 2),
    messages: Array.from({ length: sequences }, () => [{ role: "user", content: "wie groß? 😀" }]),
    inference_logprobs: Array.from({ length: sequences }, () => positions.map((token) => -(token + 1) / 7)),
    env_id: envId,
    overrides: null,
    group_overrides: { temperature: 1 },
  };
}

test.each([
  ["by default", false],
  ["with --compat", true],
])("a Python environment and a Python trainer run against the server %s", async (_mode, compat) => {
  await using server = await startRolloutServer({ compat });
  using environment = new RawSocket(server.port);
  using trainer = new RawSocket(server.port);
  const text = async (answer: ReturnType<RawSocket["exchange"]>) => {
    const { status, body } = await answer;
    return [status, body.toString("utf8")];
  };

  // The environment starts first and polls for a trainer.
  expect(await text(environment.exchange(environmentHead("GET", "/wandb_info")))).toEqual([
    200,
    '{"group":null,"project":null}',
  ]);
  const description = pythonJson({
    max_token_length: 2048,
    desired_name: "gsm8k",
    weight: 1.0,
    group_size: 4,
    min_batch_allocation: null,
  });
  const registerEnv = () =>
    text(
      environment.exchange(environmentHead("POST", "/register-env", jsonHeaders(description)), description),
    );
  expect(await registerEnv()).toEqual([200, '{"status":"wait for trainer to start"}']);

  // The trainer checks that the server lives, registers, and asks for its first batch.
  expect((await trainer.exchange(trainerHead("GET", "/info"))).status).toBe(200);
  const registration = pythonJson({
    wandb_group: "grp",
    wandb_project: "proj",
    batch_size: 8,
    max_token_len: 2048,
    starting_step: 0,
    checkpoint_dir: "ck",
    save_checkpoint_interval: 5,
    num_steps: 20,
  });
  const registered = await trainer.exchange(
    trainerHead("POST", "/register", jsonHeaders(registration)),
    registration,
  );
  expect(registered.body.toString()).toMatch(/^\{"uuid":\d{20,39}\}$/);
  expect(await text(trainer.exchange(trainerHead("GET", "/batch")))).toEqual([200, '{"batch":null}']);

  // Now the environment may join.
  expect(await text(environment.exchange(environmentHead("GET", "/wandb_info")))).toEqual([
    200,
    '{"group":"grp","project":"proj"}',
  ]);
  expect(await registerEnv()).toEqual([
    200,
    `{"status":"success","env_id":0,"wandb_name":"gsm8k_0","checkpoint_dir":"ck","starting_step":0,"checkpoint_interval":5,"num_steps":20${compat ? "" : ',"takes_larger_groups":true'}}`,
  ]);
  expect(await text(environment.exchange(environmentHead("GET", "/info")))).toEqual([
    200,
    '{"batch_size":8,"max_token_len":2048}',
  ]);

  // Its status comes by GET with a JSON body.
  const self = pythonJson({ env_id: 0 });
  const status = () =>
    text(environment.exchange(environmentHead("GET", "/status-env", jsonHeaders(self)), self));
  expect(await status()).toEqual([
    200,
    '{"current_step":0,"queue_size":0,"unallocated_fraction":1.0,"self_queue_size":0,"max_group_size":1,"env_weight":1.0}',
  ]);

  // One group, gzipped as the client does from 1024 bytes.
  const group = gzipSync(pythonJson(groupOf(4, 0)));
  const gzipHeaders = [...jsonHeaders(group), "Content-Encoding: gzip"];
  expect(
    await text(environment.exchange(environmentHead("POST", "/scored_data", gzipHeaders), group)),
  ).toEqual([200, '{"status":"received"}']);

  // A list, gzipped and chunked; its halves are buffered until they make a group.
  const list = gzipSync(pythonJson([groupOf(2, 0), groupOf(2, 0)]));
  const chunkedHeaders = [
    "Content-Type: application/json",
    "Content-Encoding: gzip",
    "Transfer-Encoding: chunked",
  ];
  expect(
    await text(
      environment.exchange(environmentHead("POST", "/scored_data_list", chunkedHeaders), chunked(list, 777)),
    ),
  ).toEqual([200, '{"status":"received","groups_processed":2,"buffered":2,"last_buffer_size":0}']);
  expect(await status()).toEqual([
    200,
    '{"current_step":0,"queue_size":2,"unallocated_fraction":1.0,"self_queue_size":2,"max_group_size":4,"env_weight":1.0}',
  ]);

  // The trainer takes the batch (and hears that it would have been compressed).
  const plainHead = trainerHead("GET", "/batch").filter((line) => !line.startsWith("Accept-Encoding"));
  const batch = await trainer.exchange(plainHead);
  expect(batch.headers).toMatchObject({ "content-type": "application/json", vary: "Accept-Encoding" });
  const items = JSON.parse(batch.body.toString("utf8")).batch;
  expect(items.map(({ tokens }: { tokens: unknown[] }) => tokens.length)).toEqual([4, 2, 2]);
  const { scores: _scores, ...sent } = groupOf(4, 0);
  expect(items[0]).toMatchObject(sent);
  expect(batch.body.toString("utf8")).toContain('"scores":[0.0,0.5,1.0,1.5]');
  expect(Object.keys(items[0])).toHaveLength(14);

  expect(await text(trainer.exchange(trainerHead("GET", "/status")))).toEqual([
    200,
    '{"current_step":1,"queue_size":0}',
  ]);
});

test("a trainer whose project name is null is refused, and told at every /batch that it is unknown", async () => {
  await using server = await startRolloutServer();
  using trainer = new RawSocket(server.port);
  const registration = pythonJson({
    wandb_group: "grp",
    wandb_project: null,
    batch_size: 8,
    max_token_len: 2048,
    checkpoint_dir: "ck",
    save_checkpoint_interval: 5,
    starting_step: 0,
    num_steps: 20,
  });
  const refused = await trainer.exchange(
    trainerHead("POST", "/register", jsonHeaders(registration)),
    registration,
  );
  expect(refused.status).toBe(422);
  const batch = await trainer.exchange(trainerHead("GET", "/batch"));
  expect(JSON.parse(batch.body.toString("utf8"))).toMatchObject({ status: "error", batch: [] });
});

/** What each client of the original's family reads, in the order in which it asks. */
test.each([
  ["by default", false],
  ["with --compat", true],
])(
  "view-run, the SFT and DPO commands, and the inference watcher get what they read %s",
  async (_mode, compat) => {
    await using server = await startRolloutServer({ compat });
    using client = new RawSocket(server.port);
    const ask = async (method: string, path: string, body?: unknown) => {
      const text = body === undefined ? "" : pythonJson(body);
      const head = trainerHead(method, path, body === undefined ? [] : jsonHeaders(text));
      const plain = head.filter((line) => !line.startsWith("Accept-Encoding"));
      const answer = await client.exchange(plain, text);
      expect(answer.status).toBe(200);
      return answer.body.toString("utf8");
    };

    expect(await ask("GET", "/reset_data")).toBe("Reset successful");
    await ask("POST", "/register", {
      wandb_group: "test",
      wandb_project: "test",
      batch_size: 2,
      max_token_len: 512,
      checkpoint_dir: "",
      save_checkpoint_interval: 0,
      starting_step: 0,
      num_steps: 0,
    });
    expect(await ask("GET", "/batch")).toBe('{"batch":null}');
    await ask("POST", "/scored_data", { ...groupOf(2, 0), env_id: null, images: ["a.png", null] });
    const [item] = JSON.parse(await ask("GET", "/batch")).batch;
    expect(Object.keys(item)).toEqual(
      expect.arrayContaining(["tokens", "scores", "messages", "images", "overrides", "inference_logprobs"]),
    );
    expect(item).toMatchObject({ scores: [0, 0.5], images: ["a.png", null], advantages: null });

    expect(JSON.parse(await ask("GET", "/wandb_info"))).toEqual({ group: "test", project: "test" });
    expect(JSON.parse(await ask("GET", "/status"))).toEqual({ current_step: 1, queue_size: 0 });
  },
);

test("a server with tokens takes them from a URL, as aiohttp and requests send them", async () => {
  const access = new AccessControl([{ role: "env", token: "tok:en" }]);
  await using server = await startRolloutServer({ access });
  using environment = new RawSocket(server.port);
  const credentials = Buffer.from("gsm8k:tok:en").toString("base64");
  const known = environmentHead("GET", "/wandb_info", [`Authorization: Basic ${credentials}`]);
  expect((await environment.exchange(known)).status).toBe(200);
  expect((await environment.exchange(environmentHead("GET", "/wandb_info"))).status).toBe(401);
});
