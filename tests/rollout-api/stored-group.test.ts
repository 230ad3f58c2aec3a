/** What watchers read out of stored groups, against what a whole JSON parse says. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupFields } from "../../src/rollout-api/group-fields.ts";
import { messagesOf, scoresOf, weightVersionOf } from "../../src/rollout-api/stored-group.ts";

/** A group's body in the form in which groups are stored: every field, in order, without white space. */
function bodyOf(group: Record<string, unknown>): Buffer {
  const fields: Record<string, unknown> = { tokens: [[1]], masks: [[1]], scores: [0.5], ...group };
  const texts = groupFields.map(({ name }) => `"${name}":${JSON.stringify(fields[name] ?? null)}`);
  return Buffer.from(`{${texts.join(",")}}`);
}

describe("scores", () => {
  test("are read as numbers", () => {
    expect(scoresOf(bodyOf({ scores: [0, -1.5, 1e-7] }))).toEqual([0, -1.5, 1e-7]);
    expect(scoresOf(bodyOf({ scores: [] }))).toEqual([]);
  });

  test("what is no group has none", () => {
    expect(scoresOf(Buffer.from('{"label":"group"}'))).toEqual([]);
    expect(scoresOf(Buffer.from(""))).toEqual([]);
  });
});

describe("the version of the sampling weights", () => {
  test.each([
    ["nowhere", {}, null],
    ["of the group", { group_overrides: { weight_version: 7 } }, 7],
    ["of the generation", { generation_params: { weight_version: 6, temperature: 1 } }, 6],
    ["of a sequence", { overrides: [{}, { weight_version: 5 }] }, 5],
    ["of every token: the oldest counts", { overrides: [{ weight_version: [9, 8, 9] }] }, 8],
    [
      "in several places: the oldest counts",
      { group_overrides: { weight_version: 7 }, overrides: [{ weight_version: 3 }] },
      3,
    ],
    ["that is no integer", { group_overrides: { weight_version: "7" } }, null],
    ["only talked about", { messages: [[{ role: "user", content: '"weight_version":1' }]] }, null],
    [
      "inside an image's description",
      { group_overrides: {}, images: { group_overrides: { weight_version: 1 } } },
      null,
    ],
  ])("%s", (_, fields, expected) => {
    expect(weightVersionOf(bodyOf(fields))).toBe(expected);
  });
});

describe("messages", () => {
  test("none, null and an empty list are none", () => {
    expect(messagesOf(bodyOf({}))).toBeNull();
    expect(messagesOf(bodyOf({ messages: [] }))).toBeNull();
  });

  test("whatever they and their neighbours hold, they come out as they went in", () => {
    const message = fc.record({ role: fc.string(), content: fc.string({ unit: "binary" }) });
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));
    const fields = fc.record({
      messages: fc.array(fc.array(message, { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      generation_params: object,
      overrides: fc.array(object, { maxLength: 2 }),
      images: fc.jsonValue({ maxDepth: 2 }),
      inference_logprobs: fc.constantFrom(null, [[0.5]], []),
      version: fc.nat(),
    });
    fc.assert(
      fc.property(fields, ({ version, ...group }) => {
        const body = bodyOf({ ...group, group_overrides: { weight_version: version } });
        expect(messagesOf(body)).toEqual(JSON.parse(body.toString("utf8")).messages);
        expect(weightVersionOf(body)).toBeLessThanOrEqual(version);
      }),
    );
  });
});
