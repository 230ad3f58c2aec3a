import { describe, expect, test } from "vitest";
import { glm45Parser, ling3Parser } from "../../parsers/glm.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    s: { type: "string" },
    l: { type: "array", items: { type: "number" } },
  }),
];
const argument = (key: string, value: string) =>
  `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`;
const call = (body: string, name = "f") => `<tool_call>${name}\n${body}</tool_call>`;
const five = call(argument("n", "5"));

describe("glm45 as vLLM reads it", () => {
  test.each([
    ["one call", five, null, [["f", '{"n": 5}']]],
    ["no newline after the name", `<tool_call>f${argument("n", "5")}</tool_call>`, null, [["f", '{"n": 5}']]],
    ["no arguments", "<tool_call>f</tool_call>", null, [["f", "{}"]]],
    ["the name is stripped", "<tool_call>\n f \n</tool_call>", null, [["f", "{}"]]],
    ["values are verbatim", call(argument("s", "\n a \n")), null, [["f", '{"s": "\\n a \\n"}']]],
    ["keys are stripped", call(argument(" n ", "5")), null, [["f", '{"n": 5}']]],
    ["content is stripped, the end is lost", ` Hm.\n${five} done`, "Hm.", [["f", '{"n": 5}']]],
    [
      "several calls",
      `${five}\n${five}`,
      null,
      [
        ["f", '{"n": 5}'],
        ["f", '{"n": 5}'],
      ],
    ],
    ["an unknown tool is dropped", `${call("", "g")}`, null, []],
    ["what follows a dropped call comes first", `a ${call("", "g")} b`, " ba ", []],
    ["a good call beside an unknown one", `a ${call("", "g")} b ${five}`, "a", [["f", '{"n": 5}']]],
    ["a missing end", `<tool_call>f\n${argument("n", "5")}`, null, [["f", '{"n": 5}']]],
    [
      "a cut value is dropped",
      `<tool_call>f\n${argument("n", "5")}<arg_key>s</arg_key><arg_value>ab`,
      null,
      [["f", '{"n": 5}']],
    ],
    ["</tool_call> in a value ends the call", call(argument("s", "a</tool_call>b")), null, [["f", "{}"]]],
    [
      "a key up to the end that a value follows",
      call("<arg_key>a</arg_key><arg_key>n</arg_key><arg_value>1</arg_value>"),
      null,
      [["f", '{"a</arg_key><arg_key>n": "1"}']],
    ],
    ["thinking is taken out", "<think>plan</think>answer", "answer", []],
    ["unfinished thinking too", "<think>plan", null, []],
    ["a call ends thinking", `<think>plan${five}`, null, [["f", '{"n": 5}']]],
    ["a stray </think> is swallowed", "plan</think>answer", "plananswer", []],
    ["arrays", call(argument("l", "[1, 2.50]")), null, [["f", '{"l": [1, 2.5]}']]],
    ["unknown keys are strings", call(argument("z", "5")), null, [["f", '{"z": "5"}']]],
    ["no call", " hi\n", " hi\n", []],
  ])("%s", (_title, text, content, calls) => {
    const { reasoning: _, ...read } = { reasoning: null, ...summary(glm45Parser.parse(text, { tools })) };
    expect(read).toEqual({ content, calls });
  });

  test("swallowed thinking is in reasoning", () => {
    expect(glm45Parser.parse("<think>plan \n</think>x").reasoning).toBe("plan");
  });

  test("without tools every name is good", () => {
    expect(summary(glm45Parser.parse(call(argument("n", "5"), "g"))).calls).toEqual([["g", '{"n": "5"}']]);
  });

  test("ling3 leaves thinking alone", () => {
    expect(summary(ling3Parser.parse(`<think>plan</think>${five}`, { tools }))).toEqual({
      content: "<think>plan</think>",
      calls: [["f", '{"n": 5}']],
    });
  });
});

describe("glm45, strict", () => {
  test.each([
    ["all text is kept", `a ${five} b`, "a  b", [["f", '{"n": 5}']], []],
    ["unknown tools are for the agent loop to refuse", call("", "g"), null, [["g", "{}"]], []],
    [
      "no calls from thinking",
      `<think>${five}</think>${five}`,
      `<think>${five}</think>`,
      [["f", '{"n": 5}']],
      [],
    ],
    [
      "a value without end is kept where the call has one",
      call("<arg_key>s</arg_key><arg_value>ab"),
      null,
      [["f", '{"s": "ab"}']],
      [],
    ],
    [
      "a cut value",
      "<tool_call>f\n<arg_key>s</arg_key><arg_value>ab",
      "<tool_call>f\n<arg_key>s</arg_key><arg_value>ab",
      [],
      ['The call of "f": the value of "s" has no </arg_value>.'],
    ],
    [
      "a key without value",
      call("<arg_key>s</arg_key>"),
      call("<arg_key>s</arg_key>"),
      [],
      ['The call of "f": an <arg_key> has no </arg_key> and <arg_value>.'],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = glm45Parser.parse(text, { tools, mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors.map(({ reason }) => reason)).toEqual(errors);
  });
});

const fragments = ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"];
for (const parser of [glm45Parser, ling3Parser]) {
  describeParserContract({
    parser,
    fragments,
    worstCases: [
      "<",
      "<tool_call>",
      "<tool_call>f<arg_key>",
      "<arg_key>a</arg_key>",
      "<tool_call>f</tool_call>",
      "</arg_key> ",
    ],
    carries: {
      arguments: typedArguments(fragments, {
        carries: (text) => !/<\/arg_value>|<\/tool_call>|think>/.test(text),
      }),
      tools: typedTools,
    },
  });
}
