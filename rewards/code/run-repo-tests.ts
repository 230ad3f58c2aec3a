/**
 * Runs a repository's hidden tests: a runner beside the model's code, in a fork of the rollout's sandbox, and a judge in
 * another fork, which alone knows what the tests expect. The host carries the runner's reports to the judge.
 */
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { requireProgram, startPython } from "./python-process.ts";
import { repoJudgeSource } from "./repo-judge-source.ts";
import { repoRunnerSource } from "./repo-runner-source.ts";
import { type RepoTests, testPaths } from "./repo-tests.ts";

export type RepoTestOptions = {
  /** The repository's Python. */
  python: string;
  /** The judge's; nothing in the workspace. */
  judgePython: string;
  framework: "auto" | "pytest" | "unittest";
  timeoutMs: number;
  signal: AbortSignal;
};

export type RepoPlaces = { candidate: Sandbox; judge: Sandbox };

export type RepoVerdicts = {
  /** By node id; a test that didn't run isn't there. */
  passed: ReadonlyMap<string, boolean>;
  /** Tests whose function wasn't found in the files: their own word was taken. */
  unproven: number;
};

const begun = z.object({ sources: z.record(z.string(), z.string()), name: z.string() });
const verdicts = z.object({
  verdicts: z.record(z.string(), z.object({ passed: z.boolean(), proven: z.boolean() })),
});
const prepareTimeoutMs = 60_000;
/** What changes how Python or its test runners work, and isn't the repository's own. */
const removeConfiguration = `find . -not -path './.git/*' \\( -name conftest.py -o -name pytest.ini -o -name .pytest.ini -o -name tox.ini \\
  -o -name sitecustomize.py -o -name usercustomize.py -o -name '*.pth' -o -name __pycache__ \\) -prune -exec rm -rf -- {} + ; exit 0`;

/** Links, files and directories of the model's that stand in the way of a file, or of a folder above it. */
const clearWay = `rm -rf -- "$1"; above=$(dirname -- "$1")
while [ "$above" != . ] && [ "$above" != / ]; do
  if [ -L "$above" ] || [ ! -d "$above" ]; then rm -rf -- "$above"; fi
  above=$(dirname -- "$above")
done; exit 0`;

/** Rejects with TEST_RUNNER_FAILED where the judge can't work, and with sandboxes' failures. */
export async function runRepoTests(
  tests: RepoTests,
  places: RepoPlaces,
  options: RepoTestOptions,
): Promise<RepoVerdicts> {
  const { signal } = options;
  const deadlineMs = Date.now() + options.timeoutMs;
  const ids = [...new Set([...tests.failToPass, ...tests.passToPass])];
  const paths = testPaths(ids);

  await requireProgram(places.judge, options.judgePython, { signal });
  await requireProgram(places.candidate, options.python, { signal });
  await using judge = await startPython(places.judge, repoJudgeSource, {
    python: options.judgePython,
    signal,
  });
  const judgeSays = async (): Promise<unknown> => {
    const line = await judge.next({ deadlineMs: Date.now() + prepareTimeoutMs, signal });
    if (line.kind === "line") return parseJson(line.text);
    throw judgeFailed();
  };
  const rewritten = Object.fromEntries(Object.entries(tests.files).filter(([path]) => paths.includes(path)));
  judge.send(JSON.stringify({ files: rewritten }));
  const { sources, name } = begun.parse(await judgeSays());
  await restoreFiles(places.candidate, { ...tests.files, ...sources }, signal);

  await using runner = await startPython(places.candidate, repoRunnerSource, {
    python: options.python,
    signal,
  });
  const root = places.candidate.workspace;
  runner.send(JSON.stringify({ name, root, paths, ids, framework: options.framework }));
  for (;;) {
    const line = await runner.next({ deadlineMs, signal });
    if (line.kind !== "line") break;
    const message = parseJson(line.text);
    if (!isReport(message)) break;
    judge.send(line.text);
    const answer = await judgeSays();
    if ("choose" in message) runner.send(JSON.stringify(answer));
  }

  judge.send(JSON.stringify({ verdicts: true }));
  const { verdicts: found } = verdicts.parse(await judgeSays());
  const wanted = Object.entries(found).filter(([id]) => ids.includes(id));
  return {
    passed: new Map(wanted.map(([id, { passed }]) => [id, passed])),
    unproven: wanted.filter(([, { proven }]) => !proven).length,
  };
}

/** What a runner may say to the judge; anything else, and its last words, end the run. */
function isReport(message: unknown): message is object {
  if (typeof message !== "object" || message === null) return false;
  const keys = Object.keys(message);
  return keys.length === 1 && ["start", "held", "choose", "chosen", "end"].includes(keys[0] ?? "");
}

async function restoreFiles(
  sandbox: Sandbox,
  files: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const options = { timeoutMs: prepareTimeoutMs, signal };
  await sandbox.exec({ argv: ["sh", "-c", removeConfiguration] }, options);
  for (const [path, content] of Object.entries(files)) {
    await sandbox.exec({ argv: ["sh", "-c", clearWay, "sh", path] }, options);
    await sandbox.writeFile(path, Buffer.from(content, "utf8"), { signal });
  }
}

function judgeFailed(): LachesisError {
  return new LachesisError(
    "TEST_RUNNER_FAILED",
    "The process that judges the repository's tests ended or hangs.",
    {
      hint: "It needs python3 (3.9 or newer) in the sandbox, outside of its workspace.",
    },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
