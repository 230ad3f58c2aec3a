/** The byte scanner against the careful reader: it may give up on a group, but never disagree. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EncodedGroup } from "../../src/rollout-api/group-fields.ts";
import { readGroup, readGroups } from "../../src/rollout-api/group-reader.ts";
import { GroupScanner } from "../../src/rollout-api/group-scanner.ts";
import { parseJson } from "../../src/rollout-api/json/parse-json.ts";
import {
  floatLexeme,
  integerLexeme,
  jsonText,
  listOf,
  numberLexeme,
  objectOf,
  stringLexeme,
} from "../support/json-text.ts";

const scanner = new GroupScanner();

function readCarefully(text: string): EncodedGroup | undefined {
  const parsed = parseJson(text);
  return parsed.ok ? readGroup(parsed.node, ["body"], []) : undefined;
}

const nullable = (text: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 5, arbitrary: text }, { weight: 1, arbitrary: fc.constant("null") });
const floats = listOf(numberLexeme);
const message = fc
  .tuple(stringLexeme, jsonText, objectOf(jsonText))
  .map(([role, content, rest]) =>
    rest === "{}"
      ? `{"role":${role},"content":${content}}`
      : `${rest.slice(0, -1)}, "content": ${content},"role":${role} }`,
  );

const fieldTexts: Readonly<Record<string, fc.Arbitrary<string>>> = {
  tokens: listOf(listOf(integerLexeme)),
  masks: listOf(listOf(fc.oneof(integerLexeme, fc.constantFrom("8.0", "-100.00")))),
  scores: floats,
  advantages: nullable(listOf(floats)),
  ref_logprobs: nullable(listOf(listOf(floatLexeme))),
  messages: nullable(listOf(listOf(message))),
  generation_params: nullable(objectOf(jsonText)),
  inference_logprobs: nullable(listOf(floats)),
  overrides: nullable(listOf(objectOf(jsonText))),
  group_overrides: nullable(objectOf(jsonText)),
  images: jsonText,
  env_id: nullable(fc.nat({ max: 9 }).map(String)),
  distill_token_ids: nullable(listOf(listOf(listOf(integerLexeme)))),
  distill_logprobs: nullable(listOf(listOf(floats))),
};

const separator = fc.constantFrom(",", ", ", " ,\n");
/** Well-formed groups: all or some fields, in any order. */
const groupText = fc
  .tuple(
    fc.record(fieldTexts, { requiredKeys: ["tokens", "masks", "scores"] }),
    fc.infiniteStream(fc.nat()),
    separator,
  )
  .map(([fields, order, comma]) => {
    const entries = Object.entries(fields).map(([name, text]) => ({
      rank: order.next().value ?? 0,
      text: `"${name}": ${text}`,
    }));
    entries.sort((a, b) => a.rank - b.rank);
    return ` {${entries.map(({ text }) => text).join(comma)}}\n`;
  });

test("a group is scanned to the very bytes that the careful reader writes", () => {
  fc.assert(
    fc.property(groupText, (text) => {
      const careful = readCarefully(text);
      expect(careful).toBeDefined();
      const scanned = scanner.scanGroup(Buffer.from(text));
      if (scanned !== undefined) expect(describeGroup(scanned)).toEqual(describeGroup(careful));
      // What it may leave to the careful reader: numbers beyond a double.
      else expect(text).toMatch(/\d{16}|e/);
    }),
    { numRuns: 500 },
  );
});

test("every known field keeps its value", () => {
  fc.assert(
    fc.property(groupText, (text) => {
      const sent = Object(JSON.parse(text));
      const kept = JSON.parse(String(readCarefully(text)?.body));
      for (const name of Object.keys(fieldTexts)) {
        expect(positiveZeros(kept[name])).toEqual(positiveZeros(sent[name] ?? null));
      }
      expect(Object.keys(kept)).toEqual(Object.keys(fieldTexts));
    }),
    { numRuns: 300 },
  );
});

test("a damaged group is never taken where the careful reader refuses it, nor read differently", () => {
  const damage = fc.tuple(
    fc.nat(),
    fc.nat({ max: 3 }),
    fc.constantFrom("", ",", "]", "}", '"', "x", "-", ".", "1e", "null", "NaN"),
  );
  fc.assert(
    fc.property(groupText, damage, (text, [position, removed, inserted]) => {
      const at = position % text.length;
      const damaged = Buffer.from(text.slice(0, at) + inserted + text.slice(at + removed));
      const scanned = scanner.scanGroup(damaged);
      if (scanned === undefined) return;
      expect(describeGroup(scanned)).toEqual(describeGroup(readCarefully(damaged.toString("utf8"))));
    }),
    { numRuns: 1500 },
  );
});

test("lists of groups are scanned as their elements are", () => {
  fc.assert(
    fc.property(fc.array(groupText, { maxLength: 4 }), (texts) => {
      const text = `[${texts.join(",")}]`;
      const parsed = parseJson(text);
      const careful = parsed.ok ? readGroups(parsed.node, ["body"], []) : undefined;
      const scanned = scanner.scanGroups(Buffer.from(text));
      if (scanned !== undefined) expect(scanned.map(describeGroup)).toEqual(careful?.map(describeGroup));
    }),
  );
});

describe("what a group looks like", () => {
  const shortest = '{"tokens":[[1],[2]],"masks":[[-100],[2]],"scores":[1,0]}';

  test("all 14 keys stand in order, null where unset", () => {
    const { body, sequences, envId } = scanner.scanGroup(Buffer.from(shortest)) ?? {};
    expect(String(body)).toBe(
      '{"tokens":[[1],[2]],"masks":[[-100],[2]],"scores":[1.0,0.0],"advantages":null,"ref_logprobs":null,' +
        '"messages":null,"generation_params":null,"inference_logprobs":null,"overrides":null,' +
        '"group_overrides":null,"images":null,"env_id":null,"distill_token_ids":null,"distill_logprobs":null}',
    );
    expect({ sequences, envId }).toEqual({ sequences: 2, envId: null });
  });

  test("untyped fields keep large integers and the points of floats", () => {
    const params = '{"seed": 12345678901234567890, "temperature": 1.0, "top_p": 1}';
    const text = `${shortest.slice(0, -1)},"generation_params":${params},"env_id":3}`;
    const { body, envId } = scanner.scanGroup(Buffer.from(text)) ?? {};
    expect(String(body)).toContain('{"seed":12345678901234567890,"temperature":1.0,"top_p":1}');
    expect(envId).toBe(3);
  });

  test.each([
    ["a number as a string", '{"tokens":[["1"]],"masks":[[1]],"scores":[1]}'],
    ["an unknown key", `${shortest.slice(0, -1)},"zzz":1}`],
    ["a repeated key", `${shortest.slice(0, -1)},"scores":[1,2]}`],
    ["text after the end", `${shortest} x`],
    ["a missing field", '{"tokens":[[1]],"masks":[[1]]}'],
    ["a message without content", `${shortest.slice(0, -1)},"messages":[[{"role":"user"}]]}`],
    ["NaN", '{"tokens":[[1]],"masks":[[1]],"scores":[NaN]}'],
    ["nothing", ""],
  ])("%s is left to the careful reader", (_name, text) => {
    expect(scanner.scanGroup(Buffer.from(text))).toBeUndefined();
  });
});

function describeGroup(group: EncodedGroup | undefined) {
  return group && { ...group, body: group.body.toString("utf8") };
}

/** -0 as an integer is 0, as in Python. */
function positiveZeros(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
