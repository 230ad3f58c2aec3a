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
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const result = z.union([
  z.object({ passed: z.number(), failed: z.array(z.string()) }),
  z.object({ broken: z.string() }),
]);

/** Rejects where the machinery fails. */
export async function testFinalState(
  verifier: string,
  toolContext: ToolContext,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<FinalState> {
  await toolContext.terminal(endEverythingElse, { timeoutMs: clearingMs });
  const sandbox = await toolContext.sandbox();
  const nonce = randomBytes(16).toString("hex");
  const request = JSON.stringify({ source: verifier, nonce, workspace: sandbox.workspace });
  // Without a shell, in whose memory a program that the tests start could read the request.
  const variables = [`PATH=${systemPath}`, `HOME=${sandbox.workspace}`, "LANG=C.UTF-8"];
  const { stdout, stderr, exitCode, timedOut } = await sandbox.exec(
    { argv: ["/usr/bin/env", "-i", ...variables, "python3", "-I", "-S", "-c", runnerSource], cwd: "/" },
    { timeoutMs, signal, stdin: Buffer.from(`${request}\n`, "utf8") },
  );
  if (timedOut) return { reward: null, why: `the tests were not done within ${timeoutMs / 1000} seconds` };
  const output = Buffer.from(stdout).toString("utf8");
  const line = output.split("\n").findLast((text) => text.startsWith(nonce));
  if (line === undefined || exitCode !== 0) {
    const said = `${output}${Buffer.from(stderr).toString("utf8")}`.slice(-1000).trim();
    return { reward: null, why: `the tests ended with exit code ${exitCode} and no result: ${said}` };
  }
  const told = result.parse(JSON.parse(line.slice(nonce.length)));
  if ("broken" in told) return { reward: null, why: `the tests are broken: ${told.broken}` };
  if (told.failed.length > 0) return { reward: 0, why: told.failed.join("; ") };
  return told.passed > 0 ? { reward: 1, why: "" } : { reward: null, why: "there is no test to pass" };
}
