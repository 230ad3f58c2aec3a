/** Sessions: who may do what, how they end, and what a request that comes again is answered. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { python, question, type Session, startTestProxy, type TestProxy } from "../support/proxy.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const admin = { authorization: "Bearer admin-token" };
const tokens = [{ role: "admin" as const, token: "admin-token" }];
const chat = { messages: [{ role: "user", content: question }], tools: [python] };

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

const askChat = (proxy: TestProxy, secret: string, headers = {}, body: object = chat) =>
  proxy.call("POST", "/v1/chat/completions", body, { ...bearer(secret), ...headers });

describe("access", () => {
  test("a secret plays its own session and nothing else; sessions are the admin's", async () => {
    await using proxy = await startTestProxy({ tokens });
    const one = await proxy.createSession(admin);
    const two = await proxy.createSession(admin);
    expect((await askChat(proxy, one.secret)).status).toBe(200);
    const own = `/${one.session_id}/v1/chat/completions`;
    expect((await proxy.call("POST", own, chat, bearer(one.secret))).status).toBe(200);
    expect((await proxy.call("POST", own, chat, admin)).status).toBe(200);
    expect((await proxy.call("POST", own, chat, bearer(two.secret))).status).toBe(403);
    for (const headers of [{}, bearer("ls-guess"), bearer(one.secret)]) {
      expect((await proxy.call("POST", "/sessions", {}, headers)).status).toBe(401);
      expect((await proxy.call("GET", "/sessions", undefined, headers)).status).toBe(401);
      expect((await proxy.call("DELETE", `/${two.session_id}`, undefined, headers)).status).toBe(401);
      const scored = { sessions: [{ session_id: one.session_id, score: 1 }] };
      expect((await proxy.call("POST", "/groups", scored, headers)).status).toBe(401);
    }
    expect((await proxy.call("GET", "/v1/models", undefined, {})).status).toBe(401);
    const models = await proxy.call("GET", "/v1/models", undefined, bearer(one.secret));
    expect(models.body.data).toMatchObject([{ id: "practice", object: "model" }]);
    const { body } = await proxy.call("GET", "/sessions", undefined, admin);
    expect(body.sessions).toMatchObject([{ turns: 1 }, { turns: 0 }]);
    expect(JSON.stringify(body)).not.toContain(one.secret);
  });

  test("pages of other sites are kept out, also behind another name for this machine", async () => {
    await using proxy = await startTestProxy();
    const origin = { origin: "http://elsewhere.example", "sec-fetch-site": "cross-site" };
    const refused = await proxy.call("POST", "/sessions", {}, origin);
    expect(refused).toMatchObject({ status: 403, body: { error: { code: "forbidden" } } });
  });

  test("Atropos' paths work without a key where nobody needs one", async () => {
    await using proxy = await startTestProxy();
    const created = await proxy.call("POST", "/sessions/create", { tool_parser: "hermes", track_tree: true });
    const { uuid } = created.body;
    expect(created.body).toMatchObject({ model_name: "practice" });
    const render = await proxy.call("POST", `/${uuid}/v1/chat/completions/render`, chat);
    expect(render.body).toMatchObject({ num_tokens: render.body.token_ids.length });
    expect(render.body.prompt_text).toContain(question);
    expect((await proxy.call("POST", `/${uuid}/v1/chat/completions`, chat)).status).toBe(200);
    expect(proxy.log.at(-1)?.prompt_ids).toEqual(render.body.token_ids);
    const { body } = await proxy.call("GET", `/${uuid}/nodes`);
    expect(body.nodes).toMatchObject([{ metadata: { finish_reason: "stop" } }]);
    const deleted = await proxy.call("DELETE", `/${uuid}`);
    expect(deleted.body).toEqual({ status: "deleted", uuid });
    const gone = await proxy.call("POST", `/${uuid}/v1/chat/completions`, chat);
    expect(gone).toMatchObject({ status: 404, body: { error: { code: "session_not_found" } } });
  });
});

describe("limits", () => {
  test("a session that nobody uses ends, one in use stays, and the end is told", async () => {
    let now = Date.parse("2026-01-01T00:00:00Z");
    await using proxy = await startTestProxy({ now: () => now, limits: { idleMs: 60_000 } });
    const idle = await proxy.createSession();
    const used = await proxy.createSession();
    now += 40_000;
    expect((await askChat(proxy, used.secret)).status).toBe(200);
    now += 40_000;
    const late = await askChat(proxy, idle.secret);
    expect(late).toMatchObject({
      status: 401,
      body: { error: { type: "authentication_error", code: "session_expired" } },
    });
    expect((await askChat(proxy, used.secret)).status).toBe(200);
    expect((await proxy.call("GET", `/${idle.session_id}/nodes`)).status).toBe(404);
  });

  test("sessions, bodies and requests at once have bounds", async () => {
    await using proxy = await startTestProxy({
      practice: { latency_ms: 400 },
      limits: { maxSessions: 1, maxWaiting: 2, maxBodyBytes: 10_000 },
    });
    const { secret } = await proxy.createSession();
    const second = await proxy.call("POST", "/sessions", {});
    expect(second).toMatchObject({ status: 429, body: { error: { code: "too_many_sessions" } } });
    const large = await askChat(
      proxy,
      secret,
      {},
      { messages: [{ role: "user", content: "x".repeat(20_000) }] },
    );
    expect(large).toMatchObject({ status: 413, body: { error: { code: "request_too_large" } } });
    const first = { "x-stainless-retry-count": "0" };
    const answers = await Promise.all([1, 2, 3, 4].map(() => askChat(proxy, secret, first)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 429, 429]);
  });
});

describe("a request that comes again", () => {
  const retry = { "x-stainless-retry-count": "1" };
  const first = { "x-stainless-retry-count": "0" };

  const sampled = async (proxy: TestProxy, id: string) =>
    (await proxy.call("GET", `/${id}/nodes`)).body.nodes.length;

  test.each([
    ["an SDK's retry", first, retry, 1],
    ["an SDK's new call", first, first, 2],
    ["the same from a client that doesn't say", {}, {}, 1],
    [
      "the same idempotency key",
      { ...first, "idempotency-key": "a" },
      { ...first, "idempotency-key": "a" },
      1,
    ],
    ["another idempotency key", { "idempotency-key": "a" }, { "idempotency-key": "b" }, 2],
  ])("%s, answered already and still under way", async (_what, before, after, answers) => {
    await using proxy = await startTestProxy({ practice: { latency_ms: 100 } });
    const apart = await proxy.createSession();
    const one = await askChat(proxy, apart.secret, before);
    const two = await askChat(proxy, apart.secret, after);
    expect(two.body.id === one.body.id).toBe(answers === 1);
    expect(await sampled(proxy, apart.session_id)).toBe(answers);
    const together = await proxy.createSession();
    await Promise.all([before, after].map((headers) => askChat(proxy, together.secret, headers)));
    expect(await sampled(proxy, together.session_id)).toBe(answers);
    expect(proxy.log).toHaveLength(2 * answers);
  });

  test("once the conversation went on, the same question asks for another answer", async () => {
    await using proxy = await startTestProxy();
    const { secret, session_id: id } = await proxy.createSession();
    const { body } = await askChat(proxy, secret);
    const { message } = body.choices[0];
    const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "84" };
    await askChat(proxy, secret, {}, { ...chat, messages: [...chat.messages, message, result] });
    const again = await askChat(proxy, secret);
    expect(again.body.id).not.toBe(body.id);
    expect(await sampled(proxy, id)).toBe(2);
  });

  /** Asks, and hangs up while the model is at work. */
  async function askAndHangUp(proxy: TestProxy, { secret, session_id: id }: Session) {
    const gone = new AbortController();
    const lost = fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer(secret), ...first },
      body: JSON.stringify(chat),
      signal: gone.signal,
    });
    const waits = async (count: number) => {
      while ((await proxy.call("GET", `/sessions/${id}`)).body.waiting !== count) await delay(2);
    };
    await waits(1);
    gone.abort();
    await expect(lost).rejects.toThrow();
    await waits(0);
  }

  test("an answer that its client hung up on goes to whoever asks again", async () => {
    await using proxy = await startTestProxy({ practice: { latency_ms: 800 } });
    const session = await proxy.createSession();
    await askAndHangUp(proxy, session);
    const answer = await askChat(proxy, session.secret, first);
    expect(answer.status).toBe(200);
    expect(proxy.log).toHaveLength(1);
    expect(await sampled(proxy, session.session_id)).toBe(1);
  });

  test("what nobody comes back for is broken off, and leaves nothing", async () => {
    await using proxy = await startTestProxy({
      practice: { latency_ms: 400 },
      limits: { retryGraceMs: 1 },
    });
    const session = await proxy.createSession();
    await askAndHangUp(proxy, session);
    await delay(800);
    expect(await sampled(proxy, session.session_id)).toBe(0);
    expect((await askChat(proxy, session.secret, retry)).status).toBe(200);
  });

  test("a failure is tried again, not repeated", async () => {
    await using proxy = await startTestProxy({ practice: { drop_logprobs_rate: 0.5 } });
    const { secret } = await proxy.createSession();
    const statuses: number[] = [];
    while (statuses.at(-1) !== 200) {
      const { status, body } = await askChat(proxy, secret, retry);
      statuses.push(status);
      if (status !== 200)
        expect(body.error).toMatchObject({ type: "server_error", code: "token_audit_failed" });
    }
    expect(proxy.log).toHaveLength(statuses.length);
  });
});

describe("failures of the machinery", () => {
  test("a dead inference server is a 503 without its address, also in the middle of a stream", async () => {
    await using proxy = await startTestProxy({ server: { timeout: 1 }, limits: { keepAliveMs: 20 } });
    const { secret } = await proxy.createSession();
    await proxy.stopModel();
    const { status, body } = await askChat(proxy, secret);
    expect(status).toBe(503);
    expect(body.error).toMatchObject({ type: "server_error", code: "inference_unreachable" });
    expect(body.error.message).not.toMatch(/127\.0\.0\.1/);
    const streamed = await askChat(proxy, secret, {}, { ...chat, stream: true });
    expect(streamed.status).toBe(200);
    expect(streamed.body).toMatch(/^: the model is at work\n\n[\s\S]*data: \{"error":\{"message":/);
  });

  test("a conversation that fills the context is refused before any call", async () => {
    await using proxy = await startTestProxy({ env: { context_length: 100 } });
    const { secret } = await proxy.createSession();
    const long = { messages: [{ role: "user", content: "word ".repeat(200) }] };
    const { status, body } = await askChat(proxy, secret, {}, long);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "context_length_exceeded", param: "messages" });
    expect(proxy.log).toEqual([]);
  });

  test.each([
    ["no JSON", "{", /JSON/],
    ["no messages", "{}", /^messages: /],
    ["an image", '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}', /only text/],
    ["an unknown role", '{"messages":[{"role":"robot","content":"x"}]}', /^messages\[0\]\.role: /],
    [
      "a tool of another kind",
      '{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"custom"}]}',
      /tools/,
    ],
  ])("%s is a 400 that names what is wrong", async (_what, body, message) => {
    await using proxy = await startTestProxy();
    const { secret } = await proxy.createSession();
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer(secret) },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: "invalid_request_error", message: expect.stringMatching(message) },
    });
  });

  test("what can't be honoured is named", async () => {
    await using proxy = await startTestProxy();
    const { secret } = await proxy.createSession();
    const asked = {
      ...chat,
      tool_choice: "required",
      response_format: { type: "json_object" },
      logprobs: false,
    };
    const { status, headers } = await askChat(proxy, secret, {}, asked);
    expect([status, headers.get("x-lachesis-ignored")]).toEqual([200, "response_format, tool_choice"]);
  });
});
