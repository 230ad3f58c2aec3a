/**
 * The smoke test of a whole installation: the model creates a file by the terminal or the file tools, and the file
 * is read back from the sandbox. 1 for exactly the expected content, 0.5 for a file that holds it among other
 * things, else 0. (On lines of its own: who copies the prompt into the file gets nothing.) Every rollout has a home of its own, so that no rollout finds another's file.
 */
import type { z } from "zod";
import type { AgentResult } from "../src/agent/agent-result.ts";
import { LachesisError } from "../src/contracts/errors.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type ValidationPolicies } from "../src/env/policies.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";
import { heldOutTasks, type TerminalTask, trainingTasks } from "./terminal-test-tasks.ts";

type TerminalTestConfig = z.output<typeof hermesAgentEnvConfig>;

/** Far more than any task's file; what is larger holds something else. */
const largestFileBytes = 1_048_576;

export class TerminalTestEnv extends HermesAgentBaseEnv<TerminalTask, TerminalTestConfig> {
  static override readonly envName: string = "terminal-test";
  static readonly description = "Files to create with a shell: a test of sandboxes, tools and servers.";
  static readonly configSchema = hermesAgentEnvConfig;
  static readonly defaults: EnvDefaults<TerminalTestConfig> = {
    env: { enabled_toolsets: ["terminal", "file"], max_agent_turns: 10, group_size: 3 },
  };

  #next = 0;

  override async getNextItem(): Promise<TerminalTask | null> {
    return trainingTasks[this.#next++ % trainingTasks.length] ?? null;
  }

  formatPrompt({ prompt }: TerminalTask): string {
    return `${prompt}\n\nUse your tools, check what you did, and say when you are done.`;
  }

  async computeReward(task: TerminalTask, _result: AgentResult, toolContext: ToolContext): Promise<number> {
    const written = await readHomeFile(task.file, toolContext);
    if (written === null) return 0;
    if (written.trim() === task.expected) return 1;
    return `\n${written.replaceAll("\r", "")}\n`.includes(`\n${task.expected}\n`) ? 0.5 : 0;
  }

  override policies(): ValidationPolicies<TerminalTask> {
    const write = (file: string, content: string) => ({
      calls: [{ name: "write_file", arguments: { path: file, content } }],
    });
    const done = { content: "Done." };
    return {
      gold: ({ file, expected }) => inTurn(write(file, expected), done),
      cheats: [
        { name: "says it is done", play: () => inTurn(done) },
        {
          name: "copies the task into the file",
          play: ({ file, prompt }) => inTurn(write(file, prompt), done),
        },
        {
          name: "writes its answer elsewhere",
          play: ({ file, expected }) => inTurn(write(`${file}.txt`, expected), done),
        },
      ],
    };
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation> {
    return this.evaluateItems(heldOutTasks, {
      ...options,
      describe: ({ prompt, file, expected }) => ({ prompt, file, expected }),
    });
  }
}

/** What the model left there as text; null where that is no file of a sane size, which is its own mistake. */
async function readHomeFile(file: string, toolContext: ToolContext): Promise<string | null> {
  try {
    return await toolContext.readText(file, { maxBytes: largestFileBytes });
  } catch (error) {
    if (error instanceof LachesisError && error.code.startsWith("SANDBOX_FILE_")) return null;
    throw error;
  }
}

export default TerminalTestEnv;

if (import.meta.main) await TerminalTestEnv.cli();
