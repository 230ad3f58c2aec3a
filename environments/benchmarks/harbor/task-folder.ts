/**
 * Tasks in Harbor's format: a folder with `task.toml`, `instruction.md`, `environment/` (a Dockerfile, unless the
 * settings name an image), `tests/test.sh` and, where the solution is known, `solution/solve.sh`. The older layout of
 * terminal-bench (`task.yaml`, Dockerfile, `run-tests.sh` and `solution.sh` side by side) is read, too.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { LachesisError } from "../../../src/contracts/errors.ts";
import { readToml } from "./read-toml.ts";

export type HarborTask = {
  name: string;
  category: string | null;
  difficulty: string | null;
  instruction: string;
  /** A published image; null where `dockerfileDirectory` must be built, or where the task needs none. */
  image: string | null;
  dockerfileDirectory: string | null;
  /** Directory of the image to work in; null = as configured. */
  workspace: string | null;
  cpus: number | null;
  memoryMb: number | null;
  /** Whether the task wants the network. */
  network: boolean;
  testsDirectory: string;
  /** Host path of the program that runs the tests; it stands in `testsDirectory`, or (older layout) beside it. */
  testScript: string;
  /** "reward": /logs/verifier/reward.txt or .json. "exit-code": 0 = 1, as the older layout has it. */
  judgedBy: "reward" | "exit-code";
  /** Host path of the solving program; null = unknown. */
  solutionScript: string | null;
  agentTimeoutSeconds: number;
  testTimeoutSeconds: number;
  testEnvironment: Readonly<Record<string, string>>;
};

const seconds = z.number().positive();
const defaultSeconds = 600;
const text = z.string().optional().catch(undefined);

const settings = z.object({
  metadata: z.object({ category: text, difficulty: text }).default({}),
  verifier: z
    .object({
      timeout_sec: seconds.default(defaultSeconds),
      env: z.record(z.string(), z.coerce.string()).default({}),
    })
    .prefault({}),
  agent: z.object({ timeout_sec: seconds.default(defaultSeconds) }).prefault({}),
  environment: z
    .object({
      docker_image: z.string().min(1).optional(),
      cpus: z.number().positive().optional(),
      memory_mb: z.number().positive().optional(),
      /** The older spelling: "2G". */
      memory: z.string().optional(),
      allow_internet: z.boolean().default(true),
      workdir: z.string().startsWith("/").optional(),
    })
    .prefault({}),
});

const olderSettings = z.object({
  instruction: z.string().min(1),
  category: text,
  difficulty: text,
  max_agent_timeout_sec: seconds.default(defaultSeconds),
  max_test_timeout_sec: seconds.default(defaultSeconds),
});

/** The tasks of a folder of task folders, or the one of a task folder, by name. Rejects with TASKS_INVALID. */
export async function readTaskFolders(directory: string): Promise<HarborTask[]> {
  if (isTaskFolder(directory)) return [await readTaskFolder(directory)];
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw invalid(directory, `can't be read: ${error instanceof Error ? error.message : error}`, error);
  });
  const folders = entries
    .filter((entry) => entry.isDirectory() && isTaskFolder(join(directory, entry.name)))
    .map(({ name }) => join(directory, name))
    .sort();
  if (folders.length === 0) throw invalid(directory, "holds no folder with a task.toml or task.yaml");
  return Promise.all(folders.map(readTaskFolder));
}

export function isTaskFolder(directory: string): boolean {
  return ["task.toml", "task.yaml"].some((name) => existsSync(join(directory, name)));
}

/** Rejects with TASKS_INVALID and what is wrong. */
export async function readTaskFolder(directory: string): Promise<HarborTask> {
  return existsSync(join(directory, "task.toml")) ? readTask(directory) : readOlderTask(directory);
}

async function readTask(directory: string): Promise<HarborTask> {
  const content = await read(directory, "task.toml");
  const given = parse(
    settings,
    directory,
    "task.toml",
    attempt(directory, "task.toml", () => readToml(content)),
  );
  const { environment, verifier, metadata, agent } = given;
  const dockerfile = join(directory, "environment", "Dockerfile");
  const hasDockerfile = existsSync(dockerfile);
  const testScript = join(directory, "tests", "test.sh");
  if (!existsSync(testScript)) throw invalid(directory, "has no tests/test.sh");
  const solution = join(directory, "solution", "solve.sh");
  return {
    name: basename(directory),
    category: metadata.category ?? null,
    difficulty: metadata.difficulty ?? null,
    instruction: (await read(directory, "instruction.md")).trim(),
    image: environment.docker_image ?? null,
    dockerfileDirectory: hasDockerfile ? join(directory, "environment") : null,
    workspace:
      environment.workdir ?? (hasDockerfile ? lastWorkdir(await readFile(dockerfile, "utf8")) : null),
    cpus: environment.cpus ?? null,
    memoryMb: environment.memory_mb ?? megabytes(environment.memory),
    network: environment.allow_internet,
    testsDirectory: join(directory, "tests"),
    testScript,
    judgedBy: "reward",
    solutionScript: existsSync(solution) ? solution : null,
    agentTimeoutSeconds: agent.timeout_sec,
    testTimeoutSeconds: verifier.timeout_sec,
    testEnvironment: verifier.env,
  };
}

async function readOlderTask(directory: string): Promise<HarborTask> {
  const content = await read(directory, "task.yaml");
  const raw: unknown = attempt(directory, "task.yaml", () => parseYaml(content));
  const given = parse(olderSettings, directory, "task.yaml", raw);
  const dockerfile = join(directory, "Dockerfile");
  const hasDockerfile = existsSync(dockerfile);
  const testScript = join(directory, "run-tests.sh");
  if (!existsSync(testScript)) throw invalid(directory, "has no run-tests.sh");
  const solution = join(directory, "solution.sh");
  return {
    name: basename(directory),
    category: given.category ?? null,
    difficulty: given.difficulty ?? null,
    instruction: given.instruction.trim(),
    image: null,
    dockerfileDirectory: hasDockerfile ? directory : null,
    workspace: hasDockerfile ? lastWorkdir(await readFile(dockerfile, "utf8")) : null,
    cpus: null,
    memoryMb: null,
    network: true,
    testsDirectory: join(directory, "tests"),
    testScript,
    judgedBy: "exit-code",
    solutionScript: existsSync(solution) ? solution : null,
    agentTimeoutSeconds: given.max_agent_timeout_sec,
    testTimeoutSeconds: given.max_test_timeout_sec,
    testEnvironment: {},
  };
}

/** Where the last stage of a Dockerfile ends up; null where it doesn't say so plainly. */
function lastWorkdir(dockerfile: string): string | null {
  const stage = dockerfile.slice(Math.max(0, dockerfile.search(/^FROM\b(?![\s\S]*^FROM\b)/im)));
  const last = [...stage.matchAll(/^WORKDIR[ \t]+"?([^\s"]+)"?/gim)].at(-1)?.[1];
  return last?.startsWith("/") && !last.includes("$") ? last : null;
}

function megabytes(memory: string | undefined): number | null {
  const [, amount, unit = "m"] = /^(\d+(?:\.\d+)?)\s*([kmgt])?i?b?$/i.exec(memory ?? "") ?? [];
  if (amount === undefined) return null;
  const factor = { k: 1 / 1024, m: 1, g: 1024, t: 1_048_576 }[unit.toLowerCase()] ?? 1;
  return Math.ceil(Number(amount) * factor);
}

async function read(directory: string, name: string): Promise<string> {
  return readFile(join(directory, name), "utf8").catch((error: unknown) => {
    throw invalid(directory, `has no readable ${name}`, error);
  });
}

function attempt<Result>(directory: string, name: string, readIt: () => Result): Result {
  try {
    return readIt();
  } catch (error) {
    throw invalid(
      directory,
      `has a broken ${name}: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  directory: string,
  name: string,
  given: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw invalid(directory, `has a ${name} that doesn't fit: ${z.prettifyError(parsed.error)}`, parsed.error);
}

export function invalid(directory: string, why: string, cause?: unknown): LachesisError {
  return new LachesisError("TASKS_INVALID", `The task folder ${directory} ${why}.`, {
    hint: "Expected: task.toml, instruction.md, tests/test.sh, and environment/Dockerfile or environment.docker_image (docs/environments.md#benchmarks).",
    cause,
  });
}
