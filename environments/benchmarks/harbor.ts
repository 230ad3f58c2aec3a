/**
 * Terminal tasks in Harbor's format (`environment/harbor/task-folder.ts`), in the images that they bring, judged by
 * their own tests after the rollout. A task without an image runs on any backend, also on `local`.
 *
 * What no verdict means: the same tests run once more, in a fresh sandbox that no model has touched. Where they come to
 * a verdict there, the model broke them: 0. Where they don't, the machinery is broken: the rollout fails, unscored.
 */
import { join } from "node:path";
import { z } from "zod";
import type { AgentResult } from "../../src/agent/agent-result.ts";
import { LachesisError, toLachesisError } from "../../src/contracts/errors.ts";
import type { SandboxSpec } from "../../src/contracts/sandbox.ts";
import type { PrepareOptions } from "../../src/env/base-env.ts";
import type { EnvDefaults } from "../../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../../src/env/evaluation.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../../src/env/hermes-agent-base-env.ts";
import type { ValidationPolicies } from "../../src/env/policies.ts";
import type { PlayedRollout } from "../../src/env/run-rollout.ts";
import type { ToolContext } from "../../src/tools/tool-context.ts";
import { notForTraining } from "./benchmark-env.ts";
import { harborPolicies } from "./harbor/harbor-policies.ts";
import { type HarborTask, readTaskFolders } from "./harbor/task-folder.ts";
import { type TaskVerdict, verifyTask } from "./harbor/verify-task.ts";
import { inFreshSandbox } from "./in-fresh-sandbox.ts";

/** Docker's own capabilities, without those that reach beyond files and users: as package managers need them. */
const packageManagerCapabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];
/** Tasks that were written for Lachesis. */
export const ownTasks = join(import.meta.dirname, "data", "tasks");
/** Making the sandbox, putting the tests into it. */
const slackSeconds = 300;
const shownOutputCharacters = 1500;

export const harborConfig = hermesAgentEnvConfig.extend({
  tasks_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "A task folder, or a folder of task folders (task.toml, instruction.md, tests/, …). null = three small ones that ship.",
    ),
  task_names: z.array(z.string()).nullable().default(null).describe("Only these tasks. null = all."),
  skip_tasks: z.array(z.string()).default([]).describe("Tasks to leave out."),
  task_workspace: z
    .string()
    .startsWith("/")
    .default("/app")
    .describe(
      "Directory of an image to work in, where neither the task's settings nor its Dockerfile name one.",
    ),
  task_network: z
    .enum(["task", "never", "always"])
    .default("task")
    .describe(
      "Whether a task's sandbox reaches the network: as the task says (most say yes: their tests install what they need), never, always.",
    ),
  task_timeouts: z
    .boolean()
    .default(true)
    .describe(
      "Whether a rollout ends when the task's own time for agent and tests is over; worker_timeout holds in any case.",
    ),
});

export type HarborConfig = z.output<typeof harborConfig>;

export const harborDefaults = {
  enabled_toolsets: ["terminal", "file"],
  max_agent_turns: 60,
  max_token_length: 16_384,
  terminal_timeout: 300,
  worker_timeout: 7200,
  max_eval_workers: 8,
  group_size: 1,
  docker_capabilities: packageManagerCapabilities,
} as const;

export class HarborEnv<Config extends HarborConfig = HarborConfig> extends HermesAgentBaseEnv<
  HarborTask,
  Config
> {
  static override readonly envName: string = "harbor";
  static readonly description: string =
    "Terminal tasks in Harbor's format: folders with an image, an instruction and tests.";
  static readonly configSchema: z.ZodObject = harborConfig;
  static readonly defaults: EnvDefaults<HarborConfig> = {
    env: {
      ...harborDefaults,
      enabled_toolsets: [...harborDefaults.enabled_toolsets],
      docker_capabilities: packageManagerCapabilities,
    },
  };

  #tasks: readonly HarborTask[] = [];
  #next = 0;
  /** Images that were built, or are being built, by the folder of their Dockerfile. */
  readonly #images = new Map<string, Promise<string>>();
  readonly #built = new Map<string, string>();

  /** The tasks to choose from. */
  protected async openTasks(_options: { signal: AbortSignal }): Promise<HarborTask[]> {
    const { tasks_path: path } = this.config;
    if (path !== null) return readTaskFolders(path);
    const tasks = await readTaskFolders(ownTasks);
    this.services.events.emit("notice", {
      level: "warn",
      message: `${this.name} plays ${tasks.length} tasks that ship with Lachesis: scores on them mean nothing.`,
    });
    return tasks;
  }

  override async prepare(options: PrepareOptions): Promise<void> {
    if (options.purpose === "serve") throw notForTraining(this.name);
    await super.prepare(options);
  }

  override async setup(options: { signal: AbortSignal }): Promise<void> {
    const { task_names: names, skip_tasks: skipped } = this.config;
    const tasks = await this.openTasks(options);
    const unknown = names?.find((wanted) => !tasks.some(({ name }) => name === wanted));
    if (unknown !== undefined) {
      throw new LachesisError("CONFIG_INVALID", `env.task_names: there is no task ${unknown}.`, {
        hint: `There are: ${tasks.map(({ name }) => name).join(", ")}.`,
      });
    }
    this.#tasks = tasks.filter(
      ({ name }) => (names === null || names.includes(name)) && !skipped.includes(name),
    );
  }

  override async getNextItem(): Promise<HarborTask | null> {
    return this.#tasks[this.#next++] ?? null;
  }

  formatPrompt({ instruction }: HarborTask): string {
    return `${instruction}\n\nWork with your tools in the sandbox, check what you did, and say when you are done. Your work is judged by tests that run afterwards.`;
  }

  override sandboxSpec(task: HarborTask): SandboxSpec | undefined {
    const image = task.image ?? this.#built.get(task.dockerfileDirectory ?? "");
    if (image === undefined) return undefined;
    const { task_network: network, task_workspace: workspace } = this.config;
    return {
      image,
      workspace: task.workspace ?? workspace,
      network: network === "task" ? task.network : network === "always",
      ...(task.cpus !== null && { cpus: task.cpus }),
      ...(task.memoryMb !== null && { memoryMb: task.memoryMb }),
    };
  }

  /** Builds the image first, where there is only a Dockerfile; an image that can't be built fails this rollout alone. */
  override async playRollout(task: HarborTask, place: RolloutPlace): Promise<PlayedRollout> {
    const startedAt = performance.now();
    try {
      await this.#findImage(task, place.signal);
    } catch (thrown) {
      const error = toLachesisError(thrown, "SANDBOX_IMAGE_UNAVAILABLE", `the image of task ${task.name}`);
      const outcome = place.signal.aborted
        ? ({ kind: "cancelled", by: "shutdown" } as const)
        : ({ kind: "infra-failed", stage: "sandbox", error, retryable: error.retryable } as const);
      const { rolloutId } = place;
      return { rolloutId, outcome, result: null, tokens: null, durationMs: performance.now() - startedAt };
    }
    const taskSeconds = task.agentTimeoutSeconds + 2 * task.testTimeoutSeconds + slackSeconds;
    const taskDeadlineMs = this.config.task_timeouts
      ? Date.now() + taskSeconds * 1000
      : Number.POSITIVE_INFINITY;
    return super.playRollout(task, { ...place, deadlineMs: Math.min(place.deadlineMs, taskDeadlineMs) });
  }

  async computeReward(
    task: HarborTask,
    _result: AgentResult,
    toolContext: ToolContext,
    { signal }: { signal: AbortSignal },
  ): Promise<number> {
    const verdict = await verifyTask(task, toolContext, hasImage(task));
    if (verdict.kind === "scored") return verdict.reward;
    const control = await this.#verifyUntouched(task, signal);
    this.services.logger.info(
      { task: task.name, why: verdict.why, control: control.kind },
      "task-unverified",
    );
    if (control.kind === "scored") return 0;
    throw new LachesisError(
      "TASK_VERIFIER_FAILED",
      `Task ${task.name}: ${control.why}, also in a sandbox that no model has touched. The tests said last: ${control.output.slice(-shownOutputCharacters).trim() || "(nothing)"}`,
      { retryable: true },
    );
  }

  override policies(): ValidationPolicies<HarborTask> {
    return harborPolicies;
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    return this.evaluateItems(this.#tasks, {
      ...options,
      describe: ({ name, category, difficulty, instruction }) => ({
        task: name,
        instruction,
        ...(category !== null && { category }),
        ...(difficulty !== null && { difficulty }),
      }),
    });
  }

  async #verifyUntouched(task: HarborTask, signal: AbortSignal): Promise<TaskVerdict> {
    const { services, config } = this;
    const sandboxSpec = this.sandboxSpec(task);
    const toolTimeoutMs = config.terminal_timeout * 1000;
    return inFreshSandbox({ name: task.name, services, sandboxSpec, toolTimeoutMs, signal }, (toolContext) =>
      verifyTask(task, toolContext, hasImage(task)),
    );
  }

  async #findImage({ name, image, dockerfileDirectory }: HarborTask, signal: AbortSignal): Promise<void> {
    if (image !== null || dockerfileDirectory === null || this.#built.has(dockerfileDirectory)) return;
    const { backend } = this.services;
    if (backend.buildImage === undefined) {
      throw new LachesisError(
        "TASK_IMAGE_MISSING",
        `Task ${name} has a Dockerfile and no published image, and the backend "${backend.name}" can't build one.`,
        {
          hint: "Use --env.terminal_backend docker, or publish the image and name it in task.toml: [environment] docker_image.",
        },
      );
    }
    const building =
      this.#images.get(dockerfileDirectory) ?? backend.buildImage({ directory: dockerfileDirectory, signal });
    this.#images.set(dockerfileDirectory, building);
    try {
      this.#built.set(dockerfileDirectory, await building);
    } finally {
      this.#images.delete(dockerfileDirectory);
    }
  }
}

const hasImage = ({ image, dockerfileDirectory }: HarborTask): boolean =>
  image !== null || dockerfileDirectory !== null;

export default HarborEnv;

if (import.meta.main) await HarborEnv.cli();
