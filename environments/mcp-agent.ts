/**
 * Tasks for the tools of MCP servers (`env.mcp_servers`): each row says what is asked and what must be so at the end,
 * which is looked at from outside. A small shop ships, with its server, which runs in each rollout's sandbox.
 */
import { z } from "zod";
import type { AgentResult } from "../src/agent/agent-result.ts";
import type { JsonObject } from "../src/contracts/chat.ts";
import type { Tool } from "../src/contracts/tool.ts";
import type { EnvDefaults } from "../src/env/env-class.ts";
import { hermesAgentEnvConfig } from "../src/env/env-config.ts";
import type { EvaluateOptions, Evaluation } from "../src/env/evaluation.ts";
import { HermesAgentBaseEnv } from "../src/env/hermes-agent-base-env.ts";
import { inTurn, type PolicyCall, type ValidationPolicies } from "../src/env/policies.ts";
import { mcpServersConfig } from "../src/tools/mcp/mcp-config.ts";
import type { ToolContext } from "../src/tools/tool-context.ts";
import { passes } from "./mcp-agent/checks.ts";
import { bundledMcpTasks, inventoryServer, type McpTask, mcpTask } from "./mcp-agent/rows.ts";
import { RowSource, rowFields } from "./row-source.ts";

export const mcpAgentConfig = hermesAgentEnvConfig.extend({
  ...rowFields,
  mcp_servers: mcpServersConfig
    .prefault({ inventory: inventoryServer })
    .describe("MCP servers by name (docs/mcp.md). Default: the shop whose tasks ship."),
  enabled_toolsets: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Toolsets the model may use. null = the tools of the MCP servers, and nothing else."),
  partial_credit: z
    .boolean()
    .default(false)
    .describe(
      "Reward the share of the checks that pass: also for who changed nothing, where that is checked.",
    ),
});

export type McpAgentConfig = z.output<typeof mcpAgentConfig>;

export class McpAgentEnv extends HermesAgentBaseEnv<McpTask, McpAgentConfig> {
  static override readonly envName: string = "mcp-agent";
  static readonly description = "Tasks for the tools of MCP servers, checked by what is so at the end.";
  static readonly configSchema = mcpAgentConfig;
  static readonly defaults: EnvDefaults<McpAgentConfig> = { env: { max_agent_turns: 12 } };

  #rows: RowSource<McpTask> | undefined;

  override async setup({ signal }: { signal: AbortSignal }): Promise<void> {
    const { config, services } = this;
    this.#rows = await RowSource.open({
      config,
      schema: mcpTask,
      bundled: bundledMcpTasks,
      services,
      signal,
    });
  }

  override async getNextItem(): Promise<McpTask | null> {
    return this.#rows?.next() ?? null;
  }

  formatPrompt({ prompt }: McpTask): string {
    return `${prompt}

Use your tools, and say when you are done. Where an answer is asked for, write it alone on the last line.`;
  }

  /** A shell would reach what the servers keep. */
  override availableTools(): Tool[] {
    return this.config.enabled_toolsets === null ? [] : super.availableTools();
  }

  async computeReward({ checks }: McpTask, result: AgentResult, toolContext: ToolContext): Promise<number> {
    let passed = 0;
    for (const check of checks) passed += (await passes(check, result, toolContext)) ? 1 : 0;
    return this.config.partial_credit ? passed / checks.length : Math.floor(passed / checks.length);
  }

  override policies(): ValidationPolicies<McpTask> {
    const asTurns = (calls: readonly PolicyCall[]) => calls.map((call) => ({ calls: [call] }));
    const asksForAnswer = ({ checks }: McpTask) => checks.some((check) => "answer" in check);
    const changes = (task: McpTask) => !asksForAnswer(task) && (task.solution ?? []).length > 0;
    return {
      gold: ({ solution, say }) => (solution ? inTurn(...asTurns(solution), { content: say }) : null),
      cheats: [
        {
          name: "says that it is done, and the answer",
          play: ({ checks, say }) =>
            checks.some((check) => !("answer" in check)) ? inTurn({ content: say }) : null,
        },
        {
          name: "leaves out the last change",
          play: (task) =>
            changes(task)
              ? inTurn(...asTurns(task.solution?.slice(0, -1) ?? []), { content: task.say })
              : null,
        },
        {
          name: "makes the last change twice",
          play: (task) =>
            changes(task) && /(stock|note)$/.test(task.solution?.at(-1)?.name ?? "")
              ? inTurn(...asTurns([...(task.solution ?? []), ...(task.solution?.slice(-1) ?? [])]), {
                  content: task.say,
                })
              : null,
        },
      ],
    };
  }

  override async evaluate(options: EvaluateOptions): Promise<Evaluation | null> {
    if (this.#rows === undefined) return null;
    return this.evaluateItems(this.#rows.heldOut(), {
      ...options,
      describe: ({ prompt }) => ({ prompt }),
    });
  }

  override checkpointState(): JsonObject | null {
    return this.#rows?.position ?? null;
  }

  override async restoreState(state: JsonObject): Promise<void> {
    this.#rows?.restore(state);
  }
}

export default McpAgentEnv;

if (import.meta.main) await McpAgentEnv.cli();
