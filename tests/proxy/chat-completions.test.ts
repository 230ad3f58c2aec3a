/** The chat API, as OpenAI's own client sees it, and the tokens that its calls leave behind. */
import OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { python, question, type Session, startTestProxy } from "../support/proxy.ts";
import { expectedSequence } from "../support/token-serve.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const clientOf = ({ base_url, secret }: Session) =>
  new OpenAI({ baseURL: base_url, apiKey: secret, maxRetries: 0 });

type Messages = OpenAI.ChatCompletionMessageParam[];

/** Plays to the end, answering each call with "84" and the like. */
async function playWithTools(
  client: OpenAI,
  streams: boolean,
): Promise<{ messages: Messages; calls: number }> {
  const messages: Messages = [{ role: "user", content: question }];
  let calls = 0;
  for (let turn = 0; turn < 6; turn += 1) {
    const request = { model: "practice", messages, tools: [python] };
    const completion = streams
      ? await client.chat.completions.stream(request).finalChatCompletion()
      : await client.chat.completions.create(request);
    const [choice] = completion.choices;
    if (choice === undefined) throw new Error("no choice");
    messages.push(choice.message);
    if (!choice.message.tool_calls?.length) return { messages, calls };
    expect(choice.finish_reason).toBe("tool_calls");
    for (const call of choice.message.tool_calls) {
      calls += 1;
      messages.push({ role: "tool", tool_call_id: call.id, content: "84" });
    }
  }
  throw new Error("never ended");
}

describe("chat completions", () => {
  test.each([false, true])(
    "a rollout with tools is one segment, id for id (streams: %s)",
    async (streams) => {
      await using proxy = await startTestProxy({ practice: { thinking_rate: 0.5, drift_rate: 0.5 } });
      const session = await proxy.createSession();
      const { messages, calls } = await playWithTools(clientOf(session), streams);
      expect(calls).toBeGreaterThan(0);
      expect(messages.at(-1)?.content).toMatch(/\\boxed/);
      const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
      const { tokens, masks, logprobs } = expectedSequence(proxy.log);
      expect(body.nodes).toHaveLength(1);
      expect(body.nodes[0]).toMatchObject({ tokens, masked_tokens: masks, logprobs });
    },
  );

  test("n samples fork one prompt; a stream ends with the usage that was asked for", async () => {
    await using proxy = await startTestProxy({ practice: { error_rate: 0.5 } });
    const session = await proxy.createSession();
    const stream = await clientOf(session).chat.completions.create({
      model: "practice",
      messages: [{ role: "user", content: question }],
      n: 3,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const sampled = proxy.log.reduce((sum, { ids }) => sum + ids.length, 0);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: sampled } });
    const finished = chunks.flatMap(({ choices }) =>
      choices.flatMap(({ index, finish_reason: reason }) => (reason === null ? [] : [index])),
    );
    expect(finished).toEqual([0, 1, 2]);
    const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
    const sequences = proxy.log.map((entry) => expectedSequence([entry]).tokens);
    expect(body.nodes.map(({ tokens }: { tokens: number[] }) => tokens)).toEqual(sequences);
  });

  test("a client that writes arguments anew goes on from what was sampled", async () => {
    await using proxy = await startTestProxy();
    const session = await proxy.createSession();
    const client = clientOf(session);
    const messages: Messages = [{ role: "user", content: question }];
    const { choices } = await client.chat.completions.create({
      model: "practice",
      messages,
      tools: [python],
    });
    const [call] = choices[0]?.message.tool_calls ?? [];
    if (call?.type !== "function") throw new Error("no call");
    const rewritten = JSON.stringify(JSON.parse(call.function.arguments), null, 4);
    expect(rewritten).not.toBe(call.function.arguments);
    messages.push(
      {
        role: "assistant",
        tool_calls: [{ ...call, function: { ...call.function, arguments: rewritten } }],
        content: choices[0]?.message.content ?? null,
      },
      { role: "tool", tool_call_id: call.id, content: "84" },
    );
    await client.chat.completions.create({ model: "practice", messages, tools: [python] });
    const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
    expect(body.nodes.map(({ tokens }: { tokens: number[] }) => tokens)).toEqual([
      expectedSequence(proxy.log).tokens,
    ]);
  });
});
