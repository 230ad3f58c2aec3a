/** The tools that exist in one run, by name. Nothing registers itself: whoever wires the run fills it. */
import { LachesisError } from "../contracts/errors.ts";
import type { Tool } from "../contracts/tool.ts";

export class ToolRegistry {
  readonly #tools = new Map<string, Tool>();

  constructor(tools: Iterable<Tool> = []) {
    for (const tool of tools) this.register(tool);
  }

  /** Adds a tool; a name that is taken is an error. */
  register(tool: Tool): void {
    const taken = this.#tools.get(tool.name);
    if (taken !== undefined) {
      throw new LachesisError(
        "TOOL_DUPLICATE",
        `A tool named "${tool.name}" is registered already (toolset "${taken.toolset}"); toolset "${tool.toolset}" registers it again.`,
      );
    }
    this.#tools.set(tool.name, tool);
  }

  get(name: string): Tool | undefined {
    return this.#tools.get(name);
  }

  /** All tools, sorted by name, so that what the model sees never depends on the order of registration. */
  tools(): Tool[] {
    return [...this.#tools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** Rejects with TOOL_UNAVAILABLE, naming each tool that can't be used here and why. */
export async function requireUsable(tools: readonly Tool[]): Promise<void> {
  const reasons = await Promise.all(tools.map(async (tool) => ({ tool, reason: await tool.check() })));
  const unusable = reasons.filter(({ reason }) => reason !== null);
  if (unusable.length === 0) return;
  const list = unusable.map(({ tool, reason }) => `${tool.name}: ${reason}`).join("; ");
  throw new LachesisError("TOOL_UNAVAILABLE", `Tools that can't be used here: ${list}.`, {
    hint: "Mend or set what is named, or take the toolset away with disabled_toolsets.",
  });
}
