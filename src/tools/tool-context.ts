/**
 * A verifier's hands: what reward functions use to look at, and act in, the sandbox that the rollout left.
 *
 * Commands run in a shell of their own, not in the model's: functions, variables and a PATH that the model
 * left behind must not answer for the programs a verifier calls. Files go in and out as they are, at any size.
 * What a verifier's command does wrong is a result; a failure of the machinery rejects.
 */
import { posix } from "node:path";
import { LachesisError } from "../contracts/errors.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Sandbox } from "../contracts/sandbox.ts";
import type { Tool, ToolResult } from "../contracts/tool.ts";
import { type SearchOptions, type SearchResult, searchFiles } from "./search-files.ts";
import { ShellSession } from "./shell-session.ts";
import { packDirectory, packFile } from "./tar-packing.ts";
import { type DirectoryDownload, unpackDirectory, unpackFile } from "./tar-unpacking.ts";

export type CommandResult = {
  /** stdout and stderr in the order written, cut in the middle beyond 50,000 characters. */
  output: string;
  /** 124 = stopped at the time limit; 128 + n = killed by signal n. */
  exitCode: number;
  timedOut: boolean;
};

const defaultTimeoutMs = 180_000;
/** Symbolic links followed before a chain counts as a circle. */
const longestLinkChain = 8;

export class ToolContext {
  readonly #context: RolloutContext;
  readonly #tools: ReadonlyMap<string, Tool>;

  /** `tools` are those that `callTool` may call. */
  constructor({ context, tools }: { context: RolloutContext; tools: readonly Tool[] }) {
    this.#context = context;
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  /** The rollout's sandbox itself, for verifiers that fork it or speak with its processes. */
  async sandbox(): Promise<Sandbox> {
    return await this.#context.sandbox();
  }

  /** Runs bash code in a fresh shell in the workspace. Default limit: 180 seconds. */
  async terminal(
    command: string,
    { timeoutMs = defaultTimeoutMs, workdir }: { timeoutMs?: number; workdir?: string } = {},
  ): Promise<CommandResult> {
    const shell = new ShellSession(await this.#context.sandbox());
    const { signal } = this.#context;
    const { output, exitCode, timedOut } = await shell.run(command, { timeoutMs, workdir, signal });
    return { output, exitCode, timedOut };
  }

  /** The file's bytes. Rejects with SANDBOX_FILE_NOT_FOUND, or SANDBOX_FILE_TOO_LARGE beyond `maxBytes`. */
  async readFile(path: string, { maxBytes }: { maxBytes?: number } = {}): Promise<Uint8Array> {
    const sandbox = await this.#context.sandbox();
    const { signal } = this.#context;
    return await sandbox.readFile(path, { signal, ...(maxBytes !== undefined && { maxBytes }) });
  }

  /** The file as UTF-8 text; bytes that are none become U+FFFD. */
  async readText(path: string, options: { maxBytes?: number } = {}): Promise<string> {
    return new TextDecoder().decode(await this.readFile(path, options));
  }

  /** Writes a file, creating missing directories. */
  async writeFile(path: string, content: string | Uint8Array): Promise<void> {
    const sandbox = await this.#context.sandbox();
    const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
    await sandbox.writeFile(path, bytes, { signal: this.#context.signal });
  }

  /** Copies a host file to `remotePath`, with its permissions. */
  async uploadFile(localPath: string, remotePath: string): Promise<void> {
    await this.#upload(packFile(localPath, posix.basename(remotePath)), posix.dirname(remotePath));
  }

  /** Copies everything below a host directory into `remoteDirectory`. */
  async uploadDir(localDirectory: string, remoteDirectory: string): Promise<void> {
    await this.#upload(packDirectory(localDirectory), remoteDirectory);
  }

  /** Copies a file to the host and returns its size. Rejects with TRANSFER_FAILED where it is no file, or too large. */
  async downloadFile(
    remotePath: string,
    localPath: string,
    { maxBytes = Number.POSITIVE_INFINITY }: { maxBytes?: number } = {},
  ): Promise<number> {
    const sandbox = await this.#context.sandbox();
    const { signal } = this.#context;
    let path = remotePath;
    for (let links = 0; links <= longestLinkChain; links++) {
      const result = await unpackFile(await sandbox.download(path, { signal }), localPath, {
        signal,
        maxBytes,
      });
      if ("bytes" in result) return result.bytes;
      path = posix.resolve(sandbox.workspace, posix.dirname(path), result.linkTarget);
    }
    throw new LachesisError(
      "TRANSFER_FAILED",
      `${remotePath} is a chain of more than ${longestLinkChain} links.`,
    );
  }

  /** Copies everything below a directory to the host; symbolic links and devices are only reported. */
  async downloadDir(
    remoteDirectory: string,
    localDirectory: string,
    { maxBytes = Number.POSITIVE_INFINITY }: { maxBytes?: number } = {},
  ): Promise<DirectoryDownload> {
    const sandbox = await this.#context.sandbox();
    const { signal } = this.#context;
    const tar = await sandbox.download(remoteDirectory, { signal });
    return await unpackDirectory(tar, localDirectory, { signal, maxBytes });
  }

  /** Lines of text files that match a regular expression (ripgrep's), in the order of their paths. */
  async search(pattern: string, options: SearchOptions = {}): Promise<SearchResult> {
    return await searchFiles(await this.#context.sandbox(), pattern, options, this.#context.signal);
  }

  /** Calls a tool as the model would, on the model's own shell and Python session. */
  async callTool(name: string, args: unknown): Promise<ToolResult> {
    const tool = this.#tools.get(name);
    if (tool !== undefined) return await tool.call(args, this.#context);
    throw new LachesisError("TOOL_UNKNOWN", `No tool named "${name}" is here.`, {
      hint: `Use one of: ${[...this.#tools.keys()].sort().join(", ") || "(none)"}.`,
    });
  }

  async #upload(tar: ReturnType<typeof packFile>, directory: string): Promise<void> {
    const sandbox = await this.#context.sandbox();
    try {
      await sandbox.upload(tar, directory, { signal: this.#context.signal });
    } finally {
      tar.destroy();
    }
  }
}
