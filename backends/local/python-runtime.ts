/**
 * Finds the Python that sandboxes get. A name on PATH may be a launcher script (pyenv) around an interpreter
 * elsewhere, so the interpreter itself is asked where it and its library live.
 */
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";

export type PythonRuntime = {
  /** Directory that holds a program named python3. */
  binDirectory: string;
  /** Directories it needs to run, outermost ones only. */
  prefixes: string[];
};

/** Where distributions put it. */
export const systemPython = "/usr/bin/python3";
/** What `python3 -B -c` is to run, and `parsePythonAnswer` reads the answer. */
export const pythonQuestion =
  "import ast, json, sys, traceback; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.base_exec_prefix]))";
const answer = z.tuple([z.string(), z.string(), z.string(), z.string()]);
const run = promisify(execFile);

export async function findPython(
  pythonPath: string | undefined,
  { signal }: { signal: AbortSignal },
): Promise<PythonRuntime> {
  const candidates = pythonPath === undefined ? [systemPython, "python3"] : [pythonPath];
  const complaints: string[] = [];
  for (const candidate of candidates) {
    try {
      const { stdout } = await run(candidate, ["-B", "-c", pythonQuestion], { signal, timeout: 20_000 });
      return parsePythonAnswer(stdout);
    } catch (error) {
      signal.throwIfAborted();
      complaints.push(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    }
  }
  throw new LachesisError("SANDBOX_UNAVAILABLE", `No working Python 3 was found: ${complaints.join("; ")}.`, {
    hint: "Install it (`apt-get install python3`), or name one as python_path.",
  });
}

/** Throws where it is no answer to `pythonQuestion`. */
export function parsePythonAnswer(output: string): PythonRuntime {
  const [executable, ...prefixes] = answer.parse(JSON.parse(output));
  return { binDirectory: dirname(executable), prefixes: outermost([...prefixes, dirname(executable)]) };
}

function outermost(directories: readonly string[]): string[] {
  const unique = [...new Set(directories)];
  return unique.filter((inner) => !unique.some((outer) => outer !== inner && inner.startsWith(`${outer}/`)));
}
