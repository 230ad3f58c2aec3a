/**
 * Names for groups of tools, and the choice of a rollout's tools from them.
 *
 * Every tool's own `toolset` is one; composites add tools and include other toolsets. `all` (or `*`) means
 * every registered tool. A name that means nothing is an error, never an empty set. What comes out is sorted
 * by tool name, so that equal choices give equal prompts.
 *
 * A tool whose service is not configured is left out where "every tool" or a distribution brought it; where its
 * toolset was asked for by name, it stays in, for `requireUsable` to say what it lacks.
 */

import { closestNames } from "../contracts/closest-names.ts";
import { LachesisError } from "../contracts/errors.ts";
import type { Tool } from "../contracts/tool.ts";
import { builtinDistributions, type Distribution, drawToolsets } from "./distributions.ts";
import type { ToolRegistry } from "./tool-registry.ts";

export type ToolsetDefinition = {
  description: string;
  /** Names of registered tools, besides those whose own `toolset` is this one. */
  tools?: readonly string[];
  /** Other toolsets that belong to this one. */
  includes?: readonly string[];
  /** Those of its tools that are left out where they are not configured; the others are then an error. */
  optional?: readonly string[];
};

export type Toolsets = Readonly<Record<string, ToolsetDefinition>>;

/** The toolsets that come with the built-in tools. */
export const builtinToolsets: Toolsets = {
  terminal: { description: "A bash shell in the sandbox, and what it runs in the background." },
  file: { description: "Reading and writing files of the sandbox." },
  python: { description: "A persistent Python session in the sandbox." },
  todo: { description: "The model's own list of what there is to do." },
  code_execution: { description: "Python scripts that call the other tools." },
  delegation: { description: "Tasks for helpers on the same sandbox." },
  coding: { description: "What a programming task needs.", includes: ["terminal", "file"] },
  web: { description: "Searching the web and reading its pages." },
  search: { description: "Searching the web.", tools: ["web_search"] },
  browser: {
    description: "A web browser.",
    tools: ["web_search"],
    optional: ["web_search", "browser_vision"],
  },
  vision: { description: "Questions about images." },
  debugging: { description: "A shell, files and the web.", includes: ["terminal", "web", "file"] },
  safe: { description: "What reaches no shell.", includes: ["web", "vision"] },
  sandbox: {
    description: "Everything that works on the sandbox.",
    includes: ["coding", "python", "code_execution"],
  },
};

const everything: ReadonlySet<string> = new Set(["all", "*"]);

export type ToolChoice = {
  registry: ToolRegistry;
  /** null or undefined = every registered tool; [] = none. */
  enabledToolsets?: readonly string[] | null;
  /** Taken away from whatever the other two chose. */
  disabledToolsets?: readonly string[] | null;
  /** Name of a distribution to draw toolsets from; it takes precedence over `enabledToolsets`. */
  distribution?: string | null;
  /** Root of the draw: equal seeds draw equal toolsets. */
  seed: number;
  toolsets?: Toolsets;
  distributions?: Readonly<Record<string, Distribution>>;
};

/** The tools of one rollout group, sorted by name; throws TOOLSET_UNKNOWN, TOOLSET_CYCLE or DISTRIBUTION_UNKNOWN. */
export function resolveTools({
  registry,
  enabledToolsets,
  disabledToolsets,
  distribution,
  seed,
  toolsets = builtinToolsets,
  distributions = builtinDistributions,
}: ToolChoice): Tool[] {
  const resolve = (names: readonly string[]) =>
    new Set(names.flatMap((name) => resolveToolset(name, { registry, toolsets })));
  const disabledNames = new Set(disabledToolsets ?? []);
  const disabled = resolve([...disabledNames]);
  const required = new Set<string>();
  let chosen = enabledToolsets ?? ["all"];
  if (typeof distribution === "string") {
    const table = findDistribution(distribution, distributions);
    const lacking = lackingToolsets({ registry, distribution, toolsets, distributions });
    const without = new Set([...disabledNames, ...lacking]);
    if (lacking.length > 0 && Object.keys(table).every((name) => without.has(name))) {
      throw nothingConfigured(distribution, lacking);
    }
    chosen = drawToolsets(table, { seed, without });
  } else {
    for (const name of chosen.flatMap((toolset) =>
      resolveToolset(toolset, { registry, toolsets, isRequired: true }),
    )) {
      required.add(name);
    }
  }
  const enabled = resolve(chosen);
  return registry
    .tools()
    .filter(({ name }) => enabled.has(name) && !disabled.has(name))
    .filter(({ name, unconfigured }) => isConfigured(unconfigured) || required.has(name));
}

/** The toolsets of a distribution of which no tool is configured: they are never drawn. */
export function lackingToolsets({
  registry,
  distribution,
  toolsets = builtinToolsets,
  distributions = builtinDistributions,
}: Pick<ToolChoice, "registry" | "toolsets" | "distributions"> & { distribution: string }): string[] {
  return Object.keys(findDistribution(distribution, distributions)).filter((toolset) => {
    const tools = resolveToolset(toolset, { registry, toolsets, isRequired: true });
    return tools.length > 0 && tools.every((name) => !isConfigured(registry.get(name)?.unconfigured));
  });
}

function isConfigured(unconfigured: string | null | undefined): boolean {
  return unconfigured === null || unconfigured === undefined;
}

/**
 * Names of the tools in one toolset, without duplicates, sorted. `isRequired`: only those that were asked for by
 * the toolset's name: not the optional ones, and of "every tool" none.
 */
export function resolveToolset(
  name: string,
  {
    registry,
    toolsets = builtinToolsets,
    isRequired = false,
  }: { registry: ToolRegistry; toolsets?: Toolsets; isRequired?: boolean },
): string[] {
  const registered = registry.tools();
  const own = Map.groupBy(registered, (tool) => tool.toolset);
  const found = new Set<string>();
  const done = new Set<string>();

  const visit = (toolset: string, path: readonly string[]): void => {
    if (path.includes(toolset)) {
      const cycle = [...path.slice(path.indexOf(toolset)), toolset].join(" -> ");
      throw new LachesisError("TOOLSET_CYCLE", `Toolsets include each other in a circle: ${cycle}.`);
    }
    if (done.has(toolset)) return;
    done.add(toolset);
    if (everything.has(toolset)) {
      if (!isRequired) for (const tool of registered) found.add(tool.name);
      return;
    }
    const definition = Object.hasOwn(toolsets, toolset) ? toolsets[toolset] : undefined;
    if (definition === undefined && !own.has(toolset)) {
      throw unknownToolset(toolset, path, [...Object.keys(toolsets), ...own.keys(), ...everything]);
    }
    const optional = new Set(isRequired ? definition?.optional : []);
    const names = (definition?.tools ?? []).map((tool) => requireTool(tool, toolset, registry));
    for (const tool of [...(own.get(toolset) ?? []).map((each) => each.name), ...names]) {
      if (!optional.has(tool)) found.add(tool);
    }
    for (const included of definition?.includes ?? []) visit(included, [...path, toolset]);
  };
  visit(name, []);
  return [...found].sort();
}

function requireTool(name: string, toolset: string, registry: ToolRegistry): string {
  if (registry.get(name) !== undefined) return name;
  const known = registry.tools().map((tool) => tool.name);
  throw new LachesisError(
    "TOOL_UNKNOWN",
    `Toolset "${toolset}" lists the tool "${name}", which is not registered.`,
    {
      hint: suggestion(name, known),
    },
  );
}

function nothingConfigured(distribution: string, toolsets: readonly string[]): LachesisError {
  return new LachesisError(
    "TOOL_UNAVAILABLE",
    `Distribution "${distribution}" has nothing to draw from: none of ${toolsets.join(", ")} is configured.`,
    { hint: "Name one of them in enabled_toolsets: the error then says what its tools lack." },
  );
}

function unknownToolset(name: string, path: readonly string[], known: readonly string[]): LachesisError {
  const where = path.length === 0 ? "" : ` (included by ${path.join(" -> ")})`;
  return new LachesisError("TOOLSET_UNKNOWN", `No toolset is named "${name}"${where}.`, {
    hint: suggestion(name, known),
  });
}

function findDistribution(name: string, distributions: Readonly<Record<string, Distribution>>): Distribution {
  const found = Object.hasOwn(distributions, name) ? distributions[name] : undefined;
  if (found !== undefined) return found;
  throw new LachesisError("DISTRIBUTION_UNKNOWN", `No toolset distribution is named "${name}".`, {
    hint: suggestion(name, Object.keys(distributions)),
  });
}

function suggestion(name: string, known: readonly string[]): string {
  const [nearest] = closestNames(name, known, 1);
  const all = `Known: ${[...new Set(known)].sort().join(", ") || "(none)"}.`;
  return nearest === undefined ? all : `Did you mean "${nearest}"? ${all}`;
}
