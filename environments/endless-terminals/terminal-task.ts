/**
 * Task folders as endless-terminals publishes them: `instruction.md` (or `environment/task.json` with a description),
 * `environment/container.def` or a Dockerfile, and `tests/test_final_state.py` (or beside the rest). Folders of our own
 * need no image; they may have `environment/files/`, put into the workspace, and `solution/solve.sh`.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";
import { readContainerDefinition } from "./container-definition.ts";

export type TerminalTask = {
  name: string;
  prompt: string;
  category: string | null;
  /** The text of test_final_state.py. */
  verifier: string;
  /** Host path of what describes the image; null = the task needs none. */
  imageSource: string | null;
  /** Host directory whose files lie in the workspace from the start. */
  filesDirectory: string | null;
  /** The solving shell script; null = unknown. */
  solution: string | null;
};

const description = z.object({
  description: z.string().min(1),
  category: z.string().optional().catch(undefined),
});

/** The tasks of a folder by name, and why others are left out. Rejects with TASKS_INVALID where there is none. */
export async function readTerminalTasks(
  directory: string,
): Promise<{ tasks: TerminalTask[]; leftOut: string[] }> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw invalid(directory, `can't be read: ${error instanceof Error ? error.message : error}`, error);
  });
  const tasks: TerminalTask[] = [];
  const leftOut: string[] = [];
  for (const { name } of entries
    .filter((entry) => entry.isDirectory())
    .sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const task = await readTerminalTask(join(directory, name));
    if (typeof task === "string") leftOut.push(`${name} ${task}`);
    else tasks.push(task);
  }
  if (tasks.length > 0) return { tasks, leftOut };
  throw invalid(directory, `holds no task: ${leftOut[0] ?? "it is empty"}`);
}

/** The task, or what it lacks. */
async function readTerminalTask(folder: string): Promise<TerminalTask | string> {
  const find = (...names: string[]) => names.map((name) => join(folder, name)).find(existsSync);
  const told = await readDescription(find("environment/task.json", "task.json"));
  const instruction = find("instruction.md", "environment/instruction.md");
  const prompt = instruction === undefined ? told?.description : (await readFile(instruction, "utf8")).trim();
  if (!prompt) return "has neither an instruction.md nor a task.json with a description";
  const verifier = find(
    "tests/test_final_state.py",
    "test_final_state.py",
    "environment/test_final_state.py",
  );
  if (verifier === undefined) return "has no tests/test_final_state.py";
  const solution = find("solution/solve.sh");
  return {
    name: basename(folder),
    prompt,
    category: told?.category ?? null,
    verifier: await readFile(verifier, "utf8"),
    imageSource: find("environment/container.def", "container.def", "environment/Dockerfile") ?? null,
    filesDirectory: find("environment/files") ?? null,
    solution: solution === undefined ? null : await readFile(solution, "utf8"),
  };
}

async function readDescription(path: string | undefined) {
  if (path === undefined) return undefined;
  try {
    return description.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** A folder with a Dockerfile of the task's image; that of a container.def is written below `directory`. */
export async function dockerfileFolder(imageSource: string, directory: string): Promise<string> {
  if (basename(imageSource) === "Dockerfile") return dirname(imageSource);
  const text = await readFile(imageSource, "utf8");
  let definition: ReturnType<typeof readContainerDefinition>;
  try {
    definition = readContainerDefinition(text);
  } catch (error) {
    throw invalid(
      imageSource,
      `can't be made a Docker image: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
  const folder = join(directory, createHash("sha256").update(imageSource).digest("hex").slice(0, 24));
  await mkdir(folder, { recursive: true });
  for (const { source } of definition.files) {
    await cp(join(dirname(imageSource), source), join(folder, source), { recursive: true });
  }
  await writeFile(join(folder, "post.sh"), definition.post);
  await writeFile(join(folder, "Dockerfile"), definition.dockerfile);
  return folder;
}

function invalid(path: string, why: string, cause?: unknown): LachesisError {
  return new LachesisError("TASKS_INVALID", `${path} ${why}.`, {
    hint: "Expected a folder of task folders with instruction.md, environment/container.def and tests/test_final_state.py (docs/environments.md#endless-terminals).",
    cause,
  });
}
