/** The Responses API, as OpenAI's own client sees it: items, streams, and both ways of giving the conversation. */
import OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { python, question, type Session, startTestProxy } from "../support/proxy.ts";
import { expectedSequence } from "../support/token-serve.ts";

// Real servers, on machines that do other work too.
vi.setConfig({ testTimeout: 60_000 });

const clientOf = ({ base_url, secret }: Session) =>
  new OpenAI({ baseURL: base_url, apiKey: secret, maxRetries: 0 });

type Request = OpenAI.Responses.ResponseCreateParamsNonStreaming;
type Items = OpenAI.Responses.ResponseInputItem[];

const tools: Request["tools"] = [{ type: "function", strict: null, ...python.function }];

async function ask(client: OpenAI, request: Request, streams: boolean): Promise<OpenAI.Responses.Response> {
  return streams
    ? client.responses.stream({ ...request, stream: true }).finalResponse()
    : client.responses.create(request);
}

const outputsOf = ({ output }: OpenAI.Responses.Response): Items =>
  output.flatMap((item) =>
    item.type === "function_call"
      ? [{ type: "function_call_output" as const, call_id: item.call_id, output: "84" }]
      : [],
  );

describe.each([false, true])("responses (streams: %s)", (streams) => {
  test.each(["whole conversation", "previous_response_id"])("given by its %s: one segment", async (how) => {
    await using proxy = await startTestProxy({ practice: { thinking_rate: 0.5, drift_rate: 0.5 } });
    const session = await proxy.createSession();
    const client = clientOf(session);
    const conversation: Items = [{ role: "user", content: question }];
    let request: Request = { model: "practice", instructions: "Use tools.", input: conversation, tools };
    let response = await ask(client, request, streams);
    for (let turn = 0; turn < 6 && outputsOf(response).length > 0; turn += 1) {
      expect(response.status).toBe("completed");
      const outputs = outputsOf(response);
      conversation.push(...(response.output as Items), ...outputs);
      request =
        how === "previous_response_id"
          ? { ...request, previous_response_id: response.id, input: outputs }
          : { ...request, input: [...conversation] };
      response = await ask(client, request, streams);
    }
    expect(proxy.log.length).toBeGreaterThan(1);
    expect(response.output_text).toMatch(/\\boxed/);
    const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
    const { tokens, masks, logprobs } = expectedSequence(proxy.log);
    expect(body.nodes).toHaveLength(1);
    expect(body.nodes[0]).toMatchObject({ tokens, masked_tokens: masks, logprobs });
    expect(response.usage?.input_tokens).toBe(proxy.log.at(-1)?.prompt_ids.length);
  });

  test("a cut answer is incomplete", async () => {
    await using proxy = await startTestProxy();
    const client = clientOf(await proxy.createSession());
    const response = await ask(client, { model: "practice", input: question, max_output_tokens: 5 }, streams);
    expect(response).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
  });
});

test("items may be referred to by their ids", async () => {
  await using proxy = await startTestProxy();
  const session = await proxy.createSession();
  const client = clientOf(session);
  const first = await client.responses.create({ model: "practice", input: question, tools });
  const references = first.output.flatMap(({ id }) =>
    id === undefined || id === null ? [] : [{ type: "item_reference" as const, id }],
  );
  const input: Items = [{ role: "user", content: question }, ...references, ...outputsOf(first)];
  await client.responses.create({ model: "practice", input, tools });
  const { body } = await proxy.call("GET", `/${session.session_id}/nodes`);
  expect(body.nodes).toHaveLength(1);
  expect(body.nodes[0].tokens).toEqual(expectedSequence(proxy.log).tokens);
});

test("a stream tells its events in order, numbered, each item done before the next", async () => {
  await using proxy = await startTestProxy({ practice: { thinking_rate: 1 } });
  const client = clientOf(await proxy.createSession());
  const stream = await client.responses.create({ model: "practice", input: question, tools, stream: true });
  const events: OpenAI.Responses.ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
  const types = events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
  const item = (...steps: string[]) => [
    "response.output_item.added",
    ...steps.map((step) => `response.${step}`),
    "response.output_item.done",
  ];
  const text = (kind: string) => ["content_part.added", `${kind}.delta`, `${kind}.done`, "content_part.done"];
  expect(types).toEqual([
    "response.created",
    "response.in_progress",
    ...item(...text("reasoning_text")),
    ...item(...text("output_text")),
    ...item("function_call_arguments.delta", "function_call_arguments.done"),
    "response.completed",
  ]);
});

test("what this session knows nothing of is refused", async () => {
  await using proxy = await startTestProxy();
  const client = clientOf(await proxy.createSession());
  const refused = { status: 400, type: "invalid_request_error" };
  await expect(
    client.responses.create({ model: "practice", input: "x", previous_response_id: "resp_none" }),
  ).rejects.toMatchObject({ ...refused, param: "previous_response_id" });
  await expect(
    client.responses.create({ model: "practice", input: [{ type: "item_reference", id: "msg_none" }] }),
  ).rejects.toMatchObject({ ...refused, param: "input" });
  await expect(client.responses.create({ model: "practice", input: [] })).rejects.toMatchObject(refused);
});
