/** docs/tools.md is the page to look tools up: its table has them all, with the parameters they really take. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Tool } from "../../src/contracts/tool.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";

const page = await readFile(new URL("../../docs/tools.md", import.meta.url), "utf8");
const schema = z.object({
  properties: z.record(z.string(), z.object({ default: z.json().optional() })).default({}),
  required: z.array(z.string()).default([]),
});

function parametersOf(tool: Tool): string {
  const { properties, required } = schema.parse(tool.schema.function.parameters);
  return Object.entries(properties)
    .map(([name, { default: value }]) => {
      if (value !== undefined) return `${name}=${JSON.stringify(value)}`;
      return required.includes(name) ? `**${name}**` : name;
    })
    .join(", ");
}

test("the table of docs/tools.md has every tool, its toolset and its parameters", () => {
  const rows = [...page.matchAll(/^\| `([a-z_]+)`( ∥)? \| ([a-z_]+) \| ([^|]*)\|/gm)].map(
    ([, name, parallel, toolset, parameters = ""]) => ({
      name,
      toolset,
      parameters: parameters.trim(),
      parallel: parallel !== undefined,
    }),
  );
  const tools = builtinTools().map((tool) => ({
    name: tool.name,
    toolset: tool.toolset,
    parameters: parametersOf(tool),
    parallel: tool.parallel,
  }));
  const byName = (one: { name?: string | undefined }, other: { name?: string | undefined }) =>
    String(one.name) < String(other.name) ? -1 : 1;
  expect(rows.toSorted(byName)).toEqual(tools.toSorted(byName));
});

test("every parameter says what it is for", () => {
  const described = z.object({ properties: z.record(z.string(), z.object({ description: z.string() })) });
  for (const tool of builtinTools()) {
    if (parametersOf(tool) === "") continue;
    expect(() => described.parse(tool.schema.function.parameters), tool.name).not.toThrow();
  }
});
