/** Which calls SGLang keeps. */
import type { ToolSchema } from "../../src/contracts/chat.ts";

/** SGLang drops calls of tools that the request does not have; without tools nothing can be said. */
export function isOffered(tools: readonly ToolSchema[], name: string): boolean {
  return tools.length === 0 || tools.some((tool) => tool.function.name === name);
}
