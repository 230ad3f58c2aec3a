/**
 * `code`: the share of an item's tests that the model's program passes. The program is the last fenced block of the
 * answer, or a file in the workspace. Everything runs after the rollout, in fresh forks of its sandbox, and what the
 * tests expect stays out of the program's reach (docs/rewards.md).
 */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import type { Sandbox } from "../../src/contracts/sandbox.ts";
import { answerText, defineReward, type RawReward, type RewardCall, requireSandbox } from "../reward.ts";
import { readCodeTests } from "./code-tests.ts";
import { lastFence } from "./last-fence.ts";
import { type Program, runCodeTests } from "./run-code-tests.ts";
import { openTestPlace } from "./test-place.ts";

export const codeParameters = z.strictObject({
  answer: z
    .enum(["fence", "file"])
    .default("fence")
    .describe("Where the program is: the last fenced block of the last message, or a file."),
  file: z.string().default("solution.py").describe("The file, relative to the workspace."),
  score: z
    .enum(["all", "share"])
    .default("all")
    .describe("all: 1 when every test passes, else 0. share: the share of them that do."),
  python: z.string().default("python3").describe("Python for function tests and test code; 3.9 or newer."),
  command: z
    .tuple([z.string()], z.string())
    .default(["python3", "-B", "{file}"])
    .describe("What runs the program for tests of input and output."),
  float_tolerance: z
    .number()
    .min(0)
    .default(1e-6)
    .describe("For numbers with a fraction: greatest difference, absolute or as a share."),
  test_timeout_s: z.number().positive().default(10).describe("Time limit of one test."),
  total_timeout_s: z.number().positive().default(120).describe("Of all; what is not run by then has failed."),
});

export type CodeParameters = z.output<typeof codeParameters>;

const longestProgramBytes = 1_048_576;

export const codeReward = defineReward({
  name: "code",
  description:
    "1, or the share of the item's tests, when the model's program passes them in a fresh sandbox.",
  parameters: codeParameters,
  create: (parameters) => (call) => scoreProgram(call, parameters),
});

/** What the reward is, for others that score programs. */
export async function scoreProgram(call: RewardCall, parameters: CodeParameters): Promise<RawReward> {
  const { signal } = call;
  const tests = readCodeTests(call.item);
  const toolContext = requireSandbox(call, "code");
  const fenced = parameters.answer === "fence" ? lastFence(answerText(call.rollout)) : undefined;
  if (fenced === null) return result(0, tests.length, parameters);

  await using candidate = await openTestPlace(toolContext, { signal });
  const program =
    fenced === undefined
      ? await programOfFile(parameters.file, candidate.sandbox, signal)
      : await programOfText(fenced, candidate.sandbox, signal);
  if (program === null) return result(0, tests.length, parameters);

  await using judge = tests.some(({ kind }) => kind === "asserts")
    ? await openTestPlace(toolContext, { signal })
    : undefined;
  const passed = await runCodeTests(
    tests,
    program,
    { candidate: candidate.sandbox, judge: judge?.sandbox ?? candidate.sandbox },
    {
      python: parameters.python,
      command: parameters.command,
      floatTolerance: parameters.float_tolerance,
      testTimeoutMs: parameters.test_timeout_s * 1000,
      totalTimeoutMs: parameters.total_timeout_s * 1000,
      runAll: parameters.score === "share",
      signal,
    },
  );
  return result(passed, tests.length, parameters);
}

function result(passed: number, tests: number, { score }: CodeParameters): RawReward {
  const share = passed / tests;
  return {
    score: score === "share" ? share : Number(passed === tests),
    metrics: { "code/tests": tests, "code/tests_passed": passed },
  };
}

/** null: no file of a sane size, which is the model's own mistake. */
async function programOfFile(file: string, sandbox: Sandbox, signal: AbortSignal): Promise<Program | null> {
  try {
    const bytes = await sandbox.readFile(file, { signal, maxBytes: longestProgramBytes });
    return { source: new TextDecoder().decode(bytes), path: posix.resolve(sandbox.workspace, file) };
  } catch (error) {
    if (error instanceof LachesisError && error.code.startsWith("SANDBOX_FILE_")) return null;
    throw error;
  }
}

async function programOfText(source: string, sandbox: Sandbox, signal: AbortSignal): Promise<Program> {
  const path = posix.join(sandbox.workspace, `answer-${randomBytes(6).toString("hex")}.py`);
  await sandbox.writeFile(path, Buffer.from(source, "utf8"), { signal });
  return { source, path };
}
