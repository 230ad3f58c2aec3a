/** The byte scanner against the careful reader: it may give up on a group, but never disagree. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EncodedGroup } from "../../src/rollout-api/group-fields.ts";
import { GroupReader } from "../../src/rollout-api/group-reader.ts";
import { GroupScanner } from "../../src/rollout-api/group-scanner.ts";
import { parseJson } from "../../src/rollout-api/json/parse-json.ts";
import type { Problems } from "../../src/rollout-api/validation.ts";
import {
  floatLexeme,
  integerLexeme,
  jsonText,
  listOf,
  numberLexeme,
  objectOf,
  stringLexeme,
} from "../support/json-text.ts";

const scanner = new GroupScanner({ strict: false });
const { readGroup, readGroups } = new GroupReader({ strict: false });

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

  test("unknown keys are passed over, wherever they stand", () => {
    const text = `{"zzz":{"a":[1,"}"]},${shortest.slice(1, -1)},"ü":null,"zzz":[NESTED]}`;
    const scanned = scanner.scanGroup(Buffer.from(text.replace("NESTED", '{"tokens":1}')));
    expect(describeGroup(scanned)).toEqual(describeGroup(scanner.scanGroup(Buffer.from(shortest))));
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
    ["an unknown key with an escape in it", `${shortest.slice(0, -1)},"\\u0073cores":[1,2]}`],
    ["an unknown key with a broken value", `${shortest.slice(0, -1)},"zzz":nope}`],
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

/** Groups whose lists fit together, unless one is damaged. */
const shapedGroupText = fc
  .record({
    lengths: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    optional: fc.subarray([
      "advantages",
      "ref_logprobs",
      "inference_logprobs",
      "distill",
      "overrides",
      "messages",
    ]),
    damage: fc.option(
      fc.record({
        name: fc.constantFrom("tokens", "masks", "scores", "advantages", "distill_logprobs", "overrides"),
        at: fc.nat(),
      }),
    ),
    groupId: fc.constantFrom(undefined, null, "a", "é\n", 7, -0, 1.5, [1]),
    negative: fc.boolean(),
  })
  .map(({ lengths, optional, damage, groupId, negative }) => {
    const perToken = <T>(value: T) => lengths.map((length) => new Array<T>(length).fill(value));
    const has = (name: string) => optional.includes(name);
    const group: Record<string, unknown> = {
      tokens: perToken(negative ? -3 : 5),
      masks: perToken(-100),
      scores: lengths.map(() => 0.5),
      ...(has("advantages") && { advantages: perToken(0.5) }),
      ...(has("ref_logprobs") && { ref_logprobs: perToken(-1.5) }),
      ...(has("inference_logprobs") && { inference_logprobs: [] }),
      ...(has("distill") && {
        distill_token_ids: perToken([1, 2]),
        distill_logprobs: perToken([-0.5, -1.5]),
      }),
      ...(has("overrides") && { overrides: lengths.map(() => ({})) }),
      ...(has("messages") && { messages: lengths.map(() => [{ role: "user", content: "hi" }]) }),
      group_id: groupId,
    };
    if (damage !== null) dropOne(group[damage.name], damage.at);
    return JSON.stringify(group);
  });

/** Takes one entry out of a list, or out of the lists in it. */
function dropOne(value: unknown, at: number): void {
  if (!Array.isArray(value) || value.length === 0) return;
  const inner: unknown = value[at % value.length];
  if (Array.isArray(inner) && inner.length > 0 && at % 3 > 0) dropOne(inner, at >> 2);
  else value.splice(at % value.length, 1);
}

test("strict readers agree on which groups fit together, and on their ids", () => {
  const strictScanner = new GroupScanner({ strict: true });
  const strictReader = new GroupReader({ strict: true });
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(shapedGroupText, (text) => {
      const parsed = parseJson(text);
      const problems: Problems = [];
      const careful = parsed.ok ? strictReader.readGroup(parsed.node, ["body"], problems) : undefined;
      const scanned = strictScanner.scanGroup(Buffer.from(text));
      if (careful === undefined) refused++;
      else taken++;
      expect(problems.length > 0).toBe(careful === undefined);
      // What it may leave to the careful reader here: ids that are neither text nor integers.
      if (scanned === undefined && careful !== undefined) expect(text).toMatch(/"group_id":(1\.5|\[)/);
      else expect(describeGroup(scanned)).toEqual(describeGroup(careful));
    }),
    { numRuns: 1500 },
  );
  expect(Math.min(taken, refused)).toBeGreaterThan(100);
});

function describeGroup(group: EncodedGroup | undefined) {
  return group && { ...group, body: group.body.toString("utf8") };
}

/** -0 as an integer is 0, as in Python. */
function positiveZeros(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
