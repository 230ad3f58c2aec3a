import { describe, expect, test } from "vitest";
import { mimoParser, nemotronV3Parser, qwen3CoderParser, seedOssParser } from "../../parsers/qwen3-coder.ts";
import { describeParserContract, summary } from "../support/parser-contract.ts";
import { tool, typedArguments, typedTools } from "../support/typed-arguments.ts";

const tools = [
  tool("f", {
    n: { type: "integer" },
    s: { type: "string" },
    x: { type: "number" },
    b: { type: "boolean" },
    o: { type: "object", properties: { k: { type: "integer" } } },
    u: { anyOf: [{ type: "string" }, { type: "null" }] },
    m: { type: ["string", "integer"] },
  }),
];
const parameter = (key: string, value: string) => `<parameter=${key}>\n${value}\n</parameter>\n`;
const call = (body: string, name = "f") =>
  `<tool_call>\n<function=${name}>\n${body}</function>\n</tool_call>`;
const five = call(parameter("n", "5"));

describe("qwen3_coder as vLLM reads it", () => {
  test.each([
    ["one call", five, null, [["f", '{"n": 5}']]],
    ["content before is stripped", ` Sure.\n${five}`, "Sure.", [["f", '{"n": 5}']]],
    ["whitespace before is none", `\n \n${five}`, null, [["f", '{"n": 5}']]],
    ["text after the last call is lost", `${five} done`, null, [["f", '{"n": 5}']]],
    [
      "text between calls too",
      `a${five}b${five}c`,
      "a",
      [
        ["f", '{"n": 5}'],
        ["f", '{"n": 5}'],
      ],
    ],
    ["no call: verbatim", " Hi </tool_call> > there \n", " Hi </tool_call> > there \n", []],
    ["only whitespace", " \n", " \n", []],
    ["nothing", "", null, []],
    ["no parameters", call(""), null, [["f", "{}"]]],
    ["bare <function=", "x <function=f>\n<parameter=n>5</parameter></function>", "x", [["f", '{"n": 5}']]],
    [
      "several functions in one tool_call",
      "<tool_call><function=f></function>\n<function=g></function></tool_call>",
      null,
      [
        ["f", "{}"],
        ["g", "{}"],
      ],
    ],
    [
      "one newline on each side is trimmed",
      call(parameter("s", "\n a \n")),
      null,
      [["f", '{"s": "\\n a \\n"}']],
    ],
    ["a value without newlines", call("<parameter=s> a </parameter>"), null, [["f", '{"s": " a "}']]],
    [
      "a parameter without end ends at the next",
      call("<parameter=s>a<parameter=n>5</parameter>"),
      null,
      [["f", '{"s": "a", "n": 5}']],
    ],
    ["the last one without end is lost", call("<parameter=s>a"), null, [["f", "{}"]]],
    [
      "cut off in a value",
      "<tool_call>\n<function=f>\n<parameter=n>5</parameter>\n<parameter=s>abc",
      null,
      [["f", '{"n": 5}']],
    ],
    ["cut off in the name", "<tool_call>\n<function=get_wea", null, [["get_wea", "{}"]]],
    ["cut off after tool_call", "Hm <tool_call>\n", "Hm ", []],
    ["a name without >", "<function=f</function> x", null, [["f", "{}"]]],
    ["tolerant tags", call("< parameter = n>5< / parameter >"), null, [["f", '{"n": 5}']]],
    [
      "a key keeps what stands before the >",
      call("<parameter=s >a</parameter>"),
      null,
      [["f", '{"s ": "a"}']],
    ],
    [
      "tags inside a value stay",
      call(parameter("s", "<b></tool_call><function=g>")),
      null,
      [["f", '{"s": "<b></tool_call><function=g>"}']],
    ],
    ["</function> inside a value ends it", call(parameter("s", "</function>")), null, [["f", "{}"]]],
    ["an empty name is dropped", call("", ""), null, []],
    ["text after a dropped call comes first", `a${call("", "")}b`, "ba", []],
    ["an empty call", "a <tool_call>\n</tool_call> b", " ba ", []],
    ["a stray </think> is swallowed, <think> is not", "<think>plan</think>x", "<think>planx", []],
    ["calls in thinking are calls", `<think>${five}</think>`, "<think>", [["f", '{"n": 5}']]],
    [
      "the next tool_call before the end of the first",
      `<tool_call><function=f></function>${five}`,
      null,
      [
        ["f", "{}"],
        ["f", '{"n": 5}'],
      ],
    ],
    [
      "unknown tools are kept, their values are strings",
      call(parameter("n", "5"), "g"),
      null,
      [["g", '{"n": "5"}']],
    ],
    ["unknown parameters are strings", call(parameter("zz", "5")), null, [["f", '{"zz": "5"}']]],
    [
      "the later of two wins in the first place",
      call(parameter("n", "1") + parameter("s", "x") + parameter("n", "2")),
      null,
      [["f", '{"n": 2, "s": "x"}']],
    ],
    ["5.0 is no integer, but any JSON will do", call(parameter("n", "5.0")), null, [["f", '{"n": 5.0}']]],
    ["whole numbers become integers", call(parameter("x", "5.0")), null, [["f", '{"x": 5}']]],
    ["booleans", call(parameter("b", " TRUE ")), null, [["f", '{"b": true}']]],
    [
      "objects are read, what is in them stays",
      call(parameter("o", '{"k": "7", "z": 1.50}')),
      null,
      [["f", '{"o": {"k": "7", "z": 1.5}}']],
    ],
    [
      "null by the schema",
      call(parameter("u", "null") + parameter("s", "null")),
      null,
      [["f", '{"u": null, "s": "null"}']],
    ],
    ["integer goes before string", call(parameter("m", "12")), null, [["f", '{"m": 12}']]],
    ["non-ASCII stays", call(parameter("s", "天气 é")), null, [["f", '{"s": "天气 é"}']]],
    [
      "a JSON call without a name",
      '<function=>{"name": "g", "arguments": {"a": 1.50}}</function>',
      null,
      [["g", "{}"]],
    ],
  ])("%s", (_title, text, content, calls) => {
    expect(summary(qwen3CoderParser.parse(text, { tools }))).toEqual({ content, calls });
  });

  test("without tools every value is a string", () => {
    expect(summary(qwen3CoderParser.parse(five)).calls).toEqual([["f", '{"n": "5"}']]);
  });

  test("calls say where they stand", () => {
    const text = `a ${five} b <function=g></function>`;
    const spans = qwen3CoderParser.parse(text).toolCalls.map(({ raw }) => text.slice(...raw));
    expect(spans).toEqual([five, "<function=g></function>"]);
  });
});

describe("qwen3_coder, strict", () => {
  test.each([
    [
      "all text is kept",
      `a ${five} b ${five} c`,
      "a  b  c",
      [
        ["f", '{"n": 5}'],
        ["f", '{"n": 5}'],
      ],
      [],
    ],
    [
      "text inside the wrapper too",
      `<tool_call>why<function=f></function>so</tool_call>`,
      "whyso",
      [["f", "{}"]],
      [],
    ],
    ["no calls from thinking", `<think>${five}</think>ok`, `<think>${five}</think>ok`, [], []],
    [
      "thinking that the template opened",
      `${five}</think>${five}`,
      `${five}</think>`,
      [["f", '{"n": 5}']],
      [],
    ],
    [
      "a parameter without end is kept where the call has one",
      call("<parameter=s>a\n"),
      null,
      [["f", '{"s": "a"}']],
      [],
    ],
    [
      "a cut value is an error",
      `${five}<tool_call>\n<function=f>\n<parameter=s>abc`,
      "<tool_call>\n<function=f>\n<parameter=s>abc",
      [["f", '{"n": 5}']],
      ['The call of "f": the parameter "s" has no </parameter>.'],
    ],
    [
      "missing end tags are forgiven",
      "<tool_call><function=f><parameter=n>5</parameter>",
      null,
      [["f", '{"n": 5}']],
      [],
    ],
    [
      "a call without name is an error and stays",
      `a ${call("", "")} b`,
      `a ${call("", "")} b`,
      [],
      ["The tool call has no function name."],
    ],
    [
      "a call that breaks off at once",
      "a <tool_call>",
      "a <tool_call>",
      [],
      ["The tool call breaks off before its arguments."],
    ],
  ])("%s", (_title, text, content, calls, errors) => {
    const parsed = qwen3CoderParser.parse(text, { tools, mode: "strict" });
    expect(summary(parsed)).toEqual({ content, calls });
    expect(parsed.errors.map(({ reason }) => reason)).toEqual(errors);
  });
});

test("seed_oss has tags of its own", () => {
  const text = "<seed:think>a</seed:think> b <seed:tool_call>\n<function=f>\n</function>\n</seed:tool_call>";
  expect(summary(seedOssParser.parse(text))).toEqual({ content: "<seed:think>a b", calls: [["f", "{}"]] });
});

const forbidden = /<\s*\/?\s*parameter|<\/function>/;
for (const [parser, wrapper] of [
  [qwen3CoderParser, "tool_call"],
  [mimoParser, "tool_call"],
  [nemotronV3Parser, "tool_call"],
  [seedOssParser, "seed:tool_call"],
] as const) {
  const fragments = [
    `<${wrapper}>`,
    `</${wrapper}>`,
    "<function=",
    "<function=f>",
    "</function>",
    "<parameter=a>",
    "<parameter=",
    "</parameter>",
    ">",
  ];
  describeParserContract({
    parser,
    fragments,
    worstCases:
      parser === qwen3CoderParser
        ? [
            "<",
            `<${wrapper}>`,
            "<function=",
            "<function=f><parameter=",
            "<parameter=a>",
            "<function=f></function>",
          ]
        : ["<"],
    markup: [`<${wrapper}>`, `</${wrapper}>`],
    carries: {
      arguments: typedArguments(fragments, {
        carries: (text) => !forbidden.test(text) && !text.includes("think>"),
      }),
      tools: typedTools,
    },
  });
}
