/**
 * Runs a task's `test_final_state.py` on the sandbox that a rollout left. 1 when it has tests and all pass, 0 when one
 * fails; null where they came to no result (out of time, killed, broken): whose fault that is shows a fresh sandbox.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { ToolContext } from "../../src/tools/tool-context.ts";
import { endEverythingElse } from "../benchmarks/end-everything-else.ts";
import { runnerSource } from "./runner-source.ts";

export type FinalState = {
  reward: number | null /** What failed, or why there is no result. */;
  why: string;
};

const clearingMs = 60_000;
const result = z.union([
  z.object({ passed: z.number(), failed: z.array(z.string()) }),
  z.object({ broken: z.string() }),
]);

/** Rejects where the machinery fails. */
export async function testFinalState(
  verifier: string,
  toolContext: ToolContext,
  { timeoutMs }: { timeoutMs: number },
): Promise<FinalState> {
  await toolContext.terminal(endEverythingElse, { timeoutMs: clearingMs });
  const nonce = randomBytes(16).toString("hex");
  const request = JSON.stringify({ source: verifier, nonce, workspace: "." });
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const { output, exitCode, timedOut } = await toolContext.terminal(
    `here=$PWD; cd / && printf '%s\\n' ${quoted(request)} | env -i PATH=${path} HOME="$HOME" LANG=C.UTF-8 bash --noprofile --norc -c 'cd -- "$1" && exec python3 -I -S -c "$2"' bash "$here" ${quoted(runnerSource)}`,
    { timeoutMs },
  );
  if (timedOut) return { reward: null, why: `the tests were not done within ${timeoutMs / 1000} seconds` };
  // A program that the tests start can find the nonce in the shell's memory: who forges a verdict has to end the runner,
  // or there are two.
  const [line, another] = output.split("\n").filter((text) => text.startsWith(nonce));
  if (line === undefined || another !== undefined || exitCode !== 0) {
    return {
      reward: null,
      why: `the tests ended with exit code ${exitCode} and no single result: ${output.slice(-1000).trim()}`,
    };
  }
  const told = result.parse(JSON.parse(line.slice(nonce.length)));
  if ("broken" in told) return { reward: null, why: `the tests are broken: ${told.broken}` };
  if (told.failed.length > 0) return { reward: 0, why: told.failed.join("; ") };
  return told.passed > 0 ? { reward: 1, why: "" } : { reward: null, why: "there is no test to pass" };
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
