/**
 * Runs a task's tests in the sandbox that a rollout left, and reads their verdict.
 *
 * - Everything that the model left running is ended first, and what it left in the tests' and the verdict's
 *   directories is thrown away; only then the tests go in, and they run in a shell that reads none of its files.
 * - Only a verdict that the tests wrote counts. Where there is none (none written, unreadable, out of time, or the
 *   tests' own report missing), the result is "unverified": whose fault it is, the caller finds out in a sandbox that
 *   no model has touched.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { LachesisError } from "../../../src/contracts/errors.ts";
import type { ToolContext } from "../../../src/tools/tool-context.ts";
import { endEverythingElse } from "../end-everything-else.ts";
import type { HarborTask } from "./task-folder.ts";

export type TaskVerdict =
  | { kind: "scored"; reward: number; output: string }
  | { kind: "unverified"; why: string; output: string };

const largestVerdictBytes = 65_536;
const clearingMs = 60_000;

/** Rejects where the machinery fails; what the model broke is a verdict. */
export async function verifyTask(
  task: HarborTask,
  toolContext: ToolContext,
  hasImage: boolean,
): Promise<TaskVerdict> {
  if (hasImage) return await runTests(task, toolContext, "");
  const root = `/tmp/verifier-${randomBytes(8).toString("hex")}`;
  try {
    return await runTests(task, toolContext, root);
  } finally {
    // Without isolation it would stay on this machine. A sandbox that is gone has taken it along.
    await toolContext.terminal(`rm -rf -- ${root}`, { timeoutMs: clearingMs }).catch(() => undefined);
  }
}

/** `root`: a directory for tests and verdict; "" = where the format has them. */
async function runTests(task: HarborTask, toolContext: ToolContext, root: string): Promise<TaskVerdict> {
  const [tests, logs] = [`${root}/tests`, `${root}/logs/verifier`];
  await toolContext.terminal(endEverythingElse, { timeoutMs: clearingMs });
  const cleared = await toolContext.terminal(
    `rm -rf -- ${tests} ${logs} && mkdir -p -- ${tests} ${logs} ${root}/logs/agent`,
    { timeoutMs: clearingMs },
  );
  if (cleared.exitCode !== 0)
    return { kind: "unverified", why: "no room could be made for the tests", output: cleared.output };
  try {
    await toolContext.uploadDir(task.testsDirectory, tests);
    await toolContext.uploadFile(task.testScript, `${tests}/${basename(task.testScript)}`);
  } catch (error) {
    if (!(error instanceof LachesisError) || !isOfFiles(error)) throw error;
    return { kind: "unverified", why: `the tests could not be put there: ${error.message}`, output: "" };
  }

  const variables = { ...task.testEnvironment, TEST_DIR: tests, TESTS_DIR: tests, VERIFIER_LOGS_DIR: logs };
  const assignments = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);
  const { output, exitCode, timedOut } = await toolContext.terminal(
    `${assignments.join("\n")}\nexec bash --noprofile --norc ${tests}/${basename(task.testScript)}`,
    { timeoutMs: task.testTimeoutSeconds * 1000 },
  );
  await toolContext.terminal(endEverythingElse, { timeoutMs: clearingMs });
  const unverified = (why: string) => ({ kind: "unverified", why, output }) as const;
  if (timedOut) return unverified(`the tests were not done within ${task.testTimeoutSeconds} seconds`);
  if (task.judgedBy === "exit-code") return { kind: "scored", reward: exitCode === 0 ? 1 : 0, output };

  const reward = await readReward(toolContext, logs);
  if (reward === null)
    return unverified(`the tests ended with exit code ${exitCode} and without a readable reward`);
  if (reward === 0 && (await lacksReport(task, toolContext, logs))) {
    return unverified("the tests gave 0 without the report (ctrf.json) that they write when they run");
  }
  return { kind: "scored", reward, output };
}

/** reward.txt with a number, or reward.json with one, by itself, as "reward", or as the only value of a map. */
async function readReward(toolContext: ToolContext, logs: string): Promise<number | null> {
  const asText = await readSmall(toolContext, `${logs}/reward.txt`);
  if (asText !== null)
    return /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d{1,2})?$/i.test(asText.trim()) ? Number(asText) : null;
  const asJson = await readSmall(toolContext, `${logs}/reward.json`);
  if (asJson === null) return null;
  try {
    return rewardValue.parse(JSON.parse(asJson));
  } catch {
    return null;
  }
}

const finite = z.number();
const rewardValue = z.union([
  finite,
  z.looseObject({ reward: finite }).transform(({ reward }) => reward),
  z
    .record(z.string(), finite)
    .refine((map) => Object.keys(map).length === 1)
    .transform((map) => Object.values(map)[0] ?? 0),
]);

/** Tests that fail write why; tests that could not be installed (no network) write nothing, and a 0. */
async function lacksReport(task: HarborTask, toolContext: ToolContext, logs: string): Promise<boolean> {
  const script = await readFile(task.testScript, "utf8");
  return script.includes("ctrf.json") && (await readSmall(toolContext, `${logs}/ctrf.json`, true)) === null;
}

async function readSmall(toolContext: ToolContext, path: string, mayBeLarge = false): Promise<string | null> {
  try {
    return await toolContext.readText(path, { maxBytes: largestVerdictBytes });
  } catch (error) {
    if (!(error instanceof LachesisError) || !isOfFiles(error)) throw error;
    return mayBeLarge && error.code === "SANDBOX_FILE_TOO_LARGE" ? "" : null;
  }
}

const isOfFiles = ({ code }: LachesisError): boolean =>
  code.startsWith("SANDBOX_FILE_") || code === "TRANSFER_FAILED";
const quoted = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;
