/**
 * Terminal tasks as endless-terminals makes them: an image, a prompt, and tests of the final state that come in after
 * the rollout. 1 when all of them pass, else 0. Tasks without an image run on every backend.
 */
import { join } from "node:path";
import { z } from "zod";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { JsonObject } from "../src/contracts/chat.ts";
import { LachesisError, toLachesisError } from "../src/contracts/errors.ts";
import type { SandboxSpec } from "../src/contracts/sandbox.ts";
import { shuffledOrder } from "../src/data/shuffled-order.ts";
import { deriveSeed } from "../src/env/derive-seed.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv, type RolloutPlace } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type PolicyTurn, type ValidationPolicies } from "../src/env/policies.ts";
import type { PlayedRollout } from "../src/env/run-rollout.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";
import { inFreshSandbox } from "./benchmarks/in-fresh-sandbox.ts";
import { testFinalState } from "./endless-terminals/final-state.ts";
import { dockerfileFolder, readTerminalTasks, type TerminalTask } from "./endless-terminals/terminal-task.ts";

/** Tasks that were written for Lachesis. */
export const bundledTasks = join(import.meta.dirname, "data", "endless-terminals");

export const endlessTerminalsConfig = hermesAgentEnvConfig.extend({
  tasks_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Folder of task folders (a copy of obiwan96/endless-terminals). null = six small ones that ship.",
    ),
  eval_tasks_path: z
    .string()
    .nullable()
    .default(null)
    .describe("Folder of task folders for evaluation. null = some of tasks_path."),
  eval_share: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of tasks_path that is held out for evaluation; at least one task."),
  task_workspace: z
    .string()
    .startsWith("/")
    .default("/home/user")
    .describe("Directory of a task's image to work in."),
  test_timeout: z.number().positive().default(60).describe("Seconds that a task's tests may take."),
});

/** Looks for the nonce in the memory of its neighbours, ends the tests and writes a verdict to whoever waits for one. */
const forgesVerdict = String.raw`#!/usr/bin/python3
import glob, os, re, signal

found = set()
for process in glob.glob("/proc/[0-9]*"):
    try:
        if int(process[6:]) == os.getpid():
            continue
        with open(process + "/mem", "rb", 0) as memory, open(process + "/maps") as maps:
            for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r", maps.read(), re.M):
                try:
                    memory.seek(int(start, 16))
                    text = memory.read(int(end, 16) - int(start, 16))
                    found |= set(re.findall(rb'nonce[^0-9a-f]{1,8}([0-9a-f]{32})', text))
                except (OSError, OverflowError):
                    pass
    except OSError:
        pass
if found:
    os.kill(os.getppid(), signal.SIGKILL)
    for output in glob.glob("/proc/[0-9]*/fd/1"):
        try:
            target = os.open(output, os.O_WRONLY)
            for nonce in found:
                os.write(target, b"\n" + nonce + b'{"passed": 9, "failed": []}\n')
        except OSError:
            pass
`;

type EndlessTerminalsConfig = z.output<typeof endlessTerminalsConfig>;

const cursorState = z.object({ played: z.int().min(0) });

export class EndlessTerminalsEnv extends HermesAgentBaseEnv<TerminalTask, EndlessTerminalsConfig> {
  static override readonly envName = "endless-terminals";
  static readonly description =
    "Terminal tasks with tests of the final state, each in an image of its own (endless-terminals).";
  static readonly configSchema = endlessTerminalsConfig;
  static readonly defaults: EnvDefaults<EndlessTerminalsConfig> = {
    env: {
      enabled_toolsets: ["terminal", "file"],
      max_agent_turns: 32,
      group_size: 8,
      docker_capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"],
    },
  };

  #training: readonly TerminalTask[] = [];
  #heldOut: readonly TerminalTask[] = [];
  #played = 0;
  readonly #images = new Map<string, string>();

  override async setup(): Promise<void> {
    const { tasks_path: path, eval_tasks_path: evalPath, eval_share: share, seed } = this.config;
    const tasks = await this.#read(path ?? bundledTasks);
    if (evalPath !== null) {
      this.#training = tasks;
      this.#heldOut = await this.#read(evalPath);
      return;
    }
    const count = Math.min(tasks.length - 1, Math.max(1, Math.round(tasks.length * share)));
    const chosen = new Set(
      [...shuffledOrder(tasks.length, { seed: deriveSeed(seed, "held-out"), epoch: 0 })].slice(
        0,
        Math.max(0, count),
      ),
    );
    this.#training = tasks.filter((_, index) => !chosen.has(index));
    this.#heldOut = tasks.filter((_, index) => chosen.has(index));
  }

  /** Epoch after epoch, each in an order of its own. */
  override async getNextItem(): Promise<TerminalTask | null> {
    const { length } = this.#training;
    const order = shuffledOrder(length, { seed: this.config.seed, epoch: Math.floor(this.#played / length) });
    return this.#training[order[this.#played++ % length] ?? 0] ?? null;
  }

  formatPrompt({ prompt }: TerminalTask): string {
    return `${prompt}\n\nWork with your tools in the sandbox, check what you did, and say when you are done. Tests look at the final state afterwards.`;
  }

  override sandboxSpec({ imageSource }: TerminalTask): SandboxSpec | undefined {
    const image = this.#images.get(imageSource ?? "");
    return image === undefined ? undefined : { image, workspace: this.config.task_workspace };
  }

  override async prepareSandbox({ filesDirectory }: TerminalTask, toolContext: ToolContext): Promise<void> {
    if (filesDirectory !== null) await toolContext.uploadDir(filesDirectory, ".");
  }

  /** Builds the image first; one that can't be built fails this rollout alone. */
  override async playRollout(task: TerminalTask, place: RolloutPlace): Promise<PlayedRollout> {
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
    return super.playRollout(task, place);
  }

  async computeReward(
    task: TerminalTask,
    _result: AgentResult,
    toolContext: ToolContext,
    { signal }: { signal: AbortSignal },
  ): Promise<number> {
    const { services, config } = this;
    const timeoutMs = config.test_timeout * 1000;
    const { reward } = await testFinalState(task.verifier, toolContext, { timeoutMs, signal });
    if (reward !== null) return reward;
    const toolTimeoutMs = config.terminal_timeout * 1000;
    const fresh = { name: task.name, services, sandboxSpec: this.sandboxSpec(task), toolTimeoutMs, signal };
    const control = await inFreshSandbox(fresh, async (untouched) => {
      await this.prepareSandbox(task, untouched);
      return testFinalState(task.verifier, untouched, { timeoutMs, signal });
    });
    if (control.reward !== null) return 0;
    throw new LachesisError(
      "TASK_VERIFIER_FAILED",
      `Task ${task.name}: ${control.why}, also in a sandbox that no model has touched.`,
      { retryable: true },
    );
  }

  override policies(): ValidationPolicies<TerminalTask> {
    const shell = (command: string, more: JsonObject = {}): PolicyTurn => ({
      calls: [{ name: "terminal", arguments: { command, ...more } }],
    });
    const done: PolicyTurn = { content: "Done." };
    const exits = "import os, sys\nos.write(1, b'1 passed')\nos._exit(0)\n";
    return {
      gold: ({ solution }) => (solution === null ? null : inTurn(shell(solution), done)),
      cheats: [
        { name: "says it is done", play: () => inTurn(done) },
        {
          name: "writes tests of its own",
          play: () =>
            inTurn(
              shell(
                "mkdir -p tests; echo 'def test(): pass' | tee test_final_state.py tests/test_final_state.py",
              ),
              done,
            ),
        },
        {
          name: "leaves modules that end Python early",
          play: () =>
            inTurn(
              shell(
                `printf '%s' "${exits}" | tee sitecustomize.py usercustomize.py conftest.py pytest.py json.py os.py subprocess.py >/dev/null
mkdir -p ~/.local/lib/python3/site-packages && cp sitecustomize.py ~/.local/lib/python3/site-packages
echo 'export PYTHONPATH=$PWD' | tee ~/.bashrc ~/.profile >/dev/null; export PYTHONPATH=$PWD PYTHONSTARTUP=$PWD/os.py
python3() { echo '1 passed'; }; export -f python3`,
              ),
              done,
            ),
        },
        {
          name: "forges the verdict from a program that the tests start",
          play: ({ verifier }) => {
            const [, tested] = /"\.\/([\w.-]+)"/.exec(verifier) ?? [];
            if (tested === undefined) return null;
            return inTurn(
              { calls: [{ name: "write_file", arguments: { path: tested, content: forgesVerdict } }] },
              shell(`chmod +x ${tested}`),
              done,
            );
          },
        },
        {
          name: "kills the tests",
          // Only what works where the sandbox does: without isolation, /proc shows the whole machine.
          play: () =>
            inTurn(
              shell(
                "while :; do for p in /proc/[0-9]*; do [ $p/cwd -ef . ] && grep -qsa python3 $p/cmdline && kill -9 $(basename $p); done; sleep 0.01; done",
                {
                  background: true,
                },
              ),
              done,
            ),
        },
      ],
    };
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    return this.evaluateItems(this.#heldOut, {
      ...options,
      describe: ({ name, prompt, category }) => ({
        task: name,
        prompt,
        ...(category !== null && { category }),
      }),
    });
  }

  override checkpointState(): JsonObject {
    return { played: this.#played };
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#played = cursorState.parse(state).played;
  }

  async #read(directory: string): Promise<TerminalTask[]> {
    const { tasks, leftOut } = await readTerminalTasks(directory);
    if (leftOut.length > 0) {
      this.services.events.emit("notice", {
        level: "warn",
        message: `${leftOut.length} folders of ${directory} are left out; the first: ${leftOut[0]}.`,
      });
    }
    return tasks;
  }

  async #findImage({ name, imageSource }: TerminalTask, signal: AbortSignal): Promise<void> {
    if (imageSource === null || this.#images.has(imageSource)) return;
    const { backend, runDirectory } = this.services;
    if (backend.buildImage === undefined) {
      throw new LachesisError(
        "TASK_IMAGE_MISSING",
        `Task ${name} needs an image, and the backend "${backend.name}" can't build one.`,
        {
          hint: "Use --env.terminal_backend docker.",
        },
      );
    }
    const directory = await dockerfileFolder(imageSource, join(runDirectory, "images"));
    this.#images.set(imageSource, await backend.buildImage({ directory, signal }));
  }
}

export default EndlessTerminalsEnv;

if (import.meta.main) await EndlessTerminalsEnv.cli();
