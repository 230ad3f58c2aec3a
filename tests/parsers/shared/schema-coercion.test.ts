import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  coerceArgumentsText,
  coerceDict,
  coerceToSchemaType,
  schemaTypes,
} from "../../../parsers/shared/schema-coercion.ts";
import type { JsonObject, JsonValue } from "../../../src/contracts/chat.ts";
import { pythonJsonDumps, pythonJsonParse } from "../../../src/contracts/python-json.ts";

function spell(text: string, ...types: string[]): string {
  return pythonJsonDumps(coerceToSchemaType(text, types));
}

describe("coerceToSchemaType", () => {
  test.each([
    ["null", ["null", "string"], "null"],
    ["NULL", ["null"], "null"],
    ["null", ["string"], '"null"'],
    ["null", ["integer"], "null"],
    ["12", ["string", "integer"], "12"],
    ["12", ["string"], '"12"'],
    ["5.0", ["integer"], "5.0"],
    ["5.0", ["integer", "string"], '"5.0"'],
    ["5.0", ["number"], "5"],
    ["1e22", ["number"], "10000000000000000000000"],
    ["1.50", ["number"], "1.5"],
    ["12345678901234567890", ["number"], "12345678901234567168"],
    ["12345678901234567890", ["integer", "number"], "12345678901234567890"],
    ["inf", ["number"], '"inf"'],
    ["nan", ["number", "string"], '"nan"'],
    [" TRUE ", ["boolean"], "true"],
    ["0", ["boolean"], "false"],
    ["0", ["boolean", "integer"], "0"],
    ["yes", ["boolean"], '"yes"'],
    ["yes", ["boolean", "string"], '"yes"'],
    ['{"a": 1.0}', ["object"], '{"a": 1.0}'],
    ["[1]", ["object"], "[1]"],
    ["5", ["array"], "5"],
    ["[1e999]", ["array"], '"[1e999]"'],
    ["{'a': 1}", ["object"], `"{'a': 1}"`],
    ["5", ["any"], "5"],
    ["x", ["any"], '"x"'],
    ["7", [" INT64 "], "7"],
    ["7", ["sequence"], "7"],
    ["7", ["enum"], '"7"'],
    ["1.5", ["Double"], "1.5"],
  ])("%j as %j", (text, types, spelled) => {
    expect(spell(text, ...types)).toBe(spelled);
  });

  test("never throws, and a plain string is never changed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.string()), (text, types) => {
        coerceToSchemaType(text, types);
        expect(coerceToSchemaType(text, ["string"])).toBe(text);
      }),
    );
  });

  test("whatever JSON Python writes for a type is read back as that value", () => {
    const values = fc.jsonValue().map((value) => JSON.stringify({ value }));
    fc.assert(
      fc.property(values, (json) => {
        const value = pythonJsonParse(json);
        expect(coerceToSchemaType(pythonJsonDumps(value), ["object"])).toEqual(value);
      }),
    );
  });
});

describe("schemaTypes", () => {
  test.each<[JsonValue | undefined, string[]]>([
    [undefined, ["string"]],
    [true, ["string"]],
    [{}, ["string"]],
    [{ $ref: "#/x" }, ["string"]],
    [{ type: ["integer", "null"] }, ["integer", "null"]],
    [
      { enum: [1, 1.5, "a", null, true, [], {}] },
      ["array", "boolean", "integer", "null", "number", "object", "string"],
    ],
    [{ type: "string", enum: [1] }, ["integer", "string"]],
    [{ anyOf: [{ type: "string" }, { oneOf: [{ type: "null" }] }] }, ["null", "string"]],
    [{ allOf: [{ $ref: "#/x" }], type: "object" }, ["object", "string"]],
  ])("%j", (schema, types) => {
    expect([...schemaTypes(schema)].sort()).toEqual(types);
  });
});

describe("coerceDict", () => {
  const properties: JsonObject = {
    count: { type: "integer" },
    name: { type: "string" },
    list: { type: "array", items: { type: "number" } },
    nested: { type: "object", properties: { flag: { type: "boolean" } } },
  };

  test.each([
    ['{"count": "5"}', '{"count": 5}'],
    ['{"name": 5}', '{"name": "5"}'],
    ['{"name": null}', '{"name": "null"}'],
    ['{"name": true}', '{"name": "true"}'],
    ['{"name": {"a": 1}}', '{"name": {"a": 1}}'],
    ['{"list": ["1", 2.0, "x"]}', '{"list": [1, 2, "x"]}'],
    ['{"list": "[\\"1\\"]"}', '{"list": ["1"]}'],
    ['{"nested": {"flag": "1", "other": "1"}}', '{"nested": {"flag": true, "other": "1"}}'],
    ['{"toString": "5", "unknown": "5"}', '{"toString": "5", "unknown": "5"}'],
  ])("%s", (before, after) => {
    const dict = pythonJsonParse(before);
    if (!(dict instanceof Map)) throw new Error("not a dict");
    coerceDict(dict, properties);
    expect(pythonJsonDumps(dict)).toBe(after);
  });

  test("as text, what needs no change keeps its bytes", () => {
    const tools = [
      { type: "function" as const, function: { name: "f", description: "", parameters: { properties } } },
    ];
    expect(coerceArgumentsText('{"count":5}', tools, "f")).toBe('{"count":5}');
    expect(coerceArgumentsText('{"count":"5"}', tools, "f")).toBe('{"count": 5}');
    expect(coerceArgumentsText('{"count":"5"}', tools, "g")).toBe('{"count":"5"}');
    expect(coerceArgumentsText("oops", tools, "f")).toBe("oops");
  });
});
