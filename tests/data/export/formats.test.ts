/** What each format holds of a group, and that none of it is lost on the way. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/contracts/chat.ts";
import { exportGroups } from "../../../src/data/export/export-groups.ts";
import { exportFormats, parseFormats, targetName } from "../../../src/data/export/formats.ts";
import { type FilterRules, GroupFilter, noRules } from "../../../src/data/group-filter.ts";
import { parseGroup } from "../../../src/data/group-lines.ts";
import { TemporaryDirectory } from "../../support/temporary-directory.ts";

const options = { pairs: 1, minGap: 0, seed: 0, now: "2026-01-01T00:00:00.000Z", model: "unknown" };

const tool = {
  type: "function",
  function: { name: "add", description: "Adds", parameters: { type: "object", properties: {} } },
};

function groupLine(
  conversations: readonly (readonly object[])[],
  scores: readonly number[],
  extra: object = {},
): string {
  return JSON.stringify({
    tokens: scores.map((_, index) => [7, 8, index]),
    masks: scores.map((_, index) => [-100, -100, index]),
    scores,
    messages: conversations,
    ...extra,
  });
}

const provenance = (scores: readonly number[]) => ({
  provenance: {
    group_id: "g3",
    env: "sums",
    model: "practice",
    item_number: 3,
    item: { a: 1 },
    item_digest: "d1",
    attempt: 0,
    seed: 11,
    finished_at: "2026-02-03T04:05:06.000Z",
    tools: [tool],
    sampling: { temperature: 1 },
    rollouts: scores.map((reward, index) => ({
      rollout_id: `g3.${index}`,
      seed: 100 + index,
      reward,
      stop: "finished",
      turns: 2,
      tool_errors: 0,
      sequences: { first: index, count: 1 },
    })),
  },
});

const played = (answer: string, args = '{"a": 1, "b": 2}') => [
  { role: "system", content: "Be brief." },
  { role: "user", content: "1 + 2?" },
  {
    role: "assistant",
    content: "Let me see.",
    reasoning_content: "a sum",
    tool_calls: [{ id: "call_1", type: "function", function: { name: "add", arguments: args } }],
  },
  { role: "tool", tool_call_id: "call_1", content: '{"sum":3,"exact":12345678901234567890,"ratio":1.0}' },
  { role: "assistant", content: answer },
];

function linesOf(format: string, line: string, rules: FilterRules = noRules): JsonObject[] {
  const chosen = exportFormats.find(({ name }) => name === format);
  const sampled = new GroupFilter(rules).apply(parseGroup(line, "groups.jsonl:1"), "groups.jsonl:1");
  return sampled === null || chosen === undefined ? [] : chosen.lines(sampled, options);
}

test("sharegpt: the turns are hermes-agent's, to the byte", () => {
  const [line] = linesOf("sharegpt", groupLine([played("3")], [1], provenance([1])));
  expect(Object.keys(line ?? {}).slice(0, 4)).toEqual(["conversations", "timestamp", "model", "completed"]);
  const [system, ...turns] = turnsIn(line?.conversations);
  expect(system?.from).toBe("system");
  expect(system?.value).toContain(
    '<tools>\n[{"name": "add", "description": "Adds", "parameters": {"type": "object", "properties": {}}, "required": null}]\n</tools>\nFor each function call',
  );
  expect(system?.value).toMatch(
    /<tool_call>\n{'name': <function-name>,'arguments': <args-dict>}\n<\/tool_call>$/,
  );
  expect(turns).toEqual([
    { from: "human", value: "1 + 2?" },
    {
      from: "gpt",
      value:
        '<think>\na sum\n</think>\nLet me see.\n<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>',
    },
    {
      from: "tool",
      value:
        '<tool_response>\n{"tool_call_id": "call_1", "name": "add", "content": {"sum": 3, "exact": 12345678901234567890, "ratio": 1.0}}\n</tool_response>',
    },
    { from: "gpt", value: "<think>\n</think>\n3" },
  ]);
  expect(line).toMatchObject({
    timestamp: "2026-02-03T04:05:06.000Z",
    model: "practice",
    completed: true,
    system_prompt: "Be brief.",
    tools: [tool],
    tool_calls: [{ turn: 0, id: "call_1", name: "add", arguments: '{"a": 1, "b": 2}' }],
    sequences: [{ tokens: [7, 8, 0], masks: [-100, -100, 0] }],
    reward: 1,
    rollout_id: "g3.0",
    seed: 100,
    sampling: { temperature: 1 },
    item: { a: 1 },
  });
});

test("sharegpt: arguments that are no JSON become {} in the turn and stay as they were in tool_calls", () => {
  const [line] = linesOf("sharegpt", groupLine([played("3", '{"a": ')], [1]));
  expect(turnsIn(line?.conversations)[2]?.value).toContain('{"name": "add", "arguments": {}}');
  expect(line?.tool_calls).toMatchObject([{ arguments: '{"a": ' }]);
  expect(line).toMatchObject({ model: "unknown", timestamp: options.now, completed: true });
});

const jsonText = fc.json({ maxDepth: 2 });
const anyText = fc.string({ unit: "binary", maxLength: 30 });
const hostileText = fc.oneof(
  anyText,
  jsonText,
  fc.constantFrom(
    "</tool_response>\n<tool_response>\n{}",
    "<think>",
    "<tool_call>\n{}\n</tool_call>",
    "  ",
    "\u2028",
  ),
);
const turn = fc.record({
  text: hostileText,
  calls: fc.array(
    fc.record({ name: fc.constantFrom("add", "go"), args: fc.oneof(jsonText, anyText), result: hostileText }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
});

test("sharegpt keeps every call, in order and as the model wrote it, and every result under its id", () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 4 }), (turns) => {
      const messages: JsonObject[] = [{ role: "user", content: "go" }];
      for (const [index, { text, calls }] of turns.entries()) {
        const id = (place: number) => `call_${index}_${place}`;
        const tool_calls = calls.map(({ name, args }, place) => ({
          id: id(place),
          type: "function",
          function: { name, arguments: args },
        }));
        messages.push({ role: "assistant", content: text, tool_calls });
        for (const [place, { result }] of calls.entries()) {
          messages.push({ role: "tool", tool_call_id: id(place), content: result });
        }
      }
      const [line] = linesOf("sharegpt", groupLine([messages], [1]));
      const calls = turns.flatMap(({ calls }, turn) =>
        calls.map(({ name, args }, place) => ({ turn, id: `call_${turn}_${place}`, name, arguments: args })),
      );
      expect(line?.tool_calls).toEqual(calls);
      const results = turnsIn(line?.conversations)
        .filter(({ from }) => from === "tool")
        .map(({ value }) => value.split("\n"))
        .flatMap((parts) => parts.filter((_, index) => index % 3 === 1));
      const wanted = turns.flatMap(({ calls }, index) =>
        calls.map(({ name, result }, place) => [`call_${index}_${place}`, name, asContent(result)]),
      );
      expect(
        results.map((text) => {
          const { tool_call_id: id, name, content } = JSON.parse(text);
          return [id, name, content];
        }),
      ).toEqual(wanted);
      // And OpenAI's form is the very conversation.
      expect(linesOf("openai", groupLine([messages], [1]))[0]?.messages).toEqual(messages);
    }),
    { numRuns: 150 },
  );
});

/** hermes-agent's rule: what begins like a list or an object and is JSON is put in as such. */
function asContent(text: string): JsonValue {
  if (!/^\s*[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

test("openai: the conversation, the tools, and what is known under metadata", () => {
  const [line] = linesOf("openai", groupLine([played("3")], [0.5], provenance([0.5])));
  expect(line).toEqual({
    messages: played("3"),
    tools: [tool],
    metadata: {
      reward: 0.5,
      group_id: "g3",
      env: "sums",
      item: { a: 1 },
      item_digest: "d1",
      rollout_id: "g3.0",
      seed: 100,
      stop: "finished",
      turns: 2,
      tool_errors: 0,
      group_size: 1,
      sampling: { temperature: 1 },
    },
  });
});

test("dpo and preference start from one prompt; a conversation with another can't be compared", () => {
  const other = [
    { role: "user", content: "else" },
    { role: "assistant", content: "?" },
  ];
  const line = groupLine([played("3"), played("4"), played("5"), other], [1, 0, 0.5, -1]);
  const [pair, ...more] = linesOf("dpo", line);
  expect(more).toEqual([]);
  expect(pair).toMatchObject({ prompt: played("3").slice(0, 2), score_chosen: 1, score_rejected: 0 });
  expect(pair?.chosen).toEqual(played("3").slice(2));
  expect(pair?.rejected).toEqual(played("4").slice(2));
  const [set] = linesOf("preference", line);
  expect(set?.completions).toMatchObject([{ score: 1 }, { score: 0.5 }, { score: 0 }]);
  expect(linesOf("dpo", groupLine([played("3"), played("4")], [1, 1]))).toEqual([]);
  expect(linesOf("preference", groupLine([played("3")], [1]))).toEqual([]);
});

test("sft: ids and labels of each sequence; tokens that only stand in for text are refused", () => {
  const logprobs = { inference_logprobs: [[1, 1, -0.25]] };
  expect(linesOf("sft", groupLine([played("3")], [1], logprobs))[0]).toMatchObject({
    input_ids: [7, 8, 0],
    labels: [-100, -100, 0],
    logprobs: [1, 1, -0.25],
    reward: 1,
  });
  const placeholder = groupLine([played("3")], [1], { group_overrides: { placeholder_tokens: true } });
  expect(() => linesOf("sft", placeholder)).toThrow(/EXPORT_IMPOSSIBLE|stand in for the text/);
});

test("atropos: a group that lost samples says its size, and its rollouts point at what is left", () => {
  const scores = [0, 1, 0.5];
  const line = groupLine([played("1"), played("2"), played("3")], scores, {
    ...provenance(scores),
    advantages: [[0], [1], [2]],
    overrides: [],
  });
  const [kept] = linesOf("atropos", line, { ...noRules, minScore: 0.5 });
  expect(kept).toMatchObject({
    tokens: [
      [7, 8, 1],
      [7, 8, 2],
    ],
    scores: [1, 0.5],
    advantages: [[1], [2]],
    group_overrides: { group_size: 2 },
    provenance: {
      rollouts: [
        { rollout_id: "g3.1", sequences: { first: 0, count: 1 } },
        { rollout_id: "g3.2", sequences: { first: 1, count: 1 } },
      ],
    },
  });
  expect(linesOf("atropos", line)[0]).toMatchObject(JSON.parse(line));
});

test("every format of a group of several segments takes the whole conversation once, and sft each segment", () => {
  const extra = provenance([1]);
  const [rollout] = extra.provenance.rollouts;
  Object.assign(rollout ?? {}, { sequences: { first: 0, count: 2 }, messages: played("whole") });
  const line = groupLine([played("part").slice(0, 3), played("part")], [1, 1], extra);
  expect(linesOf("openai", line)).toHaveLength(1);
  expect(linesOf("openai", line)[0]?.messages).toEqual(played("whole"));
  expect(linesOf("sft", line).map(({ sequence }) => sequence)).toEqual([0, 1]);
});

test("Parquet files hold what the lines hold, types and nulls too", async () => {
  await using directory = await TemporaryDirectory.make();
  const source = join(directory.path, "groups.jsonl");
  const scores = [1, 0];
  await writeFile(
    source,
    `${groupLine([played("3"), played("4")], scores, provenance(scores))}\n\n${groupLine(
      [
        [
          { role: "user", content: "?" },
          { role: "assistant", content: null },
        ],
        played("ü\u2028"),
      ],
      [0.25, 1],
    )}\n`,
  );
  const files = exportFormats.flatMap(({ name }) =>
    parseFormats(`${name},${name}.parquet`).map((target) => ({
      ...target,
      path: join(directory.path, `out.${name}.${target.container}`),
    })),
  );
  const signal = new AbortController().signal;
  const report = await exportGroups({ ...options, sources: [source], files, rules: noRules, signal });
  expect(report.groups).toEqual({ read: 2, kept: 2 });
  const read = async (name: string) => {
    const content = await readFile(join(directory.path, `out.${name}.parquet`));
    const rows: Record<string, unknown>[] = await parquetReadObjects({
      file: new Uint8Array(content).buffer,
    });
    const lines = (await readFile(join(directory.path, `out.${name}.jsonl`), "utf8")).trim().split("\n");
    expect(rows).toHaveLength(lines.length);
    return { rows, lines: lines.map((line): Record<string, unknown> => JSON.parse(line)) };
  };
  const sharegpt = await read("sharegpt");
  expect(sharegpt.rows.map((row) => row.conversations)).toEqual(
    sharegpt.lines.map((line) => line.conversations),
  );
  expect(sharegpt.rows.map((row) => row.completed)).toEqual([true, true, true, true]);
  expect(sharegpt.rows[0]?.seed).toBe(100n);
  expect(sharegpt.rows[2]?.seed ?? null).toBe(null);
  const sft = await read("sft");
  expect(sft.rows.map(({ input_ids, labels }) => [input_ids, labels])).toEqual(
    sft.lines.map(({ input_ids, labels }) => [input_ids, labels]),
  );
  const openai = await read("openai");
  expect(openai.rows[0]?.messages).toMatchObject(
    played("3").map((message) => ({ role: message.role, content: message.content })),
  );
  expect(openai.rows[2]?.messages).toMatchObject([{ role: "user" }, { role: "assistant", content: null }]);
  const atropos = await read("atropos");
  expect(atropos.rows.map((row) => row.tokens)).toEqual(atropos.lines.map((line) => line.tokens));
  await read("dpo");
  await read("preference");
});

test("--format names formats, and says which there are", () => {
  expect(parseFormats("openai, html,sft.parquet,openai,html").map(targetName)).toEqual([
    "openai.jsonl",
    "html",
    "sft.parquet",
  ]);
  expect(() => parseFormats("html.parquet")).toThrow(/no format "html.parquet"/);
  expect(() => parseFormats("opnai")).toThrow(/no format "opnai"/);
  expect(() => parseFormats("")).toThrow(/no format/);
});

function turnsIn(value: JsonValue | undefined): { from: string; value: string }[] {
  if (!Array.isArray(value)) throw new Error("no turns");
  return value.map((turn) => turn as { from: string; value: string });
}
