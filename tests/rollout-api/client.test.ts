/** The client against a real server, and against servers that are away, in trouble, or none at all. */
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import type { ScoredGroup } from "../../src/contracts/scored-group.ts";
import { AccessControl } from "../../src/rollout-api/access.ts";
import { RolloutApiClient } from "../../src/rollout-api/client.ts";
import type { EnvDescription, TrainerRegistration } from "../../src/rollout-api/client-schemas.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

const registration: TrainerRegistration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 8,
  max_token_len: 128,
  checkpoint_dir: "ck",
  save_checkpoint_interval: 5,
  starting_step: 0,
  num_steps: 100,
};
const description: EnvDescription = {
  max_token_length: 128,
  desired_name: "env",
  weight: 1,
  group_size: 4,
  min_batch_allocation: null,
};
const { signal } = new AbortController();
const oneAttempt = { signal, attempts: 1 };

function groupOf(sequences: number, envId: number): ScoredGroup {
  const tokens = Array.from({ length: sequences }, () => Array.from({ length: 300 }, (_, token) => token));
  return {
    tokens,
    masks: tokens,
    scores: tokens.map((_, index) => index),
    advantages: null,
    ref_logprobs: null,
    messages: tokens.map(() => [{ role: "user", content: "hé" }]),
    generation_params: { temperature: 1 },
    inference_logprobs: null,
    overrides: null,
    group_overrides: null,
    images: null,
    env_id: envId,
    distill_token_ids: null,
    distill_logprobs: null,
  };
}

type Seen = {
  method: string | undefined;
  url: string | undefined;
  encoding: string | undefined;
  authorization: string | undefined;
  body: string;
};

/** A server that answers from a script, one entry per request, the last one for ever. */
async function startScripted(...answers: ((response: http.ServerResponse) => void)[]) {
  const seen: Seen[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push({
        method,
        url,
        encoding: headers["content-encoding"],
        authorization: headers.authorization,
        body: Buffer.concat(chunks).toString(),
      });
      answers[Math.min(seen.length, answers.length) - 1]?.(response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Passes everything on to the server, but cuts the connection instead of passing on some of its answers. */
async function startLossyProxy(port: number) {
  let toLose = 0;
  const proxy = http.createServer((request, response) => {
    const { method, url, headers } = request;
    const onward = http.request({ host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      if (toLose-- > 0) {
        answer.resume();
        answer.on("end", () => response.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    loseAnswers(count: number) {
      toLose = count;
    },
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      proxy.close();
      await once(proxy, "close");
    },
  };
}

/** Answers as soon as a request begins, reads no more of it, and closes. */
async function startHangingUp(answer: string) {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.pause();
      socket.write(answer);
      socket.destroySoon();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}) =>
  (response: http.ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
const hangUp = (response: http.ServerResponse) => void response.destroy();
const status = { current_step: 3, queue_size: 1 };

describe("with a rollout server", () => {
  test("an original takes no groups larger than registered, and doesn't say so", async () => {
    await using server = await startRolloutServer({ compat: true });
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 5 });
    await client.register(registration, { signal });
    await client.batch({ signal });
    expect(await client.registerEnv(description, { signal })).toMatchObject({ takes_larger_groups: false });
  });

  test("trainer and environment play a whole run", async () => {
    await using server = await startRolloutServer();
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 5 });
    const joining = client.waitForTrainer({ signal }).then(async (wandb) => ({
      wandb,
      registration: await client.registerEnv(description, { signal }),
    }));
    await client.register(registration, { signal });
    expect(await client.batch({ signal })).toBeNull();
    expect(await joining).toEqual({
      wandb: { group: "g", project: "p" },
      registration: {
        status: "success",
        env_id: 0,
        wandb_name: "env_0",
        checkpoint_dir: "ck",
        starting_step: 0,
        checkpoint_interval: 5,
        num_steps: 100,
        takes_larger_groups: true,
      },
    });
    expect(await client.info({ signal })).toEqual({ batch_size: 8, max_token_len: 128 });
    expect(await client.submitGroups([groupOf(4, 0)], { signal })).toEqual({ groups: 1, buffered: 0 });
    expect(await client.submitGroups([groupOf(3, 0)], { signal })).toEqual({ groups: 1, buffered: 1 });
    expect(await client.submitGroups([groupOf(4, 0), groupOf(1, 0)], { signal })).toEqual({
      groups: 2,
      buffered: 1,
    });
    expect(await client.submitGroups([], { signal })).toEqual({ groups: 0, buffered: 0 });
    expect(await client.statusEnv(0, { signal })).toMatchObject({ queue_size: 3, max_group_size: 4 });
    expect(await client.batch({ signal })).toEqual([groupOf(4, 0), groupOf(4, 0)]);
    expect(await client.status({ signal })).toEqual({ current_step: 1, queue_size: 2 });
    await client.disconnectEnv(0, { signal });
    await expect(client.disconnectEnv(7, { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("list index out of range"),
    });
  });

  test("a refusal carries the server's words, without its echo of the input", async () => {
    await using server = await startRolloutServer();
    await using client = new RolloutApiClient({ url: server.url });
    const broken = { ...groupOf(1, 0), scores: [Number.NaN] };
    await expect(client.submitGroups([broken], { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringMatching(/scored_data: 422 body\.scores\.0: Input should be a valid number$/),
    });
    await expect(client.statusEnv(0, { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("404 No environment with env_id 0 is registered"),
    });
    await expect(client.batch({ signal })).rejects.toMatchObject({ code: "ROLLOUT_API_NOT_REGISTERED" });
  });
});

describe("on the wire", () => {
  test("large submissions travel compressed, small ones plain, and GET /status-env has a body", async () => {
    await using server = await startScripted(
      json({ status: "received" }),
      json({ status: "received" }),
      json({ current_step: 0, queue_size: 0, self_queue_size: 0, max_group_size: 1, env_weight: 1 }),
    );
    await using client = new RolloutApiClient({ url: `${server.url}/runs/a` });
    await client.submitGroups([groupOf(4, 0)], { signal });
    await client.submitGroups([{ ...groupOf(0, 0), messages: null }], { signal });
    expect(await client.statusEnv(5, { signal })).toMatchObject({ unallocated_fraction: 1 });
    expect(server.seen).toMatchObject([
      { method: "POST", url: "/runs/a/scored_data", encoding: "gzip" },
      { method: "POST", url: "/runs/a/scored_data", encoding: undefined },
      { method: "GET", url: "/runs/a/status-env", body: '{"env_id":5}' },
    ]);
  });
});

describe("tokens", () => {
  test.each([
    ["an option", { token: "t-1" }, "", "Bearer t-1"],
    ["the URL's password", {}, "anybody:t%2F2@", "Bearer t/2"],
    ["the option before the URL", { token: "t-1" }, "anybody:t-2@", "Bearer t-1"],
    ["none", {}, "", undefined],
  ])("from %s", async (_name, options, userinfo, authorization) => {
    await using server = await startScripted(json(status));
    const url = server.url.replace("//", `//${userinfo}`);
    await using client = new RolloutApiClient({ url, ...options });
    await client.status({ signal });
    expect(server.seen[0]?.authorization).toBe(authorization);
    expect(client.url).toBe(`${server.url}/`);
  });

  test("that no header can carry are refused at once, and not told", () => {
    const make = () => new RolloutApiClient({ url: "http://a", token: "top\nsecret" });
    expect(make).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(make).not.toThrow(/secret/);
  });

  test("a server that asks for one refuses in clear words", async () => {
    const access = new AccessControl([{ role: "env", token: "right" }]);
    await using server = await startRolloutServer({ access });
    await using wrong = new RolloutApiClient({ url: server.url, token: "wrong" });
    await expect(wrong.status({ signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("401 Invalid token"),
      hint: expect.stringContaining("env.rollout_server_token"),
    });
    await using right = new RolloutApiClient({ url: server.url, token: "right" });
    expect(await right.status({ signal })).toEqual({ current_step: 0, queue_size: 0 });
  });
});

describe("leases and names", () => {
  test("a batch is leased, given back, leased again and acknowledged", async () => {
    await using server = await startRolloutServer();
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 5 });
    await client.register(registration, { signal });
    expect(await client.leaseBatch(60, { signal })).toBeNull();
    await client.submitGroups([groupOf(8, 0)], { signal });
    const first = await client.leaseBatch(60, { signal });
    expect(await client.batch({ signal })).toBeNull();
    await client.settle(first?.leaseId ?? "", "returned", { signal });
    const second = await client.leaseBatch(60, { signal });
    expect(second?.batch).toEqual(first?.batch);
    await client.settle(second?.leaseId ?? "", "taken", { signal });
    await client.settle(second?.leaseId ?? "", "taken", { signal });
    await expect(client.settle(first?.leaseId ?? "", "taken", { signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_REJECTED",
      message: expect.stringContaining("This lease is not open"),
    });
  });

  test("a server without leases hands the batch over for good", async () => {
    await using server = await startRolloutServer({ compat: true });
    await using client = new RolloutApiClient({ url: server.url });
    await client.register(registration, { signal });
    await client.submitGroups([groupOf(8, 0)], { signal });
    expect(await client.leaseBatch(60, { signal })).toEqual({ batch: [groupOf(8, 0)], leaseId: null });
  });

  test("a named group whose answer is lost is sent again and counts once", async () => {
    await using server = await startRolloutServer();
    await using proxy = await startLossyProxy(server.port);
    await using client = new RolloutApiClient({ url: proxy.url, random: () => 0 });
    await client.register(registration, { signal });
    const named = { signal, groupIds: ["run/g0"] };
    proxy.loseAnswers(1);
    await client.submitGroups([groupOf(4, 0)], named);
    expect(await client.status({ signal })).toMatchObject({ queue_size: 1 });
    proxy.loseAnswers(1);
    await client.submitGroups([groupOf(4, 0)], { signal });
    expect(await client.status({ signal })).toMatchObject({ queue_size: 3 });
  });
});

test("a refusal that comes while the body is under way is final, also from a server that hangs up then", async () => {
  await using server = await startHangingUp(
    "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 22\r\nconnection: close\r\n\r\n" +
      '{"detail":"too large"}',
  );
  await using client = new RolloutApiClient({ url: server.url });
  const huge = { ...groupOf(4, 0), images: Array.from({ length: 400_000 }, () => Math.random()) };
  await expect(client.submitGroups([huge], { signal })).rejects.toMatchObject({
    code: "ROLLOUT_API_REJECTED",
    message: expect.stringContaining("413 too large"),
  });
  expect(server.connections()).toBe(1);
});

describe("with a server in trouble", () => {
  test.each([
    ["500", json({ detail: "broken" }, 500)],
    ["503 with Retry-After", json({}, 503, { "retry-after": "0" })],
    ["429 with Retry-After", json({}, 429, { "retry-after": "0" })],
    ["a connection that breaks", hangUp],
  ])("%s is asked again", async (_name, trouble) => {
    await using server = await startScripted(trouble, json(status));
    await using client = new RolloutApiClient({ url: server.url, random: () => 0 });
    expect(await client.status({ signal })).toEqual(status);
    expect(server.seen).toHaveLength(2);
  });

  test("a 4xx is not", async () => {
    await using server = await startScripted(json({ detail: "Not Found" }, 404));
    await using client = new RolloutApiClient({ url: server.url });
    await expect(client.status({ signal })).rejects.toMatchObject({ code: "ROLLOUT_API_REJECTED" });
    expect(server.seen).toHaveLength(1);
  });

  test("attempts bound the asking", async () => {
    await using server = await startScripted(json({ detail: "broken" }, 500));
    await using client = new RolloutApiClient({ url: server.url, random: () => 0 });
    await expect(client.status({ signal, attempts: 2 })).rejects.toMatchObject({
      code: "ROLLOUT_API_UNREACHABLE",
      retryable: true,
      message: expect.stringContaining("500 broken"),
    });
    expect(server.seen).toHaveLength(2);
  });

  test("a server that never answers is given up after the timeout", async () => {
    await using server = await startScripted(() => undefined);
    await using client = new RolloutApiClient({ url: server.url, timeoutMs: 50 });
    await expect(client.status(oneAttempt)).rejects.toMatchObject({
      code: "ROLLOUT_API_UNREACHABLE",
      message: expect.stringContaining("no answer within 50 ms"),
    });
  });

  test("something that is no rollout API is told apart", async () => {
    await using server = await startScripted(
      (response) => void response.end("<html>"),
      json({ current_step: "x" }),
    );
    await using client = new RolloutApiClient({ url: server.url });
    await expect(client.status({ signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_BAD_REPLY",
      message: expect.stringContaining('expected JSON, got "<html>"'),
    });
    await expect(client.status({ signal })).rejects.toMatchObject({
      code: "ROLLOUT_API_BAD_REPLY",
      message: expect.stringContaining("current_step"),
    });
  });
});

describe("with a server that is away", () => {
  test("a submission waits for it to come back, and arrives once", async () => {
    const first = await startRolloutServer();
    const { port, url } = first;
    await first.close();
    await using client = new RolloutApiClient({ url, random: () => 0 });
    const sending = client.submitGroups([groupOf(4, 0)], { signal });
    await using _again = await startRolloutServer({ port });
    expect(await sending).toEqual({ groups: 1, buffered: 0 });
    expect(await client.status({ signal })).toMatchObject({ queue_size: 1 });
  });

  test.each(["status", "waitForTrainer", "batch"] as const)(
    "%s ends with the signal's reason",
    async (method) => {
      const gone = await startRolloutServer();
      await gone.close();
      await using client = new RolloutApiClient({ url: gone.url });
      const controller = new AbortController();
      const call = client[method]({ signal: controller.signal });
      const reason = new Error("shutting down");
      controller.abort(reason);
      await expect(call).rejects.toBe(reason);
      await expect(client[method]({ signal: controller.signal })).rejects.toBe(reason);
    },
  );

  test("a poll between two questions ends too", async () => {
    await using server = await startRolloutServer();
    await using client = new RolloutApiClient({ url: server.url, pollIntervalMs: 60_000 });
    const controller = new AbortController();
    const waiting = client.waitForTrainer({ signal: controller.signal });
    await client.status({ signal });
    controller.abort(new Error("stop"));
    await expect(waiting).rejects.toThrow("stop");
  });
});

test.each(["127.0.0.1:8000", "ftp://a", ""])("the URL %j is refused at once", (url) => {
  expect(() => new RolloutApiClient({ url })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
