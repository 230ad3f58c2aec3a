import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Tool } from "../../src/contracts/tool.ts";
import { builtinTools } from "../../src/tools/builtin-tools.ts";
import { defineTool } from "../../src/tools/define-tool.ts";
import { builtinDistributions } from "../../src/tools/distributions.ts";
import { requireUsable, ToolRegistry } from "../../src/tools/tool-registry.ts";
import {
  builtinToolsets,
  lackingToolsets,
  resolveTools,
  resolveToolset,
  type ToolChoice,
} from "../../src/tools/toolsets.ts";

const tool = (name: string, toolset: string, check?: () => Promise<string | null>): Tool =>
  defineTool({
    name,
    toolset,
    description: name,
    parameters: z.object({}),
    run: async () => "",
    ...(check && { check }),
  });

const registry = new ToolRegistry([
  tool("web_search", "web"),
  tool("ls", "file"),
  tool("cat", "file"),
  tool("sh", "terminal"),
]);

const names = (choice: Partial<ToolChoice>) =>
  resolveTools({ registry, seed: 1, toolsets: {}, ...choice }).map(({ name }) => name);

const failure = (choice: Partial<ToolChoice>) => {
  try {
    return names(choice);
  } catch (error) {
    return error;
  }
};

describe("ToolRegistry", () => {
  test("refuses a second tool of the same name and says where the first belongs", () => {
    expect(() => registry.register(tool("ls", "other"))).toThrow(
      expect.objectContaining({
        code: "TOOL_DUPLICATE",
        message: expect.stringMatching(/"ls".*"file".*"other"/),
      }),
    );
  });

  test("gives its tools in name order, whatever the order they came in", () => {
    expect(registry.tools().map(({ name }) => name)).toEqual(["cat", "ls", "sh", "web_search"]);
  });

  test("names every tool that can't be used here, with its reason", async () => {
    const unusable = [
      tool("a", "x", async () => "no key"),
      tool("b", "x"),
      tool("c", "x", async () => "no network"),
    ];
    await expect(requireUsable(unusable)).rejects.toMatchObject({
      code: "TOOL_UNAVAILABLE",
      message: expect.stringMatching(/a: no key; c: no network/),
    });
    await expect(requireUsable([tool("b", "x")])).resolves.toBeUndefined();
  });
});

describe("resolveTools", () => {
  test.each<[string, Partial<ToolChoice>, string[]]>([
    ["everything where nothing is said", {}, ["cat", "ls", "sh", "web_search"]],
    ["everything for null", { enabledToolsets: null }, ["cat", "ls", "sh", "web_search"]],
    ["nothing for an empty list", { enabledToolsets: [] }, []],
    ["the named toolsets, sorted by tool", { enabledToolsets: ["terminal", "file"] }, ["cat", "ls", "sh"]],
    ["everything for all", { enabledToolsets: ["all"] }, ["cat", "ls", "sh", "web_search"]],
    ["everything for *", { enabledToolsets: ["*"] }, ["cat", "ls", "sh", "web_search"]],
    ["all but the disabled", { disabledToolsets: ["file"] }, ["sh", "web_search"]],
    [
      "enabled but not disabled",
      { enabledToolsets: ["file", "web"], disabledToolsets: ["file"] },
      ["web_search"],
    ],
    ["nothing when all is disabled", { disabledToolsets: ["*"] }, []],
    [
      "an included toolset once",
      { enabledToolsets: ["left", "right"], toolsets: diamond() },
      ["cat", "ls", "sh"],
    ],
    ["a diamond once", { enabledToolsets: ["top"], toolsets: diamond() }, ["cat", "ls", "sh"]],
    [
      "a diamond less what is disabled",
      { enabledToolsets: ["top"], disabledToolsets: ["left"], toolsets: diamond() },
      ["sh"],
    ],
    [
      "tools that a toolset lists",
      { enabledToolsets: ["mixed"], toolsets: { mixed: { description: "", tools: ["sh", "cat"] } } },
      ["cat", "sh"],
    ],
  ])("gives %s", (_name, choice, expected) => {
    expect(names(choice)).toEqual(expected);
  });

  test.each<[string, Partial<ToolChoice>, { code: string; message?: unknown; hint?: unknown }]>([
    [
      "an unknown toolset, with the nearest name",
      { enabledToolsets: ["flie"] },
      { code: "TOOLSET_UNKNOWN", hint: expect.stringContaining('Did you mean "file"?') },
    ],
    [
      "an unknown disabled toolset",
      { disabledToolsets: ["nothing-like-it"] },
      { code: "TOOLSET_UNKNOWN", hint: expect.stringContaining("Known: *, all, file, terminal, web.") },
    ],
    ["a name of Object.prototype", { enabledToolsets: ["constructor"] }, { code: "TOOLSET_UNKNOWN" }],
    [
      "an unknown include, with the way to it",
      { enabledToolsets: ["a"], toolsets: { a: { description: "", includes: ["b"] } } },
      { code: "TOOLSET_UNKNOWN", message: expect.stringContaining("included by a") },
    ],
    [
      "a circle, with its path",
      { enabledToolsets: ["a"], toolsets: circle() },
      { code: "TOOLSET_CYCLE", message: expect.stringContaining("b -> c -> b") },
    ],
    [
      "a listed tool that is not registered",
      { enabledToolsets: ["a"], toolsets: { a: { description: "", tools: ["lss"] } } },
      { code: "TOOL_UNKNOWN", hint: expect.stringContaining('"ls"') },
    ],
    [
      "an unknown distribution, with the nearest name",
      { distribution: "defualt" },
      { code: "DISTRIBUTION_UNKNOWN", hint: expect.stringContaining('Did you mean "default"?') },
    ],
    [
      "a distribution over an unknown toolset",
      { distribution: "d", distributions: { d: { moa: 0 } } },
      { code: "TOOLSET_UNKNOWN" },
    ],
  ])("refuses %s", (_name, choice, expected) => {
    expect(failure(choice)).toMatchObject(expected);
  });
});

describe("distributions", () => {
  const distributions = {
    coin: { file: 50, terminal: 50, web: 50 },
    never: { file: 0, terminal: 0, web: 0.001 },
    always: { file: 100, web: 100 },
  };
  const draw = (distribution: string, seed: number, rest: Partial<ToolChoice> = {}) =>
    names({ distribution, distributions, seed, ...rest });
  const seeds = Array.from({ length: 2000 }, (_, seed) => seed);

  test("draw the same for the same seed and differently for others", () => {
    expect(draw("coin", 7)).toEqual(draw("coin", 7));
    expect(new Set(seeds.slice(0, 50).map((seed) => draw("coin", seed).join())).size).toBe(7);
  });

  test("toss one independent coin per toolset", () => {
    const share = (wanted: (drawn: string[]) => boolean) =>
      seeds.filter((seed) => wanted(draw("coin", seed))).length / seeds.length;
    // Nothing drawn (1 in 8) falls back to the first of the likeliest, file.
    expect(share((drawn) => drawn.includes("ls"))).toBeCloseTo(0.5 + 1 / 8, 1);
    expect(share((drawn) => drawn.includes("sh"))).toBeCloseTo(0.5, 1);
    expect(share((drawn) => drawn.includes("sh") && drawn.includes("web_search"))).toBeCloseTo(0.25, 1);
  });

  test("take the likeliest toolset where no coin falls for any", () => {
    expect(draw("never", 3)).toEqual(["web_search"]);
  });

  test("win over enabled toolsets and lose to disabled ones, also in the fallback", () => {
    expect(draw("always", 1, { enabledToolsets: ["terminal"] })).toEqual(["cat", "ls", "web_search"]);
    expect(draw("always", 1, { disabledToolsets: ["file"] })).toEqual(["web_search"]);
    expect(draw("never", 3, { disabledToolsets: ["web"] })).toEqual(["cat", "ls"]);
    expect(draw("always", 1, { disabledToolsets: ["file", "web"] })).toEqual([]);
  });
});

describe("what ships", () => {
  const builtin = new ToolRegistry(builtinTools());

  test.each(Object.keys(builtinToolsets))("toolset %s has tools", (name) => {
    expect(resolveToolset(name, { registry: builtin })).not.toEqual([]);
  });

  test.each(Object.keys(builtinDistributions))(
    "distribution %s gives tools for every seed where everything is configured",
    (distribution) => {
      const configured = builtinTools().map((tool) => ({ ...tool, unconfigured: null }));
      const registry = new ToolRegistry(configured);
      for (let seed = 0; seed < 50; seed++) {
        expect(resolveTools({ registry, distribution, seed })).not.toEqual([]);
      }
    },
  );
});

describe("tools whose services are not configured", () => {
  const registry = new ToolRegistry(builtinTools());
  const names = (choice: Partial<ToolChoice>) =>
    resolveTools({ registry, seed: 1, ...choice }).map(({ name }) => name);

  test("are left out of every tool", () => {
    expect(names({}).filter((name) => /^(web|browser|vision)_/.test(name))).toEqual([]);
    expect(names({ enabledToolsets: ["all", "*"] })).toEqual(names({}));
  });

  test("stay in where their toolset is asked for by name, and requireUsable says what to set", async () => {
    const tools = resolveTools({ registry, seed: 1, enabledToolsets: ["debugging"] });
    await expect(requireUsable(tools)).rejects.toMatchObject({
      code: "TOOL_UNAVAILABLE",
      message: expect.stringContaining("web_search: set env.web_searxng_url"),
    });
  });

  test("the optional ones of a toolset are left out silently", () => {
    const browser = names({ enabledToolsets: ["browser"] });
    expect(browser).toContain("browser_navigate");
    expect(browser).not.toContain("browser_vision");
    expect(browser).not.toContain("web_search");
    expect(names({ enabledToolsets: ["browser", "search"] })).toContain("web_search");
  });

  test("are never drawn by a distribution, which changes no other coin; one with nothing left is an error", () => {
    const withAll = new ToolRegistry(builtinTools().map((tool) => ({ ...tool, unconfigured: null })));
    for (let seed = 0; seed < 20; seed++) {
      const drawn = resolveTools({ registry: withAll, seed, distribution: "mixed_tasks" });
      const kept = drawn.map(({ name }) => name).filter((name) => !/^(web|browser|vision)_/.test(name));
      if (kept.length > 0) expect(names({ seed, distribution: "mixed_tasks" })).toEqual(kept);
    }
    expect(lackingToolsets({ registry, distribution: "default" })).toEqual(["web", "browser", "vision"]);
    expect(() => names({ distribution: "research", disabledToolsets: ["terminal"] })).toThrow(
      "nothing to draw from",
    );
  });
});

function diamond() {
  return {
    top: { description: "", includes: ["left", "right"] },
    left: { description: "", includes: ["file"] },
    right: { description: "", includes: ["file", "terminal"] },
  };
}

function circle() {
  return {
    a: { description: "", includes: ["file", "b"] },
    b: { description: "", includes: ["c"] },
    c: { description: "", includes: ["b"] },
  };
}
