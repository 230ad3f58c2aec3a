/**
 * Runs a program's tests, each in processes of its own, and says which passed. What was expected never enters a place
 * where the model's code runs: printed and returned values are compared here; test code runs in a second sandbox.
 *
 * A program that crashes, hangs, floods or lies fails its test; a sandbox that is gone rejects.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { candidateSource } from "./candidate-source.ts";
import type { CodeTest } from "./code-tests.ts";
import { type CompareOptions, isSameText, isSameValue } from "./compare-output.ts";
import { judgeSource } from "./judge-source.ts";
import type { LineProcess } from "./line-process.ts";
import { requireProgram, startPython } from "./python-process.ts";

export type Program = {
  source: string;
  /** Absolute, in the candidate's sandbox. */
  path: string;
};

export type CodeTestOptions = CompareOptions & {
  /** The Python of calls and asserts. */
  python: string;
  /** What runs the program for tests of input and output; `{file}` is its path. */
  command: readonly [string, ...string[]];
  /** Time limit of one test. */
  testTimeoutMs: number;
  /** Of all tests; those that are not run by then have failed. */
  totalTimeoutMs: number;
  /** Whether to run on after a failure. */
  runAll: boolean;
  signal: AbortSignal;
};

export type CodePlaces = {
  /** Where the model's code runs. */
  candidate: Sandbox;
  /** Where test code runs. The same one only where sandboxes can't be forked. */
  judge: Sandbox;
};

type Run = CodeTestOptions & CodePlaces & { program: Program; deadlineMs: number };

const printedLimitBytes = 16 * 1_048_576;
const verdict = z.object({ verdict: z.string(), passed: z.boolean(), invalid: z.string().nullable() });
const returned = z.object({ ret: z.unknown() });

/** How many passed. Rejects with REWARD_ITEM_INVALID where test code is no code, and with sandboxes' failures. */
export async function runCodeTests(
  tests: readonly CodeTest[],
  program: Program,
  places: CodePlaces,
  options: CodeTestOptions,
): Promise<number> {
  const endMs = Date.now() + options.totalTimeoutMs;
  const needed = tests.map(({ kind }) => (kind === "stdio" ? options.command[0] : options.python));
  for (const program of new Set(needed)) await requireProgram(places.candidate, program, options);
  let passed = 0;
  for (const test of tests) {
    options.signal.throwIfAborted();
    const deadlineMs = Math.min(endMs, Date.now() + options.testTimeoutMs);
    if (Date.now() >= deadlineMs) break;
    if (await runTest(test, { ...options, ...places, program, deadlineMs })) passed += 1;
    else if (!options.runAll) break;
  }
  return passed;
}

function runTest(test: CodeTest, run: Run): Promise<boolean> {
  switch (test.kind) {
    case "stdio":
      return runStdio(test, run);
    case "call":
      return runCall(test, run);
    case "asserts":
      return runAsserts(test, run);
    default:
      return test satisfies never;
  }
}

async function runStdio({ input, output }: CodeTest & { kind: "stdio" }, run: Run): Promise<boolean> {
  const [program, ...args] = run.command;
  const { exitCode, stdout, stdoutDroppedBytes } = await run.candidate.exec(
    { argv: [program, ...args.map((part) => part.replaceAll("{file}", run.program.path))] },
    {
      stdin: Buffer.from(input, "utf8"),
      timeoutMs: Math.max(1, run.deadlineMs - Date.now()),
      outputLimitBytes: printedLimitBytes,
      signal: run.signal,
    },
  );
  if (exitCode !== 0 || stdoutDroppedBytes > 0) return false;
  return isSameText(output, Buffer.from(stdout).toString("utf8"), run);
}

async function runCall({ name, args, expected }: CodeTest & { kind: "call" }, run: Run): Promise<boolean> {
  await using candidate = await startCandidate(run);
  candidate.send(JSON.stringify({ run: [name, args] }));
  const answer = await candidate.next(run);
  if (answer.kind !== "line") return false;
  const parsed = returned.safeParse(parseJson(answer.text));
  return parsed.success && "ret" in parsed.data && isSameValue(expected, parsed.data.ret, run);
}

async function runAsserts(test: CodeTest & { kind: "asserts" }, run: Run): Promise<boolean> {
  const nonce = randomBytes(16).toString("hex");
  await using judge = await startPython(run.judge, judgeSource, run);
  await using candidate = await startCandidate(run);
  judge.send(
    JSON.stringify({
      nonce,
      setup: test.setup,
      test: test.test,
      entry_point: test.entryPoint,
      workspace: run.judge.workspace,
    }),
  );
  // They take turns: each line of the one is answered by a line of the other.
  for (;;) {
    const words = await judge.next(run);
    if (words.kind === "late") return false;
    if (words.kind === "ended") throw judgeEnded();
    const last = verdict.safeParse(parseJson(words.text));
    if (last.success && last.data.verdict === nonce) return verdictOf(last.data);
    candidate.send(words.text);
    const answer = await candidate.next(run);
    if (answer.kind === "late") return false;
    judge.send(
      answer.kind === "line" ? answer.text : JSON.stringify({ raise: ["SystemExit", "the program ended"] }),
    );
  }
}

function verdictOf({ passed, invalid }: z.output<typeof verdict>): boolean {
  if (invalid === null) return passed;
  throw new LachesisError("REWARD_ITEM_INVALID", `The item's test code can't be run: ${invalid}`);
}

async function startCandidate(run: Run): Promise<LineProcess> {
  const candidate = await startPython(run.candidate, candidateSource, run);
  const { source, path } = run.program;
  candidate.send(JSON.stringify({ source, path, workspace: run.candidate.workspace }));
  return candidate;
}

function judgeEnded(): LachesisError {
  return new LachesisError(
    "TEST_RUNNER_FAILED",
    "The process that runs the item's test code ended without a verdict.",
    {
      hint: "It needs python3 (3.9 or newer) in the sandbox, and memory for the tests.",
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
