/** Paths as a model writes them: relative to the workspace, which is also the home directory of its shell. */
import { posix } from "node:path";

/** The absolute path inside the sandbox; `~` and `~/…` are the workspace, as they are to the shell. */
export function sandboxPath({ workspace }: { workspace: string }, path: string): string {
  const fromHome = path === "~" ? "." : path.startsWith("~/") ? path.slice(2) : path;
  return posix.resolve(workspace, path === fromHome ? path : `./${fromHome}`);
}
