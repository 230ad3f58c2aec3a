/**
 * Puts a row's repository into a rollout's sandbox before the model's first word, and takes from there, at that time,
 * the tests that will be put back before scoring.
 */
import { basename, join, resolve, sep } from "node:path";
import { z } from "zod";
import { readRepoTests, testPaths } from "../rewards/code/repo-tests.ts";
import { functionPath } from "../rewards/code/repo-tests-reward.ts";
import type { RewardItem } from "../rewards/reward.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import type { CommandResult, ToolContext } from "../src/tools/tool-context.ts";

export type RepositorySource = {
  /** Where `repo_archive` is looked for; null = rows must not name one. */
  archiveDirectory: string | null;
  /** Shell code, `{column}` for a row's value. */
  setupCommand: string | null;
};

const files = z.record(z.string(), z.string());
const placeholder = /\{(\w+)\}/g;
const configuration = ["conftest.py", "pytest.ini", ".pytest.ini", "tox.ini"];
const largestTestBytes = 4 * 1_048_576;

/** Whether the row is a single function to mend, as in HumanEval-pack. */
export const isFunctionRow = (row: RewardItem): boolean => typeof row.buggy_solution === "string";

/** The problem of such a row, whose dataset has none in words; null for others. */
export const sweProblem = (row: RewardItem): string | null =>
  isFunctionRow(row)
    ? `The function ${String(row.entry_point)} in ${functionPath} doesn't do what its docstring says.`
    : null;

/** The repository as it is given to the model. Throws DATASET_INVALID where the row's own commands fail. */
export async function placeRepository(
  row: RewardItem,
  toolContext: ToolContext,
  { archiveDirectory, setupCommand }: RepositorySource,
): Promise<void> {
  if (isFunctionRow(row)) {
    await toolContext.writeFile(functionPath, `${String(row.prompt)}${String(row.buggy_solution)}`);
    return;
  }
  for (const [path, content] of Object.entries(filesOf(row.files)))
    await toolContext.writeFile(path, content);
  if (typeof row.repo_archive === "string") await unpack(row.repo_archive, archiveDirectory, toolContext);
  if (setupCommand !== null) {
    const command = setupCommand.replace(placeholder, (_all, column: string) => quoted(String(row[column])));
    requireDone(await toolContext.terminal(command, { timeoutMs: 600_000 }), "env.setup_command");
  }
}

/** The tests as they are before the model can reach them; null where the row brings them itself. */
export async function takeTests(
  row: RewardItem,
  toolContext: ToolContext,
): Promise<Record<string, string> | null> {
  if (isFunctionRow(row) || (row.tests !== undefined && row.tests !== null)) return null;
  const patch = typeof row.test_patch === "string" && row.test_patch.trim() !== "" ? row.test_patch : null;
  const home = (await toolContext.sandbox()).workspace;
  const patchFile = `${home}/.tests.patch`;
  if (patch !== null) {
    await toolContext.writeFile(patchFile, patch);
    requireDone(await toolContext.terminal(`git apply ${patchFile}`), "test_patch");
  }
  const { failToPass, passToPass } = readRepoTests({ ...row, tests: {} });
  const found = await toolContext.terminal(
    `find . -not -path './.git/*' \\( ${configuration.map((name) => `-name ${name}`).join(" -o ")} \\) -type f`,
  );
  const configured = found.output
    .split("\n")
    .flatMap((line) => (line.startsWith("./") ? [line.slice(2).trim()] : []));
  const patched = [...(patch ?? "").matchAll(/^\+\+\+ b\/(.+)$/gm)].map(([, path = ""]) => path);
  const paths = new Set([...testPaths([...failToPass, ...passToPass]), ...patched, ...configured]);
  const taken: Record<string, string> = {};
  for (const path of paths) {
    const content = await readOrNull(path, toolContext);
    if (content !== null) taken[path] = content;
  }
  if (patch !== null)
    requireDone(await toolContext.terminal(`git apply -R ${patchFile}; rm -f ${patchFile}`), "test_patch");
  return taken;
}

/** Files of a row, by their path. */
export function filesOf(value: unknown): Record<string, string> {
  const parsed = files.safeParse(typeof value === "string" ? tryJson(value) : value);
  return parsed.success ? parsed.data : {};
}

/** Throws where a row has neither tests nor a way to them. */
export function requireSweRow(row: RewardItem): void {
  if (isFunctionRow(row)) {
    if (typeof row.test !== "string" || typeof row.entry_point !== "string") {
      throw new LachesisError("DATASET_INVALID", "a row with buggy_solution needs test and entry_point");
    }
    return;
  }
  readRepoTests({ ...row, tests: row.tests ?? {} });
}

async function unpack(archive: string, directory: string | null, toolContext: ToolContext): Promise<void> {
  const root = resolve(directory ?? ".");
  const path = resolve(root, archive);
  if (directory === null || !path.startsWith(root + sep)) {
    throw new LachesisError(
      "DATASET_INVALID",
      `The row's repo_archive ${archive} is not in env.archive_directory.`,
      {
        hint: "Set --env.archive_directory to the directory with the archives (.tar, .tar.gz, .bundle).",
      },
    );
  }
  const { workspace } = await toolContext.sandbox();
  const uploaded = join(workspace, `.${basename(archive)}`);
  await toolContext.uploadFile(path, uploaded);
  const command = archive.endsWith(".bundle")
    ? `git init -q . && git pull -q ${quoted(uploaded)} HEAD`
    : `tar -xf ${quoted(uploaded)}`;
  requireDone(
    await toolContext.terminal(`${command} && rm -f ${quoted(uploaded)}`),
    `repo_archive ${archive}`,
  );
}

async function readOrNull(path: string, toolContext: ToolContext): Promise<string | null> {
  try {
    return await toolContext.readText(path, { maxBytes: largestTestBytes });
  } catch (error) {
    if (error instanceof LachesisError && error.code.startsWith("SANDBOX_FILE_")) return null;
    throw error;
  }
}

function requireDone({ exitCode, output }: CommandResult, what: string): void {
  if (exitCode === 0) return;
  throw new LachesisError(
    "DATASET_INVALID",
    `${what} failed with exit code ${exitCode}: ${output.slice(-1_000)}`,
  );
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
