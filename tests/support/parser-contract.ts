/**
 * What every tool-call parser must do, whatever its wire format. One suite, run by each family's test: it never
 * throws, reads back what it writes, streams what it parses, is linear, and in strict mode loses no text.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DefinedParser } from "../../parsers/shared/define-parser.ts";
import { dumpJson } from "../../parsers/shared/json-calls.ts";
import { pythonSpaces, pythonStrip } from "../../parsers/shared/python-text.ts";
import type { ToolSchema } from "../../src/contracts/chat.ts";
import { type PythonDict, type PythonValue, pythonJsonParse } from "../../src/contracts/python-json.ts";
import type { ParseContext, ParsedCompletion, ParseMode } from "../../src/contracts/tool-call-parser.ts";
import { expectLinear, worstCaseLength } from "./linear-time.ts";

export type ParserContract = {
  parser: DefinedParser;
  /** Pieces of the wire format; they also go into the strings that `format` must carry. */
  fragments: readonly string[];
  /** Repeated without an end (unclosed tags, nested braces, half a marker): the first to 10 MB (see worstCaseLength), the others to a tenth. */
  worstCases: readonly string[];
  /** What `format` can carry; everything by default. Each exception belongs into the parser's `limits`. */
  carries?: Carries;
  /** Literals of the format that strict mode cuts out although they belong to no call. */
  markup?: readonly string[];
  /** Thinking and answer are channels of their own: strict content is not simply the text without the calls. */
  channels?: boolean;
};

export type Carries = {
  names?: fc.Arbitrary<string>;
  /** The arguments of one call. */
  arguments?: fc.Arbitrary<PythonDict>;
  content?: fc.Arbitrary<string | null>;
  maxCalls?: number;
  /** For formats that need schemas to tell types: the tools that go with some calls. */
  tools?: (calls: readonly { name: string; arguments: PythonDict }[]) => readonly ToolSchema[];
};

const modes: readonly ParseMode[] = ["vllm", "strict"];

export function describeParserContract(contract: ParserContract): void {
  const { parser, fragments, carries = {} } = contract;
  describe(`parser contract: ${parser.name}`, () => {
    const texts = arbitraryTexts(fragments);

    test.each(modes)("reads any text without throwing, and says where calls stand (%s)", (mode) => {
      fc.assert(
        fc.property(texts, (text) => {
          const parsed = parser.parse(text, { mode });
          expectSpans(text, parsed);
          if (mode === "strict" && !contract.channels) expectNothingLost(text, parsed, contract.markup ?? []);
        }),
        { numRuns: 300 },
      );
    });

    test.each(modes)("any split of a stream gives what the whole gives (%s)", (mode) => {
      fc.assert(
        fc.property(
          texts,
          fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 40 }),
          (text, lengths) => {
            expectStreamed(parser, split(text, lengths), { mode });
          },
        ),
        { numRuns: 300 },
      );
    });

    test.each(modes)("reads back what it writes (%s)", (mode) => {
      const names = carries.names ?? callNames();
      const calls = fc.array(
        fc.record({ name: names, arguments: carries.arguments ?? argumentDicts(fragments) }),
        { minLength: 1, maxLength: carries.maxCalls ?? 3 },
      );
      const contents =
        carries.content ?? fc.constantFrom(null, "Let me look.", "Ünïcode 天气 and\n\ntwo lines");
      fc.assert(
        fc.property(contents, calls, (content, called) => {
          const toolCalls = called.map((call) => ({ ...call, arguments: dumpJson(call.arguments) }));
          const text = parser.format({ content, toolCalls });
          const tools = carries.tools?.(called) ?? [];
          const parsed = parser.parse(text, { mode, tools });
          expect({ text, calls: parsed.toolCalls.map(readable) }).toEqual({
            text,
            calls: toolCalls.map(readable),
          });
          if (content !== null) expect(pythonStrip(parsed.content ?? "")).toBe(content);
          expect(parsed.errors).toEqual([]);
          for (const [index, { raw }] of parsed.toolCalls.entries()) {
            expect(text.slice(...raw)).toContain(called[index]?.name);
          }
        }),
        { numRuns: 200 },
      );
    });

    test("writes content alone as it is read", () => {
      const text = parser.format({ content: "The answer is 4.", toolCalls: [] });
      expect(pythonStrip(parser.parse(text).content ?? "")).toBe("The answer is 4.");
    });

    test.each(contract.worstCases.map((piece, index) => [JSON.stringify(piece), piece, index] as const))(
      "takes time linear in megabytes of %s",
      (_title, piece, index) => {
        for (const mode of modes) {
          expectLinear(
            piece,
            index === 0 ? worstCaseLength : worstCaseLength / 10,
            (text) => void parser.parse(text, { mode }),
          );
        }
      },
      120_000,
    );

    test("a stream of single characters takes linear time", () => {
      for (const piece of [contract.worstCases[0] ?? "<", " ", "word "]) {
        expectLinear(piece, worstCaseLength / 30, (text) => {
          const stream = parser.createStream();
          for (const character of text) stream.push(character);
          stream.end();
        });
      }
    }, 60_000);
  });
}

/** Pushes the pieces and compares with `parse`: the deltas must be a prefix of the end's answer. */
export function expectStreamed(
  parser: DefinedParser,
  pieces: readonly string[],
  context: ParseContext = {},
): void {
  const stream = parser.createStream(context);
  const deltas = pieces.map((piece) => stream.push(piece));
  const ended = stream.end();
  expect(withoutIds(ended)).toEqual(withoutIds(parser.parse(pieces.join(""), context)));
  const calls = deltas.flatMap(({ toolCalls }) => toolCalls);
  expect(ended.toolCalls.slice(0, calls.length)).toEqual(calls);
  const content = deltas.map((delta) => delta.content).join("");
  expect((ended.content ?? "").slice(0, content.length)).toBe(content);
  const reasoning = deltas.map((delta) => delta.reasoning).join("");
  expect((ended.reasoning ?? "").slice(0, reasoning.length)).toBe(reasoning);
}

/** A completion as tables state it: what is random left out. */
export function summary({ content, reasoning, toolCalls }: ParsedCompletion) {
  return {
    content,
    ...(reasoning === null ? {} : { reasoning }),
    calls: toolCalls.map((call) => [call.name, call.arguments]),
  };
}

/** Values as arguments hold them, with the format's own pieces inside strings. */
export function argumentDicts(fragments: readonly string[]): fc.Arbitrary<PythonDict> {
  const strings = fc.oneof(
    { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
    { weight: 3, arbitrary: fc.constantFrom(...fragments, ...awkwardStrings) },
  );
  const { value } = fc.letrec<{ value: PythonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      strings,
      fc.constantFrom<PythonValue>(null, true, false, 0n, -7n, 12345678901234567890n, 1.0, -2.5, 1e22, 1e-7),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.array(fc.tuple(strings, tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    ),
  }));
  return fc.array(fc.tuple(argumentKeys(), value), { maxLength: 4 }).map((entries) => new Map(entries));
}

export function argumentKeys(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom("city", "q", "n", "10", "2", "名"),
    fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/),
  );
}

export function callNames(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom("get_weather", "search"), fc.stringMatching(/^[a-z_][a-zA-Z0-9_-]{0,12}$/));
}

const awkwardStrings: readonly string[] = [
  "",
  "a b",
  'it\'s "quoted" and \\escaped\\',
  "line\nline\r\n\ttab",
  "</tool_call>",
  "<think>not thinking</think>",
  '{"a": [1, 2]}',
  "]}, {",
  "naïve 天气 😀",
  "12",
  "null",
  "True",
];

function arbitraryTexts(fragments: readonly string[]): fc.Arbitrary<string> {
  const halves = fragments.flatMap((fragment) => [
    fragment.slice(0, Math.ceil(fragment.length / 2)),
    fragment.slice(Math.ceil(fragment.length / 2)),
  ]);
  const pieces = [
    ...fragments,
    ...fragments,
    ...halves,
    '{"name": "f", "arguments": {"a": 1}}',
    '{"name": "f", "arguments": {"a": "',
    '[{"name": "g", "parameters": {}}]',
    "f(a=1, b='x')",
    ..."<think> </think> { } [ ] \" ' , : = ( ) \\ \n | < > ;".split(" "),
    " ",
    "\n",
    "The answer is 4.",
    "天气😀",
    "\ud800",
  ];
  const mixed = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((chosen) => chosen.join(""));
  return fc.oneof({ weight: 5, arbitrary: mixed }, { weight: 1, arbitrary: fc.string({ unit: "binary" }) });
}

function split(text: string, lengths: readonly number[]): string[] {
  const pieces: string[] = [];
  let position = 0;
  for (let turn = 0; position < text.length; turn++) {
    const length = Math.max(turn % lengths.length === 0 ? 1 : 0, lengths[turn % lengths.length] ?? 1);
    pieces.push(text.slice(position, position + length));
    position += length;
  }
  return pieces;
}

function expectSpans(text: string, { toolCalls, errors }: ParsedCompletion): void {
  let previousEnd = 0;
  for (const call of toolCalls) {
    const [start, end] = call.raw;
    expect(start).toBeGreaterThanOrEqual(previousEnd);
    expect(end).toBeGreaterThan(start);
    expect(end).toBeLessThanOrEqual(text.length);
    expect(call.id).not.toBe("");
    previousEnd = end;
  }
  for (const { raw, reason } of errors) {
    expect(text).toContain(raw);
    expect(reason).toMatch(/\S/);
  }
}

function expectNothingLost(text: string, parsed: ParsedCompletion, markup: readonly string[]): void {
  let outside = "";
  let position = 0;
  for (const { raw } of parsed.toolCalls) {
    outside += text.slice(position, raw[0]);
    position = raw[1];
  }
  outside += text.slice(position);
  expect(bare(parsed.content ?? "", markup)).toBe(bare(outside, markup));
}

function bare(text: string, markup: readonly string[]): string {
  let left = text.replace(new RegExp(`[\\s${pythonSpaces}]`, "g"), "");
  const literals = markup.map((literal) => literal.replace(/\s/g, ""));
  // Taking one away may bring the halves of another together.
  for (let before = ""; before !== left; ) {
    before = left;
    for (const literal of literals) left = left.replaceAll(literal, "");
  }
  return left;
}

function withoutIds(parsed: ParsedCompletion): unknown {
  return { ...parsed, toolCalls: parsed.toolCalls.map(({ id: _, ...call }) => call) };
}

function readable(call: { name: string; arguments: string }) {
  return { name: call.name, arguments: dumpJson(pythonJsonParse(call.arguments)) };
}
