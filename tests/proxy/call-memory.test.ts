import { describe, expect, test } from "vitest";
import type { AssistantMessage } from "../../src/contracts/chat.ts";
import { CallMemory, toolInput } from "../../src/proxy/call-memory.ts";
import { textPieces } from "../../src/proxy/model-api.ts";

const saying = (text: string, id = "call_1"): AssistantMessage => ({
  role: "assistant",
  content: null,
  tool_calls: [{ id, type: "function", function: { name: "python", arguments: text } }],
});

describe("tool calls that come back", () => {
  test.each([
    ["numbers that lost their point", '{"x": 1.0}', '{"x":1}'],
    ["another order and spacing", '{ "a": 1, "b": [2] }', '{"b":[2],"a":1}'],
    ["a text that is no object, where only objects can be said", "not json", "{}"],
  ])("%s are the call that was sampled", (_what, sampled, given) => {
    const memory = new CallMemory();
    memory.remember(saying(sampled));
    expect(memory.restore([saying(given)])).toEqual([saying(sampled)]);
  });

  test.each([
    ["other arguments", saying('{"x":2}')],
    ["a call of another id", saying('{"x":1}', "call_2")],
  ])("%s stay as they are given", (_what, given) => {
    const memory = new CallMemory();
    memory.remember(saying('{"x": 1.0}'));
    expect(memory.restore([given])).toEqual([given]);
  });

  test.each(["[1]", "3", "null", ""])("%j is no object", (text) => {
    expect(toolInput(text)).toEqual({});
  });
});

test("pieces of a stream never cut a character, and make up the text", () => {
  const text = "ab🙂".repeat(40);
  const pieces = [...textPieces(text)];
  expect(pieces.join("")).toBe(text);
  expect(pieces.length).toBeGreaterThan(4);
  expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
  expect([...textPieces("")]).toEqual([]);
});
