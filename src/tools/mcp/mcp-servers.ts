/**
 * The MCP servers of a run. Their tools are asked for once, before the first rollout; each rollout then has a
 * session of its own with every server it calls, unless a server over HTTP is shared by all.
 */
import type { FetchLike } from "@modelcontextprotocol/sdk/shared/transport.js";
import { Agent, fetch } from "undici";
import { z } from "zod";
import type { JsonObject } from "../../contracts/chat.ts";
import { LachesisError } from "../../contracts/errors.ts";
import type { ResourceKey, RolloutContext } from "../../contracts/rollout-context.ts";
import type { Tool, ToolResult } from "../../contracts/tool.ts";
import { failedResult, toResult } from "../define-tool.ts";
import type { McpServerConfig } from "./mcp-config.ts";
import { connectByHttp, connectInSandbox, mcpFailure } from "./mcp-connection.ts";
import { mcpOutput } from "./mcp-result.ts";
import { McpSession } from "./mcp-session.ts";

const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.json());
const mostTools = 500;

type ServerTool = { name: string; description?: string | undefined; inputSchema: unknown };

export class McpServers implements AsyncDisposable {
  readonly #servers: ReadonlyMap<string, McpServerConfig>;
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } });
  readonly #shared = new Map<string, McpSession>();
  #files = 0;

  constructor(servers: Readonly<Record<string, McpServerConfig>>) {
    this.#servers = new Map(Object.entries(servers));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#shared.values()].map((session) => session[Symbol.asyncDispose]()));
    await this.#agent.destroy();
  }

  /** Whether finding the tools needs a sandbox. */
  get needsSandbox(): boolean {
    return [...this.#servers.values()].some((config) => "command" in config);
  }

  /** Asks every server for its tools; `context` is a rollout of its own, disposed of by the caller. */
  async discover(context: RolloutContext): Promise<Tool[]> {
    const found = await Promise.all(
      [...this.#servers].map(async ([name, config]) => {
        const key = this.#sessionKey(name, config);
        const session = await this.#session(key, name, config, context);
        const offered = await listTools(name, session, context);
        return choose(name, config, offered).map((tool) => this.#tool(name, config, key, tool));
      }),
    );
    return found.flat();
  }

  #sessionKey(name: string, config: McpServerConfig): ResourceKey<McpSession> {
    return { name: `mcp-${name}`, create: async (context) => this.#newSession(name, config, context) };
  }

  async #session(
    key: ResourceKey<McpSession>,
    name: string,
    config: McpServerConfig,
    context: RolloutContext,
  ): Promise<McpSession> {
    if (!("url" in config) || !config.shared) return await context.resource(key);
    const shared = this.#shared.get(name) ?? this.#newSession(name, config, context);
    this.#shared.set(name, shared);
    return shared;
  }

  #newSession(name: string, config: McpServerConfig, context: RolloutContext): McpSession {
    const timeoutMs = config.timeout * 1000;
    if ("url" in config) {
      const open = ({ signal }: { signal: AbortSignal }) =>
        connectByHttp(name, config, { fetch: this.#fetch, signal });
      return new McpSession({ name, timeoutMs, isInSandbox: false, open, proveSandbox: async () => {} });
    }
    return new McpSession({
      name,
      timeoutMs,
      isInSandbox: true,
      open: async ({ signal }) =>
        connectInSandbox(name, config, { sandbox: await context.sandbox(), signal }),
      async proveSandbox({ signal }) {
        const sandbox = await context.sandbox();
        await sandbox.exec({ argv: ["true"] }, { timeoutMs: 10_000, signal });
      },
    });
  }

  #tool(server: string, config: McpServerConfig, key: ResourceKey<McpSession>, offered: ServerTool): Tool {
    const name = toolName(config.prefix ?? `mcp_${server}_`, offered.name);
    const parameters = jsonObject.safeParse(offered.inputSchema);
    if (!parameters.success) {
      throw new LachesisError(
        "TOOL_INVALID",
        `Tool ${offered.name} of MCP server ${server} has no JSON schema.`,
      );
    }
    return {
      name,
      description: offered.description ?? "",
      toolset: `mcp-${server}`,
      parallel: false,
      maxResultChars: undefined,
      schema: {
        type: "function",
        function: { name, description: offered.description ?? "", parameters: parameters.data },
      },
      check: async () => null,
      call: async (args, context): Promise<ToolResult> => {
        const parsed = z.record(z.string(), z.unknown()).safeParse(args);
        if (!parsed.success) {
          const error = `Invalid arguments for tool "${name}": expected an object.`;
          return { ...failedResult(error), invalidArguments: true };
        }
        const session = await this.#session(key, server, config, context);
        const answer = await session.call(offered.name, parsed.data, context);
        if ("error" in answer) return failedResult(answer.error);
        this.#files += 1;
        return toResult(await mcpOutput(answer.result, { server, number: this.#files, context }));
      },
    };
  }

  readonly #fetch: FetchLike = async (url, { method = "GET", headers, body, signal } = {}) => {
    if (body !== undefined && body !== null && typeof body !== "string") {
      throw new TypeError(`expected a text body, got ${typeof body}`);
    }
    const sent = [...new Headers(headers)];
    return await fetch(url, {
      method,
      headers: sent,
      body: body ?? null,
      signal: signal ?? null,
      redirect: "manual",
      dispatcher: this.#agent,
    });
  };
}

async function listTools(
  name: string,
  session: McpSession,
  { signal }: RolloutContext,
): Promise<ServerTool[]> {
  const { client } = await session.connection({ signal });
  const tools: ServerTool[] = [];
  let cursor: string | undefined;
  try {
    do {
      const page = await client.listTools(cursor === undefined ? {} : { cursor }, { signal });
      tools.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor !== undefined && tools.length < mostTools);
  } catch (thrown) {
    signal.throwIfAborted();
    throw mcpFailure(name, "did not tell its tools", thrown);
  }
  return tools;
}

/** By the server's include and exclude lists; a name there that the server doesn't offer is an error. */
function choose(
  server: string,
  { tools: { include, exclude } }: McpServerConfig,
  offered: ServerTool[],
): ServerTool[] {
  const names = new Set(offered.map(({ name }) => name));
  const unknown = [...(include ?? []), ...exclude].filter((name) => !names.has(name));
  if (unknown.length > 0) {
    throw new LachesisError("TOOL_UNKNOWN", `MCP server ${server} offers no tool ${unknown.join(", ")}.`, {
      hint: `It offers: ${[...names].sort().join(", ") || "(none)"}. Correct env.mcp_servers.${server}.tools.`,
    });
  }
  return offered.filter(
    ({ name }) => (include === null || include.includes(name)) && !exclude.includes(name),
  );
}

function toolName(prefix: string, name: string): string {
  return `${prefix}${name}`.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
}
