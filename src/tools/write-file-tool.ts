/** The `write_file` tool. It writes through a process of the sandbox, whose complaint the model can read. */
import { posix } from "node:path";
import { z } from "zod";
import type { Tool } from "../contracts/tool.ts";
import { defineTool } from "./define-tool.ts";
import { pathParameter } from "./path-parameter.ts";
import { sandboxPath } from "./sandbox-path.ts";

/** Opening a pipe would wait for a reader. */
const script = `
if [ -p "$1" ]; then echo 'it is a pipe: write to it with the terminal' >&2; exit 1; fi
if [ -d "$2" ]; then created=false; else created=true; fi
mkdir -p -- "$2" && cat > "$1" && printf %s "$created"
`;

export function writeFileTool(): Tool {
  return defineTool({
    name: "write_file",
    description: "Write a text file in the sandbox, replacing what it held. Missing directories are created.",
    toolset: "file",
    parameters: z.strictObject({
      path: pathParameter("The file."),
      content: z.string().describe("The whole new content."),
    }),
    async run({ path, content }, context) {
      const sandbox = await context.sandbox();
      const file = sandboxPath(sandbox, path);
      const bytes = Buffer.from(content, "utf8");
      const result = await sandbox.exec(
        { argv: ["sh", "-c", script, "sh", file, posix.dirname(file)], cwd: "/" },
        { timeoutMs: context.limits.toolTimeoutMs, signal: context.signal, stdin: bytes },
      );
      if (result.exitCode === 0) {
        return {
          bytes_written: bytes.length,
          dirs_created: Buffer.from(result.stdout).toString("latin1") === "true",
        };
      }
      const complaint = result.timedOut
        ? `no end after ${context.limits.toolTimeoutMs} ms`
        : Buffer.from(result.stderr).toString("utf8").trim();
      return { error: `${path} could not be written: ${complaint}` };
    },
  });
}
