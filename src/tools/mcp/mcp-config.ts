/** What `mcp_servers` says of one server: a program inside the sandbox (`command`) or an address (`url`). */
import { z } from "zod";

const shared = {
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/, "expected letters, digits, _ and - only")
    .max(32)
    .nullable()
    .default(null)
    .describe("What the names of its tools begin with. null = mcp_<server>_."),
  tools: z
    .strictObject({
      include: z.array(z.string()).nullable().default(null).describe("Only these tools of the server."),
      exclude: z.array(z.string()).default([]).describe("All but these."),
    })
    .prefault({})
    .describe("Which of its tools the model gets."),
  timeout: z.number().positive().default(120).describe("Seconds a call may take."),
  connect_timeout: z.number().positive().default(60).describe("Seconds it may take to start and greet."),
};

const stdioServer = z.strictObject({
  command: z.string().min(1).describe("Program inside the sandbox; it speaks MCP on its stdin and stdout."),
  args: z.array(z.string()).default([]).describe("Its arguments."),
  env: z.record(z.string(), z.string()).default({}).describe("Its environment, besides the sandbox's."),
  cwd: z
    .string()
    .nullable()
    .default(null)
    .describe("Its directory. null = the workspace, or the copied directory."),
  directory: z
    .string()
    .nullable()
    .default(null)
    .describe("Directory of this machine that is copied into the sandbox before it starts."),
  ...shared,
});

const httpServer = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/\S+$/)
    .describe("Address of a server that speaks MCP over streamable HTTP."),
  headers: z
    .record(z.string(), z.string())
    .default({})
    .describe("Sent with every request, e.g. Authorization."),
  shared: z
    .boolean()
    .default(false)
    .describe("One session for all rollouts, for servers that remember nothing. false = one per rollout."),
  ...shared,
});

export const mcpServerConfig = z.union([stdioServer, httpServer]);
export type StdioServerConfig = z.output<typeof stdioServer>;
export type HttpServerConfig = z.output<typeof httpServer>;
export type McpServerConfig = z.output<typeof mcpServerConfig>;

/** By name; the names become part of tool names. */
export const mcpServersConfig = z.record(z.string().regex(/^[A-Za-z0-9_-]{1,24}$/), mcpServerConfig);
