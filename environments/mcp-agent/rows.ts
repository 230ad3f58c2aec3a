/** Tasks for tools of MCP servers, as rows: what is asked, what must be so at the end, and a way to get there. */
import { join } from "node:path";
import { z } from "zod";
import { mcpCheck } from "./checks.ts";

const call = z.strictObject({ name: z.string(), arguments: z.record(z.string(), z.json()).default({}) });

export const mcpTask = z.looseObject({
  prompt: z.string().min(1),
  checks: z.preprocess(fromText, z.array(mcpCheck).min(1)),
  /** Calls that solve it, for validation and teachers. */
  solution: z.preprocess(fromText, z.array(call).optional()),
  /** The last message of that solution. */
  say: z.string().default("Done."),
});

export type McpTask = z.output<typeof mcpTask>;

const data = join(import.meta.dirname, "..", "data");

/** Tasks for the shop whose server ships, too. */
export const bundledMcpTasks = {
  train: join(data, "mcp-agent-train.jsonl"),
  test: join(data, "mcp-agent-test.jsonl"),
} as const;

/** The shop's server: its directory is copied into each sandbox. */
export const inventoryServer = {
  command: "python3",
  args: ["server.py"],
  directory: join(import.meta.dirname, "inventory"),
};

/** Columns of tables may hold JSON as text. */
function fromText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
