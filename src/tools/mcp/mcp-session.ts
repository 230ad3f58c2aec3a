/**
 * A rollout's (or, shared, the run's) session with one MCP server, opened at the first call.
 *
 * Who is to blame: a server inside the sandbox stands within the model's reach, so its end is a result that says
 * so, and the next call starts it afresh; that it can't be started, and everything that goes wrong with a server
 * over HTTP, is a failure of the machinery. A call that takes too long and an error that the server answers are
 * results.
 */
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { type McpConnection, mcpFailure } from "./mcp-connection.ts";

export type McpSessionOptions = {
  name: string;
  timeoutMs: number;
  isInSandbox: boolean;
  open: (options: { signal: AbortSignal }) => Promise<McpConnection>;
  /** Rejects where the sandbox itself is gone. */
  proveSandbox: (options: { signal: AbortSignal }) => Promise<void>;
};

export type McpAnswer = { result: unknown } | { error: string };

export class McpSession implements AsyncDisposable {
  readonly #options: McpSessionOptions;
  #opening: Promise<McpConnection> | undefined;

  constructor(options: McpSessionOptions) {
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = await this.#opening?.catch(() => undefined);
    await connection?.[Symbol.asyncDispose]();
  }

  async call(
    tool: string,
    args: Record<string, unknown>,
    { signal }: { signal: AbortSignal },
  ): Promise<McpAnswer> {
    const { name, timeoutMs, isInSandbox, proveSandbox } = this.#options;
    const connection = await this.connection({ signal });
    try {
      const result = await connection.client.callTool({ name: tool, arguments: args }, undefined, {
        signal,
        timeout: timeoutMs,
      });
      return { result };
    } catch (thrown) {
      signal.throwIfAborted();
      const isHungUp = !connection.isOpen() || isCode(thrown, ErrorCode.ConnectionClosed);
      if (isInSandbox && (isHungUp || !(thrown instanceof McpError))) {
        await proveSandbox({ signal });
        await connection[Symbol.asyncDispose]();
        const reason = connection.ending() ?? describe(thrown);
        return {
          error: `The MCP server ${name} has ended (${reason}). The next call starts it afresh, without what it remembered.`,
        };
      }
      if (isHungUp || !(thrown instanceof McpError)) {
        await this.#forget(connection);
        throw mcpFailure(name, "failed", thrown);
      }
      if (thrown.code === ErrorCode.RequestTimeout) {
        return { error: `The MCP server ${name} gave no answer within ${timeoutMs / 1000} s.` };
      }
      return { error: thrown.message };
    }
  }

  /** The open connection, made anew where the last one has ended. */
  async connection({ signal }: { signal: AbortSignal }): Promise<McpConnection> {
    const last = await this.#opening?.catch(() => undefined);
    if (last?.isOpen() === true) return last;
    if (last !== undefined || this.#opening === undefined) this.#opening = this.#options.open({ signal });
    const opening = this.#opening;
    try {
      return await opening;
    } catch (thrown) {
      if (this.#opening === opening) this.#opening = undefined;
      throw thrown;
    }
  }

  async #forget(connection: McpConnection): Promise<void> {
    this.#opening = undefined;
    await connection[Symbol.asyncDispose]();
  }
}

function isCode(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof McpError && thrown.code === Number(code);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
