/**
 * `repo_tests`: whether a repository that the model worked on passes its hidden tests. The workspace is the repository;
 * the test files are put back from the item before they run, in a fork of the sandbox (docs/rewards.md).
 */
import { z } from "zod";
import { defineReward, requireSandbox } from "../reward.ts";
import { codeParameters, scoreProgram } from "./code-reward.ts";
import { readRepoTests } from "./repo-tests.ts";
import { runRepoTests } from "./run-repo-tests.ts";
import { openTestPlace } from "./test-place.ts";

export const repoTestsParameters = z.strictObject({
  score: z
    .enum(["all", "share"])
    .default("all")
    .describe(
      "all: 1 when all of FAIL_TO_PASS and PASS_TO_PASS pass. share: of FAIL_TO_PASS, if PASS_TO_PASS do.",
    ),
  framework: z
    .enum(["auto", "pytest", "unittest"])
    .default("auto")
    .describe("auto: pytest where the repository's Python has it."),
  python: z.string().default("python3").describe("The repository's Python."),
  judge_python: z
    .string()
    .default("python3")
    .describe("The judge's, outside of the workspace; 3.9 or newer."),
  timeout_s: z
    .number()
    .positive()
    .default(600)
    .describe("Of all tests; what has not run by then has failed."),
});

/** Where items with a single function have it. */
export const functionPath = "solution.py";
const functionFile = codeParameters.parse({ answer: "file", file: functionPath });

export const repoTestsReward = defineReward({
  name: "repo_tests",
  description: "1 when the repository in the workspace passes the item's hidden tests.",
  parameters: repoTestsParameters,
  create: (parameters) => async (call) => {
    const { signal, item } = call;
    // HumanEval-pack: one function, and the test code of HumanEval.
    if (typeof item.entry_point === "string")
      return await scoreProgram(call, { ...functionFile, ...parameters });
    const tests = readRepoTests(item);
    const toolContext = requireSandbox(call, "repo_tests");
    await using candidate = await openTestPlace(toolContext, { signal });
    await using judge = await openTestPlace(toolContext, { signal });
    const { passed, unproven } = await runRepoTests(
      tests,
      { candidate: candidate.sandbox, judge: judge.sandbox },
      {
        python: parameters.python,
        judgePython: parameters.judge_python,
        framework: parameters.framework,
        timeoutMs: parameters.timeout_s * 1000,
        signal,
      },
    );
    const count = (ids: readonly string[]) => ids.filter((id) => passed.get(id) === true).length;
    const [mended, kept] = [count(tests.failToPass), count(tests.passToPass)];
    const share = kept === tests.passToPass.length ? mended / tests.failToPass.length : 0;
    return {
      score: parameters.score === "share" ? share : Number(share === 1),
      metrics: {
        "repo_tests/fail_to_pass": mended / tests.failToPass.length,
        "repo_tests/pass_to_pass": tests.passToPass.length === 0 ? 1 : kept / tests.passToPass.length,
        "repo_tests/unproven": unproven,
      },
    };
  },
});
