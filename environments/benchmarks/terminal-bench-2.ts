/**
 * Terminal-Bench 2 as NousResearch publishes it: rows with an image's name and the tests as archives. Each row becomes a
 * folder in Harbor's format below the run's directory, and from there on is a task like any other.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import { openDataset } from "../../src/data/dataset.ts";
import { ItemCursor } from "../../src/data/item-cursor.ts";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { unpackDirectory } from "../../src/tools/tar-unpacking.ts";
import { type HarborTask, readTaskFolder, readTaskFolders } from "./harbor/task-folder.ts";
import { HarborEnv, harborConfig, harborDefaults } from "./harbor.ts";

const largestArchiveBytes = 1_073_741_824;

export const terminalBenchConfig = harborConfig.extend({
  dataset_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Local JSONL or parquet file with the published columns. Wins over dataset_name."),
  dataset_name: z
    .string()
    .nullable()
    .default("NousResearch/terminal-bench-2")
    .describe(
      "Dataset on the Hugging Face hub, e.g. NousResearch/openthoughts-tblite. tasks_path (task folders) wins. null = three small tasks that ship.",
    ),
  dataset_split: z.string().default("train").describe("Split of dataset_name."),
  task_seconds: z.number().positive().default(1800).describe("Time for the agent, where a row names none."),
  test_seconds: z.number().positive().default(600).describe("Time for the tests, where a row names none."),
  force_build: z
    .boolean()
    .default(false)
    .describe("Build the images from their Dockerfiles, instead of the published ones."),
});

type TerminalBenchConfig = z.output<typeof terminalBenchConfig>;

const optionalText = z.string().nullish();
const row = z.object({
  task_name: z.string().regex(/^[\w][\w.-]*$/, "is no task's name"),
  category: optionalText,
  difficulty: optionalText,
  instruction: z.string().min(1),
  docker_image: optionalText,
  /** Archives: tar.gz in base64. */
  environment_tar: optionalText,
  tests_tar: optionalText,
  test_sh: z.string().min(1),
  agent_timeout: z.coerce.number().positive().nullish().catch(null),
  test_timeout: z.coerce.number().positive().nullish().catch(null),
});

export class TerminalBenchEnv extends HarborEnv<TerminalBenchConfig> {
  static override readonly envName = "terminal-bench-2";
  static override readonly description =
    "Benchmark: Terminal-Bench 2 (NousResearch/terminal-bench-2), in the tasks' own images.";
  static override readonly configSchema = terminalBenchConfig;
  static override readonly defaults: EnvDefaults<TerminalBenchConfig> = {
    env: {
      ...harborDefaults,
      enabled_toolsets: [...harborDefaults.enabled_toolsets],
      docker_capabilities: [...harborDefaults.docker_capabilities],
      terminal_backend: "docker",
    },
  };
  static readonly validationDefaults: EnvDefaults<TerminalBenchConfig> = {
    env: { dataset_name: null, terminal_backend: "local" },
  };

  protected override async openTasks({ signal }: { signal: AbortSignal }): Promise<HarborTask[]> {
    const {
      tasks_path: tasksPath,
      dataset_path: path,
      dataset_name: name,
      dataset_split: split,
    } = this.config;
    if (tasksPath !== null) return readTaskFolders(tasksPath);
    if (path === null && name === null) return super.openTasks({ signal });
    const { cacheDirectory, hubToken, runDirectory, events } = this.services;
    const dataset = await openDataset(
      path === null ? { kind: "hub", name: name ?? "", config: null, split } : { kind: "file", path },
      { signal, cacheDirectory, hubToken },
    );
    const cursor = new ItemCursor({
      dataset,
      schema: row,
      shuffleSeed: null,
      epochs: 1,
      onBadRow: ({ file, line, reason }) =>
        events.emit("notice", { level: "warn", message: `A task is left out: ${file}:${line}: ${reason}` }),
    });
    const tasks: HarborTask[] = [];
    for (const given of cursor.rest())
      tasks.push(await this.#toTask(given, join(runDirectory, "tasks", given.task_name), signal));
    return tasks;
  }

  async #toTask(given: z.output<typeof row>, directory: string, signal: AbortSignal): Promise<HarborTask> {
    const { docker_image: image, environment_tar: environment, tests_tar: tests } = given;
    await mkdir(directory, { recursive: true });
    const unpack = async (archive: string, name: string) => {
      const tar = Readable.from([Buffer.from(archive, "base64")]).pipe(createGunzip());
      await unpackDirectory(tar, join(directory, name), { signal, maxBytes: largestArchiveBytes });
    };
    if (environment) await unpack(environment, "environment");
    if (tests) await unpack(tests, "tests");
    await mkdir(join(directory, "tests"), { recursive: true });
    await writeFile(join(directory, "tests", "test.sh"), given.test_sh, { mode: 0o755 });
    await writeFile(join(directory, "instruction.md"), given.instruction);
    await writeFile(join(directory, "task.toml"), 'version = "1.0"\n', { flag: "w" });
    const task = await readTaskFolder(directory);
    const published = image && !(this.config.force_build && task.dockerfileDirectory !== null) ? image : null;
    return {
      ...task,
      image: published,
      category: given.category ?? null,
      difficulty: given.difficulty ?? null,
      agentTimeoutSeconds: given.agent_timeout ?? this.config.task_seconds,
      testTimeoutSeconds: given.test_timeout ?? this.config.test_seconds,
    };
  }
}

export default TerminalBenchEnv;

if (import.meta.main) await TerminalBenchEnv.cli();
