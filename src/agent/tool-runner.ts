/**
 * Runs the tool calls of one turn and keeps the accounts of a rollout's calls.
 *
 * Calls run in the order the model wrote them. Neighbours whose tools all say that they may run at the same
 * time do so, a bounded number at once; results come back in call order either way. A mistake of the model is
 * a result; only a failure of the machinery (once its neighbours have ended) or an abort (at once) rejects.
 */
import PQueue from "p-queue";
import type { ChatMessage, ToolCall, ToolCallError, ToolMessage } from "../contracts/chat.ts";
import type { RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool, ToolResult } from "../contracts/tool.ts";
import { untilAborted } from "../contracts/until-aborted.ts";
import type { EventBus } from "../telemetry/events.ts";
import { headOf } from "../tools/cap-text.ts";
import { failedResult } from "../tools/define-tool.ts";
import { absentToolMessage } from "./absent-tools.ts";
import type { ToolCallCounts, ToolError } from "./agent-result.ts";
import { brokenCallReplies, calledName } from "./broken-calls.ts";
import { fitResults, type ResultBudget } from "./result-budget.ts";
import { parseArguments } from "./tool-arguments.ts";

/** Calls of one turn that run at the same time, at most. */
const maxParallelCalls = 8;

/** Characters. Reasons may quote what the model wrote. */
const longestReason = 500;

export class ToolRunner {
  readonly errors: ToolError[] = [];
  readonly counts: ToolCallCounts = { attempted: 0, schemaValid: 0, executedOk: 0, executionErrors: 0 };
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #budget: ResultBudget;
  readonly #context: RolloutContext;
  readonly #events: EventBus | undefined;

  constructor(options: {
    tools: ReadonlyMap<string, Tool>;
    budget: ResultBudget;
    context: RolloutContext;
    events: EventBus | undefined;
  }) {
    this.#tools = options.tools;
    this.#budget = options.budget;
    this.#context = options.context;
    this.#events = options.events;
  }

  /** Answers every call of turn `turn` (1-based), in call order. */
  async run(calls: readonly ToolCall[], turn: number): Promise<ToolMessage[]> {
    const results: ToolResult[] = [];
    for (const batch of this.#batches(calls)) results.push(...(await this.#runBatch(batch)));

    const contents = await fitResults(
      results.map(({ content }, index) => ({
        name: `turn-${turn}-call-${index + 1}`,
        tool: calls[index]?.function.name ?? "",
        content,
      })),
      { budget: this.#budget, tools: this.#tools, context: this.#context },
    );
    return calls.map((call, index) => {
      const result = results[index];
      const content = contents[index] ?? "";
      if (result?.ok === false) {
        const { name: toolName, arguments: written } = call.function;
        this.#recordError({ toolName, arguments: written }, turn, result.error, content);
      }
      return { role: "tool", tool_call_id: call.id, content };
    });
  }

  /** Tells the model of its calls of turn `turn` that can't be read; to be said after the results of the others. */
  refuse(
    broken: readonly ToolCallError[],
    turn: number,
    { afterResults }: { afterResults: boolean },
  ): ChatMessage[] {
    const contents = broken.map(({ reason, raw }) => {
      const { error, content } = failedResult(headOf(reason, longestReason));
      const [toolName, { rolloutId }] = [calledName(raw), this.#context];
      this.counts.attempted++;
      this.#events?.emit("tool-end", { rolloutId, tool: toolName, ok: false, durationMs: 0 });
      this.#recordError({ toolName, arguments: raw }, turn, error, content);
      return content;
    });
    return brokenCallReplies(contents, { turn, afterResults });
  }

  #batches(calls: readonly ToolCall[]): ToolCall[][] {
    const batches: ToolCall[][] = [];
    let previousParallel = false;
    for (const call of calls) {
      const parallel = this.#tools.get(call.function.name)?.parallel ?? false;
      const open = batches.at(-1);
      if (parallel && previousParallel && open !== undefined) open.push(call);
      else batches.push([call]);
      previousParallel = parallel;
    }
    return batches;
  }

  async #runBatch(batch: readonly ToolCall[]): Promise<ToolResult[]> {
    const queue = new PQueue({ concurrency: maxParallelCalls });
    const settled = await Promise.allSettled(batch.map((call) => queue.add(() => this.#runCall(call))));
    return settled.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }

  async #runCall(call: ToolCall): Promise<ToolResult> {
    this.#context.signal.throwIfAborted();
    const startedMs = performance.now();
    const result = await this.#answer(call);
    this.#events?.emit("tool-end", {
      rolloutId: this.#context.rolloutId,
      tool: call.function.name,
      ok: result.ok,
      durationMs: performance.now() - startedMs,
    });
    return result;
  }

  async #answer(call: ToolCall): Promise<ToolResult> {
    this.counts.attempted++;
    const tool = this.#tools.get(call.function.name);
    if (tool === undefined) return failedResult(absentToolMessage(call.function.name, this.#tools.keys()));
    const args = parseArguments(call.function.arguments);
    if (!args.ok) return failedResult(args.error);

    const result = await untilAborted(tool.call(args.value, this.#context), this.#context.signal);
    if (!result.ok && result.invalidArguments === true) return result;
    this.counts.schemaValid++;
    if (result.ok) this.counts.executedOk++;
    else this.counts.executionErrors++;
    return result;
  }

  #recordError(
    call: Pick<ToolError, "toolName" | "arguments">,
    turn: number,
    error: string,
    content: string,
  ): void {
    this.errors.push({
      turn,
      toolName: call.toolName,
      arguments: headOf(call.arguments, 200),
      error,
      toolResult: headOf(content, 500),
    });
  }
}
