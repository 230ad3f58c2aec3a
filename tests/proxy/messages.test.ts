/** Anthropic's messages, as their own client sees them. */
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { type Json, python, question, type Session, startTestProxy } from "../support/proxy.ts";
import { importPackage, missingPackage } from "../support/test-packages.ts";
import { expectedSequence } from "../support/token-serve.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const missing = missingPackage("@anthropic-ai/sdk");
const clientClass = z.object({ default: z.custom<new (options: object) => Json>() });

async function clientOf({ anthropic_base_url: baseURL, secret }: Session): Promise<Json> {
  const { default: Anthropic } = clientClass.parse(await importPackage("@anthropic-ai/sdk"));
  return new Anthropic({ baseURL, apiKey: secret, maxRetries: 0 });
}

const tools = [{ name: "python", description: "Runs Python.", input_schema: python.function.parameters }];
const request = { model: "practice", max_tokens: 500, system: "Use tools.", tools };

async function ask(client: Json, body: object, streams: boolean): Promise<Json> {
  return streams ? client.messages.stream(body).finalMessage() : client.messages.create(body);
}

const resultsOf = (content: Json[]): Json[] =>
  content.flatMap(({ type, id }) =>
    type === "tool_use" ? [{ type: "tool_result", tool_use_id: id, content: "84" }] : [],
  );

describe.skipIf(missing !== null)(`messages ${missing ?? ""}`, () => {
  test.each([false, true])(
    "a rollout with tools is one segment, id for id (streams: %s)",
    async (streams) => {
      await using proxy = await startTestProxy({ practice: { thinking_rate: 0.5, drift_rate: 0.5 } });
      const session = await proxy.createSession();
      const client = await clientOf(session);
      const messages: Json[] = [{ role: "user", content: question }];
      let answer = await ask(client, { ...request, messages }, streams);
      for (let turn = 0; turn < 6 && answer.stop_reason === "tool_use"; turn += 1) {
        messages.push({ role: "assistant", content: answer.content });
        messages.push({ role: "user", content: resultsOf(answer.content) });
        answer = await ask(client, { ...request, messages }, streams);
      }
      expect(answer).toMatchObject({ type: "message", role: "assistant", stop_reason: "end_turn" });
      expect(answer.content.at(-1).text).toMatch(/\\boxed/);
      expect(proxy.log.length).toBeGreaterThan(1);
      const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
      const { tokens, masks, logprobs } = expectedSequence(proxy.log);
      expect(body.nodes).toHaveLength(1);
      expect(body.nodes[0]).toMatchObject({ tokens, masked_tokens: masks, logprobs });
      expect(answer.usage.input_tokens).toBe(proxy.log.at(-1)?.prompt_ids.length);
    },
  );

  test("a stream tells block after block", async () => {
    await using proxy = await startTestProxy({ practice: { thinking_rate: 1 } });
    const client = await clientOf(await proxy.createSession());
    const body = { ...request, messages: [{ role: "user", content: question }], stream: true };
    const types: string[] = [];
    for await (const { type, content_block, delta } of await client.messages.create(body)) {
      const told = [type, content_block?.type ?? delta?.type].filter(Boolean).join(" ");
      if (types.at(-1) !== told) types.push(told);
    }
    const block = (kind: string, ...deltas: string[]) => [
      `content_block_start ${kind}`,
      ...deltas.map((delta) => `content_block_delta ${delta}`),
      "content_block_stop",
    ];
    expect(types).toEqual([
      "message_start",
      ...block("thinking", "thinking_delta", "signature_delta"),
      ...block("text", "text_delta"),
      ...block("tool_use", "input_json_delta"),
      "message_delta",
      "message_stop",
    ]);
  });

  test("tokens are counted as they would be sent, a limit and a stop sequence are told apart", async () => {
    await using proxy = await startTestProxy({ server: { server_type: "sglang" } });
    const client = await clientOf(await proxy.createSession());
    const messages = [{ role: "user", content: question }];
    const { input_tokens: counted } = await client.messages.countTokens({ ...request, messages });
    const cut = await client.messages.create({ ...request, messages, max_tokens: 3 });
    expect(cut).toMatchObject({ stop_reason: "max_tokens", stop_sequence: null });
    expect(cut.usage).toMatchObject({ input_tokens: counted, output_tokens: 3 });
    const body = { ...request, messages, tools: [], stop_sequences: ["\\boxed"] };
    const stopped = await client.messages.create(body);
    expect(stopped).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: "\\boxed" });
  });

  test("refusals have Anthropic's shape", async () => {
    await using proxy = await startTestProxy({ env: { context_length: 200 } });
    const session = await proxy.createSession();
    const client = await clientOf(session);
    const messages = [{ role: "user", content: question }];
    await expect(client.messages.create({ model: "practice", messages })).rejects.toMatchObject({
      status: 400,
      error: { type: "error", error: { type: "invalid_request_error" } },
    });
    const image = { type: "image", source: { type: "url", url: "http://x/y.png" } };
    await expect(
      client.messages.create({ ...request, messages: [{ role: "user", content: [image] }] }),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining("only text") });
    const long = [{ role: "user", content: "word ".repeat(300) }];
    await expect(client.messages.create({ ...request, messages: long })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("prompt is too long"),
    });
    const stranger = await clientOf({ ...session, secret: "ls-other" });
    await expect(stranger.messages.create({ ...request, messages })).rejects.toMatchObject({
      status: 401,
      type: "authentication_error",
    });
  });
});
