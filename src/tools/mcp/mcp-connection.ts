/** One initialised session with an MCP server, over HTTP or with a process inside a sandbox. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { FetchLike, Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { LachesisError } from "../../contracts/errors.ts";
import type { Sandbox } from "../../contracts/sandbox.ts";
import { untilAborted } from "../../contracts/until-aborted.ts";
import { packDirectory } from "../tar-packing.ts";
import type { HttpServerConfig, StdioServerConfig } from "./mcp-config.ts";
import { SandboxTransport } from "./sandbox-transport.ts";

const longestGoodbyeMs = 2_000;

export type McpConnection = AsyncDisposable & {
  client: Client;
  /** False once the server has ended or hung up. */
  isOpen(): boolean;
  /** Why a server inside the sandbox is gone. */
  ending(): string | null;
};

/** Copies the server's directory, if it has one, and starts it. */
export async function connectInSandbox(
  name: string,
  config: StdioServerConfig,
  { sandbox, signal }: { sandbox: Sandbox; signal: AbortSignal },
): Promise<McpConnection> {
  const copied = config.directory === null ? null : `${sandbox.workspace}/.lachesis/mcp/${name}`;
  if (config.directory !== null && copied !== null) {
    const tar = await packDirectory(config.directory);
    try {
      await sandbox.upload(tar, copied, { signal });
    } finally {
      tar.destroy();
    }
  }
  const process = await sandbox.spawn(
    {
      argv: [config.command, ...config.args],
      cwd: config.cwd ?? copied ?? sandbox.workspace,
      env: config.env,
    },
    { signal },
  );
  const transport = new SandboxTransport(process);
  return await connect(name, transport, {
    timeoutMs: config.connect_timeout * 1000,
    signal,
    ending: () => transport.ending(),
  });
}

export async function connectByHttp(
  name: string,
  config: HttpServerConfig,
  { fetch, signal }: { fetch: FetchLike; signal: AbortSignal },
): Promise<McpConnection> {
  const transport = new StreamableHTTPClientTransport(new URL(config.url), {
    requestInit: { headers: config.headers },
    fetch,
  });
  const connection = await connect(name, transport, {
    timeoutMs: config.connect_timeout * 1000,
    signal,
    ending: () => null,
  });
  return {
    ...connection,
    async [Symbol.asyncDispose]() {
      const late = AbortSignal.timeout(longestGoodbyeMs);
      await untilAborted(transport.terminateSession(), late).catch(() => {});
      await connection[Symbol.asyncDispose]();
    },
  };
}

async function connect(
  name: string,
  transport: Transport,
  options: { timeoutMs: number; signal: AbortSignal; ending: () => string | null },
): Promise<McpConnection> {
  const { timeoutMs, signal, ending } = options;
  const client = new Client({ name: "lachesis", version: "1" });
  let isOpen = true;
  client.onclose = () => {
    isOpen = false;
  };
  try {
    await client.connect(transport, { timeout: timeoutMs, signal });
  } catch (thrown) {
    await client.close().catch(() => {});
    signal.throwIfAborted();
    throw mcpFailure(name, "did not start", ending() ?? thrown);
  }
  return {
    client,
    isOpen: () => isOpen,
    ending,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** A failure of the machinery. */
export function mcpFailure(name: string, what: string, reason: unknown): LachesisError {
  if (reason instanceof LachesisError) return reason;
  const cause = reason instanceof Error && reason.cause instanceof Error ? reason.cause : reason;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new LachesisError("MCP_SERVER_FAILED", `MCP server ${name} ${what}: ${text}`, {
    hint: `Start it by hand as env.mcp_servers.${name} says, where its sandbox or this machine would.`,
    cause: reason,
    retryable: true,
  });
}
